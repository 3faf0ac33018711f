"""Volumes against those of the references (Bland and Altman 1986), and lesions found against false alarms (FROC)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy.special import ndtri

from medkt.metrics import Froc, froc_of_scores
from medkt.report.run.many import MANY, mean_interval
from medkt.report.run.scores import Coded, Rows, Scores
from medkt.statistics import BlandAltman, BootstrapSettings, Interval, bland_altman

VOLUMES = ("volume_reference_ml", "volume_prediction_ml")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VolumeAgreement:
    """One concept's volumes in mL, over the cases whose reference shows the finding."""

    concept: str
    found: BlandAltman


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LesionCurve:
    """One concept's lesions, over all cases with a reference."""

    concept: str
    found: Froc


def volume_agreement(scores: Scores, settings: BootstrapSettings | None = None) -> Iterator[VolumeAgreement]:
    """Bias and limits of agreement of each concept that has volumes; cases without the finding would only crowd at 0."""
    settings = settings or BootstrapSettings()
    if not set(VOLUMES) <= set(scores.numbers):
        return
    for concept in sorted(scores.concept.words):
        rows = scores.concept.are(concept) & scores.positives
        reference, prediction = (scores.numbers[name][rows] for name in VOLUMES)
        if not (np.isfinite(reference) & np.isfinite(prediction)).any():
            continue
        patients = scores.patient.codes[rows]
        few = len(np.unique(patients)) < MANY
        agree = bland_altman if few else _of_many
        yield VolumeAgreement(
            concept=concept,
            found=agree(reference=reference, prediction=prediction, patients=patients, settings=settings),
        )


def lesion_curves(scores: Scores) -> Iterator[LesionCurve]:
    """The FROC curve of each concept whose lesions were scored."""
    if scores.lesions is None or "lesions_reference" not in scores.numbers:
        return
    for concept in sorted(scores.concept.words):
        rows = scores.concept.are(concept) & ~np.isnan(scores.numbers["lesions_reference"])
        unscored = scores.lesions[0].are("") & scores.lesions[1].are("") & (scores.numbers["lesions_predicted"] > 0)
        rows &= ~unscored  # on another grid than the reference: nothing is known of their order
        lesions = int(scores.numbers["lesions_reference"][rows].sum())
        found, false = (_scores(column, rows) for column in scores.lesions)
        if lesions and (found or false):
            curve = froc_of_scores(found=found, false_alarms=false, lesions=lesions, studies=int(rows.sum()))
            yield LesionCurve(concept=concept, found=curve)


def _scores(column: Coded, rows: Rows) -> list[float]:
    words = (column.words[code] for code in column.codes[rows].tolist())
    return [float(word) for text in words for word in text.split()]


def _of_many(
    *,
    reference: NDArray[np.float64],
    prediction: NDArray[np.float64],
    patients: NDArray[np.int64],
    settings: BootstrapSettings,
) -> BlandAltman:
    """As `bland_altman`, without a bootstrap.

    The limits' standard error is that of normal differences, the square root of 1 / n + z² / (2 (n - 1)) times their
    standard deviation (Bland and Altman 1999, Stat Methods Med Res 8:135-160), n the number of patients.
    """
    used = np.isfinite(reference) & np.isfinite(prediction)
    means, differences = (reference + prediction)[used] / 2, (prediction - reference)[used]
    bias = mean_interval(differences, patients[used], settings)
    count = len(np.unique(patients[used]))
    spread, limit = float(differences.std(ddof=1)), float(ndtri(0.975))
    half = float(ndtri((1 + settings.level) / 2)) * spread * float(np.sqrt(1 / count + limit**2 / (2 * (count - 1))))
    ends = [bias.estimate + sign * limit * spread for sign in (-1, 1)]
    lower, upper = (
        Interval(estimate=end, low=end - half, high=end + half, level=settings.level, method="normal differences")
        for end in ends
    )
    return BlandAltman(
        cases=len(differences), patients=count, left_out=int((~used).sum()), means=means, differences=differences,
        bias=bias, lower=lower, upper=upper, trend=float(scipy.stats.spearmanr(means, differences).statistic),
    )  # fmt: skip
