"""The presence score against the reference: ROC curve, area with an interval over patients, and calibration.

The area's variance is that of DeLong et al. 1988 (Biometrics 44:837) with the patients as clusters (Obuchowski 1997,
Biometrics 53:567), and its interval is made on the logit scale; with one case a patient it is DeLong's.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy
from jaxtyping import Float64
from numpy.typing import NDArray
from scipy.special import ndtri

from medkt.metrics import ReliabilityBin, brier, calibration_error, reliability
from medkt.report.run.scores import Rows, Scores
from medkt.statistics import Interval

MOST_POINTS = 400  # of a drawn curve
MOST_BINS, CASES_OF_A_BIN = 10, 15  # of the calibration; a share over fewer cases says nothing
NAN = float("nan")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PresenceCurve:
    """One concept's presence score, over the cases with a reference.

    Attributes:
        concept: its id.
        positives, negatives: how many of either kind have a score.
        auc: with its interval.
        false_positives, sensitivity: (points,) shares from 0 to 1, from the strictest threshold to the loosest.
        bins: what calibrated probabilities claimed against what was true, in bins of equal counts; empty without them.
        ece, brier: calibration error and Brier score of these; NaN without them.
    """

    concept: str
    positives: int
    negatives: int
    auc: Interval
    false_positives: Float64[np.ndarray, " points"]
    sensitivity: Float64[np.ndarray, " points"]
    bins: tuple[ReliabilityBin, ...] = ()
    ece: float = NAN
    brier: float = NAN


def presence_curves(scores: Scores, *, level: float = 0.95) -> Iterator[PresenceCurve]:
    """The curve of each concept that has scored cases of both kinds."""
    for concept in sorted(scores.concept.words):
        rows = scores.concept.are(concept)
        auc = auc_interval(scores, rows, level=level)
        if np.isnan(auc.estimate):
            continue
        used, truth = _used(scores, rows)
        false, found = _curve(scores.score[used], truth)
        bins, ece, square = _calibration(scores, used)
        yield PresenceCurve(
            concept=concept, positives=int(truth.sum()), negatives=int((~truth).sum()), auc=auc,
            false_positives=false, sensitivity=found, bins=bins, ece=ece, brier=square,
        )  # fmt: skip


def auc_interval(scores: Scores, rows: Rows, *, level: float = 0.95) -> Interval:
    """The area under the ROC curve over some of the rows; NaN where one kind of case is missing.

    No interval where the kinds do not overlap or too few patients show how scores vary; the note says so.
    """
    used, truth = _used(scores, rows)
    if truth.all() or not truth.any():
        return Interval(estimate=NAN, level=level, note="cases of one kind only, or no score: no area")
    score, patient = scores.score[used], scores.patient.codes[used]
    ours, theirs = score[truth], score[~truth]
    both = scipy.stats.rankdata(np.concatenate([theirs, ours]))
    # placements: for each case the share of the other kind that it stands on the right side of, ties by half
    found = (both[len(theirs) :] - scipy.stats.rankdata(ours)) / len(theirs)
    spared = 1 - (both[: len(theirs)] - scipy.stats.rankdata(theirs)) / len(ours)
    area = float(found.mean())
    error = _clustered_error(found - area, spared - area, patient[truth], patient[~truth])
    if not 0 < error < np.inf or not 0 < area < 1:
        return Interval(
            estimate=area, level=level, note="the kinds do not overlap, or patients are too few: no interval"
        )
    reach = float(ndtri((1 + level) / 2)) * error / (area * (1 - area))
    middle = np.log(area / (1 - area))
    low, high = (float(1 / (1 + np.exp(-(middle + sign * reach)))) for sign in (-1, 1))
    return Interval(estimate=area, low=low, high=high, level=level, method="DeLong over patients, on the logit scale")


def _used(scores: Scores, rows: Rows) -> tuple[Rows, NDArray[np.bool_]]:
    """Rows with a reference and a score, and whether the reference shows the finding, of these."""
    used = rows & (scores.positives | scores.negatives) & np.isfinite(scores.score)
    return used, scores.positives[used]


def _clustered_error(
    found: Float64[np.ndarray, " positives"],
    spared: Float64[np.ndarray, " negatives"],
    of_found: NDArray[np.int64],
    of_spared: NDArray[np.int64],
) -> float:
    """The standard error of the area from placements less the area, summed by patient."""
    names, number = np.unique(np.concatenate([of_found, of_spared]), return_inverse=True)
    sums = [
        np.bincount(part, weights=values, minlength=len(names))
        for part, values in ((number[: len(of_found)], found), (number[len(of_found) :], spared))
    ]
    patients = [len(np.unique(of_found)), len(np.unique(of_spared))]
    if min(patients) < 2:
        return float("inf")
    m, n = len(found), len(spared)
    own = [count / (count - 1) * float((one**2).sum()) for count, one in zip(patients, sums, strict=True)]
    shared = len(names) / (len(names) - 1) * float((sums[0] * sums[1]).sum())
    return float(np.sqrt(max(0.0, own[0] / m**2 + own[1] / n**2 + 2 * shared / (m * n))))


def _curve(
    score: Float64[np.ndarray, " cases"], truth: NDArray[np.bool_]
) -> tuple[Float64[np.ndarray, " points"], Float64[np.ndarray, " points"]]:
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.diff(score[order]) != 0, True)  # cases of one score come together
    found, false = np.cumsum(truth[order])[ends], np.cumsum(~truth[order])[ends]
    shares = [np.concatenate([[0.0], one / one[-1]]) for one in (false, found)]
    if len(shares[0]) > MOST_POINTS:
        kept = np.unique(np.linspace(0, len(shares[0]) - 1, MOST_POINTS).round().astype(int))
        shares = [one[kept] for one in shares]
    return shares[0], shares[1]


def _calibration(scores: Scores, used: Rows) -> tuple[tuple[ReliabilityBin, ...], float, float]:
    told = used & np.isfinite(scores.probability)
    if not told.any():
        return (), NAN, NAN
    truth, probabilities = scores.positives[told], scores.probability[told]
    count = max(2, min(MOST_BINS, len(truth) // CASES_OF_A_BIN))
    bins = reliability(truth=truth, probabilities=probabilities, bins=count, binning="count")
    return bins, calibration_error(bins), brier(truth=truth, probabilities=probabilities)
