"""Hausdorff and average distances: the oracles are DeepMind's own tests (method specification, 8.1)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from medkt.errors import SettingsError
from medkt.metrics import assd, average_distances, hausdorff, measure_surfaces, surface_dice, surface_overlap

masks = hnp.arrays(np.bool_, (5, 7)).filter(np.any)


def _with(shape: tuple[int, ...], *where: slice | int) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[where] = True
    return mask


def test_two_single_pixels() -> None:
    surfaces = measure_surfaces(
        reference=_with((128, 128), 50, 70), prediction=_with((128, 128), 50, 72), spacing=(2, 1)
    )
    np.testing.assert_allclose(surfaces.reference_sizes, [0.5 * np.sqrt(5)] * 4, rtol=1e-6)
    assert sorted(surfaces.reference_to_prediction) == [1, 1, 2, 2]
    assert average_distances(surfaces) == pytest.approx((1.5, 1.5))
    assert (hausdorff(surfaces, percentile=100), hausdorff(surfaces)) == (2, 2)
    assert surface_overlap(surfaces, tolerance=1) == pytest.approx((0.5, 0.5))
    assert surface_dice(surfaces, tolerance=1) == pytest.approx(0.5)


def test_two_small_rectangles_with_oblong_spacing() -> None:
    surfaces = measure_surfaces(
        reference=_with((6, 6), slice(1, 3), slice(1, 3)),
        prediction=_with((6, 6), slice(1, 4), slice(1, 3)),
        spacing=(2, 1),
    )
    assert average_distances(surfaces) == pytest.approx((0.0954915, 0.4472136), abs=1e-6)
    assert (hausdorff(surfaces, percentile=100), hausdorff(surfaces)) == (2, 2)
    assert surface_overlap(surfaces, tolerance=1) == pytest.approx((1, 0.7763932), abs=1e-6)
    assert surface_dice(surfaces, tolerance=1) == pytest.approx(0.870268, abs=1e-6)


def test_two_single_voxels() -> None:
    shape = (128, 128, 128)
    surfaces = measure_surfaces(
        reference=_with(shape, 50, 60, 70), prediction=_with(shape, 50, 60, 72), spacing=(3, 2, 1)
    )
    assert average_distances(surfaces) == pytest.approx((1.5, 1.5))
    assert assd(surfaces) == pytest.approx(1.5)


def test_two_half_cubes() -> None:
    shape = (100, 100, 100)
    surfaces = measure_surfaces(
        reference=_with(shape, slice(50)), prediction=_with(shape, slice(51)), spacing=(2, 1, 1)
    )
    assert average_distances(surfaces) == pytest.approx((0.322447, 0.339396), abs=1e-6)
    assert surface_overlap(surfaces, tolerance=1) == pytest.approx((0.842066, 0.830302), abs=1e-6)
    assert surface_dice(surfaces, tolerance=1) == pytest.approx(0.836145, abs=1e-6)


@settings(max_examples=15)
@given(masks, masks)
def test_distances_against_a_distance_transform(a: np.ndarray, b: np.ndarray) -> None:
    """Another route: corners of pixels that see both sides, and SciPy's distance transform between them."""
    surfaces = measure_surfaces(reference=a, prediction=b, spacing=(2, 0.7))
    corners = [_corners(mask) for mask in (a, b)]
    away = [ndimage.distance_transform_edt(~edge, sampling=(2, 0.7)) for edge in corners]
    np.testing.assert_allclose(surfaces.reference_to_prediction, away[1][corners[0]], rtol=1e-5)
    np.testing.assert_allclose(surfaces.prediction_to_reference, away[0][corners[1]], rtol=1e-5)
    furthest = max(away[1][corners[0]].max(), away[0][corners[1]].max())
    assert hausdorff(surfaces, percentile=100) == pytest.approx(furthest, rel=1e-5)
    swapped = measure_surfaces(reference=b, prediction=a, spacing=(2, 0.7))
    assert assd(swapped) == pytest.approx(assd(surfaces), rel=1e-6, abs=1e-9)
    assert hausdorff(swapped) == hausdorff(surfaces) <= furthest * (1 + 1e-6)


def _corners(mask: np.ndarray) -> np.ndarray:
    padded = np.pad(mask, 1).astype(int)
    seen = padded[:-1, :-1] + padded[1:, :-1] + padded[:-1, 1:] + padded[1:, 1:]
    return (seen > 0) & (seen < 4)


def test_a_percentile_is_of_length_not_of_elements() -> None:
    """A far element of a hundredth of the length does not move the 95th percentile, and does the 100th."""
    surfaces = measure_surfaces(
        reference=_with((60, 60), slice(2, 42), slice(2, 42)),
        prediction=_with((60, 60), slice(2, 42), slice(2, 42)) | _with((60, 60), 55, 55),
        spacing=(1, 1),
    )
    assert hausdorff(surfaces) == 0
    assert hausdorff(surfaces, percentile=100) == pytest.approx(14 * np.sqrt(2), rel=1e-6)


def test_empty_masks() -> None:
    some, none = _with((5, 6), 2, 3), np.zeros((5, 6), bool)
    one = measure_surfaces(reference=some, prediction=none, spacing=(2, 1))
    assert (hausdorff(one), assd(one), surface_dice(one, tolerance=9)) == (np.inf, np.inf, 0)
    np.testing.assert_equal(average_distances(one), (np.inf, np.nan))
    np.testing.assert_equal(surface_overlap(one, tolerance=9), (0, np.nan))
    both = measure_surfaces(reference=none, prediction=none, spacing=(2, 1))
    assert np.isnan([hausdorff(both), assd(both), surface_dice(both, tolerance=1), *average_distances(both)]).all()


@pytest.mark.parametrize("percentile", [0, -1, 101])
def test_impossible_percentiles_are_refused(percentile: int) -> None:
    some = measure_surfaces(reference=_with((5, 6), 2, 3), prediction=_with((5, 6), 2, 3), spacing=(1, 1))
    with pytest.raises(SettingsError, match="a percentile lies above 0 and at most at 100"):
        hausdorff(some, percentile=percentile)


# ---- MONAI's own oracles, of its default that counts edge pixels (method specification, 8.2)


def _monai(prediction: np.ndarray, reference: np.ndarray, threshold: float, **how: str) -> float:
    import torch
    from monai.metrics.surface_dice import compute_surface_dice

    planes = [torch.from_numpy(mask)[None, None] for mask in (prediction, reference)]
    return float(compute_surface_dice(*planes, [threshold], include_background=True, **how))


LINES = _with((10, 10), slice(1, 4), 1), _with((10, 10), slice(5, 8), 6)
HALVES = _with((480, 640), slice(None), slice(50, None)), _with((480, 640), slice(None), slice(60, None))


@pytest.mark.filterwarnings("ignore:.*always_return_as_numpy:FutureWarning")
@pytest.mark.parametrize(
    ("pair", "threshold", "metric", "expected"),
    [
        (LINES, 0, "euclidean", 0), (LINES, 5.5, "euclidean", 1 / 3), (LINES, 6, "euclidean", 2 / 3),
        (LINES, 4.999, "chessboard", 0), (LINES, 5, "chessboard", 1),
        (LINES, 7, "taxicab", 1 / 3), (LINES, 9, "taxicab", 1),
        ((~LINES[0], ~LINES[1]), 0, "euclidean", 1 - 12 / 84), ((~LINES[0], ~LINES[1]), 2.8, "euclidean", 1 - 3 / 84),
        ((~LINES[0], ~LINES[1]), 3, "euclidean", 1 - 1 / 84),
        (HALVES, 0, "euclidean", 1 - 976 / 4252), ((~HALVES[0], ~HALVES[1]), 0, "euclidean", 1 - 976 / 2132),
        (HALVES, 10, "euclidean", 1),
    ],
)  # fmt: skip
def test_monai_is_the_monai_that_was_specified(
    pair: tuple[np.ndarray, np.ndarray], threshold: float, metric: str, expected: float
) -> None:
    assert _monai(*pair, threshold, distance_metric=metric) == pytest.approx(expected, abs=1e-6)
