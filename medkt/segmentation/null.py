"""What a question scores in studies that are known to hold nothing, scored as the study itself was."""

from collections.abc import Iterator

import numpy as np
import torch

from medkt.presence import NullDistribution
from medkt.presence.normals import NormalStudies
from medkt.saliency.targets import Target
from medkt.segmentation.presence import PresenceSettings, plane_scores, study_score


def null_of(
    normals: NormalStudies,
    target: Target,
    settings: PresenceSettings,
    *,
    logit_scale: float,
    step_mm: float | None = None,
    extent_mm: float = 0.0,
) -> NullDistribution:
    """The scores of normal studies, each cut into planes that lie about as far apart as those of the study asked.

    Args:
        normals: of the study's kind; where it is a single slice and they are volumes, each of their planes counts by itself.
        target: what is asked.
        settings: of the study's score.
        logit_scale: the encoder's.
        step_mm: between neighbouring planes of the study; None for a single image. What lies closer than the normals' own
            planes is held against those.
        extent_mm: that so many slices in a row have to cover, in the study as in these.
    """
    scores = plane_scores(
        torch.from_numpy(normals.features), target, settings, logit_scale=logit_scale
    ).scores.astype(np.float64)  # fmt: skip
    if not normals.step_mm or step_mm is None:
        return NullDistribution(scores=np.sort(scores), what="planes" if normals.step_mm else "studies")
    every = max(1, round(step_mm / normals.step_mm))
    run = 1 + int(extent_mm / (every * normals.step_mm) + 1e-6)
    return NullDistribution(scores=np.sort([*_of_volumes(normals, scores.astype(np.float32), settings, every, run)]))


def _of_volumes(
    normals: NormalStudies, scores: np.ndarray, settings: PresenceSettings, every: int, run: int
) -> Iterator[float]:
    """One score for each volume and each plane with which every so-manieth one can begin."""
    for study in np.unique(normals.studies):
        planes = np.flatnonzero(normals.studies == study)
        places = normals.places[planes]
        for first in range(every):
            held = (places - first) % every == 0
            if held.any():
                indices = ((places[held] - first) // every).tolist()
                yield study_score(scores[planes[held]], indices, settings, run)
