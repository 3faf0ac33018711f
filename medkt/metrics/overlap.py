"""How much of two masks is the same: Dice and intersection over union.

The rule for empty masks is that of every metric here and stands in `case_result.py`: both empty is NaN, one empty is 0.
"""

from typing import Any

import numpy as np
from jaxtyping import Bool
from numpy.typing import NDArray

BoolArray = Bool[np.ndarray, "..."]


def dice(*, reference: BoolArray, prediction: BoolArray) -> float:
    """2 |A and B| / (|A| + |B|), from 0 to 1; NaN where both are empty.

    >>> dice(reference=np.array([True, True]), prediction=np.array([True, False]))
    0.6666666666666666
    """
    both, first, second = _counts(reference, prediction)
    return 2 * both / (first + second) if first or second else float("nan")


def iou(*, reference: BoolArray, prediction: BoolArray) -> float:
    """|A and B| / |A or B|, from 0 to 1; NaN where both are empty.

    >>> iou(reference=np.array([True, True]), prediction=np.array([True, False]))
    0.5
    """
    both, first, second = _counts(reference, prediction)
    return both / (first + second - both) if first or second else float("nan")


def joint_box(reference: BoolArray, prediction: BoolArray) -> tuple[slice, ...]:
    """The smallest box that holds both masks; of two empty ones a box without a voxel."""
    axes = range(reference.ndim)
    masks = (reference,) if reference is prediction else (reference, prediction)
    seen = [np.any([_seen_along(mask, axis) for mask in masks], axis=0) for axis in axes]
    held = [np.flatnonzero(one) for one in seen]
    return tuple(slice(int(one[0]), int(one[-1]) + 1) if len(one) else slice(0) for one in held)


def _seen_along(mask: BoolArray, axis: int) -> NDArray[np.bool_]:
    return np.asarray(mask.any(axis=tuple(k for k in range(mask.ndim) if k != axis)))


def _counts(reference: NDArray[Any], prediction: NDArray[Any]) -> tuple[int, int, int]:
    if reference.shape != prediction.shape:
        raise ValueError(f"two masks of one shape are compared, got {reference.shape} and {prediction.shape}")
    counts = (np.count_nonzero(reference & prediction), np.count_nonzero(reference), np.count_nonzero(prediction))
    return int(counts[0]), int(counts[1]), int(counts[2])
