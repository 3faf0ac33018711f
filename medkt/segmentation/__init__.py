"""From a map to a mask: presence, prompts, segmenter, agreement along the axis. How the map is made is not known here."""

from medkt.facts import RegionResult
from medkt.segmentation.presence import Presence, PresenceSettings, decide_presence
from medkt.segmentation.prompts import Prompts, PromptSettings, prompts_of
from medkt.segmentation.sam import SamSegmenter
from medkt.segmentation.segmenter import Candidates, CandidateSettings, Embedding, Segmenter, choose
from medkt.segmentation.slicewise import (
    ConceptResult,
    MapSettings,
    SegmentationSettings,
    SliceResult,
    segment_planes,
)
from medkt.segmentation.threshold import Component, ThresholdSettings, coarse_mask, components
from medkt.segmentation.volume import Piece, VolumeSettings, disagreement, linked

__all__ = [
    "CandidateSettings",
    "Candidates",
    "Component",
    "ConceptResult",
    "Embedding",
    "MapSettings",
    "Piece",
    "Presence",
    "PresenceSettings",
    "PromptSettings",
    "Prompts",
    "RegionResult",
    "SamSegmenter",
    "SegmentationSettings",
    "Segmenter",
    "SliceResult",
    "ThresholdSettings",
    "VolumeSettings",
    "choose",
    "coarse_mask",
    "components",
    "decide_presence",
    "disagreement",
    "linked",
    "prompts_of",
    "segment_planes",
]
