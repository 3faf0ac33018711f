"""Metrics by name, the rule for empty masks, two grids, pairing."""

import numpy as np
import pytest
import SimpleITK

from medkt.errors import GeometryMismatchError, InputError, SettingsError, UnknownNameError
from medkt.metrics import (
    EMPTY_POLICIES,
    METRICS,
    MetricSettings,
    empty_policy,
    evaluate_case,
    pair_by_case,
    resample_to_reference,
    volume_difference,
)
from medkt.requests.evaluate_request import EvaluateRequest
from medkt.requests.option import text_of
from medkt.spatial import Geometry, Mask
from medkt.tasks.base import Column
from medkt.tasks.masks.columns import NUMBERS

ALL = MetricSettings(metrics=tuple(METRICS))
INF, NAN = np.inf, np.nan


def _mask(shape: tuple[int, int, int] = (4, 6, 8), *where: slice, affine: np.ndarray | None = None) -> Mask:
    values = np.zeros(shape, bool)
    if where:
        values[where] = True
    affine = np.diag([5.0, 2.0, 1.0, 1.0]) if affine is None else affine
    return Mask(values=values, geometry=Geometry(affine=affine, shape=shape))


REFERENCE = _mask((4, 6, 8), slice(1, 3), slice(1, 4), slice(1, 5))  # 24 voxels of 0.01 mL
PREDICTION = _mask((4, 6, 8), slice(1, 3), slice(1, 4), slice(2, 7))  # 30
NOTHING = _mask()


def test_every_metric_by_name() -> None:
    numbers = evaluate_case(reference=REFERENCE, prediction=PREDICTION, tolerance_mm=2, settings=ALL).numbers
    assert numbers["dsc"] == pytest.approx(36 / 54)
    assert numbers["volume_difference_ml"] == pytest.approx(0.06)
    assert numbers["volume_difference_relative"] == pytest.approx(0.25)
    assert numbers["hd_mm"] == numbers["hd95_mm"] == pytest.approx(2)
    assert 0 < numbers["assd_mm"] < 2
    assert numbers["nsd@2mm"] == pytest.approx(1)
    assert np.isnan(numbers["nsd_slab@2px"])
    lesions = [numbers[f"lesion{name}"] for name in ("s_found", "_false_positives", "_sensitivity", "_precision")]
    assert lesions == [1, 0, 1, 1]


@pytest.mark.parametrize("name", list(METRICS))
def test_every_number_of_a_metric_has_a_column_that_says_what_it_is(name: str) -> None:
    """And the command's help names the metric."""
    columns = [Column(name=one, kind="number", meaning=said) for one, said in METRICS[name].columns.items()]
    asked = MetricSettings(metrics=(name,))
    numbers = evaluate_case(reference=REFERENCE, prediction=PREDICTION, tolerance_mm=2, settings=asked).numbers
    assert numbers
    assert [number for number in numbers if not any(column.describes(number) for column in columns)] == []
    assert f"{name}," in text_of(EvaluateRequest, "metrics") or f"{name} (" in text_of(EvaluateRequest, "metrics")


def test_only_what_was_asked_for() -> None:
    wanted = MetricSettings(metrics=("assd", "dsc"))
    result = evaluate_case(reference=REFERENCE, prediction=PREDICTION, settings=wanted)
    assert list(result.numbers) == ["assd_mm", "dsc"]
    assert "tolerance" not in result.settings
    assert result.lesions is None
    in_pixels = evaluate_case(reference=REFERENCE, prediction=PREDICTION, tolerance_px=1, settings=wanted)
    assert list(in_pixels.numbers) == ["assd_px", "dsc"]


@pytest.mark.parametrize("name", ["hd_percent", "hd95_", "volume_left_ml", "volume_reference_ml_old", "dscs", "my_dsc"])
def test_a_column_that_no_metric_gives_is_none_of_theirs(name: str) -> None:
    assert not [column.name for column in NUMBERS if column.describes(name)]


def test_unknown_double_or_no_metrics_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="no metric is called 'dice'; known are: dsc, iou, nsd"):
        MetricSettings(metrics=("dice",))
    with pytest.raises(SettingsError, match="once each and at least one"):
        MetricSettings(metrics=("dsc", "dsc"))
    with pytest.raises(UnknownNameError, match="rule for empty masks is called 'skip'; known are: standard"):
        MetricSettings(empty="skip")


# ---- the rule for empty masks


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("standard", {"both": (NAN, NAN), "one": (0, INF)}),
        ("distances-missing", {"both": (NAN, NAN), "one": (0, NAN)}),
        ("agreement-counts", {"both": (1, 0), "one": (0, INF)}),
    ],
)
def test_one_rule_for_all_metrics(policy: str, expected: dict[str, tuple[float, float]]) -> None:
    settings = MetricSettings(metrics=("dsc", "iou", "nsd", "hd", "hd95", "assd"), empty=policy)
    for masks, kind in (((NOTHING, NOTHING), "both"), ((REFERENCE, NOTHING), "one"), ((NOTHING, PREDICTION), "one")):
        result = evaluate_case(reference=masks[0], prediction=masks[1], tolerance_mm=1, settings=settings)
        overlap, distance = expected[kind]
        np.testing.assert_equal(list(result.numbers.values()), [overlap] * 3 + [distance] * 3)
        assert set(result.missing) == {name for name, number in result.numbers.items() if np.isnan(number)}
        assert result.settings["empty"] == empty_policy(policy).words(distances=True)


def test_the_words_of_each_rule() -> None:
    words = {name: policy.words(distances=True) for name, policy in EMPTY_POLICIES.items()}
    assert words == {
        "standard": "both empty: NaN; one empty: 0 (distance infinity)",
        "distances-missing": "both empty: NaN; one empty: 0 (distance NaN)",
        "agreement-counts": "both empty: 1 (distance 0); one empty: 0 (distance infinity)",
    }
    assert EMPTY_POLICIES["agreement-counts"].words(distances=False) == "both empty: 1; one empty: 0"


def test_volumes_of_empty_masks_are_numbers() -> None:
    found = volume_difference(reference=NOTHING, prediction=PREDICTION)
    assert (found.reference_ml, found.difference_ml, found.relative) == (0, pytest.approx(0.3), None)
    volume = MetricSettings(metrics=("volume",))
    result = evaluate_case(reference=NOTHING, prediction=NOTHING, settings=volume)
    assert result.numbers["volume_difference_ml"] == 0
    assert "the reference is empty" in result.missing["volume_difference_relative"]


def test_one_plane_has_no_millilitres_but_a_relative_difference() -> None:
    plane = (
        _mask((1, 6, 8), slice(0, 1), slice(0, 2), slice(0, 2)),
        _mask((1, 6, 8), slice(0, 1), slice(0, 1), slice(0, 2)),
    )
    result = evaluate_case(reference=plane[0], prediction=plane[1], settings=MetricSettings(metrics=("volume",)))
    assert result.numbers["volume_difference_relative"] == -0.5
    assert "several slices with a spacing" in result.missing["volume_difference_ml"]


# ---- two grids


def _shifted(degrees: float = 0.0, shape: tuple[int, int, int] = (5, 9, 7)) -> Geometry:
    turn = np.deg2rad(degrees)
    affine = np.diag([4.0, 1.5, 1.3, 1.0])
    affine[:3, :3] = [[1, 0, 0], [0, np.cos(turn), -np.sin(turn)], [0, np.sin(turn), np.cos(turn)]] @ affine[:3, :3]
    affine[:3, 3] = [1.1, 0.6, -0.66]  # no voxel centre falls between two voxels
    return Geometry(affine=affine, shape=shape)


@pytest.mark.parametrize("degrees", [0.0, 17.0])
def test_nearest_is_simpleitks(degrees: float) -> None:
    mask = Mask(
        values=np.random.default_rng(0).random((4, 6, 8)) > 0.5,
        geometry=_mask().geometry,
        provenance=NOTHING.provenance,
    )
    grid = _shifted(degrees)
    theirs = SimpleITK.GetArrayFromImage(
        SimpleITK.Resample(_itk(mask.values, mask.geometry), _itk(np.zeros(grid.shape), grid), SimpleITK.Transform(),
                           SimpleITK.sitkNearestNeighbor, 0.0)
    )  # fmt: skip
    ours = resample_to_reference(mask, grid)
    np.testing.assert_array_equal(ours.values, theirs.astype(bool))
    assert ours.provenance.steps == ("resampled (nearest) from (4, 6, 8) to (5, 9, 7)",)


def _itk(values: np.ndarray, geometry: Geometry) -> SimpleITK.Image:
    image = SimpleITK.GetImageFromArray(values.astype(np.uint8))
    image.SetSpacing(geometry.spacing[::-1])
    image.SetOrigin(geometry.affine[:3, 3].tolist())
    image.SetDirection(geometry.directions[:, ::-1].ravel().tolist())
    return image


def test_its_own_grid_is_left_as_it_is() -> None:
    np.testing.assert_array_equal(resample_to_reference(PREDICTION, REFERENCE.geometry).values, PREDICTION.values)


def test_two_grids_are_refused_unless_resampling_was_asked_for() -> None:
    finer = np.diag([2.5, 1.0, 0.5, 1.0])
    finer[:3, 3] = [-1.25, -0.5, -0.25]
    values = PREDICTION.values.repeat(2, axis=0).repeat(2, axis=1).repeat(2, axis=2)
    other = Mask(values=values, geometry=Geometry(affine=finer, shape=(8, 12, 16)))
    with pytest.raises(GeometryMismatchError, match="the prediction lies on another grid"):
        evaluate_case(reference=REFERENCE, prediction=other, tolerance_mm=1)
    asked = MetricSettings(metrics=("dsc",), resample_to_reference=True)
    result = evaluate_case(reference=REFERENCE, prediction=other, settings=asked)
    assert result.numbers["dsc"] == pytest.approx(36 / 54)
    assert result.settings["prediction"] == "resampled to the reference's grid (nearest)"
    same = evaluate_case(reference=REFERENCE, prediction=PREDICTION, settings=asked)
    assert "prediction" not in same.settings


def test_what_cannot_be_resampled_is_refused() -> None:
    def named(uid: str) -> Geometry:
        return Geometry(affine=np.eye(4), shape=(1, 2, 2), frame_of_reference_uid=uid)

    mask = Mask(values=np.ones((1, 2, 2), bool), geometry=named("1.2"))
    with pytest.raises(GeometryMismatchError, match="two frames of reference"):
        resample_to_reference(mask, named("1.3"))
    with pytest.raises(GeometryMismatchError, match="only volumes and planes with a spacing"):
        resample_to_reference(mask, Geometry.of_pixels(2, 2))


# ---- pairing


def test_pairs_are_by_id_in_the_order_of_the_references() -> None:
    pairs = pair_by_case(references={"b": 1, "a": 2}, predictions={"a": "x", "b": "y"})
    assert [(pair.case_id, pair.reference, pair.prediction) for pair in pairs] == [("b", 1, "y"), ("a", 2, "x")]


def test_incomplete_pairs_are_refused_with_a_list() -> None:
    with pytest.raises(
        InputError, match=r"3 references and 2 predictions.*2 \(a, b\) without a prediction; 1 \(d\) with"
    ):
        pair_by_case(references={"a": 1, "b": 1, "c": 1}, predictions={"c": 1, "d": 1})
    many = {f"case{number:02}": 0 for number in range(30)}
    with pytest.raises(InputError, match=r"30 \(case00, .*case09 and 20 more\) without a prediction"):
        pair_by_case(references=many, predictions={})
    with pytest.raises(InputError, match="no reference at all"):
        pair_by_case(references={}, predictions={"a": 1})


def test_lesions_come_with_the_numbers() -> None:
    wanted = MetricSettings(metrics=("lesions",))
    result = evaluate_case(reference=REFERENCE, prediction=NOTHING, settings=wanted)
    assert result.lesions is not None
    assert [lesion.matched for lesion in result.lesions.reference] == [False]
    assert result.numbers["lesion_sensitivity"] == 0
    assert result.missing == {"lesion_precision": "no lesion was predicted"}
    assert result.settings["lesions"] == "iou > 0.1, 26 neighbours, at least 1 voxel"
