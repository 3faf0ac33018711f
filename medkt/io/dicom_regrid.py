"""Irregular stacks onto a regular grid, when the user asks: gaps, uneven steps, gantry tilt, slices moved sideways.

The new grid keeps the in-plane pixels and directions and takes the usual step along the normal, so slices that lie on
it stay as they are. Between slices voxels are interpolated linearly. Where slices lean, the plane grows to hold all.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy

from medkt.errors import GeometryError
from medkt.io.dicom_frames import Frame
from medkt.io.dicom_stack import STEP_TOLERANCE, StackLayout, usual_step
from medkt.io.dicom_volumes import normal_of
from medkt.shapes import Array, Voxels
from medkt.spatial.geometry import Geometry

MOST_SLICES = 4  # the regular grid may have this many times the slices of the file, else the step is a mistake


def regrid(values: Voxels, layout: StackLayout, shown: str) -> tuple[Array, Geometry]:
    """(slices, rows, columns) of the layout's frames on a regular upright grid; whole numbers stay whole.

    Voxels outside every slice get the lowest value of the volume.

    Raises:
        GeometryError: the positions span so many steps that one of them must be wrong.
    """
    spacing = layout.geometry.spacing[1:]
    along, shifts = _places(layout.frames, spacing)
    step = usual_step(along)
    targets = _targets(along, step)
    if len(targets) > max(MOST_SLICES * len(along), len(along) + 50):
        raise GeometryError(f"{shown}: regridding {len(along)} slices would make {len(targets)}; check the positions")
    low = np.minimum(0.0, np.floor(shifts.min(axis=0)))  # pixels by which the plane grows at its start
    grow = (np.ceil(shifts.max(axis=0)) - low).astype(int)
    fill = float(values.min())
    shape = (len(targets), values.shape[1] + int(grow[0]), values.shape[2] + int(grow[1]))
    out = np.full(shape, fill, dtype=values.dtype)
    for k, at in enumerate(targets):
        out[k] = _slice_at(at, along, step, lambda i: _moved(values[i], shifts[i] - low, shape[1:], fill), values.dtype)
    return out, _grid(layout, low, step, shape)


def _places(frames: Sequence[Frame], spacing: tuple[float, float]) -> tuple[Array, Array]:
    """Positions on the normal in mm, and how far (rows, columns) each slice lies from the first, in pixels."""
    first = frames[0]
    if first.directions is None:
        raise GeometryError("frames without a place cannot be regridded")
    positions = np.array([frame.position for frame in frames])
    offsets = positions - positions[0]
    shifts = np.stack([offsets @ first.directions[1] / spacing[0], offsets @ first.directions[0] / spacing[1]], axis=1)
    return positions @ normal_of(first), shifts


def _targets(along: Array, step: float) -> Array:
    """Up to the plane nearest to the last slice, which would be lost where it lies beyond all planes by most of a step."""
    count = int(np.floor((along[-1] - along[0]) / step + 0.5)) + 1
    targets: Array = along[0] + step * np.arange(count)
    return targets


def left_out(layout: StackLayout) -> int:
    """How many slices lie between planes of the regular grid so that none of these is made of them."""
    along, _ = _places(layout.frames, layout.geometry.spacing[1:])
    step = usual_step(along)
    used = {place for at in _targets(along, step) for place, weight in _shares(at, along, step) if weight}
    return len(along) - len(used)


def _shares(at: float, along: Array, step: float) -> list[tuple[int, float]]:
    """The slices that the plane at a position is made of, and how much of each: that which lies there, else its two neighbours."""
    nearest = int(np.argmin(np.abs(along - at)))
    if abs(along[nearest] - at) <= STEP_TOLERANCE * step:
        return [(nearest, 1.0)]
    above = int(np.clip(np.searchsorted(along, at), 1, len(along) - 1))
    weight = float(np.clip((at - along[above - 1]) / (along[above] - along[above - 1]), 0.0, 1.0))
    return [(above - 1, 1 - weight), (above, weight)]


def _slice_at(at: float, along: Array, step: float, moved: Any, dtype: np.dtype[Any]) -> Array:
    """The plane at a position, of its slices weighed by distance."""
    shares = _shares(at, along, step)
    if len(shares) == 1:
        plane = moved(shares[0][0])
    else:
        (below, less), (above, weight) = shares
        plane = less * moved(below).astype(np.float64) + weight * moved(above).astype(np.float64)
    result: Array = (np.rint(plane) if dtype.kind in "iu" else plane).astype(dtype)
    return result


def _moved(plane: Array, shift: Array, shape: tuple[int, ...], fill: float) -> Array:
    """The plane put `shift` (rows, columns) pixels into a larger one."""
    larger = np.full(shape, fill, dtype=plane.dtype)
    whole = np.round(shift).astype(int)
    if np.abs(shift - whole).max() < 1e-3:  # no interpolation where none is needed
        larger[whole[0] : whole[0] + plane.shape[0], whole[1] : whole[1] + plane.shape[1]] = plane
        return larger
    larger = larger.astype(np.float64)
    larger[: plane.shape[0], : plane.shape[1]] = plane
    moved: Array = scipy.ndimage.shift(larger, shift, order=1, cval=fill)
    return moved


def _grid(layout: StackLayout, low: Array, step: float, shape: tuple[int, ...]) -> Geometry:
    affine = layout.geometry.affine.copy()
    affine[:3, 3] = layout.frames[0].position + affine[:3, 1] * low[0] + affine[:3, 2] * low[1]
    affine[:3, 0] = normal_of(layout.frames[0]) * step
    return Geometry(
        affine=affine,
        shape=(shape[0], shape[1], shape[2]),
        unit=layout.geometry.unit,
        frame_of_reference_uid=layout.geometry.frame_of_reference_uid,
    )
