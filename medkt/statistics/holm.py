"""Several tests at once: Holm's step-down adjustment (Holm 1979, Scand J Stat 6:65-70)."""

import numpy as np
from jaxtyping import Float64

from medkt.errors import InputError

PValues = Float64[np.ndarray, " tests"]


def holm(p_values: PValues) -> PValues:
    """Adjusted p values in the given order, to hold against the level as they are. NaN is no test and stays NaN.

    >>> holm(np.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.06, 0.06]

    Raises:
        InputError: a p value lies outside 0 to 1.
    """
    tested = np.flatnonzero(~np.isnan(p_values))
    if ((p_values[tested] < 0) | (p_values[tested] > 1)).any():
        raise InputError(f"p values lie from 0 to 1, got {p_values.tolist()}")
    order = tested[np.argsort(p_values[tested], kind="stable")]
    adjusted = np.full(len(p_values), np.nan)
    steps = p_values[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted
