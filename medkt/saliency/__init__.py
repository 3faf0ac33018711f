"""Where in an image a text is: (encoder, image, words) to a map, by one of several methods (`methods.METHODS`). No mask is made of it here.

One file a method. What becomes of a map (a threshold, prompts, a mask) is no part of it: see `medkt.segmentation`.
"""

from medkt.saliency.explain import EncoderInput, PlaneMap, explain_planes, nonsense_target, prepare_plane
from medkt.saliency.m2ib import M2IBSettings, MapResult, m2ib_maps
from medkt.saliency.method import SaliencyMethod
from medkt.saliency.methods import METHODS, SaliencySettings, method_named
from medkt.saliency.relevance import PatchEncoder, RelevanceSettings, stretched
from medkt.saliency.specificity import Specificity, specificity
from medkt.saliency.targets import (
    NONSENSE_TEXT,
    ConceptTexts,
    Target,
    TextFeatureCache,
    embed_targets,
    embed_texts,
    texts_kept,
)

__all__ = [
    "METHODS",
    "NONSENSE_TEXT",
    "ConceptTexts",
    "EncoderInput",
    "M2IBSettings",
    "MapResult",
    "PatchEncoder",
    "PlaneMap",
    "RelevanceSettings",
    "SaliencyMethod",
    "SaliencySettings",
    "Specificity",
    "Target",
    "TextFeatureCache",
    "embed_targets",
    "embed_texts",
    "explain_planes",
    "m2ib_maps",
    "method_named",
    "nonsense_target",
    "prepare_plane",
    "specificity",
    "stretched",
    "texts_kept",
]
