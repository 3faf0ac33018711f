"""Words, and where they come from."""

from medkt.concepts.captions import convert_caption_list, read_concepts
from medkt.concepts.catalogue import concept_from_text, concepts, load_concept
from medkt.concepts.concept import Caption, Code, Concept, Role, mentions

__all__ = [
    "Caption",
    "Code",
    "Concept",
    "Role",
    "concept_from_text",
    "concepts",
    "convert_caption_list",
    "load_concept",
    "mentions",
    "read_concepts",
]
