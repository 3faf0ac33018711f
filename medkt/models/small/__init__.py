"""The small model that ships with medkt: a dual encoder and a promptable segmenter."""

from medkt.models.small.dual_encoder import SmallEncoder, load_small
from medkt.models.small.segmenter import load_small_segmenter, small_segmenter_digest

__all__ = ["SmallEncoder", "load_small", "load_small_segmenter", "small_segmenter_digest"]
