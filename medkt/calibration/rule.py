"""A site's calibrations as the rule that decides what is there; concepts without one are decided as without a site."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from medkt.calibration.calibration import Calibration, Decision
from medkt.calibration.scoring import study_score
from medkt.errors import SettingsError
from medkt.presence import PlaneScores, Presence, PresenceRule, Reason, State
from medkt.segmentation.presence import PresenceSettings, ThresholdRule

STATES: Mapping[str, State] = {"present": "seen", "absent": "not seen", "abstain": "no claim"}
BETWEEN, UNLIKE = "between-rates", "unlike-site"  # codes of the reasons


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CalibratedPresence(Presence):
    """An answer by a calibration.

    Attributes:
        decision: what the calibration says of the study by itself, whatever else spoke against a claim.
    """

    decision: Decision


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CalibrationRule:
    """Decides each concept by its own calibration; a `PresenceRule`.

    Attributes:
        calibrations: by concept id.
        settings: of the scores that they were made with.
        otherwise: decides the other concepts; None for the threshold of the settings.
    """

    calibrations: Mapping[str, Calibration]
    settings: PresenceSettings
    otherwise: PresenceRule | None = None

    def decide(self, scores: PlaneScores) -> Presence:
        """Seen, not seen, or no claim.

        Raises:
            SettingsError: the scores come without the study that they are of.
        """
        calibration = self.calibrations.get(scores.concept)
        if calibration is None:
            return (self.otherwise or ThresholdRule(settings=self.settings)).decide(scores)
        if scores.sight is None:
            raise SettingsError(f"{scores.concept}: a calibration decides on a study, and only its scores are given")
        decision = calibration.judge(study_score(scores.sight, scores.score))
        strong = calibration.present_above if decision.outcome == "present" else np.inf
        return CalibratedPresence(
            score=scores.score, state=STATES[decision.outcome], reason=decision.reason, margins=scores.margins,
            scores=scores.scores, strong=strong, weak=min(self.settings.weak_of(scores.unit), strong), every=not self.settings.gate,
            reasons=reasons_of(decision), decision=decision,
        )  # fmt: skip


def reasons_of(decision: Decision) -> tuple[Reason, ...]:
    """Why a calibration claims nothing; none where it does."""
    if decision.outcome != "abstain":
        return ()
    if decision.unlike:
        return (Reason(code=UNLIKE, sentence=f"unlike the studies of the calibration: {'; '.join(decision.unlike)}"),)
    return (Reason(code=BETWEEN, sentence=decision.reason.split("no claim: ", 1)[-1]),)
