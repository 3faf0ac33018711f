"""Volumes against those of the references (Bland and Altman 1986), and lesions found against false alarms (FROC)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from medkt.statistics import BlandAltman, BootstrapSettings, Froc, bland_altman, froc
from medkt.tasks.masks.scores import Scores
from medkt.tasks.table import CodedColumn, Rows

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
    if not set(VOLUMES) <= set(scores.numbers):
        return
    for concept in sorted(scores.concept.words):
        rows = scores.concept.are(concept) & scores.positives
        reference, prediction = (scores.numbers[name][rows] for name in VOLUMES)
        if not (np.isfinite(reference) & np.isfinite(prediction)).any():
            continue
        patients = scores.patient.codes[rows]
        found = bland_altman(reference=reference, prediction=prediction, patients=patients, settings=settings)
        yield VolumeAgreement(concept=concept, found=found)


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
            curve = froc(found=found, false_alarms=false, lesions=lesions, studies=int(rows.sum()))
            yield LesionCurve(concept=concept, found=curve)


def _scores(column: CodedColumn, rows: Rows) -> list[float]:
    words = (column.words[code] for code in column.codes[rows].tolist())
    return [float(word) for text in words for word in text.split()]
