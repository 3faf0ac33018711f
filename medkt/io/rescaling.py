"""Which slopes and intercepts keep whole numbers whole, and which give no numbers at all."""

import numpy as np

from medkt.errors import UnreadableError
from medkt.shapes import Array

CONTAINERS = (np.int16, np.uint16, np.int32, np.uint32, np.int64)

LARGEST_WHOLE = 2**31 - 1
"""Of slope and intercept, so that what 32 stored bits become fits a whole number of 64."""
LARGEST = 1e28
"""Beyond it what 32 stored bits become does not fit a real number of 32."""


def keeps_whole(slope: float, intercept: float, shown: str) -> bool:
    """Whether whole numbers stay whole; else the values are real ones.

    Raises:
        UnreadableError: one is so large that the values would be infinite.
    """
    largest = max(abs(slope), abs(intercept))
    if not largest <= LARGEST:
        raise UnreadableError(
            f"{shown}: rescale slope {slope:g} and intercept {intercept:g} give values that nothing measures; repair the header"
        )
    return slope.is_integer() and intercept.is_integer() and largest <= LARGEST_WHOLE


def smallest(whole: Array) -> Array:
    """Whole numbers in the smallest type of 16 bits or more that holds them."""
    low, high = int(whole.min()), int(whole.max())
    for kind in CONTAINERS:
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return whole.astype(kind)
    return whole
