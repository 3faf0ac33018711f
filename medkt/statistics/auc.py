"""The area under the ROC curve, of two ways over the same cases, of several classes: one area, one rule for its interval.

The rule: DeLong's variance (DeLong, DeLong and Clarke-Pearson 1988, Biometrics 44:837-845), with patients as clusters where
they are given (Obuchowski 1997, Biometrics 53:567-578; with one case a patient both agree). The interval of an area, or of
the mean of several, is made on the logit scale and so stays within 0 and 1; that of a difference on the plain scale.

The placement of a case is the share of the other kind that it stands on the right side of, a tie counting a half; areas,
variances and covariances are those of placements, so that n log n steps do.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64, Shaped
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import rankdata

from medkt.errors import InputError
from medkt.statistics.bootstrap import Interval

Negative = Float64[np.ndarray, " negatives"]
Positive = Float64[np.ndarray, " positives"]
Whose = tuple[Shaped[np.ndarray, " negatives"], Shaped[np.ndarray, " positives"]]  # the patient of each case
Classes = Int64[np.ndarray, " cases"]
ScoresByClass = Float64[np.ndarray, "cases classes"]
NAN = float("nan")
MISSING = "cases of one kind only, or no score: no area"
APART = "the kinds do not overlap, or patients are too few: no interval"
STILL = "no patient moves the difference, or patients are too few: no interval"


class _Placements(NamedTuple):
    """Of each negative the share of positives above it, of each positive the share of negatives below it."""

    negative: NDArray[np.float64]
    positive: NDArray[np.float64]


def auc_of(negative: Negative, positive: Positive) -> float:
    """How often a positive scores above a negative, a tie counting a half; NaN where either is missing."""
    return float(_placed(negative, positive).positive.mean()) if len(negative) and len(positive) else NAN


def auc_interval(
    negative: Negative, positive: Positive, *, patients: Whose | None = None, level: float = 0.95
) -> Interval:
    """The area with its interval; without one where the kinds do not overlap or patients are too few, which a note says.

    Args:
        negative: scores of the cases without.
        positive: scores of the cases with the finding.
        patients: whose each of them is; each case a patient of its own where not given.
        level: of the interval, between 0 and 1.
    """
    if not len(negative) or not len(positive):
        return Interval(estimate=NAN, level=level, note=MISSING)
    placed = _placed(negative, positive)
    return _on_logit_scale(float(placed.positive.mean()), _error(placed, patients), patients is not None, level)


def auc_difference(
    first: tuple[Negative, Positive],
    second: tuple[Float64[np.ndarray, " those_negatives"], Float64[np.ndarray, " those_positives"]],
    *,
    patients: Whose | None = None,
    level: float = 0.95,
) -> Interval:
    """The second area less the first, of two ways to score the same cases, with its interval.

    Args:
        first: scores of the negatives and of the positives by one way.
        second: of the same cases in the same order by the other.
        patients: whose each of them is; each case a patient of its own where not given.
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
        return Interval(estimate=NAN, level=level, note=MISSING)
    before, after = _placed(*first), _placed(*second)
    # the variance of a difference holds the covariance
    moved = _Placements(after.negative - before.negative, after.positive - before.positive)
    return _on_plain_scale(
        float(after.positive.mean() - before.positive.mean()), _error(moved, patients), patients is not None, level
    )


def mean_auc_interval(
    truth: Classes, scores: ScoresByClass, patients: Classes, *, places: Sequence[int], level: float = 0.95
) -> Interval:
    """The plain mean over classes of each one's area against all other cases, by its own score, with its interval.

    A patient adds to the area of every class, so the variance is that of what patients add to the mean.

    Args:
        truth: (cases,) the place of each case's class among the columns.
        scores: (cases, classes).
        patients: (cases,) a number for each case's patient.
        places: the classes that count; there are cases of each, and others.
        level: of the interval, between 0 and 1.
    """
    placed = [_of_class(truth, scores, place) for place in places]
    area = float(np.mean([one.positive.mean() for one in placed]))
    return _on_logit_scale(area, _error_of_mean(placed, truth, patients, places), True, level)


def mean_auc_difference(
    truth: Classes,
    first: ScoresByClass,
    second: ScoresByClass,
    patients: Classes,
    *,
    places: Sequence[int],
    level: float = 0.95,
) -> Interval:
    """The second mean area less the first, as of `mean_auc_interval`, of two ways to score the same cases."""
    before, after = ([_of_class(truth, scores, place) for place in places] for scores in (first, second))
    moved = [_Placements(b.negative - a.negative, b.positive - a.positive) for a, b in zip(before, after, strict=True)]
    change = float(np.mean([one.positive.mean() for one in moved]))
    return _on_plain_scale(change, _error_of_mean(moved, truth, patients, places), True, level)


def _placed(negative: Negative, positive: Positive) -> _Placements:
    both = rankdata(np.concatenate([negative, positive]))
    return _Placements(
        negative=1 - (both[: len(negative)] - rankdata(negative)) / len(positive),
        positive=(both[len(negative) :] - rankdata(positive)) / len(negative),
    )


def _of_class(truth: Classes, scores: ScoresByClass, place: int) -> _Placements:
    own = truth == place
    return _placed(scores[~own, place], scores[own, place])


def _error(placed: _Placements, patients: Whose | None) -> float:
    """The standard error of an area, or of the difference whose placements' differences are given; infinite for one patient."""
    if patients is None:
        return float(np.sqrt(_variance(placed.negative) + _variance(placed.positive)))
    names, number = np.unique(np.concatenate(patients), return_inverse=True)
    codes = number[: len(placed.negative)], number[len(placed.negative) :]
    counts = [len(np.unique(one)) for one in codes]
    if min(counts) < 2:
        return float("inf")
    spared, found = _sums(placed, codes, len(names))
    n, m = len(placed.negative), len(placed.positive)
    own = [count / (count - 1) * float((one**2).sum()) for count, one in zip(counts, (spared, found), strict=True)]
    shared = len(names) / (len(names) - 1) * float((found * spared).sum())
    return float(np.sqrt(max(0.0, own[1] / m**2 + own[0] / n**2 + 2 * shared / (m * n))))


def _error_of_mean(placed: Sequence[_Placements], truth: Classes, patients: Classes, places: Sequence[int]) -> float:
    names, number = np.unique(patients, return_inverse=True)
    pulls = np.zeros(len(names))
    for place, one in zip(places, placed, strict=True):
        own = truth == place
        codes = number[~own], number[own]
        if min(len(np.unique(part)) for part in codes) < 2:
            return float("inf")
        spared, found = _sums(one, codes, len(names))
        pulls += (spared / len(one.negative) + found / len(one.positive)) / len(places)
    return float(np.sqrt(len(names) / (len(names) - 1) * (pulls**2).sum()))


def _sums(
    placed: _Placements, codes: tuple[NDArray[np.int64], NDArray[np.int64]], count: int
) -> list[NDArray[np.float64]]:
    """(patients,) of negatives and of positives: the sums of each patient's placements less the area."""
    area = float(placed.positive.mean())
    summed = (
        np.bincount(number, weights=one - area, minlength=count) for number, one in zip(codes, placed, strict=True)
    )
    return [one.astype(np.float64, copy=False) for one in summed]


def _variance(placements: NDArray[np.float64]) -> float:
    return float(placements.var(ddof=1) / len(placements)) if len(placements) > 1 else float("inf")


def _on_logit_scale(area: float, error: float, clustered: bool, level: float) -> Interval:
    if not 0 < error < np.inf or not 0 < area < 1:
        return Interval(estimate=area, level=level, note=APART)
    reach = float(ndtri((1 + level) / 2)) * error / (area * (1 - area))
    middle = np.log(area / (1 - area))
    low, high = (float(1 / (1 + np.exp(-(middle + sign * reach)))) for sign in (-1, 1))
    over = " over patients," if clustered else ""
    return Interval(estimate=area, low=low, high=high, level=level, method=f"DeLong{over} on the logit scale")


def _on_plain_scale(change: float, error: float, clustered: bool, level: float) -> Interval:
    if not 0 < error < np.inf:
        return Interval(estimate=change, level=level, note=STILL)
    reach = float(ndtri((1 + level) / 2)) * error
    over = " over patients," if clustered else ""
    return Interval(
        estimate=change, low=change - reach, high=change + reach, level=level, method=f"DeLong{over} for pairs"
    )
