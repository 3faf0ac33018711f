"""How much of two boundaries lies close together: the normalised surface Dice (NSD), under two names.

`nsd` is the boundary metric of Nikolov et al. 2021 (arXiv:1809.04430) and DeepMind's surface-distance: contours of one
plane, surfaces of a volume, each element weighted by its length or area, in the spacing's unit. MONAI computes it with
`use_subvoxels=True`; its default, which counts edge pixels, is another number.

`nsd_slab` is what MedCLIP-SAMv2's evaluator measures and its tables print: the surface of a slab one voxel thick, where
every pixel of the region is surface, at a tolerance of 2 pixels. It stays close to Dice: discs of radius 40 and 30
score 0.77 there and 0.00 by contour. It exists to compare with such tables and never stands in one column with `nsd`.
"""

import warnings
from collections.abc import Sequence

import numpy as np

from medkt.errors import SettingsError
from medkt.metrics.overlap import BoolArray

SLAB_TOLERANCE_PX = 2.0
ROUNDING = 1e-6  # of the tolerance: a distance of exactly the tolerance counts, however its spacing was rounded

Number = float | int


def nsd(*, reference: BoolArray, prediction: BoolArray, spacing: Sequence[Number], tolerance: Number) -> float:
    """The part of both boundaries that lies within the tolerance of the other one, from 0 to 1.

    The image's edge counts as boundary. Both masks empty is NaN, one empty is 0.

    Args:
        reference: (rows, columns) for contours, or (slices, rows, columns) for surfaces.
        prediction: of the same shape.
        spacing: one step along each axis.
        tolerance: in the spacing's unit, 0 or more.

    Raises:
        SettingsError: the tolerance is negative or not finite, a spacing is not positive, or their number is wrong.
    """
    if reference.shape != prediction.shape:
        raise ValueError(f"two masks of one shape are compared, got {reference.shape} and {prediction.shape}")
    if reference.ndim not in (2, 3):
        raise ValueError(f"a plane or a volume has a boundary, got {reference.ndim} axes")
    if len(spacing) != reference.ndim or not all(np.isfinite(step) and step > 0 for step in spacing):
        raise SettingsError(f"a spacing has one positive step for each of {reference.ndim} axes, got {tuple(spacing)}")
    if not (np.isfinite(tolerance) and tolerance >= 0):
        raise SettingsError(f"a tolerance is 0 or more, got {tolerance}")
    if not reference.any() or not prediction.any():
        return float("nan") if not reference.any() and not prediction.any() else 0.0
    return _surface_dice(reference, prediction, spacing, tolerance)


def nsd_slab(
    *,
    reference: BoolArray,
    prediction: BoolArray,
    tolerance_px: Number = SLAB_TOLERANCE_PX,
) -> float:
    """MedCLIP-SAMv2's number for two planes: the NSD of (rows, columns, 1) slabs with spacing 1. Not a boundary metric.

    Both masks empty is NaN (their evaluator stops there), one empty is 0.
    """
    slabs = reference[..., None], prediction[..., None]
    return nsd(reference=slabs[0], prediction=slabs[1], spacing=(1, 1, 1), tolerance=tolerance_px)


def _surface_dice(reference: BoolArray, prediction: BoolArray, spacing: Sequence[Number], tolerance: Number) -> float:
    import torch
    from monai.metrics.surface_dice import compute_surface_dice

    with warnings.catch_warnings():
        # MONAI 1.5-1.6 warns of an argument that it passes to itself; a user can do nothing about it.
        warnings.filterwarnings("ignore", message=".*always_return_as_numpy", category=FutureWarning)
        score = compute_surface_dice(
            torch.from_numpy(prediction)[None, None],
            torch.from_numpy(reference)[None, None],
            class_thresholds=[tolerance * (1 + ROUNDING)],
            include_background=True,  # the only channel is the finding
            spacing=[float(step) for step in spacing],
            use_subvoxels=True,
        )
    return float(score[0, 0])
