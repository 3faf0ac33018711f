"""Where in an image a text is: (encoder, image, words) to a map."""

from medkt.saliency.m2ib import M2IBSettings, MapResult, m2ib_maps
from medkt.saliency.targets import NONSENSE_TEXT, ConceptTexts, Target, embed_targets, embed_texts

__all__ = [
    "NONSENSE_TEXT",
    "ConceptTexts",
    "M2IBSettings",
    "MapResult",
    "Target",
    "embed_targets",
    "embed_texts",
    "m2ib_maps",
]
