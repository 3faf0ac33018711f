import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp

from medkt.metrics import measure, measure_components
from medkt.spatial import Geometry, Mask

# slices 5 mm apart along z, rows 2 mm along y, columns 0.5 mm along x, in LPS
AXIAL = np.array([[0, 0, 0.5, -10], [0, 2, 0, 20], [5, 0, 0, 100], [0, 0, 0, 1.0]])


def _mask(values: np.ndarray, affine: np.ndarray = AXIAL) -> Mask:
    return Mask(values=values, geometry=Geometry(affine=affine, shape=values.shape))


def _drawn(*slices: str) -> Mask:
    return _mask(np.array([[[pixel == "#" for pixel in row] for row in one.split("/")] for one in slices]))


def test_by_hand() -> None:
    found = measure(_drawn("......../......../........", ".######./......../........", ".##...../.##...../........"))
    assert found.voxels == 10
    assert found.volume_ml == pytest.approx(10 * 5 * 2 * 0.5 / 1000)
    assert found.area == pytest.approx(6 * 2 * 0.5)
    # two columns by two rows: from outer edge to outer edge down the rows is 2 * 2 mm; the corners are cut off
    assert found.slice_index == 2
    assert found.long_axis == pytest.approx(np.hypot(4, 0.5))
    assert found.touches_border
    assert found.centroid_index == pytest.approx((1.4, 0.2, (21 + 6) / 10))
    assert found.centroid_lps == pytest.approx((-10 + 0.5 * 2.7, 20 + 2 * 0.2, 100 + 5 * 1.4))


def test_a_long_line_of_pixels_measures_its_steps() -> None:
    found = measure(
        _drawn("............../.############./..............", "............../............../..............")
    )
    assert found.long_axis == pytest.approx(12 * 0.5)
    assert found.short_axis == pytest.approx(2)


def test_an_ellipse_has_its_axes() -> None:
    rows, columns = np.mgrid[:200, :300]
    values = ((rows - 100) / 40) ** 2 + ((columns - 150) / 90) ** 2 <= 1
    found = measure(Mask(values=values[None], geometry=Geometry.of_pixels(200, 300)))
    assert found.long_axis == pytest.approx(181, abs=0.5)
    assert found.short_axis == pytest.approx(81, abs=0.5)
    assert (found.unit, found.volume_ml, found.max_diameter, found.centroid_lps) == ("pixel", None, None, None)


def test_a_tilted_rod_is_measured_along_itself() -> None:
    rows, columns = np.mgrid[:200, :200]
    along, across = (rows - 100) * 0.6 + (columns - 100) * 0.8, (rows - 100) * 0.8 - (columns - 100) * 0.6
    values = (np.abs(along) <= 60) & (np.abs(across) <= 10)
    found = measure(Mask(values=values[None], geometry=Geometry.of_pixels(200, 200)))
    assert found.long_axis == pytest.approx(np.hypot(120, 20), abs=2)  # corner to corner
    assert found.short_axis == pytest.approx(20 * np.hypot(120, 20) / 120, abs=2)  # the chord at right angles to that


def test_a_ball_in_oblong_voxels() -> None:
    shape = (21, 51, 201)
    points = Geometry(affine=AXIAL, shape=shape).to_world(np.indices(shape).reshape(3, -1).T.astype(float))
    inside = np.linalg.norm(points - points.mean(axis=0), axis=1) <= 30
    found = measure(_mask(inside.reshape(shape)))
    assert found.volume_ml == pytest.approx(4 / 3 * np.pi * 3**3, rel=0.02)
    assert found.long_axis == pytest.approx(60, abs=2.5)
    assert found.max_diameter == pytest.approx(60, abs=5)
    assert not found.touches_border


def test_shear_is_measured_in_the_world() -> None:
    sheared = AXIAL.copy()
    sheared[0, 1] = 2  # each row starts 2 mm further to the left: down the rows is 2 * sqrt(2) mm
    values = np.zeros((2, 9, 9), bool)
    values[0, 2:7, 4] = True
    assert measure(_mask(values, sheared)).long_axis == pytest.approx(5 * np.hypot(2, 2))


def test_an_empty_mask_has_no_size_but_a_volume() -> None:
    found = measure(_drawn("..../....", "..../...."))
    assert (found.voxels, found.volume_ml) == (0, 0)
    assert (found.long_axis, found.area, found.centroid_index, found.touches_border) == (None, None, None, False)


def test_parts_are_measured_one_by_one_largest_first() -> None:
    parts = measure_components(_drawn("#......./......../.....###", "......../......../.....###"))
    assert [part.voxels for part in parts] == [6, 1]
    assert measure_components(_drawn("..../....")) == ()


@settings(max_examples=30)
@given(hnp.arrays(np.bool_, (4, 5, 7)).filter(np.any))
def test_diameters_against_a_plain_reckoning_and_flips(values: np.ndarray) -> None:
    found = measure(_mask(values))
    assert found.long_axis is not None
    assert found.short_axis is not None
    assert found.max_diameter is not None
    plain = max(_plain_diameter(one, AXIAL[:3, 1:3]) for one in values if one.any())
    assert found.long_axis == pytest.approx(plain)
    assert found.max_diameter == pytest.approx(_plain_diameter(values, AXIAL[:3, :3]))
    assert 0 < found.short_axis <= found.long_axis <= found.max_diameter + 1e-9 or found.max_diameter >= 5
    flipped = measure(_mask(values[::-1, ::-1, ::-1]))
    assert flipped.max_diameter == pytest.approx(found.max_diameter)


def _plain_diameter(values: np.ndarray, steps: np.ndarray) -> float:
    """The largest distance between any two face centres of any two voxels."""
    centres = np.argwhere(values)
    halves = np.concatenate([np.eye(values.ndim), -np.eye(values.ndim)]) / 2
    points = (centres[:, None] + halves).reshape(-1, values.ndim) @ steps.T
    return float(max(np.linalg.norm(points - point, axis=1).max() for point in points))
