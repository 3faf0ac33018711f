import numpy as np
import pytest

from medkt.errors import GeometryMismatchError, InputError, SettingsError
from medkt.metrics import evaluate_case
from medkt.spatial import Geometry, Mask, Stack, Unit


def _geometry(shape: tuple[int, int, int], *, unit: Unit = "mm", stack: Stack = "space", shear: float = 0) -> Geometry:
    affine = np.diag([5.0, 2.0, 1.0, 1.0])
    affine[1, 2] = shear
    return Geometry(affine=affine, shape=shape, unit=unit, stack=stack)


def _drawn(*rows: str, geometry: Geometry | None = None) -> Mask:
    """One plane typed as text, repeated along the first axis where the geometry has several slices."""
    plane = np.array([[pixel == "#" for pixel in row] for row in rows])
    geometry = geometry or _geometry((1, *plane.shape))
    return Mask(values=np.repeat(plane[None], geometry.shape[0], axis=0), geometry=geometry)


REFERENCE = ("......", ".##...", ".##...", "......", "......", "......")
PREDICTION = ("......", ".##...", ".##...", ".##...", "......", "......")
EMPTY = ("......",) * 6


def test_one_plane_in_millimetres() -> None:
    result = evaluate_case(reference=_drawn(*REFERENCE), prediction=_drawn(*PREDICTION), case_id="7", tolerance_mm=1)
    assert result.numbers == pytest.approx({"dsc": 0.8, "iou": 2 / 3, "nsd@1mm": 0.870268}, abs=1e-6)
    assert (result.case_id, result.outcome, dict(result.missing)) == ("7", "normal", {})
    assert result.settings["boundary"] == "contours of one plane"
    assert result.settings["spacing"] == "2 x 1 mm"
    assert result.settings["empty"] == "both empty: NaN; one empty: 0"


def test_a_tolerance_in_pixels_is_another_number_with_another_name() -> None:
    result = evaluate_case(reference=_drawn(*REFERENCE), prediction=_drawn(*PREDICTION), tolerance_px=1)
    assert result.numbers["nsd@1px"] == pytest.approx(1)
    assert "nsd@1mm" not in result.numbers


def test_a_plane_across_any_axis_is_one_plane() -> None:
    values = _drawn(*REFERENCE).values, _drawn(*PREDICTION).values
    for axis in range(3):
        turned = [np.moveaxis(v, 0, axis) for v in values]
        affine = np.eye(4)
        affine[np.arange(3), np.arange(3)] = np.insert([2.0, 1.0], axis, 5.0)
        geometry = Geometry(affine=affine, shape=turned[0].shape)
        masks = [Mask(values=v, geometry=geometry) for v in turned]
        result = evaluate_case(reference=masks[0], prediction=masks[1], tolerance_mm=1)
        assert result.numbers["nsd@1mm"] == pytest.approx(0.870268, abs=1e-6)


def test_a_volume_has_surfaces() -> None:
    geometry = _geometry((3, 6, 6))
    masks = _drawn(*REFERENCE, geometry=geometry), _drawn(*PREDICTION, geometry=geometry)
    result = evaluate_case(reference=masks[0], prediction=masks[1], tolerance_mm=2, with_slab=True)
    assert result.numbers["nsd@2mm"] == pytest.approx(1)
    assert result.settings["boundary"] == "surface of the volume"
    assert np.isnan(result.numbers["nsd_slab@2px"])
    assert result.missing == {"nsd_slab@2px": "defined for one plane only"}


def test_the_slab_stands_under_its_own_name_and_only_when_asked_for() -> None:
    masks = {"reference": _drawn(*REFERENCE), "prediction": _drawn(*PREDICTION)}
    assert "nsd_slab@2px" not in evaluate_case(**masks, tolerance_px=2).numbers
    assert evaluate_case(**masks, tolerance_px=2, with_slab=True).numbers["nsd_slab@2px"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("reference", "prediction", "outcome", "value"),
    [
        (EMPTY, EMPTY, "both empty", np.nan),
        (EMPTY, PREDICTION, "reference empty", 0),
        (REFERENCE, EMPTY, "prediction empty", 0),
    ],
)
def test_empty_rule(reference: tuple[str, ...], prediction: tuple[str, ...], outcome: str, value: float) -> None:
    result = evaluate_case(reference=_drawn(*reference), prediction=_drawn(*prediction), tolerance_mm=1, with_slab=True)
    assert result.outcome == outcome
    assert list(result.numbers) == ["dsc", "iou", "nsd@1mm", "nsd_slab@2px"]
    np.testing.assert_equal(list(result.numbers.values()), [value] * 4)
    assert set(result.missing) == (set(result.numbers) if np.isnan(value) else set())
    assert all("both masks are empty" in why for why in result.missing.values())


def test_a_clip_and_a_sheared_grid_have_no_surface_and_say_so() -> None:
    clip = Geometry.of_pixels(6, 6, frames=3)
    masks = _drawn(*REFERENCE, geometry=clip), _drawn(*PREDICTION, geometry=clip)
    result = evaluate_case(reference=masks[0], prediction=masks[1], tolerance_px=2)
    assert "evaluate them one by one" in result.missing["nsd@2px"]
    assert result.numbers["dsc"] == pytest.approx(0.8)
    sheared = _geometry((3, 6, 6), shear=0.5)
    masks = _drawn(*REFERENCE, geometry=sheared), _drawn(*PREDICTION, geometry=sheared)
    assert (
        "not at right angles"
        in evaluate_case(reference=masks[0], prediction=masks[1], tolerance_mm=2).missing["nsd@2mm"]
    )


def test_masks_on_two_grids_are_refused() -> None:
    moved = np.diag([5.0, 2.0, 1.0, 1.0])
    moved[0, 3] = 1
    other = _drawn(*PREDICTION, geometry=Geometry(affine=moved, shape=(1, 6, 6)))
    with pytest.raises(GeometryMismatchError, match="the prediction lies on another grid"):
        evaluate_case(reference=_drawn(*REFERENCE), prediction=other, tolerance_mm=1)


def test_exactly_one_tolerance_is_asked_for() -> None:
    masks = {"reference": _drawn(*REFERENCE), "prediction": _drawn(*PREDICTION)}
    for tolerances in ({}, {"tolerance_mm": 1, "tolerance_px": 1}):
        with pytest.raises(SettingsError, match="give tolerance_mm or tolerance_px, and not both"):
            evaluate_case(**masks, **tolerances)


def test_millimetres_of_an_image_without_spacing_are_refused() -> None:
    geometry = Geometry.of_pixels(6, 6)
    masks = _drawn(*REFERENCE, geometry=geometry), _drawn(*PREDICTION, geometry=geometry)
    with pytest.raises(InputError, match="no spacing, so a tolerance in mm means nothing; give tolerance_px"):
        evaluate_case(reference=masks[0], prediction=masks[1], tolerance_mm=1)
