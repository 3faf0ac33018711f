"""Elements of boundaries: sizes against the tables of two other programs, distances by both routes, numbers against frozen ones."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import KDTree

from medkt.metrics import assd, average_distances, boundary, hausdorff, measure_surfaces, surface_dice
from medkt.metrics.boundary import boundary_of, distances_between
from medkt.metrics.far import far_distances

# by another implementation (MONAI's elements and distances, in single precision), on the masks of `_noise`
FROZEN = json.loads((Path(__file__).parent / "frozen_surfaces.json").read_text())
SINGLE_PRECISION = 2e-7


def _noise(seed: int, shape: tuple[int, ...], fill: float) -> list[np.ndarray]:
    random, made = np.random.default_rng(seed), []
    for _ in range(2):
        noise = ndimage.gaussian_filter(random.standard_normal(shape), 1.2)
        made.append(noise > np.quantile(noise, 1 - fill))
    return made


@pytest.mark.parametrize("spacing", [(2.0, 0.7, 1.3), (1.0, 1.0, 1.0), (7.5, 0.33, 0.41)])
def test_every_code_of_eight_voxels_has_the_area_that_others_give_it(spacing: tuple[float, float, float]) -> None:
    from surface_distance import lookup_tables

    table = lookup_tables.create_table_neighbour_code_to_surface_area(spacing)
    kernel = lookup_tables.ENCODE_NEIGHBOURHOOD_3D_KERNEL
    for code in range(256):
        block = (code & kernel) > 0
        inner = _inner(block, spacing)
        assert inner == pytest.approx(table[code], abs=1e-12), code


@pytest.mark.parametrize("spacing", [(2.0, 0.7), (1.0, 1.0)])
def test_every_code_of_four_pixels_has_the_length_that_others_give_it(spacing: tuple[float, float]) -> None:
    from surface_distance import lookup_tables

    table = lookup_tables.create_table_neighbour_code_to_contour_length(spacing)
    kernel = lookup_tables.ENCODE_NEIGHBOURHOOD_2D_KERNEL
    for code in range(16):
        assert _inner((code & kernel) > 0, spacing) == pytest.approx(table[code], abs=1e-12), code


def _inner(block: np.ndarray, spacing: tuple[float, ...]) -> float:
    """The size of the element amid a block of two voxels along each axis; 0 where none is there."""
    found = boundary_of(block, spacing)
    middle = np.ravel_multi_index((1,) * block.ndim, found.grid)
    return float(found.sizes[found.corners == middle].sum())


@pytest.mark.parametrize("row", FROZEN, ids=lambda row: "x".join(map(str, row["shape"])))
def test_numbers_are_those_of_another_implementation(row: dict[str, Any]) -> None:
    reference, prediction = _noise(row["seed"], tuple(row["shape"]), row["fill"])
    surfaces = measure_surfaces(reference=reference, prediction=prediction, spacing=row["spacing"])
    found = {
        "nsd@1": surface_dice(surfaces, tolerance=1), "nsd@2": surface_dice(surfaces, tolerance=2),
        "hd95": hausdorff(surfaces), "hd": hausdorff(surfaces, percentile=100), "assd": assd(surfaces),
        "average": average_distances(surfaces),
        "size": (surfaces.reference_sizes.sum(), surfaces.prediction_sizes.sum()),
    }  # fmt: skip
    for name, value in found.items():
        assert value == pytest.approx(row[name], rel=SINGLE_PRECISION), name


@pytest.mark.parametrize("row", FROZEN, ids=lambda row: "x".join(map(str, row["shape"])))
def test_elements_and_distances_are_surface_distances(row: dict[str, Any]) -> None:
    """To the last digits; its release needs names that NumPy 2 and SciPy have dropped, so that its parts are called."""
    from surface_distance import lookup_tables

    masks, spacing = _noise(row["seed"], tuple(row["shape"]), row["fill"]), tuple(row["spacing"])
    volume = len(spacing) == 3
    kernel = lookup_tables.ENCODE_NEIGHBOURHOOD_3D_KERNEL if volume else lookup_tables.ENCODE_NEIGHBOURHOOD_2D_KERNEL
    name = "surface_area" if volume else "contour_length"
    table = getattr(lookup_tables, f"create_table_neighbour_code_to_{name}")(spacing)
    codes = [ndimage.correlate(np.pad(mask, 1).astype(np.uint8), kernel, mode="constant") for mask in masks]
    edges = [(code != 0) & (code != kernel.sum()) for code in codes]
    away = [ndimage.distance_transform_edt(~edge, sampling=spacing) for edge in edges]
    ours = measure_surfaces(reference=masks[0], prediction=masks[1], spacing=spacing)
    _same(ours.reference_to_prediction, away[1][edges[0]])
    _same(ours.prediction_to_reference, away[0][edges[1]])
    _same(ours.reference_sizes, table[codes[0]][edges[0]])
    _same(ours.prediction_sizes, table[codes[1]][edges[1]])


def _same(a: np.ndarray, b: np.ndarray) -> None:
    np.testing.assert_allclose(np.sort(a), np.sort(b), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("row", FROZEN, ids=lambda row: "x".join(map(str, row["shape"])))
def test_tree_and_boxes_give_the_same(row: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    masks = _noise(row["seed"], tuple(row["shape"]), row["fill"])
    start, end = (boundary_of(mask, [float(step) for step in row["spacing"]]) for mask in masks)
    monkeypatch.setattr(boundary, "TREE_US", 0.0)
    by_tree = distances_between(start, end)
    monkeypatch.setattr(boundary, "TREE_US", 1e9)
    monkeypatch.setattr(boundary, "FEW", 0)
    monkeypatch.delattr(KDTree, "query")
    np.testing.assert_allclose(distances_between(start, end), by_tree, rtol=1e-12, atol=1e-12)


def test_surfaces_far_apart_are_searched_in_boxes_and_near_ones_by_a_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ball around another one half as large; and around one that touches it."""
    places = np.stack(np.meshgrid(*[np.linspace(-1, 1, 60)] * 3, indexing="ij"))
    radius = np.linalg.norm(places, axis=0)
    large, small, near = radius < 0.9, radius < 0.3, np.linalg.norm(places * 1.02, axis=0) < 0.9
    outer, inner, other = (boundary_of(mask, (1.0, 0.9, 0.8)) for mask in (large, small, near))
    asked: list[int] = []

    def seen(asking: np.ndarray, points: np.ndarray) -> np.ndarray:
        asked.append(len(asking))
        return far_distances(asking, points)

    monkeypatch.setattr(boundary, "far_distances", seen)
    monkeypatch.setattr(boundary, "BOXES_US", 1.0)  # as if the volume were larger
    found = distances_between(inner, outer)
    np.testing.assert_allclose(found, KDTree(outer.points()).query(inner.points())[0], rtol=1e-12)
    assert asked == [len(inner.corners)]
    distances_between(outer, other)
    assert len(asked) == 1


def test_shared_elements_are_no_distance_away_and_nothing_is_infinitely_far() -> None:
    mask = _noise(3, (6, 7, 9), 0.4)[0]
    one, none = boundary_of(mask, (3.0, 1.0, 0.5)), boundary_of(np.zeros_like(mask), (3.0, 1.0, 0.5))
    assert not distances_between(one, one).any()
    assert np.isinf(distances_between(one, none)).all()
    assert len(distances_between(none, one)) == 0


def test_what_lies_around_the_masks_changes_nothing() -> None:
    masks = _noise(4, (6, 7, 9), 0.3)
    near = measure_surfaces(reference=masks[0], prediction=masks[1], spacing=(3, 1, 0.5))
    padded = [np.pad(mask, ((2, 5), (0, 4), (3, 1))) for mask in masks]
    far = measure_surfaces(reference=padded[0], prediction=padded[1], spacing=(3, 1, 0.5))
    np.testing.assert_allclose(far.reference_to_prediction, near.reference_to_prediction)
    np.testing.assert_array_equal(far.prediction_sizes, near.prediction_sizes)
