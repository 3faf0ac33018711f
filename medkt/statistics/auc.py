"""The area under the ROC curve, and the difference of two over the same cases, with DeLong's variance.

DeLong, DeLong and Clarke-Pearson 1988 (Biometrics 44:837-845). The placements of a case are the share of the other kind that it
beats, a tie counting a half; areas, variances and covariances are those of placements, so that n log n steps do.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtri
from scipy.stats import rankdata

from medkt.errors import InputError
from medkt.statistics.bootstrap import Interval

Negative = Float64[np.ndarray, " negatives"]
Positive = Float64[np.ndarray, " positives"]
APART = "the kinds do not overlap, or there is one study: no interval"


class _Placements(NamedTuple):
    """Of each negative the share of positives above it, of each positive the share of negatives below it."""

    negative: NDArray[np.float64]
    positive: NDArray[np.float64]


def auc_of(negative: Negative, positive: Positive) -> float:
    """How often a positive scores above a negative, a tie counting a half; NaN where either is missing."""
    return float(_placed(negative, positive).positive.mean()) if len(negative) and len(positive) else float("nan")


def auc_interval(negative: Negative, positive: Positive, *, level: float = 0.95) -> Interval:
    """The area with DeLong's interval on the logit scale.

    Where the two kinds do not overlap the variance is 0, and so there is no interval; a note says so.
    """
    if not len(negative) or not len(positive):
        return Interval(estimate=float("nan"), level=level, note="one kind is missing")
    placed = _placed(negative, positive)
    area = float(placed.positive.mean())
    error = float(np.sqrt(_variance(placed.negative) + _variance(placed.positive)))
    if not 0 < error < np.inf or not 0 < area < 1:
        return Interval(estimate=area, level=level, note=APART)
    reach = float(ndtri((1 + level) / 2)) * error / (area * (1 - area))
    low, high = (float(expit(logit(area) + sign * reach)) for sign in (-1, 1))
    return Interval(estimate=area, low=low, high=high, level=level, method="DeLong on the logit scale")


def auc_difference(
    first: tuple[Negative, Positive],
    second: tuple[Float64[np.ndarray, " those_negatives"], Float64[np.ndarray, " those_positives"]],
    *,
    level: float = 0.95,
) -> Interval:
    """The second area less the first, of two ways to score the same cases, with DeLong's interval for pairs.

    Args:
        first: scores of the negatives and of the positives by one way.
        second: of the same cases in the same order by the other.
        level: of the interval, between 0 and 1.

    Raises:
        InputError: the two ways scored other numbers of cases.
    """
    if [len(part) for part in first] != [len(part) for part in second]:
        raise InputError(
            f"a paired difference is of the same cases, got {len(first[0])} and {len(first[1])} against {len(second[0])} and "
            f"{len(second[1])}"
        )
    if not len(first[0]) or not len(first[1]):
        return Interval(estimate=float("nan"), level=level, note="one kind is missing")
    before, after = _placed(*first), _placed(*second)
    change = float(after.positive.mean() - before.positive.mean())
    error = float(
        np.sqrt(_variance(after.negative - before.negative) + _variance(after.positive - before.positive))
    )  # the variance of a difference holds the covariance
    if not np.isfinite(error):
        return Interval(estimate=change, level=level, note="one study of a kind: no interval")
    reach = float(ndtri((1 + level) / 2)) * error
    return Interval(estimate=change, low=change - reach, high=change + reach, level=level, method="DeLong for pairs")


def _placed(negative: Negative, positive: Positive) -> _Placements:
    both = rankdata(np.concatenate([negative, positive]))
    return _Placements(
        negative=1 - (both[: len(negative)] - rankdata(negative)) / len(positive),
        positive=(both[len(negative) :] - rankdata(positive)) / len(negative),
    )


def _variance(placements: NDArray[np.float64]) -> float:
    return float(placements.var(ddof=1) / len(placements)) if len(placements) > 1 else float("inf")
