"""By which way a concept is asked: a rule that was fixed before it was measured.

`USUAL` is the virtual text among all, which did best on the sixteen invented findings that settings are chosen on
(evaluation/kt_phantom). Pictures are drawn of what the description says, of lesions that differ from it in one attribute, and
normal studies, with a seed of their own. A way's figure is the mean of two areas under the curve of the lead: against the other
lesions, and against the normals. Another way is taken only where its figure is more than `CLEARLY` above that of `USUAL`: then
the one with the greatest figure, of equal ones the simplest in the order of `WAYS`. (To take the greatest figure of all did
worse on the sixteen: a few dozen pictures do not tell ways apart that are nearly as good.) Where nothing can be drawn of the
description, or no way reaches `NOTHING_TOLD`, for the model sees nothing in drawn pictures, it is `USUAL`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor

from medkt.asking.pictures import FINDING, NORMAL, OTHERS, PictureCounts, draw_pictures
from medkt.asking.vectors import vectors_of_planes
from medkt.asking.ways import WAYS, Way, way_called
from medkt.asking.words import AskingWords
from medkt.models.encoder import DualEncoder
from medkt.phantom.reading import Reading
from medkt.saliency.directions import Directions, leads
from medkt.saliency.targets import texts_kept
from medkt.statistics.auc import auc_of

SEED = 67_000
"""Of the pictures that decide: no training, exam or test of medkt's draws from it."""
COUNTS = PictureCounts(finding=40, others=40, normal=24, known=0)
CLEARLY = 0.03
NOTHING_TOLD = 0.6
USUAL = "virtual among all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A way, and why.

    Attributes:
        way: that is taken.
        why: in words.
        figures: by way, the area under the curve of the lead against "others" and "normal"; empty where nothing was drawn.
        pictures: how many of each kind.
    """

    way: Way
    why: str
    figures: Mapping[str, Mapping[str, float]]
    pictures: Mapping[str, int]


def choose_way(
    encoder: DualEncoder,
    spoken: AskingWords,
    reading: Reading | None,
    known: Sequence[str],
    *,
    handicapped: Callable[[Directions], Directions] | None = None,
) -> Choice:
    """The way by which a concept is asked of an encoder.

    Args:
        encoder: the base, or a learned one.
        spoken: the concept's words.
        reading: of its description; None where medkt draws no picture of that part of the body.
        known: ids of the known findings, whose looks are no other lesion's.
        handicapped: gives directions the handicap that they will be asked with (`medkt.asking.bias`); None leaves them as they are.
    """
    if reading is None or reading.why_not:
        why = "medkt draws no picture of this part of the body" if reading is None else reading.why_not
        return Choice(way=way_called(USUAL), why=f"nothing is drawn of the description: {why}", figures={}, pictures={})
    pictures = draw_pictures(reading, known=known, counts=COUNTS, seed=SEED)
    vectors, kinds = vectors_of_planes(encoder, pictures.planes), np.array(pictures.kinds)
    with texts_kept():  # ways have most of their texts in common
        asked = {way.name: way.directions(encoder, spoken) for way in WAYS}
    asked = {name: handicapped(one) for name, one in asked.items()} if handicapped else asked
    figures = {name: _areas(vectors, kinds, one) for name, one in asked.items()}
    counted = {kind: pictures.kinds.count(kind) for kind in dict.fromkeys(pictures.kinds)}
    return _taken(figures, counted)


def _taken(figures: Mapping[str, Mapping[str, float]], pictures: Mapping[str, int]) -> Choice:
    means = {name: float(np.mean(list(areas.values()))) for name, areas in figures.items()}
    best = max(means, key=lambda name: means[name])
    if not means[best] >= NOTHING_TOLD:  # also where a kind could not be drawn, so that its area is NaN
        name, why = USUAL, "no way tells drawn pictures of the description apart"
    elif means[best] > means[USUAL] + CLEARLY:
        name, why = best, f"it tells drawn pictures of the description clearly better than {USUAL}"
    else:
        name, why = USUAL, "no other way tells drawn pictures of the description clearly better"
    return Choice(way=way_called(name), why=why, figures=figures, pictures=pictures)


def _areas(vectors: Float[Tensor, "pictures width"], kinds: np.ndarray, directions: Directions) -> dict[str, float]:
    found = np.asarray(leads(vectors, directions).double().cpu().numpy(), np.float64)
    return {kind: auc_of(found[kinds == kind], found[kinds == FINDING]) for kind in (OTHERS, NORMAL)}
