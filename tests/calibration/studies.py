"""Scored studies made up from numbers, for tests of what follows the scoring."""

import numpy as np
from jaxtyping import Float

from medkt.calibration import ScoringKey, StudyScore
from medkt.presence import Reason

WIDTH = 12
KEY = ScoringKey(concept="spot", words="w" * 64, model="toy", weights="d" * 64, settings="s" * 64, modality="cxr")


def study(
    score: float,
    *,
    embedding: Float[np.ndarray, " width"] | None = None,
    grey_levels: Float[np.ndarray, " numbers"] | None = None,
    doubts: tuple[str, ...] = (),
    held: tuple[Reason, ...] = (),
) -> StudyScore:
    return StudyScore(
        score=float(score),
        embedding=np.zeros(WIDTH) if embedding is None else np.asarray(embedding, np.float64),
        grey_levels=np.zeros(6) if grey_levels is None else np.asarray(grey_levels, np.float64),
        doubts=doubts,
        held=held,
    )


def studies(
    number: int, *, seed: int = 0, score: float = 0.0, at: float = 0.0, doubts: tuple[str, ...] = ()
) -> tuple[StudyScore, ...]:
    """Normal scores around `score`; embeddings around `at` in the first direction; grey levels around 0."""
    rng = np.random.default_rng(seed)
    centre = np.zeros(WIDTH)
    centre[0] = at
    return tuple(
        study(
            score + rng.normal(),
            embedding=centre + rng.normal(size=WIDTH),
            grey_levels=rng.normal(size=6),
            doubts=doubts,
        )
        for _ in range(number)
    )
