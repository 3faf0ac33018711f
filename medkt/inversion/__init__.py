"""Images made from words, by inverting an encoder."""

from medkt.inversion.fit import Matcher
from medkt.inversion.invert import Inverted, invert, normalised
from medkt.inversion.settings import InversionSettings

__all__ = ["InversionSettings", "Inverted", "Matcher", "invert", "normalised"]
