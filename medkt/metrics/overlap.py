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
    both, either = _counts(reference, prediction)
    return 2 * both / (both + either) if either else float("nan")


def iou(*, reference: BoolArray, prediction: BoolArray) -> float:
    """|A and B| / |A or B|, from 0 to 1; NaN where both are empty.

    >>> iou(reference=np.array([True, True]), prediction=np.array([True, False]))
    0.5
    """
    both, either = _counts(reference, prediction)
    return both / either if either else float("nan")


def _counts(reference: NDArray[Any], prediction: NDArray[Any]) -> tuple[int, int]:
    if reference.shape != prediction.shape:
        raise ValueError(f"two masks of one shape are compared, got {reference.shape} and {prediction.shape}")
    return int((reference & prediction).sum()), int((reference | prediction).sum())
