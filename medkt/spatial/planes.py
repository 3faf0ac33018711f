"""From a volume to planes as a radiologist sees them, and back, by index permutation and flips only.

Axial planes are shown with the patient's right on the image's left and anterior on top; coronal and sagittal planes with
superior on top. Radiographs, clips and pictures are shown as stored. Nothing is resampled, so the way back is exact.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from medkt.errors import SettingsError
from medkt.spatial.geometry import Geometry

Orientation = Literal["axial", "coronal", "sagittal", "as stored"]
Array = NDArray[Any]

# For each world axis that a plane is cut across: (row axis, its sign downwards), (column axis, its sign to the right).
_SHOWN: dict[int, tuple[tuple[int, int], tuple[int, int]]] = {
    2: ((1, +1), (0, +1)),  # axial: rows run to posterior, columns to the patient's left
    1: ((2, -1), (0, +1)),  # coronal: rows run to inferior, columns to the patient's left
    0: ((2, -1), (1, +1)),  # sagittal: rows run to inferior, columns to posterior
}
_NAMES: dict[int, Orientation] = {2: "axial", 1: "coronal", 0: "sagittal"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Planes:
    """How to cut a grid into shown planes along one array axis.

    Attributes:
        axis: the array axis that counts the planes (0 slices, 1 rows, 2 columns).
        transpose: whether the two remaining array axes change places.
        flip_rows, flip_columns: whether the plane is then turned upside down, left to right.
        orientation: the name of the plane.
    """

    axis: int
    transpose: bool
    flip_rows: bool
    flip_columns: bool
    orientation: Orientation

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

    def spacing(self, geometry: Geometry) -> tuple[float, float]:
        """(row, column) step of a shown plane, in the geometry's unit."""
        a, b = (geometry.spacing[k] for k in range(3) if k != self.axis)
        return (b, a) if self.transpose else (a, b)


def slice_axis_of(geometry: Geometry) -> int:
    """The axis along which slices were acquired: the one with the clearly largest spacing, else the most axial one.

    "Clearly" is more than 1.2 times the next largest; an isotropic volume is cut across the patient's long axis.
    """
    if geometry.shape[0] == 1 or geometry.stack == "time" or geometry.unit == "pixel":
        return 0
    spacing = np.array(geometry.spacing)
    order = np.argsort(spacing)
    if spacing[order[2]] > 1.2 * spacing[order[1]]:
        return int(order[2])
    return int(np.argmax(np.abs(geometry.directions[2])))  # the axis closest to superior-inferior


def planes_of(geometry: Geometry, axis: int | None = None) -> Planes:
    """How to show this grid plane by plane along `axis` (chosen by `slice_axis_of` when None).

    Raises:
        SettingsError: the axis is not 0, 1 or 2.
    """
    axis = slice_axis_of(geometry) if axis is None else axis
    if axis not in (0, 1, 2):
        raise SettingsError(f"a slice axis is 0 (slices), 1 (rows) or 2 (columns), got {axis}")
    if geometry.shape[0] == 1 or geometry.stack == "time" or geometry.unit == "pixel":
        return Planes(axis=axis, transpose=False, flip_rows=False, flip_columns=False, orientation="as stored")
    world = _nearest_world_axes(geometry)
    first, second = (k for k in range(3) if k != axis)
    (row_world, row_sign), (_, column_sign) = _SHOWN[world[axis]]
    row_axis, column_axis = (first, second) if world[first] == row_world else (second, first)
    signs = [np.sign(geometry.directions[world[k], k]) for k in range(3)]
    return Planes(
        axis=axis,
        transpose=row_axis == second,
        flip_rows=bool(signs[row_axis] != row_sign),
        flip_columns=bool(signs[column_axis] != column_sign),
        orientation=_NAMES[world[axis]],
    )


def _nearest_world_axes(geometry: Geometry) -> list[int]:
    """For each array axis the world axis it runs most along; a permutation also for oblique grids."""
    weight = np.abs(geometry.directions)
    best = max(
        ((a, b, c) for a in range(3) for b in range(3) for c in range(3) if len({a, b, c}) == 3),
        key=lambda p: float(weight[p[0], 0] + weight[p[1], 1] + weight[p[2], 2]),
    )
    return list(best)
