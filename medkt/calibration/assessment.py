"""How good a calibration is: by halves of its own studies, and on a second sample.

That promises hold in random halves of one sample follows from how they are made; it shows that nothing is broken, not
that they hold elsewhere. Only a second sample (another month, another scanner) can show that.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from medkt.calibration.calibration import Calibration, DecisionOutcome
from medkt.calibration.conformal import needed, tail_of
from medkt.calibration.probability import cross_validated
from medkt.calibration.scoring import StudyScore
from medkt.statistics import BinaryResult, Interval, RiskCoverage, auc_interval, classify, risk_coverage, wilson

SPLITS = 200
StudyScores = Float64[np.ndarray, " studies"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOutRates:
    """False positives of one half by a rule from the other, over random halves.

    Attributes:
        splits: how many.
        promised: the rate.
        mean: measured, over the splits.
        low, high: between which 90 % of the splits lie.
    """

    splits: int
    promised: float
    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """What was said of one kind of study, with Wilson's intervals; NaN where there is none of it."""

    studies: int
    present: Interval
    absent: Interval
    abstain: Interval
    unlike: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """The numbers that go with a calibration.

    Attributes:
        auc: area under the ROC curve, with DeLong's interval; None without labels.
        sensitivity: the share of studies with the finding whose score exceeds the threshold that normals gave; None
            without them.
        held_out: false positives in halves; None where a half cannot promise the rate.
        probabilities: of the cross-validated probabilities: ECE, Brier score, reliability; None without them.
        risk_coverage: of the same.
        check: what was said of a second sample, by "normal" and "finding"; None without one.
    """

    auc: Interval | None
    sensitivity: Interval | None
    held_out: HeldOutRates | None
    probabilities: BinaryResult | None
    risk_coverage: RiskCoverage | None
    check: dict[str, Shares] | None


def assess(
    calibration: Calibration,
    normals: Sequence[StudyScore],
    findings: Sequence[StudyScore] = (),
    *,
    check_normals: Sequence[StudyScore] = (),
    check_findings: Sequence[StudyScore] = (),
) -> Assessment:
    """Assess a calibration with the studies that it was made from, and with others.

    Args:
        calibration: from `calibrate`.
        normals: what it was made from, without the finding.
        findings: and with it.
        check_normals: of a second sample, one study a patient.
        check_findings: and those with the finding.
    """
    negative, positive = _scores(normals), _scores(findings)
    labelled = len(negative) > 0 and len(positive) > 0
    probabilities = None
    risk = None
    if calibration.probability is not None:
        truth = np.repeat([False, True], [len(negative), len(positive)])
        found = cross_validated(
            np.concatenate([negative, positive]), truth, calibration.probability.method, seed=calibration.settings.seed
        )
        probabilities = classify(truth=truth, scores=found, bins=10, binning="count")
        risk = risk_coverage(found, truth)
    silent = np.array([bool(one.held) for one in findings], bool)
    caught = int(((positive > calibration.present_above) & ~silent).sum())  # what a guard stops is not seen
    second = {"normal": check_normals, "finding": check_findings}
    return Assessment(
        auc=auc_interval(negative, positive) if labelled else None,
        sensitivity=wilson(caught, len(positive)) if labelled else None,
        held_out=held_out(negative, calibration.settings.false_positive_rate, seed=calibration.settings.seed),
        probabilities=probabilities,
        risk_coverage=risk,
        check={kind: said_of(calibration, studies) for kind, studies in second.items()}
        if check_normals or check_findings
        else None,
    )


def held_out(scores: StudyScores, rate: float, *, splits: int = SPLITS, seed: int = 0) -> HeldOutRates | None:
    """Promised against measured false positives; None where half of the scores cannot promise the rate."""
    half = len(scores) // 2
    if half < needed(rate) or len(scores) < 2:
        return None
    rng = np.random.default_rng(seed)
    measured = []
    for _ in range(splits):
        mixed = rng.permutation(scores)
        threshold = tail_of(mixed[:half], rate).threshold(rate)
        measured.append(float((mixed[half:] > threshold).mean()))
    low, high = np.quantile(measured, [0.05, 0.95])
    return HeldOutRates(splits=splits, promised=rate, mean=float(np.mean(measured)), low=float(low), high=float(high))


def said_of(calibration: Calibration, studies: Sequence[StudyScore]) -> Shares:
    """How often each thing is said of studies of one kind."""
    decisions = [calibration.judge(study) for study in studies]

    def share(outcome: DecisionOutcome) -> Interval:
        return wilson(sum(one.outcome == outcome for one in decisions), len(decisions))

    return Shares(
        studies=len(studies), present=share("present"), absent=share("absent"), abstain=share("abstain"),
        unlike=wilson(sum(bool(one.unlike) for one in decisions), len(decisions)),
    )  # fmt: skip


def _scores(studies: Sequence[StudyScore]) -> StudyScores:
    return np.array([study.score for study in studies], np.float64)
