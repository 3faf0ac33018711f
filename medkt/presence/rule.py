"""Who answers: a rule makes one answer of the scores of a study's slices."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

from medkt.presence.guard import Sight
from medkt.presence.state import Presence


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlaneScores:
    """The scores of one concept in one study, from which a rule decides.

    Attributes:
        concept: its id.
        unit: in which the scores are: "softmax", "margin" or "cosine"; "lead" of a concept that is asked by settled directions.
        scores: (slices,) float32, each slice's.
        score: the study's, as the settings make one of many.
        margins: (slices,) float32, cosine of the finding less the nearest contrast's, or settled rival's; without contrasts the cosine.
        wanted: (slices,) float32, cosine of the finding.
        contrasts: (slices, contrasts) float32, cosines of what it is told apart from: the normal direction first, where
            there is one, then each confusable text; may have no column.
        normals: how many of the contrasts are normal directions: 0 or 1.
        logit_scale: the encoder's.
        indices: of the slices, ascending; neighbours differ by 1.
        run: how many of them in a row must bear a score out.
        sight: the study itself, for a rule that asks more than scores; None where only features were given.
    """

    concept: str
    unit: str
    scores: Float32[np.ndarray, " slices"]
    score: float
    margins: Float32[np.ndarray, " slices"]
    wanted: Float32[np.ndarray, " slices"]
    contrasts: Float32[np.ndarray, "slices contrasts"]
    normals: int
    logit_scale: float
    indices: Sequence[int]
    sight: Sight | None = None
    run: int = 1


@runtime_checkable
class PresenceRule(Protocol):
    """Decides for every concept of a study, each by its scores: the threshold of the settings, a site's calibration."""

    def decide(self, scores: PlaneScores) -> Presence:
        """Seen, not seen, or no claim."""
        ...
