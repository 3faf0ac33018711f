"""From a volume to planes as a radiologist sees them, and back, by index permutation and flips only.

Axial planes are shown with the patient's right on the image's left and anterior on top; coronal and sagittal planes with
superior on top. They are counted as DICOM stacks them: axial ones upwards, coronal ones to posterior, sagittal ones to the
patient's right. So one volume gives the same planes in the same order in whichever of the 48 orders its voxels are stored.
Clips and pictures without a spacing are shown as stored. Nothing is resampled, so the way back is exact.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from medkt.errors import SettingsError
from medkt.shapes import Array
from medkt.spatial.geometry import Geometry

Orientation = Literal["axial", "coronal", "sagittal", "as stored", "single plane"]
PixelRegion = tuple[int, int, int, int]

# For each world axis that a plane is cut across: the sign along which planes are counted, (row axis, its sign downwards),
# (column axis, its sign to the right); columns, rows and planes are a right-handed set, as in DICOM.
_SHOWN: dict[int, tuple[int, tuple[int, int], tuple[int, int]]] = {
    2: (+1, (1, +1), (0, +1)),  # axial: rows run to posterior, columns to the patient's left
    1: (+1, (2, -1), (0, +1)),  # coronal: rows run to inferior, columns to the patient's left
    0: (-1, (2, -1), (1, +1)),  # sagittal: rows run to inferior, columns to posterior
}
_NAMES: dict[int, Orientation] = {2: "axial", 1: "coronal", 0: "sagittal"}

CLEARLY_LARGER = 1.2  # of two steps, beyond which an axis is that of acquisition
# Two files of one study state its axes with different rounding, so no choice may hang on the last digits of a number. Steps
# and angles are round numbers; the boundary between two choices is laid beside them: a thousandth beyond the ratio, and
# nearest axes are those of a world turned by an odd degree or two, in which 45 degrees is nothing special.
_BESIDE = 1 + 1e-3
_TURNED = np.array([[1, -0.024, 0.015], [0.024, 1, -0.01], [-0.015, 0.01, 1]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Planes:
    """How to cut a grid into shown planes along one array axis.

    Attributes:
        axis: the array axis that counts the planes (0 slices, 1 rows, 2 columns).
        transpose: whether the two remaining array axes change places.
        flip_rows, flip_columns: whether the plane is then turned upside down, left to right.
        orientation: the name of the plane.
        backwards: whether the array counts the planes against the order in which they are looked at.
    """

    axis: int
    transpose: bool
    flip_rows: bool
    flip_columns: bool
    orientation: Orientation
    backwards: bool = False

    @property
    def order(self) -> tuple[int, int, int]:
        """The array axes of (planes, rows, columns)."""
        first, second = (k for k in range(3) if k != self.axis)
        return (self.axis, second, first) if self.transpose else (self.axis, first, second)

    @property
    def flips(self) -> tuple[bool, bool, bool]:
        """Which of (planes, rows, columns) run against the array's own axes."""
        return (self.backwards, self.flip_rows, self.flip_columns)

    def seen(self, values: Array) -> Array:
        """All planes of (slices, rows, columns) values as they are shown and counted, (planes, rows, columns); a view."""
        whole: Array = values.transpose(self.order)[tuple(slice(None, None, -1 if flip else 1) for flip in self.flips)]
        return whole

    def number(self, index: int, count: int) -> int:
        """Which of `count` planes, in the order of looking, an index along `axis` is; and the other way round."""
        return count - 1 - index if self.backwards else index

    def show(self, values: Array, index: int) -> Array:
        """The plane `index` of (slices, rows, columns) values, as (rows, columns) in display orientation; a view."""
        plane = np.take(values, index, axis=self.axis) if self.axis else values[index]
        plane = plane.T if self.transpose else plane
        shown: Array = plane[:: -1 if self.flip_rows else 1, :: -1 if self.flip_columns else 1]
        return shown

    def put(self, values: Array, index: int, plane: Array) -> None:
        """Write a shown plane back into (slices, rows, columns) values, in place."""
        plane = plane[:: -1 if self.flip_rows else 1, :: -1 if self.flip_columns else 1]
        plane = plane.T if self.transpose else plane
        where: list[Any] = [slice(None)] * 3
        where[self.axis] = index
        values[tuple(where)] = plane

    def region(self, stored: PixelRegion, geometry: Geometry) -> PixelRegion:
        """A (first row, first column, end row, end column) of the stored plane, as one of the shown plane."""
        first, second = (geometry.shape[k] for k in range(3) if k != self.axis)
        spans = [(stored[0], stored[2], first), (stored[1], stored[3], second)]
        down, across = reversed(spans) if self.transpose else spans
        top, bottom = _turned(*down, flip=self.flip_rows)
        left, right = _turned(*across, flip=self.flip_columns)
        return top, left, bottom, right

    def box(self, spans: Sequence[tuple[int, int]], geometry: Geometry) -> tuple[slice, slice, slice]:
        """(first, end) of planes, rows and columns as they are shown, as a part of the stored array."""
        stored = [slice(None)] * 3
        for axis, flip, (start, stop) in zip(self.order, self.flips, spans, strict=True):
            stored[axis] = slice(*_turned(start, stop, geometry.shape[axis], flip=flip))
        return stored[0], stored[1], stored[2]

    def geometry(self, geometry: Geometry) -> Geometry:
        """The grid of `seen`."""
        affine = np.array(geometry.affine)
        affine[:, :3] = geometry.affine[:, list(self.order)]
        for axis, flip in zip(range(3), self.flips, strict=True):
            if flip:
                affine[:, 3] += affine[:, axis] * (geometry.shape[self.order[axis]] - 1)
                affine[:, axis] *= -1
        planes, rows, columns = (geometry.shape[axis] for axis in self.order)
        return replace(geometry, affine=affine, shape=(planes, rows, columns))

    def spacing(self, geometry: Geometry) -> tuple[float, float]:
        """(row, column) step of a shown plane, in the geometry's unit."""
        a, b = (geometry.spacing[k] for k in range(3) if k != self.axis)
        return (b, a) if self.transpose else (a, b)


def slice_axis_of(geometry: Geometry) -> int:
    """The axis along which slices were acquired: the one with the clearly largest spacing, else the most axial one.

    "Clearly" is more than 1.2 times the next largest; an isotropic volume is cut across the patient's long axis. A single
    plane is cut across the axis that has one index.
    """
    if _has_no_place(geometry):
        return 0
    thin = [axis for axis in range(3) if geometry.shape[axis] == 1]
    if len(thin) == 1:
        return thin[0]
    spacing = np.array(geometry.spacing)
    order = np.argsort(spacing)
    if spacing[order[2]] > CLEARLY_LARGER * _BESIDE * spacing[order[1]]:
        return int(order[2])
    return _nearest_world_axes(geometry).index(2)  # the axis closest to superior-inferior


def planes_of(geometry: Geometry, axis: int | None = None) -> Planes:
    """How to show this grid plane by plane along `axis` (chosen by `slice_axis_of` when None).

    Raises:
        SettingsError: the axis is not 0, 1 or 2.
    """
    axis = slice_axis_of(geometry) if axis is None else axis
    if axis not in (0, 1, 2):
        raise SettingsError(f"a slice axis is 0 (slices), 1 (rows) or 2 (columns), got {axis}")
    if _has_no_place(geometry):
        return Planes(axis=axis, transpose=False, flip_rows=False, flip_columns=False, orientation="as stored")
    world = _nearest_world_axes(geometry)
    first, second = (k for k in range(3) if k != axis)
    sign, (row_world, row_sign), (_, column_sign) = _SHOWN[world[axis]]
    row_axis, column_axis = (first, second) if world[first] == row_world else (second, first)
    signs = [np.sign(geometry.directions[world[k], k]) for k in range(3)]
    return Planes(
        axis=axis,
        transpose=row_axis == second,
        flip_rows=bool(signs[row_axis] != row_sign),
        flip_columns=bool(signs[column_axis] != column_sign),
        orientation="single plane" if geometry.shape[axis] == 1 else _NAMES[world[axis]],
        backwards=bool(signs[axis] != sign),
    )


def _has_no_place(geometry: Geometry) -> bool:
    return geometry.stack == "time" or geometry.unit == "pixel"


def _turned(start: int, stop: int, count: int, *, flip: bool) -> tuple[int, int]:
    return (count - stop, count - start) if flip else (start, stop)


def _nearest_world_axes(geometry: Geometry) -> list[int]:
    """For each array axis the world axis it runs most along; a permutation also for oblique grids."""
    weight = np.abs(_TURNED @ geometry.directions)
    best = max(
        ((a, b, c) for a in range(3) for b in range(3) for c in range(3) if len({a, b, c}) == 3),
        key=lambda p: float(weight[p[0], 0] + weight[p[1], 1] + weight[p[2], 2]),
    )
    return list(best)
