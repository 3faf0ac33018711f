"""A mask onto the reference's grid, only where the user asked for it: nearest neighbour, in the world.

Silent resampling hides the commonest mistake of an evaluation, a prediction on another grid, so metrics refuse two
grids; this is the way round, and the result says that it was taken.
"""

import numpy as np
from numpy.typing import NDArray

from medkt.errors import GeometryMismatchError
from medkt.spatial import Geometry, Mask


def resample_to_reference(mask: Mask, grid: Geometry) -> Mask:
    """The mask on another grid of the same world; a voxel takes the value of the voxel that its centre lies in.

    Voxels of the new grid that lie outside the mask's own are empty. Sheared grids are taken as they are.

    Raises:
        GeometryMismatchError: one grid is in mm and the other in pixels, a clip's frames, or two frames of reference.
    """
    own = mask.geometry
    frames = {own.frame_of_reference_uid, grid.frame_of_reference_uid} - {None}
    if len(frames) > 1:
        raise GeometryMismatchError("the masks name two frames of reference: register them; resampling cannot help")
    if own.unit != "mm" or grid.unit != "mm" or "time" in (own.stack, grid.stack):
        raise GeometryMismatchError(
            f"only volumes and planes with a spacing can be resampled, got {own.unit} in {own.stack} and "
            f"{grid.unit} in {grid.stack}; make the masks on the image's own grid"
        )
    values = np.stack([_slice(mask, grid, number) for number in range(grid.shape[0])])
    step = f"resampled (nearest) from {own.shape} to {grid.shape}"
    return Mask(values=values, geometry=grid, label=mask.label, provenance=mask.provenance.then(step))


def _slice(mask: Mask, grid: Geometry, number: int) -> NDArray[np.bool_]:  # one slice at a time keeps memory flat
    rows, columns = np.indices(grid.shape[1:])
    there = np.stack([np.full(rows.shape, number), rows, columns], axis=-1).reshape(-1, 3).astype(np.float64)
    here = np.floor(mask.geometry.to_index(grid.to_world(there)) + 0.5).astype(np.int64)
    inside = ((here >= 0) & (here < np.array(mask.geometry.shape))).all(axis=1)
    values = np.zeros(len(here), dtype=bool)
    values[inside] = mask.values[tuple(here[inside].T)]
    return values.reshape(rows.shape)
