"""How far two masks differ in size: in millilitres, and as a part of the reference."""

from dataclasses import dataclass

import numpy as np

from medkt.spatial import Mask

NO_VOLUME = "a volume in mL needs several slices with a spacing"


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeDifference:
    """Prediction minus reference; positive where the prediction is the larger one.

    Attributes:
        reference_ml, prediction_ml: the volumes; None for one plane, a clip, or without spacing.
        difference_ml: prediction minus reference, in mL; None likewise. An empty mask has 0 mL.
        relative: the difference as a part of the reference (0.1 is ten per cent too large), from -1 up, by voxels and
            so defined for one plane too; None where the reference is empty.
    """

    reference_ml: float | None
    prediction_ml: float | None
    difference_ml: float | None
    relative: float | None


def volume_difference(*, reference: Mask, prediction: Mask) -> VolumeDifference:
    """The volumes of two masks on one grid and their difference.

    Raises:
        GeometryMismatchError: the masks lie on two grids.
    """
    reference.geometry.require_same_grid(prediction.geometry, what="prediction")
    voxels = np.count_nonzero(reference.values), np.count_nonzero(prediction.values)
    more = voxels[1] - voxels[0]
    relative = more / voxels[0] if voxels[0] else None
    step = reference.geometry.voxel_volume_ml
    if step is None:
        return VolumeDifference(reference_ml=None, prediction_ml=None, difference_ml=None, relative=relative)
    return VolumeDifference(
        reference_ml=voxels[0] * step, prediction_ml=voxels[1] * step, difference_ml=more * step, relative=relative
    )
