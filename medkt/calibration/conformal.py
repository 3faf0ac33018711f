"""Split-conformal tails: how many of the normals score as high as this, with a promise that holds for any finite number.

If the n calibration scores and a new one are exchangeable, P((1 + #{calibration >= new}) / (n + 1) <= rate) <= rate, for
any scores and any n (Vovk, Gammerman and Shafer 2005, *Algorithmic learning in a random world*; Papadopoulos et al. 2002
for the split form; Lei et al. 2018, J Am Stat Assoc 113:1094, for the quantile of rank ceil((n + 1)(1 - rate))). The promise
is an average over calibration samples; `conditional_rates` says how far a single one may be from it (Vovk 2012, ACML: the
rate given the sample is Beta distributed).

What is kept of the scores are a few order statistics and their ranks, not the scores.
"""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float64
from scipy.special import betaincinv

from medkt.errors import InputError, SettingsError

TAILS = (
    0.9,
    0.75,
    0.5,
    0.4,
    0.3,
    0.25,
    0.2,
    0.15,
    0.1,
    0.075,
    0.05,
    0.04,
    0.03,
    0.025,
    0.02,
    0.01,
    0.005,
    0.002,
    0.001,
)
"""The tail probabilities whose quantiles are kept, as far as there are scores enough."""
_SLACK = 1e-9  # (1 - 0.95) * 20 is a little more than 1 in floating point


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """The upper tail of calibration scores.

    Attributes:
        count: of calibration scores.
        ranks: 1 for the lowest score to `count` for the highest, ascending.
        scores: the order statistic of each rank, in the unit of the score.
    """

    count: int
    ranks: tuple[int, ...]
    scores: tuple[float, ...]

    def __post_init__(self) -> None:
        sound = len(self.ranks) == len(self.scores) > 0 and 1 <= min(self.ranks) <= max(self.ranks) <= self.count
        ascending = all(np.diff(self.ranks) > 0) and all(np.diff(self.scores) >= 0)
        if not (sound and ascending and np.isfinite(self.scores).all()):
            raise InputError("quantiles are finite and ascend with their ranks, from 1 to the number of scores")

    def threshold(self, rate: float) -> float:
        """The score above which, and not at which, at most `rate` of all normals lie.

        Raises:
            InputError: too few scores for this rate, or its quantile was not kept.
        """
        rank = rank_for(rate, self.count)
        if rank not in self.ranks:
            kept = ", ".join(f"{(self.count + 1 - r) / (self.count + 1):.3g}" for r in self.ranks)
            raise InputError(f"the quantile of the rate {rate:g} was not kept, only those of {kept}; calibrate again")
        return self.scores[self.ranks.index(rank)]

    def p_value(self, score: float) -> float:
        """An upper bound, from the quantiles kept, of the conformal p-value: at most this share of normals score as high."""
        below = [rank for rank, kept in zip(self.ranks, self.scores, strict=True) if kept < score]
        as_high = self.count - max(below, default=0)  # at most: the next quantile kept may lie a few ranks on
        return (1 + as_high) / (self.count + 1)


def tail_of(scores: Float64[np.ndarray, " scores"], *rates: float) -> Tail:
    """The tail of calibration scores, with the quantiles of `TAILS` and of `rates`.

    Raises:
        InputError: no score, one that is not finite, or too few for one of the rates; says how many it takes.
    """
    count = len(scores)
    if not count or not np.isfinite(scores).all():
        raise InputError(f"calibration needs finite scores, got {count} of which {int(np.isfinite(scores).sum())} are")
    ranks = _ranks(rates, count)
    ordered = np.sort(scores)
    return Tail(count=count, ranks=ranks, scores=tuple(float(ordered[rank - 1]) for rank in ranks))


@cache
def _ranks(rates: tuple[float, ...], count: int) -> tuple[int, ...]:
    """Those that are kept of so many scores, ascending."""
    wanted = {rank_for(rate, count) for rate in rates}
    wanted |= {rank_for(rate, count) for rate in TAILS if count >= needed(rate)}
    return tuple(sorted(wanted)) or (count,)


def rank_for(rate: float, count: int) -> int:
    """ceil((count + 1)(1 - rate)): the rank of the score that at most `rate` of normals exceed.

    Raises:
        SettingsError: the rate is not between 0 and 1.
        InputError: it takes more scores for this rate.
    """
    if count < needed(rate):
        raise InputError(
            f"a rate of {rate:g} takes at least {needed(rate)} scores, got {count}; add studies of other patients, "
            f"or ask for {smallest_rate(count):.3g} or more"
        )
    return max(1, math.ceil((count + 1) * (1 - rate) - _SLACK))


def needed(rate: float) -> int:
    """The least number of scores that can promise this rate: 19 for 0.05.

    Raises:
        SettingsError: the rate is not between 0 and 1.
    """
    if not 0 < rate < 1:
        raise SettingsError(f"a rate lies between 0 and 1, such as 0.05, got {rate:g}")
    return math.ceil(1 / rate - 1 - _SLACK)


def smallest_rate(count: int) -> float:
    """The least rate that this many scores can promise."""
    return math.ceil(1e4 / (count + 1)) / 1e4


def conditional_rates(rate: float, count: int, *, level: float = 0.9) -> tuple[float, float]:
    """Between which rates the true one of a single calibration lies, in `level` of all calibrations of this size.

    Given the sample, the rate of continuous scores is Beta(count + 1 - rank, rank); ties make it smaller.
    """
    rank = rank_for(rate, count)
    low, high = betaincinv(count + 1 - rank, rank, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
