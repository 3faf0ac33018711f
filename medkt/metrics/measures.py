"""What one mask measures: volume, area, the two axes of RECIST 1.1, the largest diameter, where it lies.

Diameters run from outer edge to outer edge: a long line of n pixels measures n steps. They are taken on the convex hull of the
mask, in the world, so that oblong and sheared grids need no care. RECIST 1.1: Eisenhauer et al., Eur J Cancer 2009;
45:228-247.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist, squareform

from medkt.spatial import Geometry, Mask, Unit, slice_axis_of

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """The size and place of a mask; None is unknown or meaningless, never 0.

    Attributes:
        voxels: how many.
        unit: of the lengths below: "mm", or "pixel" where the image has no spacing.
        volume_ml: None for one plane, a clip, or without spacing.
        area: of the largest cross-section along the slice axis, in square `unit`; for one plane the mask's area.
        long_axis: the longest diameter within one slice.
        short_axis: the longest one at right angles to it in that slice.
        max_diameter: the longest in three dimensions; None for one plane or a clip.
        slice_axis, slice_index: the plane in which the long axis was found.
        centroid_index: (slice, row, column), fractional.
        centroid_lps: the same in the world, in mm; None without spacing.
        touches_border: whether it reaches the image's edge, so that it may go on outside.
    """

    voxels: int
    unit: Unit
    volume_ml: float | None = None
    area: float | None = None
    long_axis: float | None = None
    short_axis: float | None = None
    max_diameter: float | None = None
    slice_axis: int = 0
    slice_index: int | None = None
    centroid_index: tuple[float, float, float] | None = None
    centroid_lps: tuple[float, float, float] | None = None
    touches_border: bool = False


def measure(mask: Mask) -> Measures:
    """The measures of the whole mask; an empty one has 0 voxels, 0 mL where volumes exist, and nothing else."""
    geometry = mask.geometry
    axis = slice_axis_of(geometry)
    indices = np.argwhere(mask.values)
    millilitres = geometry.voxel_volume_ml
    volume_ml = None if millilitres is None else len(indices) * millilitres
    if not len(indices):
        return Measures(voxels=0, unit=geometry.unit, volume_ml=volume_ml, slice_axis=axis)
    long_axis, short_axis, slice_index = _longest_in_slice(indices, geometry, axis)
    centre = indices.mean(axis=0)
    _, counts = np.unique(indices[:, axis], return_counts=True)
    return Measures(
        voxels=len(indices), unit=geometry.unit, volume_ml=volume_ml,
        area=float(counts.max() * geometry.pixel_area(axis)), long_axis=long_axis, short_axis=short_axis,
        max_diameter=_max_diameter(indices, geometry), slice_axis=axis, slice_index=slice_index,
        centroid_index=_triple(centre),
        centroid_lps=_triple(geometry.to_world(centre[None])[0]) if geometry.unit == "mm" else None,
        touches_border=_touches_border(indices, geometry.shape),
    )  # fmt: skip


def measure_components(mask: Mask) -> tuple[Measures, ...]:
    """The measures of each connected part (sharing at least a corner), the largest first."""
    labels, number_of_parts = ndimage.label(mask.values, structure=np.ones((3, 3, 3)))
    made = (
        measure(Mask(values=labels == number, geometry=mask.geometry, label=mask.label))
        for number in range(1, number_of_parts + 1)
    )
    return tuple(sorted(made, key=lambda one: -one.voxels))


def _longest_in_slice(indices: Array, geometry: Geometry, axis: int) -> tuple[float, float, int]:
    kept = [k for k in range(3) if k != axis]
    # R of a QR decomposition places the two in-plane steps in their own plane, with lengths and angle kept
    steps = np.linalg.qr(geometry.affine[:3, kept])[1]
    found = []
    for number in np.unique(indices[:, axis]):
        hull = _hull(indices[indices[:, axis] == number][:, kept], steps)
        found.append((*_axes(hull), int(number)))
    return max(found, key=lambda one: one[:2])  # of equals the first slice


def _axes(hull: Array) -> tuple[float, float]:
    """The longest diameter of a convex outline (points, 2) and the longest chord at right angles to it."""
    apart = squareform(pdist(hull))
    first, second = np.unravel_index(apart.argmax(), apart.shape)
    along = (hull[second] - hull[first]) / apart.max()
    x, y = hull @ along, hull @ np.array([-along[1], along[0]])
    # Between the two ends of the long axis the outline is one chain above it and one below; the widest place of a
    # convex outline is at a corner of one of them.
    offset = y - y[first]
    ends = (np.arange(len(hull)) == first) | (np.arange(len(hull)) == second)
    upper, lower = ((offset * sign > 0) | ends for sign in (1, -1))
    width = _chain(x, x[upper], offset[upper]) - _chain(x, x[lower], offset[lower])
    return float(apart.max()), float(width.max())


def _chain(at: Array, x: Array, y: Array) -> Array:
    order = np.argsort(x)
    heights: Array = np.interp(at, x[order], y[order])
    return heights


def _max_diameter(indices: Array, geometry: Geometry) -> float | None:
    if min(geometry.shape) == 1 or geometry.stack == "time":
        return None
    return float(pdist(_hull(indices, geometry.affine[:3, :3])).max())


def _hull(indices: Array, steps: Array) -> Array:
    """The corners of the convex hull of voxels (voxels, n), as points; `steps` has one column an axis."""
    indices = _outermost(indices)
    halves = np.concatenate([np.eye(indices.shape[1]), -np.eye(indices.shape[1])]) / 2
    points = (indices[:, None] + halves).reshape(-1, indices.shape[1]) @ steps.T
    corners: Array = points[ConvexHull(points).vertices]
    return corners


def _outermost(indices: Array) -> Array:
    """Of each line of voxels along the last axis only the two ends: the others cannot be corners of the hull."""
    order = np.lexsort(indices.T[::-1])
    ordered = indices[order]
    changes = np.any(np.diff(ordered[:, :-1], axis=0), axis=1)
    starts = np.concatenate([[True], changes])
    stops = np.concatenate([changes, [True]])
    ends: Array = ordered[starts | stops]
    return ends


def _touches_border(indices: Array, shape: tuple[int, int, int]) -> bool:
    extent = np.array(shape)
    on_edge = (indices == 0) | (indices == extent - 1)
    return bool(on_edge[:, extent > 1].any())


def _triple(values: Array) -> tuple[float, float, float]:
    return (float(values[0]), float(values[1]), float(values[2]))
