"""Scores against the truth, case by case: accuracy, ROC, precision and recall, Brier score, calibration.

scikit-learn does average precision and the Brier score. Calibration error depends on its bins, so they are a setting and the
table that it is summed from is part of the result (Guo et al. 2017, arXiv:1706.04599; bins of equal counts after Nixon
et al. 2019, arXiv:1904.01685).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from medkt.errors import InputError, SettingsError
from medkt.statistics.auc import auc_of
from medkt.statistics.bootstrap import NAN

Binning = Literal["width", "count"]
Truth = Bool[np.ndarray, " cases"]
_Scores = Float[np.ndarray, " scores"]  # as many as cases: checked, with an error that a user can read


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityBin:
    """Cases whose probability lies in one bin: [low, high), the last one closed.

    Attributes:
        low, high: its edges, from 0 to 1.
        cases: how many; empty bins are kept, with NaN below.
        mean_probability: what was claimed, from 0 to 1.
        share_positive: what was true, from 0 to 1.
    """

    low: float
    high: float
    cases: int
    mean_probability: float
    share_positive: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BinaryResult:
    """The numbers of one yes-or-no question over cases.

    Attributes:
        cases, positives: how many.
        threshold: at and above which a case is called positive.
        numbers: accuracy, balanced_accuracy, sensitivity, specificity, precision, auc, average_precision, and, where
            the scores are probabilities, brier and ece. From 0 to 1; NaN where missing.
        missing: for each NaN, why.
        reliability: the bins that ece is summed over; empty where the scores are no probabilities.
        binning: how the bins were made.
    """

    cases: int
    positives: int
    threshold: float
    numbers: Mapping[str, float]
    missing: Mapping[str, str] = field(default_factory=dict)
    reliability: tuple[ReliabilityBin, ...] = ()
    binning: str = ""


def classify(
    *,
    truth: Truth,
    scores: _Scores,
    threshold: float = 0.5,
    bins: int = 10,
    binning: Binning = "width",
) -> BinaryResult:
    """Every number of scores against yes or no.

    Args:
        truth: (cases,) whether the finding is there.
        scores: (cases,) larger where surer; Brier and calibration only where all lie from 0 to 1.
        threshold: at and above which a case is called positive.
        bins: of the reliability table.
        binning: "width" for equal widths, "count" for (as nearly as ties allow) equal counts.

    Raises:
        InputError: no case, unequal lengths, or a score that is not finite.
        SettingsError: fewer than one bin, or an unknown binning.
    """
    _require_pairs(truth, scores)
    called = scores >= threshold
    rates = _rates(truth, called)
    numbers, missing = _areas(truth, scores)
    table: tuple[ReliabilityBin, ...] = ()
    if scores.min() >= 0 and scores.max() <= 1:
        table = reliability(truth=truth, probabilities=scores, bins=bins, binning=binning)
        numbers |= {"brier": brier(truth=truth, probabilities=scores), "ece": calibration_error(table)}
    else:
        numbers |= {"brier": NAN, "ece": NAN}
        missing |= dict.fromkeys(("brier", "ece"), "the scores are no probabilities: they leave 0 to 1")
    missing |= {name: "no case to divide by" for name, rate in rates.items() if np.isnan(rate)}
    return BinaryResult(
        cases=len(truth), positives=int(truth.sum()), threshold=threshold, numbers=rates | numbers, missing=missing,
        reliability=table, binning=f"{bins} bins of equal {binning}" if table else "",
    )  # fmt: skip


def brier(*, truth: Truth, probabilities: _Scores) -> float:
    """The mean squared difference of probability and truth, from 0 (best) to 1 (Brier 1950)."""
    from sklearn.metrics import brier_score_loss

    return float(brier_score_loss(truth, probabilities))


def reliability(
    *, truth: Truth, probabilities: _Scores, bins: int = 10, binning: Binning = "width"
) -> tuple[ReliabilityBin, ...]:
    """Claimed against true, bin by bin.

    Raises:
        SettingsError: fewer than one bin, or an unknown binning.
    """
    if bins < 1 or binning not in ("width", "count"):
        raise SettingsError(f"calibration needs at least 1 bin of equal width or count, got {bins} of {binning!r}")
    _require_pairs(truth, probabilities)
    edges = np.linspace(0, 1, bins + 1)
    if binning == "count":
        inner = np.quantile(probabilities, edges[1:-1], method="inverted_cdf")
        edges = np.unique(np.concatenate([[0.0], inner, [1.0]]))
    where = np.clip(np.searchsorted(edges, probabilities, side="right") - 1, 0, len(edges) - 2)
    made = []
    for number, (low, high) in enumerate(pairwise(edges)):
        inside = where == number
        held = bool(inside.any())
        made.append(
            ReliabilityBin(
                low=float(low), high=float(high), cases=int(inside.sum()),
                mean_probability=float(probabilities[inside].mean()) if held else NAN,
                share_positive=float(truth[inside].mean()) if held else NAN,
            )
        )  # fmt: skip
    return tuple(made)


def calibration_error(table: tuple[ReliabilityBin, ...]) -> float:
    """The expected calibration error: the mean gap of claimed and true, weighted by the cases of each bin, 0 to 1."""
    cases = sum(one.cases for one in table)
    gaps = (one.cases * abs(one.mean_probability - one.share_positive) for one in table if one.cases)
    return sum(gaps) / cases if cases else NAN


def multiclass_accuracy(
    *, truth: Int[np.ndarray, " truths"], scores: Float[np.ndarray, "cases classes"], top: int = 1
) -> float:
    """The share of cases whose class is among the `top` highest scores, from 0 to 1. A tie with a wrong class is a miss.

    Raises:
        InputError: no case, a class outside the columns, or a score that is not finite.
        SettingsError: `top` is not from 1 to the number of classes.
    """
    cases, classes = scores.shape
    if not 1 <= top <= classes:
        raise SettingsError(f"top is from 1 to the {classes} classes, got {top}")
    if not cases or len(truth) != cases or not np.isfinite(scores).all():
        raise InputError(f"{len(truth)} classes and {cases} rows of scores: each case needs one and finite scores")
    if truth.min() < 0 or truth.max() >= classes:
        raise InputError(f"classes are numbered from 0 to {classes - 1}, got {truth.min()} to {truth.max()}")
    own = scores[np.arange(cases), truth][:, None]
    rank = (scores >= own).sum(axis=1)  # 1 where no other class scores as high
    return float((rank <= top).mean())


def _require_pairs(truth: Truth, scores: _Scores) -> None:
    if not len(truth) or len(truth) != len(scores):
        raise InputError(f"scores and truths pair case by case, got {len(scores)} scores and {len(truth)} truths")
    if not np.isfinite(scores).all():
        raise InputError(f"{int((~np.isfinite(scores)).sum())} of {len(scores)} scores are not finite; leave them out")


def _rates(truth: Truth, called: Truth) -> dict[str, float]:
    right = truth == called
    sensitivity, specificity, precision = _share(right[truth]), _share(right[~truth]), _share(truth[called])
    return {
        "accuracy": _share(right), "balanced_accuracy": (sensitivity + specificity) / 2,
        "sensitivity": sensitivity, "specificity": specificity, "precision": precision,
    }  # fmt: skip


def _share(held: Bool[np.ndarray, " some"]) -> float:
    return float(held.mean()) if len(held) else NAN


def _areas(truth: Truth, scores: _Scores) -> tuple[dict[str, float], dict[str, str]]:
    from sklearn.metrics import average_precision_score

    if truth.all() or not truth.any():
        why = f"all cases are {'positive' if truth.all() else 'negative'}: both kinds are needed"
        return {"auc": NAN, "average_precision": NAN}, {"auc": why, "average_precision": why}
    return {
        "auc": auc_of(*(scores[kind].astype(np.float64) for kind in (~truth, truth))),
        "average_precision": float(average_precision_score(truth, scores)),
    }, {}
