"""Images made from words, by inverting an encoder; what is learned from them is in `medkt.transfer`."""

from medkt.inversion.cache import cache_folder, invert_cached
from medkt.inversion.fit import Matcher
from medkt.inversion.invert import InvertedImages, invert
from medkt.inversion.local import local_invert
from medkt.inversion.local_settings import LocalSettings
from medkt.inversion.settings import InversionSettings
from medkt.inversion.starts import spectral_start
from medkt.inversion.top_layers import HiddenStates, invert_hidden

__all__ = [
    "HiddenStates",
    "InversionSettings",
    "InvertedImages",
    "LocalSettings",
    "Matcher",
    "cache_folder",
    "invert",
    "invert_cached",
    "invert_hidden",
    "local_invert",
    "spectral_start",
]
