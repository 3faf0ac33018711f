"""Padding: pixels that the header calls no part of the patient (PixelPaddingValue, PixelPaddingRangeLimit).

They are found among the stored values, before any look-up table, plane by plane, and kept as bits: an eighth of a byte a
voxel, and only for planes that have some. Until the whole volume is known each holds its plane's lowest real value, so that
an unsigned -2000 widens nothing; then all become the value of air (CT) or black.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from medkt.io.dicom_header import integer
from medkt.shapes import Array
from medkt.spatial.image import Display

AIR_HU = -1000.0
SHOWS_AIR_HU = -500.0  # a CT without values below this is cropped or not in Hounsfield units: air would be a guess


@dataclass(slots=True, kw_only=True, eq=False)
class Padding:
    """Where padding was met while a volume was read.

    Attributes:
        planes: for each plane with padding, by place, its pixels as packed bits.
        empty: places of planes that are padding throughout; they say nothing of the patient's lowest value.
        pixels: how many.
    """

    planes: dict[int, NDArray[np.uint8]] = field(default_factory=dict)
    empty: set[int] = field(default_factory=set)
    pixels: int = 0

    def taken_out(self, stored: Array, header: Dataset, place: int) -> Array:
        """The stored plane with a real value of its own in place of padding."""
        ends = padding_of(header)
        if ends is None or stored.ndim != 2 or stored.dtype.kind not in "iu":
            return stored
        inside = (stored >= ends[0]) & (stored <= ends[1])
        count = int(np.count_nonzero(inside))
        if not count:
            return stored
        self.planes[place] = np.packbits(inside)
        self.pixels += count
        if count == stored.size:
            self.empty.add(place)
            return np.zeros_like(stored)
        return np.where(inside, stored[~inside].min(), stored)

    def without(self, broken: set[int]) -> "Padding":
        """The same where the planes at those places are gone and the others have moved up."""
        places = {place: place - sum(gone < place for gone in broken) for place in self.planes if place not in broken}
        return Padding(
            planes={new: self.planes[old] for old, new in places.items()},
            empty={new for old, new in places.items() if old in self.empty},
            pixels=self.pixels,
        )

    def put(self, values: Array, value: float) -> Array:
        """The volume with `value` in every pixel of padding; its type widens only where it cannot hold that."""
        kind = (
            np.result_type(values.dtype, np.min_scalar_type(int(value))) if values.dtype.kind in "iu" else values.dtype
        )
        values = values.astype(kind, copy=not values.flags.writeable)
        for place, bits in self.planes.items():
            inside = np.unpackbits(bits, count=values[place].size).reshape(values[place].shape).astype(bool)
            values[place][inside] = value
        return values

    def ends(self, values: Array) -> tuple[float, float] | None:
        """The lowest and the highest real value of the volume; None where all of it is padding."""
        real = [plane for place, plane in enumerate(values) if place not in self.empty]
        return (min(float(one.min()) for one in real), max(float(one.max()) for one in real)) if real else None

    def region(self, shape: tuple[int, int]) -> tuple[int, int, int, int] | None:
        """(first row, first column, end row, end column) around what is no padding in a single plane."""
        inside = np.unpackbits(self.planes[0], count=shape[0] * shape[1]).reshape(shape).astype(bool)
        rows, columns = np.flatnonzero(~inside.all(axis=1)), np.flatnonzero(~inside.all(axis=0))
        found = (int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)
        return None if found == (0, 0, *shape) else found


def padding_of(header: Dataset) -> tuple[int, int] | None:
    """The stored values that are padding, the first and the last of a range; None where the header names none.

    A value that was written with the other sign than the pixels have means the same bits.
    """
    value = integer(header, "PixelPaddingValue")
    if value is None or (integer(header, "SamplesPerPixel") or 1) > 1:
        return None
    limit = integer(header, "PixelPaddingRangeLimit")
    ends = [_as_stored(one, header) for one in (value, value if limit is None else limit)]
    return min(ends), max(ends)


def _as_stored(value: int, header: Dataset) -> int:
    span = 1 << (integer(header, "BitsAllocated") or 16)
    if integer(header, "PixelRepresentation") == 1:
        return value - span if value >= span // 2 else value
    return value + span if value < 0 else value


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PaddingFill:
    """A volume whose padding was filled: by what, in words for the record, and the value that now stands for it alone."""

    values: Array
    display: Display
    padding: float | None = None
    steps: tuple[str, ...] = ()


def filled(values: Array, padding: Padding, display: Display, *, modality: str, film: bool) -> PaddingFill:
    """The volume with its padding filled: air in CT, else black, which no real value shares.

    Args:
        values: (slices, rows, columns), real values.
        padding: where it was met.
        display: how the file wants to be shown; black is at its dark end.
        modality: DICOM's code.
        film: a single picture without a place; the models then see only what lies inside its padding.
    """
    ends = padding.ends(values) if padding.pixels else None
    if ends is None:
        return PaddingFill(values=values, display=display)
    region = padding.region(values.shape[1:]) if film and display.region is None else display.region
    share = f"padding ({100 * padding.pixels / values.size:.2g} % of the voxels, PixelPaddingValue)"
    if modality == "CT":
        air = AIR_HU if ends[0] < SHOWS_AIR_HU else ends[0]
        step = f"{share} filled with {air:g} ({'air' if air == AIR_HU else 'the lowest value'})"
        return PaddingFill(values=padding.put(values, air), display=display, steps=(step,))
    black = _black(ends, display)
    seen = replace(display, region=region)
    step = f"{share} filled with {black:g} (black) and left out of percentiles"
    return PaddingFill(values=padding.put(values, black), display=seen, padding=black, steps=(step,))


def _black(ends: tuple[float, float], display: Display) -> float:
    """A whole number beyond every real value, and beyond the file's windows, at the end that is shown dark."""
    low = min([ends[0], *(centre - width / 2 for centre, width in display.windows)])
    high = max([ends[1], *(centre + width / 2 for centre, width in display.windows)])
    if display.inverted:
        return float(np.floor(high) + 1)
    return 0.0 if low > 0 else float(np.ceil(low) - 1)
