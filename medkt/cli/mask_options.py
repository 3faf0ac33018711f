"""Which values of mask files are inside: `--label` and `--threshold`, for both sides or for one."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medkt.io.mask_choice import MaskChoice

SIDES = ("reference", "prediction")
LABEL = "1, or 1+3 for two together, or all; of a DICOM SEG segment numbers"
THRESHOLD = "this value and all above is inside: 0.5 for probabilities, 128 for pictures"


def add_mask_choice(parser: argparse.ArgumentParser, *, sides: bool = False) -> None:
    """`--label` and `--threshold`; with `sides` also `--reference-label` and the like."""
    parser.add_argument("--label", metavar="KEY", help=f"which label of the masks is inside: {LABEL}")
    parser.add_argument("--threshold", type=float, metavar="T", help=f"where the masks are cut: {THRESHOLD}")
    for side in SIDES if sides else ():
        parser.add_argument(f"--{side}-label", metavar="KEY", help=f"the same of the {side}s alone")
        parser.add_argument(f"--{side}-threshold", type=float, metavar="T", help=f"the same of the {side}s alone")


def choice_of(arguments: argparse.Namespace, side: str = "") -> "MaskChoice":
    """What the options say of the masks of one side.

    Raises:
        SettingsError: label and threshold are both given, or one is nothing of the kind.
    """
    from medkt.errors import InputError, SettingsError
    from medkt.io.mask_choice import MaskChoice

    own = [getattr(arguments, f"{side}_{what}", None) for what in ("label", "threshold")]
    label, threshold = own if any(one is not None for one in own) else (arguments.label, arguments.threshold)
    try:
        return MaskChoice.of(label=label, threshold=threshold)
    except InputError as error:
        raise SettingsError(f"--{side}{'-' if side else ''}label or threshold: {error}") from error


def given(arguments: argparse.Namespace) -> list[str]:
    """The options of this module that the user gave."""
    names = [*("label", "threshold"), *(f"{side}_{what}" for side in SIDES for what in ("label", "threshold"))]
    return [f"--{name.replace('_', '-')}" for name in names if getattr(arguments, name, None) is not None]
