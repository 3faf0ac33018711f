"""The nearest of points far away, against SciPy's tree: surfaces, clouds, lines, one point, equal places, many pieces of work."""

import numpy as np
import pytest
from scipy.spatial import KDTree

from medkt.metrics import far
from medkt.metrics.cells import Cells
from medkt.metrics.far import far_distances

RANDOM = np.random.default_rng(5)


def _sphere(radius: float, count: int, axes: int = 3) -> np.ndarray:
    directions = RANDOM.standard_normal((count, axes))
    return radius * directions / np.linalg.norm(directions, axis=1, keepdims=True)


def _grid(*sides: int) -> np.ndarray:
    return np.stack(np.meshgrid(*map(np.arange, sides), indexing="ij"), axis=-1).reshape(-1, len(sides)) * 0.7


PAIRS = {
    "a sphere around a sphere": (_sphere(20, 900), _sphere(50, 3000)),
    "a sphere in a sphere": (_sphere(50, 3000), _sphere(20, 900)),
    "the middle of a sphere": (_sphere(0.001, 200), _sphere(50, 2000)),
    "circles": (_sphere(5, 500, axes=2), _sphere(9, 700, axes=2) * (2, 0.5)),
    "clouds": (RANDOM.standard_normal((800, 3)), RANDOM.standard_normal((900, 3)) + 3),
    "one cloud": (RANDOM.standard_normal((800, 3)), RANDOM.standard_normal((900, 3))),
    "planes, with many equally near": (_grid(30, 20, 1), _grid(30, 20, 1) + np.array([0, 0, 40])),
    "a line beside its own half": (_grid(400, 1, 1), _grid(200, 1, 1) + np.array([0, 9, 0])),
    "one point": (_grid(9, 9, 9), np.array([[3.0, 40.0, -7.0]])),
    "one that asks": (np.array([[3.0, 40.0, -7.0]]), _grid(9, 9, 9)),
    "equal places": (np.repeat([[1.0, 2.0, 3.0]], 50, axis=0), _grid(6, 6, 6) + 8),
    "the same points": (_grid(7, 8, 9), _grid(7, 8, 9)),
}


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("at_once", [far.AT_ONCE, 2000])
def test_every_distance_is_that_of_a_tree(name: str, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(far, "AT_ONCE", at_once)
    asking, points = PAIRS[name]
    np.testing.assert_allclose(far_distances(asking, points), KDTree(points).query(asking)[0], rtol=1e-12, atol=1e-12)


def test_little_is_looked_at_however_far_the_points_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 4000 points a few dozen for each that asks."""
    looked: list[int] = []
    spread = far._spread
    monkeypatch.setattr(far, "_spread", lambda *given: looked.append(int(given[1].sum())) or spread(*given))
    far_distances(_sphere(20, 4000), _sphere(500, 4000))
    assert sum(looked) < 4000 * 300


@pytest.mark.parametrize("axes", [2, 3])
def test_the_points_of_a_cell_stand_side_by_side_in_a_box_as_small_as_its_level_says(axes: int) -> None:
    given = _sphere(7, 3000, axes=axes) * np.array([1, 0.4, 2.5])[:axes]
    cells = Cells.of(given)
    np.testing.assert_array_equal(cells.points, given[cells.order].T)
    for number, level in enumerate(cells.levels):
        assert level.counts.sum() == len(given)
        spans = [cells.points[:, start : start + count] for start, count in zip(level.first, level.counts, strict=True)]
        np.testing.assert_array_equal(level.low, np.stack([one.min(axis=1) for one in spans], axis=1))
        np.testing.assert_array_equal(level.high, np.stack([one.max(axis=1) for one in spans], axis=1))
        assert (level.high - level.low).max() <= cells.side / (2**number - 0.5)
    below = cells.levels[1]
    parts = np.add.reduceat(below.counts, cells.levels[0].child)
    np.testing.assert_array_equal(parts, cells.levels[0].counts)
