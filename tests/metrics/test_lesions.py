from typing import Any

import numpy as np
import pytest
from row_wise import froc_of
from scipy import ndimage

from medkt.errors import GeometryMismatchError, InputError, SettingsError
from medkt.metrics import LesionMatch, LesionSettings, lesion_scores, match_lesions
from medkt.spatial import Geometry, Mask

ANY = LesionSettings(threshold=0.0)


def _drawn(*rows: str, step: float = 1.0) -> Mask:
    values = np.array([[[pixel == "#" for pixel in row] for row in rows]] * 2)
    return Mask(values=values, geometry=Geometry(affine=np.diag([5.0, 2.0, step, 1]), shape=values.shape))


REFERENCE = _drawn("##....##", "##....##", "........", "....#...")
PREDICTION = _drawn("#.......", "#.....##", "........", "..#.....")


def test_by_hand() -> None:
    found = match_lesions(reference=REFERENCE, prediction=PREDICTION)
    assert [lesion.voxels for lesion in found.reference] == [8, 8, 2]
    assert [lesion.overlap for lesion in found.reference] == [0.5, 0.5, 0]
    assert [lesion.matched for lesion in found.prediction] == [True, True, False]
    assert (found.found, found.false_positives) == (2, 1)
    assert (found.sensitivity, found.precision) == pytest.approx((2 / 3, 2 / 3))
    assert found.reference[0].volume_ml == pytest.approx(8 * 10 / 1000)
    strict = match_lesions(reference=REFERENCE, prediction=PREDICTION, settings=LesionSettings(threshold=0.5))
    assert strict.found == 0  # more than the threshold is asked for, not as much


def test_pairs_are_one_to_one_and_as_many_as_can_be() -> None:
    """One part over two lesions finds one; a greedy choice of the best overlap would leave the other part alone."""
    reference = _drawn("##.##...", "........")
    bridged = match_lesions(reference=reference, prediction=_drawn("#####...", "........"), settings=ANY)
    assert (bridged.found, bridged.false_positives) == (1, 0)
    shared = match_lesions(
        reference=_drawn("####.###", "........"), prediction=_drawn("..######", "........"), settings=ANY
    )
    assert shared.found == 1
    chain = match_lesions(
        reference=_drawn("#####.##", "........"), prediction=_drawn("##.#####", "........"), settings=ANY
    )
    assert (chain.found, chain.false_positives) == (2, 0)


def test_coverage_lets_parts_share_a_lesion() -> None:
    rule = LesionSettings(rule="coverage", threshold=0.5)
    found = match_lesions(reference=_drawn("######.."), prediction=_drawn("##.##..#"), settings=rule)
    assert (found.found, found.false_positives) == (1, 1)
    assert found.reference[0].overlap == pytest.approx(4 / 6)
    assert match_lesions(reference=_drawn("######.."), prediction=_drawn("##.#...#"), settings=rule).found == 0


def test_connectivity_and_smallest_size() -> None:
    touching = _drawn("#.......", ".#......", "....##..")
    for neighbours, parts in ((6, 3), (18, 2), (26, 2)):
        rule = LesionSettings(connectivity=neighbours)
        assert len(match_lesions(reference=touching, prediction=touching, settings=rule).reference) == parts
    large = LesionSettings(connectivity=6, smallest_voxels=3)
    assert [one.voxels for one in match_lesions(reference=touching, prediction=touching, settings=large).reference] == [
        4
    ]
    assert large.words() == "iou > 0.1, 6 neighbours, at least 3 voxels"


def test_lesions_of_a_clip_lie_in_one_frame() -> None:
    """What stands at one place in two frames is found twice, or in one of them only; it does not run through time."""
    values = np.zeros((3, 6, 8), bool)
    values[:2, 2:4, 2:4] = True
    grid = Geometry.of_pixels(6, 8, frames=3)
    later = values.copy()
    later[0] = False
    found = match_lesions(reference=Mask(values=values, geometry=grid), prediction=Mask(values=later, geometry=grid))
    assert [lesion.voxels for lesion in found.reference] == [4, 4]
    assert [lesion.matched for lesion in found.reference] == [False, True]


def test_no_lesion_is_nan_not_zero() -> None:
    none = _drawn("........", "........", "........", "........")
    found = match_lesions(reference=none, prediction=PREDICTION)
    assert np.isnan(found.sensitivity)
    assert (found.precision, found.false_positives) == (0, 3)
    assert np.isnan(match_lesions(reference=REFERENCE, prediction=none).precision)
    both = match_lesions(reference=none, prediction=none)
    assert (both.reference, both.prediction) == ((), ())


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"connectivity": 8}, "connectivity is 6, 18 or 26, got 8"),
        ({"threshold": 1.0}, r"from 0 to below 1, got 1\.0"),
        ({"smallest_voxels": 0}, "at least 1 voxel, got 0"),
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        LesionSettings(**wrong)


def test_guards() -> None:
    elsewhere = _drawn(*["#......."] * 4, step=3.0)
    with pytest.raises(GeometryMismatchError, match="the prediction lies on another grid"):
        match_lesions(reference=REFERENCE, prediction=elsewhere)
    with pytest.raises(ValueError, match="scores have the shape of the masks"):
        match_lesions(reference=REFERENCE, prediction=PREDICTION, scores=np.zeros((1, 1, 1)))
    with pytest.raises(ValueError, match="a score inside a predicted lesion is NaN"):
        match_lesions(reference=REFERENCE, prediction=PREDICTION, scores=np.full(PREDICTION.values.shape, np.nan))


# ---- FROC


def _scored(*scores: float) -> np.ndarray:
    """Scores for the three predicted parts: two hits and a false alarm."""
    made = np.zeros(PREDICTION.values.shape)
    made[0, 0, 0], made[0, 1, 6], made[0, 3, 2] = scores
    return made


def test_froc_by_hand() -> None:
    normal = match_lesions(
        reference=_drawn(*["........"] * 4), prediction=_drawn("#.......", *["........"] * 3), scores=_scored(0.6, 0, 0)
    )
    sick = match_lesions(reference=REFERENCE, prediction=PREDICTION, scores=_scored(0.9, 0.3, 0.5))
    assert sick.best_score == (0.9, 0.3, None)
    curve = froc_of([sick, normal])
    assert curve.thresholds.tolist() == [0.9, 0.6, 0.5, 0.3]
    assert curve.sensitivity.tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 2 / 3])
    assert curve.false_positives.tolist() == [0, 0.5, 1, 1]
    assert (curve.at(0.0), curve.at(0.99), curve.at(1.0)) == pytest.approx((1 / 3, 1 / 3, 2 / 3))
    assert curve.score((0.5, 1.0)) == pytest.approx(0.5)


def test_froc_is_monais() -> None:
    """MONAI leaves out its lowest threshold; all its other points are ours."""
    from monai.metrics.froc import compute_froc_curve_data

    random = np.random.default_rng(0)
    studies = [
        match_lesions(reference=REFERENCE, prediction=PREDICTION, scores=_scored(*random.random(3))) for _ in range(8)
    ]
    curve = froc_of(studies)
    false = [lesion.score for study in studies for lesion in study.prediction if not lesion.matched]
    true = [score or 0.0 for study in studies for score in study.best_score]
    rates, sensitivities = compute_froc_curve_data(np.array(false), np.array(true), curve.lesions, curve.studies)
    np.testing.assert_allclose(np.array(rates)[:-1][::-1], curve.false_positives)
    np.testing.assert_allclose(np.array(sensitivities)[:-1][::-1], curve.sensitivity)


def _of_parts(reference: str, prediction: str, scores: str, **settings: Any) -> LesionMatch:
    """One row: a digit of `scores` is the score of the pixel below it, in tenths."""
    sure = np.array([[[float(f"0.{one}") if one.isdigit() else 0.0 for one in scores]]] * 2)
    return match_lesions(
        reference=_drawn(reference), prediction=_drawn(prediction), settings=LesionSettings(**settings), scores=sure
    )  # fmt: skip


# rule, threshold, reference, prediction, scores; then found, false alarms, and the scores of both, counted by hand
BY_HAND = {
    "iou, a split: the second part is a false alarm": ("iou", 0.1, "######", "##.##.", "9..7..", 1, 1, [0.9], [0.7]),
    "iou, a split, the surer part alone": ("iou", 0.1, "######", "##.##.", "7..9..", 1, 1, [0.9], [0.7]),
    "iou, a merge: one part finds one of two": ("iou", 0.1, "##.##.", "#####.", "8.....", 1, 0, [0.8], []),
    "iou, a later part frees an earlier one": ("iou", 0.0, "#####.##", "##.#####", "7..9....", 2, 0, [0.7, 0.9], []),
    "iou, below the threshold is a false alarm": ("iou", 0.5, "####..", "##....", "9.....", 0, 1, [], [0.9]),
    "coverage, two parts find it together": ("coverage", 0.5, "######", "##.##.", "9..6..", 1, 0, [0.6], []),
    "coverage, the first part is enough": ("coverage", 0.3, "######", "##.##.", "9..6..", 1, 0, [0.9], []),
    "coverage, neither is": ("coverage", 0.7, "######", "##.##.", "9..6..", 0, 0, [], []),
    "coverage, a merge finds both": ("coverage", 0.5, "##.##.", "#####.", "8.....", 2, 0, [0.8, 0.8], []),
    "coverage, found by what is mostly elsewhere": ("coverage", 0.5, "##......", "#######.", "8.......", 1, 1, [0.8], [0.8]),
    "coverage, a part within": ("coverage", 0.5, "######", "#.....", "4.....", 0, 0, [], []),
}  # fmt: skip


@pytest.mark.parametrize("case", BY_HAND.values(), ids=BY_HAND)
def test_froc_ends_in_the_table_of_lesions(case: Any) -> None:
    rule, threshold, reference, prediction, scores, found, false, hits, alarms = case
    study = _of_parts(reference, prediction, scores, rule=rule, threshold=threshold)
    assert (study.found, study.false_positives) == (found, false)
    made = lesion_scores(study)
    assert (sorted(made[0]), sorted(made[1])) == (sorted(hits), sorted(alarms))
    curve = froc_of([study])
    assert curve.at(float(false)) == study.sensitivity


@pytest.mark.parametrize("rule", ["iou", "coverage"])
@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.4])
def test_each_point_of_the_curve_is_the_table_of_what_reaches_it(rule: Any, threshold: float) -> None:
    """Random masks: at every threshold of the score FROC counts what `match_lesions` counts of the parts that reach it."""
    random = np.random.default_rng(3)
    settings = LesionSettings(rule=rule, threshold=threshold, connectivity=6)
    for _ in range(12):
        geometry = Geometry(affine=np.diag([3.0, 2.0, 1.0, 1.0]), shape=(2, 7, 9))
        masks = [Mask(values=random.random(geometry.shape) > 0.55, geometry=geometry) for _ in range(2)]
        labels, count = ndimage.label(masks[1].values)
        sure = np.append(0.0, random.permutation(count) + 1.0)[labels]
        study = match_lesions(reference=masks[0], prediction=masks[1], settings=settings, scores=sure)
        curve = froc_of([study])
        for point, least in enumerate(curve.thresholds):
            kept = Mask(values=masks[1].values & (sure >= least), geometry=geometry)
            table = match_lesions(reference=masks[0], prediction=kept, settings=settings)
            assert curve.sensitivity[point] == pytest.approx(table.sensitivity)
            assert curve.false_positives[point] == table.false_positives


def test_froc_guards() -> None:
    unscored = match_lesions(reference=REFERENCE, prediction=PREDICTION)
    with pytest.raises(InputError, match="FROC needs a score for each predicted lesion"):
        froc_of([unscored])
    with pytest.raises(InputError, match="FROC needs at least one reference lesion"):
        froc_of([])
