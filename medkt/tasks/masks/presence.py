"""Presence against the reference: decisions, ROC curve of the score, area with an interval over patients, and calibration."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray

from medkt.statistics import (
    Interval,
    ReliabilityBin,
    auc_interval,
    brier,
    calibration_error,
    reliability,
    roc_curve,
    share_interval,
)
from medkt.tasks.masks.scores import Scores
from medkt.tasks.table import Rows

MOST_POINTS = 400  # of a drawn curve
MOST_BINS, CASES_OF_A_BIN = 10, 15  # of the calibration; a share over fewer cases says nothing
NAN = float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """How often a finding was seen where the reference shows it, and not seen where it does not.

    Attributes:
        concept: its id.
        group, value: the subgroup, such as "sex" and "F"; "" for all.
        positives, negatives: cases with a reference, and a decision.
        no_claim: of these, those of which nothing was claimed; they count as not seen.
        undecided: with a reference, and no decision, for the gate is off.
        sensitivity: share of the positives in which it was seen.
        specificity: share of the negatives in which it was not.
        auc: area under the ROC curve of the presence score, 0 to 1; NaN where one kind of case is missing.
    """

    concept: str
    group: str
    value: str
    positives: int
    negatives: int
    no_claim: int
    undecided: int
    sensitivity: Interval
    specificity: Interval
    auc: Interval


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
        auc = presence_auc(scores, rows, level=level)
        if np.isnan(auc.estimate):
            continue
        used, truth = _used(scores, rows)
        false, found = roc_curve(truth, scores.score[used], most=MOST_POINTS)
        bins, ece, square = _calibration(scores, used)
        yield PresenceCurve(
            concept=concept, positives=int(truth.sum()), negatives=int((~truth).sum()), auc=auc,
            false_positives=false, sensitivity=found, bins=bins, ece=ece, brier=square,
        )  # fmt: skip


def presence_auc(scores: Scores, rows: Rows, *, level: float = 0.95) -> Interval:
    """The area under the ROC curve over some of the rows; NaN where one kind of case is missing.

    No interval where the kinds do not overlap or too few patients show how scores vary; the note says so.
    """
    used, truth = _used(scores, rows)
    kinds = [scores.score[used][kind] for kind in (~truth, truth)]
    whose = [scores.patient.codes[used][kind] for kind in (~truth, truth)]
    return auc_interval(kinds[0], kinds[1], patients=(whose[0], whose[1]), level=level)


def decisions_of(scores: Scores, rows: Rows, where: tuple[str, str, str], *, level: float) -> list[Decisions]:
    """Presence against the reference over some of the rows; nothing where nothing was decided and no score tells.

    `where` is concept, group and value, as of `Decisions`.
    """
    decided = rows & ~np.isnan(scores.present)
    auc = presence_auc(scores, rows, level=level)
    if not decided.any() and np.isnan(auc.estimate):
        return []
    shares, held = [], []
    for part, wanted in ((scores.positives, 1.0), (scores.negatives, 0.0)):
        chosen = decided & part
        held.append(int(chosen.sum()))
        shares.append(share_interval(scores.present[chosen] == wanted, scores.patient.codes[chosen], level=level))
    concept, group, value = where
    silent = rows & np.isnan(scores.present) & (scores.positives | scores.negatives)
    return [
        Decisions(
            concept=concept, group=group, value=value, positives=held[0], negatives=held[1],
            no_claim=int((decided & scores.silent & (scores.positives | scores.negatives)).sum()), undecided=int(silent.sum()), sensitivity=shares[0], specificity=shares[1], auc=auc,
        )
    ]  # fmt: skip


def _used(scores: Scores, rows: Rows) -> tuple[Rows, NDArray[np.bool_]]:
    """Rows with a reference and a score, and whether the reference shows the finding, of these."""
    used = rows & (scores.positives | scores.negatives) & np.isfinite(scores.score)
    return used, scores.positives[used]


def _calibration(scores: Scores, used: Rows) -> tuple[tuple[ReliabilityBin, ...], float, float]:
    told = used & np.isfinite(scores.probability)
    if not told.any():
        return (), NAN, NAN
    truth, probabilities = scores.positives[told], scores.probability[told]
    count = max(2, min(MOST_BINS, len(truth) // CASES_OF_A_BIN))
    bins = reliability(truth=truth, probabilities=probabilities, bins=count, binning="count")
    return bins, calibration_error(bins), brier(truth=truth, probabilities=probabilities)
