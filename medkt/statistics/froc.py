"""Free-response ROC: lesions found against false alarms a study, over all thresholds of the lesion score.

At a threshold only the predicted lesions of at least that score count, and by the rule of `medkt.metrics.LesionSettings` a reference
lesion is found or not, a predicted one true or a false alarm, as in the table of lesions: at the loosest threshold the
curve ends in its sensitivity and its false positives. So under `iou` a second part on a lesion that has its pair is a
false alarm, and one part over two lesions finds one; under `coverage` several parts may find a lesion together.
Studies without lesions count in the false alarms a study, as they must. Bandos et al. 2009, Biometrics 65:247-256.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from medkt.errors import InputError

RATES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)  # false alarms a study of the LUNA16 score


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Froc:
    """The curve, from the strictest threshold to the loosest.

    Attributes:
        thresholds: scores, falling; a predicted lesion counts where its score is at least this.
        sensitivity: part of all reference lesions found, from 0 to 1, never falling.
        false_positives: false alarms a study, never falling.
        lesions, studies: how many.
    """

    thresholds: Float64[np.ndarray, " points"]
    sensitivity: Float64[np.ndarray, " points"]
    false_positives: Float64[np.ndarray, " points"]
    lesions: int
    studies: int

    def at(self, rate: float) -> float:
        """The highest sensitivity reached with at most `rate` false alarms a study; no point is invented between two."""
        reached = self.sensitivity[self.false_positives <= rate]
        return float(reached[-1]) if len(reached) else 0.0

    def score(self, rates: Sequence[float] = RATES) -> float:
        """The mean of the sensitivities at the given numbers of false alarms a study, from 0 to 1."""
        return float(np.mean([self.at(rate) for rate in rates]))


def froc(*, found: Sequence[float], false_alarms: Sequence[float], lesions: int, studies: int) -> Froc:
    """The curve from the scores of all studies together (`medkt.metrics.lesion_scores` gives those of one).

    Args:
        found: of each reference lesion that is found, the score from which on it is.
        false_alarms: the scores of predicted lesions that are none.
        lesions: how many reference lesions there are, those that are not found included.
        studies: how many, those without lesions included.

    Raises:
        InputError: there is no reference lesion.
    """
    if not lesions:
        raise InputError("FROC needs at least one reference lesion; use studies that have some")
    hits, false = np.array(found, dtype=np.float64), np.array(false_alarms, dtype=np.float64)
    thresholds = np.unique(np.concatenate([hits, false]))[::-1]
    return Froc(
        thresholds=thresholds, sensitivity=_at_least(hits, thresholds) / lesions,
        false_positives=_at_least(false, thresholds) / studies, lesions=lesions, studies=studies,
    )  # fmt: skip


def _at_least(
    scores: Float64[np.ndarray, " scores"], thresholds: Float64[np.ndarray, " points"]
) -> Float64[np.ndarray, " points"]:
    counts: Float64[np.ndarray, " points"] = len(scores) - np.searchsorted(np.sort(scores), thresholds).astype(
        np.float64
    )
    return counts
