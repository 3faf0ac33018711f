"""What medkt says of itself, in one place."""

from collections.abc import Mapping
from typing import Any

__version__ = "0.1.0"
NOT_A_MEDICAL_DEVICE = "For research use only. Not a medical device; not for diagnosis or treatment."
DEMONSTRATION = "Demonstration: the model small was trained on drawn images and on no patient; nothing that it finds can be used for patients."
DEMONSTRATION_SHORT = "DEMONSTRATION, not for patients"  # where a field is short
_DRAWN = "small"  # the encoder that ships with medkt, also with what it was taught


def demonstration_of(encoder: str) -> str:
    """What has to stand beside whatever an encoder finds; "" where it is no demonstration.

    >>> demonstration_of("small") == DEMONSTRATION, demonstration_of("biomedclip")
    (True, '')
    """
    return DEMONSTRATION if encoder == _DRAWN else ""


def demonstration_of_run(models: Mapping[str, Any] | None) -> str:
    """What a page has to say where the encoder of a run, by its record, is a demonstration; "" where it is none."""
    encoder = (models or {}).get("encoder") or {}
    return demonstration_of(str(encoder.get("name", "")))
