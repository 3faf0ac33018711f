"""Which values of mask files are inside: a label or a threshold, for both sides or for one."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from medkt.requests.option import Option, Request

if TYPE_CHECKING:
    from medkt.io.mask_choice import MaskChoice

SIDES = ("reference", "prediction")
_LABEL = Option(
    "which label of the masks is inside: 1, or 1+3 for two together, or all; of a DICOM SEG segment numbers",
    metavar="KEY",
)
_THRESHOLD = Option(
    "where the masks are cut: this value and all above is inside: 0.5 for probabilities, 128 for pictures", metavar="T"
)
_OF_SIDE = "the same of the {}s alone"


@dataclass(frozen=True, kw_only=True)
class MaskOptions(Request):
    """What is inside a mask."""

    label: Annotated[str | None, _LABEL] = None
    threshold: Annotated[float | None, _THRESHOLD] = None


@dataclass(frozen=True, kw_only=True)
class SideOptions(MaskOptions):
    """What is inside a mask.

    The options of one side come before those of both.
    """

    label: Annotated[str | None, _LABEL] = None
    threshold: Annotated[float | None, _THRESHOLD] = None
    reference_label: Annotated[str | None, Option(_OF_SIDE.format("reference"), metavar="KEY")] = None
    reference_threshold: Annotated[float | None, Option(_OF_SIDE.format("reference"), metavar="T")] = None
    prediction_label: Annotated[str | None, Option(_OF_SIDE.format("prediction"), metavar="KEY")] = None
    prediction_threshold: Annotated[float | None, Option(_OF_SIDE.format("prediction"), metavar="T")] = None


def choice_of(request: MaskOptions, side: str = "") -> "MaskChoice":
    """What a request says of the masks of one side.

    Raises:
        SettingsError: label and threshold are both given, or one is nothing of the kind.
    """
    from medkt.errors import InputError, SettingsError
    from medkt.io.mask_choice import MaskChoice

    own = [getattr(request, f"{side}_{what}", None) for what in ("label", "threshold")]
    label, threshold = own if any(one is not None for one in own) else (request.label, request.threshold)
    try:
        return MaskChoice.of(label=label, threshold=threshold)
    except InputError as error:
        raise SettingsError(f"--{side}{'-' if side else ''}label or threshold: {error}") from error


def given_values(request: MaskOptions) -> list[str]:
    """The options of this module that the user gave, as they are written on the command line."""
    names = [*("label", "threshold"), *(f"{side}_{what}" for side in SIDES for what in ("label", "threshold"))]
    return [f"--{name.replace('_', '-')}" for name in names if getattr(request, name, None) is not None]
