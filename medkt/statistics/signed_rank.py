"""Paired differences without a normal distribution: the Hodges-Lehmann shift, and a permutation test by sign flips.

The shift is the median of all Walsh averages (Hodges and Lehmann 1963, Ann Math Stat 34:598); its interval is the set of
shifts that the signed-rank test does not reject (Tukey; Hollander and Wolfe, Nonparametric Statistical Methods, 3.3).
Sign flips: under the null a patient's difference is as likely as its opposite, whatever its distribution.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy.special import ndtr, ndtri

from medkt.statistics.bootstrap import CHUNK, Interval

Differences = Float64[np.ndarray, " patients"]

EXACT_RANKS = 50  # patients up to which the signed-rank distribution is counted out
DIRECT = 2_000  # patients up to which all Walsh averages are held
NORMAL_FLIPS = 50_000  # patients beyond which flips are so many that their sum is normal
TIE = 1e-9  # relative; two sums of one set of numbers differ by rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class PermutationTest:
    """Attributes:
    p_value: two-sided; NaN without a difference.
    method: "exact, 1024 sign flips", "9999 random sign flips" or "normal".
    """

    p_value: float
    method: str


def hodges_lehmann(differences: Differences, *, level: float = 0.95) -> Interval:
    """The shift of paired differences, in their unit, with the interval that belongs to the signed-rank test.

    Below 6 patients no 95 % interval exists; the note says so. None gives NaN.
    """
    count = len(differences)
    if not count:
        return Interval(estimate=float("nan"), level=level, note="no pair")
    walsh = _Walsh(np.sort(differences))
    middle = [walsh.at(place) for place in {(walsh.count - 1) // 2, walsh.count // 2}]
    estimate = float(np.mean(middle))
    outside = _outside(count, level)
    if outside < 0:
        return Interval(estimate=estimate, level=level, note=f"{count} patients are too few for a {level:.0%} interval")
    return Interval(
        estimate=estimate, low=walsh.at(outside), high=walsh.at(walsh.count - 1 - outside), level=level,
        method=f"Hodges-Lehmann, {count} patients",
    )  # fmt: skip


def flip_signs(differences: Differences, *, flips: int = 9_999, seed: int = 0) -> PermutationTest:
    """Whether the mean difference is 0: two-sided, exact where there are at most `flips` sign patterns."""
    count = len(differences)
    if not count:
        return PermutationTest(p_value=float("nan"), method="no pair")
    observed = abs(float(differences.sum()))
    if count > NORMAL_FLIPS:
        spread = float(np.sqrt((differences**2).sum()))
        return PermutationTest(p_value=float(2 * ndtr(-observed / spread)) if spread else 1.0, method="normal")
    limit = observed - TIE * float(np.abs(differences).sum())
    if 2**count <= flips:
        patterns = (np.arange(2**count)[:, None] >> np.arange(count)) & 1
        sums = np.abs((1 - 2 * patterns) @ differences)
        return PermutationTest(p_value=float((sums >= limit).mean()), method=f"exact, {2**count} sign flips")
    extreme, random, at_once = 0, np.random.default_rng(seed), max(1, CHUNK // count)
    for start in range(0, flips, at_once):
        shape = (min(at_once, flips - start), count)
        signs = 1.0 - 2.0 * random.integers(0, 2, size=shape, dtype=np.int8)
        extreme += int((np.abs(signs @ differences) >= limit).sum())
    # the observed pattern is one of the possible ones (Phipson and Smyth 2010)
    return PermutationTest(p_value=(extreme + 1) / (flips + 1), method=f"{flips} random sign flips")


class _Walsh:
    """The averages of all pairs of sorted numbers, each with itself too, by rank from 0."""

    def __init__(self, ordered: Differences) -> None:
        self.ordered = ordered
        self.count = len(ordered) * (len(ordered) + 1) // 2
        self.all: Differences | None = None
        if len(ordered) <= DIRECT:
            first, second = np.triu_indices(len(ordered))
            self.all = np.sort((ordered[first] + ordered[second]) / 2)

    def at(self, rank: int) -> float:
        if self.all is not None:
            return float(self.all[rank])
        low, high = float(self.ordered[0]), float(self.ordered[-1])
        while True:  # bisection: one search per number instead of all pairs
            middle = (low + high) / 2
            if not low < middle < high:
                return high if self._up_to(low) <= rank else low
            low, high = (low, middle) if self._up_to(middle) > rank else (middle, high)

    def _up_to(self, value: float) -> int:
        """How many averages are at most the value."""
        places = np.searchsorted(self.ordered, 2 * value - self.ordered, side="right")
        return int(np.maximum(places - np.arange(len(self.ordered)), 0).sum())


def _outside(count: int, level: float) -> int:
    """How many Walsh averages lie below the interval's lower end; -1 where no interval of the level exists."""
    tail = (1 - level) / 2
    if count > EXACT_RANKS:
        spread = np.sqrt(count * (count + 1) * (2 * count + 1) / 24)
        return int(np.floor(count * (count + 1) / 4 - ndtri((1 + level) / 2) * spread - 0.5))
    ways = np.ones(1)
    for rank in range(1, count + 1):
        ways = np.concatenate([ways, np.zeros(rank)]) + np.concatenate([np.zeros(rank), ways])
    below = np.cumsum(ways) / 2.0**count
    return int(np.searchsorted(below, tail, side="right")) - 1
