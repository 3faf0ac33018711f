from typing import Any

import numpy as np
import pytest

from medkt.errors import GeometryMismatchError, InputError, SettingsError
from medkt.metrics import LesionSettings, froc, match_lesions
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
    curve = froc([sick, normal])
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
    curve = froc(studies)
    false = [lesion.score for study in studies for lesion in study.prediction if not lesion.matched]
    true = [score or 0.0 for study in studies for score in study.best_score]
    rates, sensitivities = compute_froc_curve_data(np.array(false), np.array(true), curve.lesions, curve.studies)
    np.testing.assert_allclose(np.array(rates)[:-1][::-1], curve.false_positives)
    np.testing.assert_allclose(np.array(sensitivities)[:-1][::-1], curve.sensitivity)


def test_froc_guards() -> None:
    unscored = match_lesions(reference=REFERENCE, prediction=PREDICTION)
    with pytest.raises(InputError, match="FROC needs a score for each predicted lesion"):
        froc([unscored])
    with pytest.raises(InputError, match="FROC needs at least one reference lesion"):
        froc([])
