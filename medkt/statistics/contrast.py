"""One group's mean less the mean of the other groups' means, with an interval by resampling within the groups."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray

from medkt.statistics.bootstrap import Interval

GroupValues = Float64[np.ndarray, " cases"]


def contrast(
    first: GroupValues, others: Sequence[NDArray[np.float64]], *, resamples: int = 2_000, seed: int = 0
) -> Interval:
    """The contrast with its 95 % percentile interval.

    Args:
        first: (cases,) of the group.
        others: (cases,) of each other group, at least one; none is empty.
        resamples: draws of as many cases from each group.
        seed: the same seed gives the same interval.
    """
    random = np.random.default_rng(seed)
    own = _means_drawn(first, resamples, random)
    drawn = own - np.mean([_means_drawn(one, resamples, random) for one in others], axis=0)
    low, high = np.quantile(drawn, (0.025, 0.975))
    estimate = float(first.mean() - np.mean([one.mean() for one in others]))
    return Interval(
        estimate=estimate, low=float(low), high=float(high), method=f"{resamples} resamples of pictures within kinds"
    )


def _means_drawn(values: NDArray[np.float64], resamples: int, random: np.random.Generator) -> NDArray[np.float64]:
    """(resamples,): means over as many cases drawn with replacement."""
    count = len(values)
    weights = random.multinomial(count, np.full(count, 1 / count), size=resamples)
    means: NDArray[np.float64] = weights @ values / count
    return means
