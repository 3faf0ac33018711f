"""Words, and where they come from: concepts, captions, prose, their lint and their packages. What a model makes of them is not known here."""

from medkt.concepts.asking_record import AskingRecord
from medkt.concepts.captions import convert_caption_list, parse_concepts, read_concepts
from medkt.concepts.catalogue import concept_from_text, concepts, load_concept
from medkt.concepts.concept import Caption, Code, Concept, Role, mentions
from medkt.concepts.package import Base, Package, PackagedConcept, read_package, write_package

__all__ = [
    "AskingRecord",
    "Base",
    "Caption",
    "Code",
    "Concept",
    "Package",
    "PackagedConcept",
    "Role",
    "concept_from_text",
    "concepts",
    "convert_caption_list",
    "load_concept",
    "mentions",
    "parse_concepts",
    "read_concepts",
    "read_package",
    "write_package",
]
