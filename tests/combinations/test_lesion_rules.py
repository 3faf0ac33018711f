"""Lesions under every rule, neighbourhood, threshold and smallest size together, against sets of voxels in loops.

FROC is asked at each of its points: what reaches the threshold is counted anew there.
"""

import itertools

import numpy as np
import pytest
from row_wise import froc_of

from medkt.metrics import match_lesions
from medkt.metrics.lesions import LesionSettings
from medkt.spatial import Geometry, Mask

Voxels = frozenset[tuple[int, ...]]
REACH = {6: 1, 18: 2, 26: 3}  # how many axes a neighbour may differ along


def parts(values: np.ndarray, connectivity: int, smallest: int) -> list[Voxels]:
    left, found = {tuple(int(k) for k in place) for place in np.argwhere(values)}, []
    steps = [s for s in itertools.product((-1, 0, 1), repeat=3) if 0 < sum(map(abs, s)) <= REACH[connectivity]]
    while left:
        part, open_ = set(), [min(left)]
        while open_:
            place = open_.pop()
            if place in left:
                left.remove(place)
                part.add(place)
                open_ += [tuple(a + b for a, b in zip(place, step, strict=True)) for step in steps]
        if len(part) >= smallest:
            found.append(frozenset(part))
    return found


def most_pairs(allowed: list[set[int]], taken: frozenset[int] = frozenset()) -> int:
    """The largest number of pairs, by trying all."""
    if not allowed:
        return 0
    first, *rest = allowed
    return max([most_pairs(rest, taken), *(1 + most_pairs(rest, taken | {one}) for one in first - taken)])


def plain(theirs: list[Voxels], ours: list[Voxels], settings: LesionSettings) -> tuple[int, int]:
    """How many reference lesions are found, and how many predicted ones are none."""
    if settings.rule == "iou":
        allowed = [
            {k for k, our in enumerate(ours) if len(their & our) / len(their | our) > settings.threshold}
            for their in theirs
        ]
        pairs = most_pairs(allowed)
        return pairs, len(ours) - pairs
    everything = [frozenset().union(*side) for side in (theirs, ours)]
    found = sum(len(their & everything[1]) / len(their) > settings.threshold for their in theirs)
    true = sum(len(our & everything[0]) / len(our) > settings.threshold for our in ours)
    return found, len(ours) - true


@pytest.mark.parametrize("smallest", [1, 3])
@pytest.mark.parametrize("connectivity", [6, 18, 26])
@pytest.mark.parametrize("threshold", [0.0, 0.15, 0.5])
@pytest.mark.parametrize("rule", ["iou", "coverage"])
def test_tables_and_curves_are_those_of_sets(rule: str, threshold: float, connectivity: int, smallest: int) -> None:
    random = np.random.default_rng(connectivity + smallest)
    settings = LesionSettings(rule=rule, threshold=threshold, connectivity=connectivity, smallest_voxels=smallest)  # type: ignore[arg-type]
    geometry = Geometry(affine=np.diag([3.0, 2.0, 1.0, 1.0]), shape=(3, 6, 7))
    studies, sides = [], []
    for _ in range(3):
        truth = random.random(geometry.shape) > 0.72
        guess = np.where(random.random(geometry.shape) > 0.25, truth, random.random(geometry.shape) > 0.8)
        sure = random.integers(1, 9, geometry.shape).astype(float)
        theirs, ours = (parts(values, connectivity, smallest) for values in (truth, guess))
        masks = [Mask(values=values, geometry=geometry) for values in (truth, guess)]
        study = match_lesions(reference=masks[0], prediction=masks[1], settings=settings, scores=sure)
        assert (study.found, study.false_positives) == plain(theirs, ours, settings)
        assert [lesion.voxels for lesion in study.reference] == [len(one) for one in theirs]
        scores = [max(float(sure[place]) for place in one) for one in ours]
        assert [lesion.score for lesion in study.prediction] == scores
        studies.append(study)
        sides.append((theirs, list(zip(ours, scores, strict=True))))
    curve = froc_of(studies)
    for point, least in enumerate(curve.thresholds):
        counts = [plain(theirs, [one for one, score in ours if score >= least], settings) for theirs, ours in sides]
        assert curve.sensitivity[point] == pytest.approx(
            sum(found for found, _ in counts) / sum(len(t) for t, _ in sides)
        )
        assert curve.false_positives[point] == pytest.approx(sum(false for _, false in counts) / 3)
