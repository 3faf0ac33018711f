"""Two grids, one score: nothing is cut, what lies outside is counted, and fields that do not meet are refused."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from medkt.errors import GeometryMismatchError
from medkt.metrics import MetricSettings, evaluate_case, join_grids
from medkt.metrics.grid import same_lattice
from medkt.spatial import Geometry, Mask, Provenance

SPACING = (3.0, 2.0, 1.0)
ASKED = MetricSettings(metrics=("dsc", "iou", "nsd", "volume", "lesions"), resample_to_reference=True)
PLAIN = MetricSettings(metrics=("dsc",))
SEG = Provenance(source="dicom")


def grid(
    shape: Sequence[int], *, start: Sequence[float] = (0, 0, 0), turn: float = 0.0, frame: str | None = None
) -> Geometry:
    """Axes of three lengths; `start` is in voxels, `turn` in degrees about the first axis."""
    angle = np.deg2rad(turn)
    turned = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    affine = np.eye(4)
    affine[:3, :3] = turned @ np.diag(SPACING)
    affine[:3, 3] = affine[:3, :3] @ np.array(start, float)
    return Geometry(affine=affine, shape=(shape[0], shape[1], shape[2]), frame_of_reference_uid=frame)


def mask(geometry: Geometry, *boxes: tuple[slice, slice, slice], source: Provenance | None = None) -> Mask:
    values = np.zeros(geometry.shape, dtype=bool)
    for box in boxes:
        values[box] = True
    return Mask(values=values, geometry=geometry, provenance=source or Provenance(source="nifti"))


WHOLE, BOX, FALSE = grid((10, 8, 9)), np.s_[1:4, 2:5, 2:6], np.s_[7:9, 2:5, 2:6]


@pytest.mark.parametrize("turn", [0.0, 25.0])
def test_a_smaller_reference_does_not_cut_the_prediction(turn: float) -> None:
    """The same two masks, the reference cropped to five slices: the numbers of the whole, and the amount outside."""
    reference, prediction = mask(grid((10, 8, 9), turn=turn), BOX), mask(grid((10, 8, 9), turn=turn), BOX, FALSE)
    cropped = replace(reference, values=reference.values[:5], geometry=grid((5, 8, 9), turn=turn))
    right = evaluate_case(reference=reference, prediction=prediction, tolerance_mm=1, settings=ASKED)
    found = evaluate_case(reference=cropped, prediction=prediction, tolerance_mm=1, settings=ASKED)
    assert dict(found.numbers) == pytest.approx(dict(right.numbers))
    assert found.numbers["dsc"] == pytest.approx(2 * 36 / (36 + 60))
    assert found.numbers["lesion_false_positives"] == 1
    assert dict(found.outside) == pytest.approx({"prediction_outside_ml": 24 * 6 / 1000, "reference_outside_ml": 0})
    assert dict(right.outside) == {}


def test_a_smaller_prediction_misses_what_it_does_not_see() -> None:
    reference = mask(WHOLE, BOX, FALSE)
    seen = replace(mask(grid((5, 8, 9)), BOX))
    found = evaluate_case(reference=reference, prediction=seen, settings=replace(ASKED, metrics=("dsc",)))
    assert found.numbers["dsc"] == pytest.approx(2 * 36 / (36 + 60))
    assert dict(found.outside) == pytest.approx({"prediction_outside_ml": 0, "reference_outside_ml": 24 * 6 / 1000})


def test_it_goes_on_to_all_six_sides() -> None:
    inner = mask(grid((4, 4, 4), start=(3, 2, 3)), np.s_[1:3, 1:3, 1:3])
    outer = mask(WHOLE, np.s_[:, 3:5, 4:6], np.s_[4:6, :, 4:6], np.s_[4:6, 3:5, :])
    found = join_grids(reference=inner, prediction=outer, resample=True)
    assert found.reference.geometry.shape == WHOLE.shape
    assert found.reference.geometry.same_grid(WHOLE)
    assert np.array_equal(found.prediction.values, outer.values)
    assert found.reference.values.sum() == 8
    small = join_grids(reference=inner, prediction=mask(WHOLE, np.s_[4:6, 3:5, 4:6]), resample=True)
    assert small.reference.geometry.same_grid(inner.geometry)  # an empty rest costs no memory


def test_fields_that_do_not_meet_are_an_error_also_where_nothing_is_marked() -> None:
    away = Geometry(affine=np.diag([1.0, 1, 1, 1]) + np.eye(4, k=3) * 500, shape=(10, 8, 9))
    for prediction in (mask(away, BOX), mask(away)):
        with pytest.raises(GeometryMismatchError, match="lies wholly outside the reference"):
            evaluate_case(
                reference=mask(WHOLE, BOX), prediction=prediction, settings=replace(PLAIN, resample_to_reference=True)
            )


def test_turned_fields_that_pass_each_other_do_not_meet() -> None:
    """Two long boxes, crossed: their bounding boxes overlap, the fields do not."""
    first = Geometry(affine=np.eye(4), shape=(30, 2, 2))
    angle = np.deg2rad(45)
    affine = np.eye(4)
    affine[:3, :3] = [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    affine[:3, 3] = [10, -8, 0]
    second = Geometry(affine=affine, shape=(6, 3, 3))
    with pytest.raises(GeometryMismatchError, match="wholly outside"):
        join_grids(
            reference=mask(first, np.s_[0:1, 0:1, 0:1]), prediction=mask(second, np.s_[0:1, 0:1, 0:1]), resample=True
        )


def test_a_part_smaller_than_a_voxel_does_not_vanish_silently() -> None:
    fine = Geometry(affine=np.diag([0.3, 0.2, 0.1, 1.0]), shape=(50, 50, 50))
    with pytest.raises(GeometryMismatchError, match="nothing of the prediction is left"):
        join_grids(reference=mask(WHOLE, BOX), prediction=mask(fine, np.s_[4:6, 4:6, 4:6]), resample=True)


def test_a_grid_of_both_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medkt.metrics.grid.MOST_VOXELS", 10)
    with pytest.raises(GeometryMismatchError, match="10 x 8 x 9 voxels, too many"):
        join_grids(reference=mask(grid((5, 8, 9)), BOX), prediction=mask(WHOLE, np.s_[:]), resample=True)


# ---- DICOM SEG: slices without a mask are left out


def test_two_segs_of_one_series_are_scored_as_they_are() -> None:
    frame = "1.2.3"
    reference = mask(grid((3, 8, 9), start=(4, 0, 0), frame=frame), np.s_[:, 2:5, 2:6], source=SEG)
    prediction = mask(grid((7, 8, 9), start=(2, 0, 0), frame=frame), np.s_[:, 2:5, 2:6], source=SEG)
    found = evaluate_case(reference=reference, prediction=prediction, settings=PLAIN)
    assert found.numbers["dsc"] == pytest.approx(0.6)
    assert found.settings["prediction"] == "on the grid of both, one lattice, extended"
    assert dict(found.outside) == {}  # a SEG's extent is no field of view
    turned = evaluate_case(reference=prediction, prediction=reference, settings=PLAIN)
    assert turned.numbers["dsc"] == pytest.approx(0.6)


def test_a_seg_beside_a_nifti_of_the_whole_series_stored_the_other_way_round() -> None:
    """The lattice is the same though the NIfTI's axes run the other way."""
    seg = mask(grid((7, 8, 9), start=(2, 0, 0), frame="1.2"), np.s_[:, 2:5, 2:6], source=SEG)
    whole = mask(WHOLE, np.s_[4:7, 2:5, 2:6])
    affine = WHOLE.affine.copy()
    affine[:3, 3] = WHOLE.to_world(np.array([[9.0, 0, 8]]))[0]
    affine[:3, [0, 2]] *= -1
    flipped = Mask(values=whole.values[::-1, :, ::-1], geometry=Geometry(affine=affine, shape=WHOLE.shape))
    for reference in (whole, flipped):
        assert same_lattice(reference.geometry, seg.geometry)
        assert evaluate_case(reference=reference, prediction=seg, settings=PLAIN).numbers["dsc"] == pytest.approx(0.6)


def test_a_seg_of_one_slice_takes_the_other_ones_step() -> None:
    frame = "1.2"
    single = replace(grid((1, 8, 9), start=(5, 0, 0), frame=frame))
    affine = single.affine.copy()
    affine[:3, 0] /= 3  # one plane: its file states no step
    one = mask(replace(single, affine=affine), np.s_[:, 2:5, 2:6], source=SEG)
    many = mask(grid((3, 8, 9), start=(4, 0, 0), frame=frame), np.s_[:, 2:5, 2:6], source=SEG)
    assert evaluate_case(reference=many, prediction=one, settings=PLAIN).numbers["dsc"] == pytest.approx(0.5)
    assert evaluate_case(reference=one, prediction=many, settings=PLAIN).numbers["dsc"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("prediction", "words"),
    [
        (grid((7, 8, 9), start=(2.5, 0, 0)), "lies on another grid"),
        (grid((7, 8, 9), start=(2, 0, 0), turn=3), "lies on another grid"),
        (grid((7, 8, 9), start=(2, 0, 0), frame="9.9"), "lies on another grid"),
        (grid((7, 8, 9), start=(40, 0, 0)), "lies wholly outside"),
    ],
    ids=["half a slice away", "turned", "another frame of reference", "elsewhere"],
)
def test_other_segs_are_refused_as_before(prediction: Geometry, words: str) -> None:
    reference = mask(grid((3, 8, 9), start=(4, 0, 0), frame="1.2"), np.s_[:, 2:5, 2:6], source=SEG)
    with pytest.raises(GeometryMismatchError, match=words):
        evaluate_case(reference=reference, prediction=mask(prediction, BOX, source=SEG), settings=PLAIN)


def test_two_niftis_on_one_lattice_are_refused_unless_it_is_asked_for() -> None:
    with pytest.raises(GeometryMismatchError, match="lies on another grid"):
        evaluate_case(reference=mask(grid((5, 8, 9)), BOX), prediction=mask(WHOLE, BOX), settings=PLAIN)


def test_segs_of_clips_have_the_frames_of_both() -> None:
    short = mask(Geometry.of_pixels(8, 9), np.s_[:, 2:5, 2:6], source=SEG)
    long = mask(Geometry.of_pixels(8, 9, frames=3), np.s_[:, 2:5, 2:6], source=SEG)
    assert evaluate_case(reference=short, prediction=long, settings=PLAIN).numbers["dsc"] == pytest.approx(0.5)
    assert evaluate_case(reference=long, prediction=short, settings=PLAIN).numbers["dsc"] == pytest.approx(0.5)
