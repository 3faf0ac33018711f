"""From stored values to a plane in [0, 1]: one rule, computed once a volume and applied plane by plane.

The order is DICOM's: the modality LUT (done on reading), then the values of interest, then inversion, last.
The functions are those of DICOM PS3.3 C.11.2.1.2 and C.11.2.1.3; a named CT window and a pair of percentiles are
LINEAR_EXACT windows.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Shaped
from numpy.typing import NDArray

from medkt.domains.percentiles import extent, percentiles
from medkt.errors import InputError, SettingsError
from medkt.shapes import Plane, Voxels
from medkt.spatial import Image

Function = Literal["LINEAR", "LINEAR_EXACT", "SIGMOID", "TABLE", "CONSTANT"]
FUNCTIONS: tuple[Function, ...] = ("LINEAR", "LINEAR_EXACT", "SIGMOID")
EIGHT_BIT = "8-bit"  # the window of published settings, which were made with pictures of 8 bits


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Intensity:
    """How the values of one volume become a plane in [0, 1].

    Attributes:
        name: "lung", "percentiles 0.5-99.5", "file window 1" ...
        description: the rule with its numbers and their source, for the record of a result.
        function: one of DICOM's VOI functions, "TABLE" for a VOI LUT, "CONSTANT" where there is nothing to show.
        centre, width: of the window, in the image's own values.
        table: (first mapped value, entries in [0, 1]) of a VOI LUT, or None.
        inverted: whether low values are shown bright.
        warnings: what a reader of the result should know.
    """

    name: str
    description: str
    function: Function = "LINEAR_EXACT"
    centre: float = 0.0
    width: float = 0.0
    table: tuple[int, NDArray[Any]] | None = None
    inverted: bool = False
    warnings: tuple[str, ...] = ()

    def shows_as(self, other: "Intensity") -> bool:
        """Whether both show every value alike, whatever they are called."""
        numbers = [(one.function, one.centre, one.width, one.inverted) for one in (self, other)]
        return numbers[0] == numbers[1] and self.table is None and other.table is None

    def apply(self, raw: Shaped[np.ndarray, "rows columns"]) -> Plane:
        """One plane of stored values as float32 in [0, 1].

        Raises:
            InputError: the plane holds NaN or infinity.
        """
        if raw.dtype.kind == "f" and not np.isfinite(raw).all():
            raise InputError("the image holds NaN or infinity; replace them by the value of air before reading it")
        if self.function == "CONSTANT":
            return np.zeros(raw.shape, np.float32)
        shown = _look_up(raw, *self.table) if self.table is not None else self._through_window(raw)
        return 1 - shown if self.inverted else shown

    def _through_window(self, raw: NDArray[Any]) -> Plane:
        if self.function == "LINEAR" and self.width <= 1:
            return (raw > self.centre - 0.5).astype(np.float32)  # C.11.2.1.2.1: a width of 1 is a threshold
        values, centre, width = raw.astype(np.float32), np.float32(self.centre), np.float32(self.width)
        shown: Plane
        if self.function == "SIGMOID":
            with np.errstate(over="ignore"):  # far outside a narrow one the exponential is infinite and the result 0
                shown = 1 / (1 + np.exp(-4 * (values - centre) / width))
            return shown
        # LINEAR counts grey levels, of which a window of width w has w, and w - 1 steps between them
        steps = width - 1 if self.function == "LINEAR" else width
        shown = np.clip((values - (centre - width / 2)) * (1 / steps), 0, 1)
        return shown


def from_range(name: str, low: float | int, high: float | int, *, source: str, inverted: bool = False) -> Intensity:
    """The rule that maps `low` to 0 and `high` to 1; a constant image gives zeros and a warning."""
    if not high > low:
        return Intensity(
            name=name, function="CONSTANT", description=f"{name}: constant image, shown as zeros",
            warnings=("the image is constant: there is nothing to see in it",),
        )  # fmt: skip
    return Intensity(
        name=name, description=f"{name}: {low:g} to {high:g} shown as 0 to 1 ({source})" + _said_inverted(inverted),
        centre=(low + high) / 2, width=float(high - low), inverted=inverted,
    )  # fmt: skip


def from_percentiles(
    image: Image, low: float | int, high: float | int, *, source: str, non_zero: bool = False, inverted: bool = False
) -> Intensity:
    """The rule that clips at two percentiles of all voxels, or of those that are not zero."""
    what = "non-zero voxels" if non_zero else "pixels"
    voxels = real_voxels(image)
    ends, count = percentiles(voxels, low, high, non_zero=non_zero)
    if ends[0] == ends[1] and count:
        ends, _ = percentiles(voxels, 0, 100, non_zero=non_zero)  # few bright voxels in a flat field: show them
    if ends[0] == ends[1] and count < voxels.size:
        ends = (min(0.0, ends[0]), ends[1])  # one value beside zeros, as in a drawn mask
    name = f"percentiles {low:g}-{high:g} of {what}"
    return from_range(name, *ends, source=source, inverted=inverted)


def is_eight_bit(image: Image) -> bool:
    """Whether the values are stored grey levels of 8 bits, and so the same numbers in every picture of that image."""
    return bool(image.values.dtype == np.uint8)


def from_eight_bits(image: Image) -> Intensity:
    """The rule that shows 0 as 0 and 255 as 1, whatever levels occur.

    Raises:
        InputError: the image has other values than grey levels of 8 bits.
    """
    if not is_eight_bit(image):
        low, high = extent(real_voxels(image))
        raise InputError(
            f"the window {EIGHT_BIT} is for grey levels of 8 bits, and these values go from {low:g} to {high:g}; leave the "
            "window to the modality, or give one as width/level"
        )
    return from_range(
        EIGHT_BIT, 0, 255, source="a picture of 8 bits as it is: 255 wide at 127.5", inverted=image.display.inverted
    )


def real_voxels(image: Image) -> Voxels:
    """(slices, rows, columns) of the image; where it has padding the others alone, in one row."""
    if image.padding is None:
        return image.values
    others: Voxels = image.values[image.values != image.padding][None, None]
    return others


def from_display(image: Image, index: int = 0) -> Intensity | None:
    """The file's own VOI LUT: its table, else its window number `index`; None where it has neither.

    Raises:
        SettingsError: the file names a function that DICOM does not define, or a window without width.
    """
    display = image.display
    said = _said_inverted(display.inverted)
    if display.table is not None:
        first, entries = display.table
        shown = _to_unit(np.asarray(entries))
        text = f"the file's VOI LUT of {len(shown)} entries from {first:g}{said}"
        return Intensity(
            name="file table", description=text, function="TABLE", table=(int(first), shown), inverted=display.inverted
        )
    if not display.windows:
        return None
    centre, width = display.windows[min(index, len(display.windows) - 1)]
    functions = {name: name for name in FUNCTIONS}
    if display.function not in functions:
        raise SettingsError(f"the file's VOI LUT function is {display.function!r}; DICOM has {', '.join(FUNCTIONS)}")
    if width < 1 if display.function == "LINEAR" else width <= 0:
        raise SettingsError(f"the file's window has width {width:g}; DICOM asks for at least 1 (LINEAR) or more than 0")
    return Intensity(
        name=f"file window {index + 1}",
        description=f"the file's window: centre {centre:g}, width {width:g}, {display.function}{said}",
        function=functions[display.function], centre=float(centre), width=float(width), inverted=display.inverted,
    )  # fmt: skip


def _look_up(raw: NDArray[Any], first: int, entries: NDArray[Any]) -> Plane:
    # int64, because the table's first value may lie outside the range of the stored type
    places = np.clip(np.rint(raw).astype(np.int64), first, first + len(entries) - 1) - first
    shown: Plane = entries[places]
    return shown


def _to_unit(entries: NDArray[Any]) -> NDArray[Any]:
    # The entries' nominal depth is not kept on reading, so the table's own ends become 0 and 1.
    low, high = float(entries.min()), float(entries.max())
    return ((entries - low) / (high - low) if high > low else np.zeros(entries.shape)).astype(np.float32)


def _said_inverted(inverted: bool) -> str:
    return "; then inverted (MONOCHROME1)" if inverted else ""
