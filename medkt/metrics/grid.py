"""Two masks onto one grid that holds both: nearest neighbour, in the world, and nothing is cut off.

Silent resampling hides the commonest mistake of an evaluation, a prediction on another grid, so metrics refuse two
grids; this is the way round where the user asked for it, and the result says that it was taken. A DICOM SEG leaves out
slices without a mask, so its extent says nothing: where one of two masks is a SEG and both lie on one lattice of points,
they are laid on the grid of both without being asked, and nothing is interpolated.

The rule for what lies outside: the reference's lattice goes on to where the prediction ends. What the prediction marks
outside the reference's field of view is false, what the reference marks outside the prediction's field was missed, and
both amounts are told. Fields that do not meet at all are an error.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray

from medkt.errors import GeometryMismatchError
from medkt.spatial import Geometry, Mask
from medkt.spatial.geometry import SAME_POINT_VOXELS

MOST_VOXELS = 2_000_000_000  # of the grid of both: 2 GB of mask
Corners = Float64[np.ndarray, "8 3"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CommonGrid:
    """Two masks on the grid of both.

    Attributes:
        reference, prediction: on one grid.
        words: what was done; "" where they lay on one grid already.
        outside: how much each marks outside the other's field, by name: "prediction_outside_ml" and the like, in ml, or
            mm2 of a plane, or pixels; empty where the grids were one, and for a SEG, which has no field of view.
    """

    reference: Mask
    prediction: Mask
    words: str = ""
    outside: Mapping[str, float] = field(default_factory=dict)


def join_grids(*, reference: Mask, prediction: Mask, resample: bool = False) -> CommonGrid:
    """Both masks on one grid, where they may be brought onto one.

    Args:
        reference: on whose lattice they are compared.
        prediction: the other one.
        resample: two lattices may be joined too, by the nearest voxel.

    Raises:
        GeometryMismatchError: two grids and nothing allows to join them; fields of view that do not meet; a prediction of
            which nothing is left; a grid of both that is too large.
    """
    here, there = reference.geometry, prediction.geometry
    if here.same_grid(there):
        return CommonGrid(reference=reference, prediction=prediction)
    shared = "dicom" in (reference.provenance.source, prediction.provenance.source)
    if shared:
        here, there = _with_step_of(here, there), _with_step_of(there, here)
        reference, prediction = replace(reference, geometry=here), replace(prediction, geometry=there)
    lattice = same_lattice(here, there)
    if not (resample or (shared and lattice)):
        reference.geometry.require_same_grid(prediction.geometry, what="prediction")
    _require_one_space(here, there, lattice=lattice)
    if not _meet(here, there) and not (lattice and _of_segs(reference, prediction)):
        raise GeometryMismatchError(
            "the prediction lies wholly outside the reference: their fields of view do not meet "
            f"(centres {_centre(here)} and {_centre(there)} {here.unit}); was the place of one lost on saving?"
        )
    return _joined(reference, prediction, "one lattice, extended" if lattice else "nearest")


def resample_to_reference(mask: Mask, grid: Geometry) -> Mask:
    """The mask on another grid of the same world; a voxel takes the value of the voxel that its centre lies in.

    Voxels of the new grid that lie outside the mask's own are empty, and what lies outside the new grid is cut off:
    `join_grids` keeps it. Sheared grids are taken as they are.

    Raises:
        GeometryMismatchError: one grid is in mm and the other in pixels, a clip's frames, or two frames of reference.
    """
    _require_one_space(mask.geometry, grid)
    return _onto(mask, grid, "nearest")


def same_lattice(first: Geometry, second: Geometry) -> bool:
    """Whether every voxel centre of the second, its axes turned or not, is a point of the first's endless lattice."""
    frames = {first.frame_of_reference_uid, second.frame_of_reference_uid} - {None}
    if first.unit != second.unit or len(frames) > 1:
        return False
    steps = np.linalg.inv(first.affine[:3, :3]) @ second.affine[:3, :3]
    whole = np.rint(steps)
    if not (np.abs(whole).sum(axis=0) == 1).all() or not (np.abs(whole).sum(axis=1) == 1).all():
        return False
    ends = first.to_index(_corners(second, edge=0.0))
    return bool(np.abs(ends - np.rint(ends)).max() <= SAME_POINT_VOXELS)


def _joined(reference: Mask, prediction: Mask, how: str) -> CommonGrid:
    grid = _grid_of_both(reference.geometry, prediction)
    first, second = _onto(reference, grid, "extended"), _onto(prediction, grid, how)
    if prediction.values.any() and not second.values.any():
        raise GeometryMismatchError(
            "nothing of the prediction is left on the reference's grid: its parts are smaller than a voxel there; resample it "
            "with a program that averages, and cut it at a threshold"
        )
    outside = {}
    for name, marked, other in (("prediction", second, reference), ("reference", first, prediction)):
        if other.provenance.source != "dicom":  # a SEG's extent is no field of view
            amount, unit = _amount(marked.values & ~_field(other.geometry, grid), grid)
            outside[f"{name}_outside_{unit}"] = amount
    words = f"on the grid of both, {how}" if how != "nearest" else "resampled to the reference's grid (nearest)"
    return CommonGrid(
        reference=first, prediction=second, words=words, outside=outside,
    )  # fmt: skip


def _grid_of_both(own: Geometry, prediction: Mask) -> Geometry:
    """The reference's lattice over its own field and over the box of what is inside the prediction; no voxel more."""
    low, high = np.zeros(3, int), np.array(own.shape) - 1
    held = [np.flatnonzero(prediction.values.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    if all(len(one) for one in held):
        box = np.array(list(product(*[(one[0] - 0.5, one[-1] + 0.5) for one in held])))
        ends = own.to_index(prediction.geometry.to_world(box))
        low = np.minimum(low, np.ceil(ends.min(axis=0) - SAME_POINT_VOXELS).astype(int))
        high = np.maximum(high, np.floor(ends.max(axis=0) + SAME_POINT_VOXELS).astype(int))
    shape = high - low + 1
    if shape.astype(float).prod() > max(MOST_VOXELS, np.prod(own.shape)):
        raise GeometryMismatchError(
            f"a grid that holds both masks has {' x '.join(map(str, shape))} voxels, too many; crop or resample the prediction"
        )
    affine = own.affine.copy()
    affine[:3, 3] = own.to_world(low[None].astype(float))[0]
    stack = own.stack if own.shape[0] > 1 else prediction.geometry.stack
    frame = own.frame_of_reference_uid or prediction.geometry.frame_of_reference_uid
    return replace(
        own,
        affine=affine,
        shape=(int(shape[0]), int(shape[1]), int(shape[2])),
        stack=stack,
        frame_of_reference_uid=frame,
    )


def _onto(mask: Mask, grid: Geometry, how: str) -> Mask:
    own = mask.geometry
    if own.shape == grid.shape and np.array_equal(own.affine, grid.affine):
        return replace(mask, geometry=grid)
    values = np.stack([_slice(mask.values, own, grid, number) for number in range(grid.shape[0])])
    if how == "extended":
        return replace(mask, values=values, geometry=grid)
    step = f"resampled ({how}) from {own.shape} to {grid.shape}" if how == "nearest" else how
    return Mask(values=values, geometry=grid, label=mask.label, provenance=mask.provenance.then(step))


def _field(of: Geometry, grid: Geometry) -> NDArray[np.bool_]:
    """Which voxels of the grid have their centre in a voxel of another."""
    everywhere = np.broadcast_to(np.True_, of.shape)
    return np.stack([_slice(everywhere, of, grid, number) for number in range(grid.shape[0])])


def _slice(held: NDArray[np.bool_], own: Geometry, grid: Geometry, number: int) -> NDArray[np.bool_]:
    """One slice of the grid; one at a time keeps memory flat."""
    rows, columns = np.indices(grid.shape[1:])
    there = np.stack([np.full(rows.shape, number), rows, columns], axis=-1).reshape(-1, 3).astype(np.float64)
    here = np.floor(own.to_index(grid.to_world(there)) + 0.5).astype(np.int64)
    inside = ((here >= 0) & (here < np.array(own.shape))).all(axis=1)
    values = np.zeros(len(here), dtype=bool)
    values[inside] = held[tuple(here[inside].T)]
    return values.reshape(rows.shape)


def _require_one_space(here: Geometry, there: Geometry, *, lattice: bool = False) -> None:
    frames = {here.frame_of_reference_uid, there.frame_of_reference_uid} - {None}
    if len(frames) > 1:
        raise GeometryMismatchError("the masks name two frames of reference: register them; resampling cannot help")
    if not lattice and (here.unit != "mm" or there.unit != "mm" or "time" in (here.stack, there.stack)):
        raise GeometryMismatchError(
            f"only volumes and planes with a spacing can be resampled, got {here.unit} in {here.stack} and "
            f"{there.unit} in {there.stack}; make the masks on the image's own grid"
        )


def _with_step_of(single: Geometry, other: Geometry) -> Geometry:
    """A single plane knows no step to the next; it takes that of the other mask where both go the same way."""
    if single.shape[0] != 1 or other.shape[0] == 1:
        return single
    step = other.affine[:3, 0]
    if np.linalg.norm(np.cross(single.directions[:, 0], other.directions[:, 0])) > SAME_POINT_VOXELS:
        return single
    affine = single.affine.copy()
    affine[:3, 0] = step if float(affine[:3, 0] @ step) > 0 else -step
    return replace(single, affine=affine)


def _of_segs(first: Mask, second: Mask) -> bool:
    """Whether both say nothing of a field of view, so that two that do not meet may be of one study."""
    return first.provenance.source == second.provenance.source == "dicom" and None not in (
        first.geometry.frame_of_reference_uid, second.geometry.frame_of_reference_uid,
    )  # fmt: skip


def _corners(geometry: Geometry, *, edge: float = 0.5) -> Corners:
    """World points of the eight corners; `edge` of a voxel beyond the outermost centres."""
    ends = [(-edge, count - 1 + edge) for count in geometry.shape]
    return geometry.to_world(np.array(list(product(*ends))))


def _meet(first: Geometry, second: Geometry) -> bool:
    """Whether two fields of view share a point: no direction parts them (of the faces, and across two edges)."""
    edges = [first.directions, second.directions]
    faces = [np.cross(one[:, a], one[:, b]) for one in edges for a, b in ((0, 1), (0, 2), (1, 2))]
    across = [np.cross(edges[0][:, a], edges[1][:, b]) for a in range(3) for b in range(3)]
    corners = [_corners(first), _corners(second)]
    for direction in (*faces, *across):
        if np.linalg.norm(direction) < SAME_POINT_VOXELS:
            continue
        one, other = (points @ direction for points in corners)
        if one.max() <= other.min() or other.max() <= one.min():
            return False
    return True


def _centre(geometry: Geometry) -> list[float]:
    return [round(float(one), 1) for one in _corners(geometry).mean(axis=0)]


def _amount(inside: NDArray[np.bool_], grid: Geometry) -> tuple[float, str]:
    count = int(inside.sum())
    if grid.voxel_volume_ml is not None:
        return count * grid.voxel_volume_ml, "ml"
    return (count * grid.pixel_area(), "mm2") if grid.unit == "mm" else (float(count), "pixels")
