"""Who answers: a rule makes one answer of the scores of a study's slices."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, Float64

from medkt.presence.guard import Sight
from medkt.presence.state import NoNormals, Presence


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NullDistribution:
    """What one question scores in studies that are known to hold nothing.

    Attributes:
        scores: (studies,) ascending, in the unit of the rule.
        what: each of them is: "studies", or "planes" of volumes, by which a single slice is judged.
    """

    scores: Float64[np.ndarray, " studies"]
    what: Literal["studies", "planes"] = "studies"

    def least(self, rate: float) -> float:
        """The score that this share of them reach; in [0, 1], interpolated between two of them.

        >>> Null(scores=np.array([0.0, 0.1, 0.2])).least(0.5)
        0.1
        """
        return float(np.quantile(self.scores, 1 - rate))

    def reached_by(self, score: float) -> float:
        """The share of them that score at least as much."""
        return float((self.scores >= score).mean())


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
        null: what the same question scores where there is nothing; None where nobody knows.
        no_normals: why nobody does; None where somebody does, and where nobody asked.
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
    null: NullDistribution | None = None
    no_normals: NoNormals | None = None


@runtime_checkable
class PresenceRule(Protocol):
    """Decides for every concept of a study, each by its scores: the threshold of the settings, a site's calibration."""

    def decide(self, scores: PlaneScores) -> Presence:
        """Seen, not seen, or no claim."""
        ...
