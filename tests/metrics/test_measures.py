"""Sizes of lesions against hand reckoning, every pair of points, and the same grid stored in another order."""

import time
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial import ConvexHull

from medkt.metrics import LesionMeasures, Measures, measure
from medkt.spatial import Geometry, Mask

# slices 5 mm apart along z, rows 2 mm along y, columns 0.5 mm along x, in LPS
AXIAL = np.array([[0, 0, 0.5, -10], [0, 2, 0, 20], [5, 0, 0, 100], [0, 0, 0, 1.0]])
SHEARED = AXIAL + np.array([[1.7, 0.9, 0, 0], [0.8, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
SIZES = ("voxels", "volume_ml", "area", "long_axis", "short_axis", "max_diameter", "touches_border")


def _mask(values: np.ndarray, affine: np.ndarray = AXIAL) -> Mask:
    return Mask(values=values, geometry=Geometry(affine=affine, shape=values.shape))


def _drawn(*slices: str) -> Mask:
    return _mask(np.array([[[pixel == "#" for pixel in row] for row in one.split("/")] for one in slices]))


def _clip(*frames: str) -> Mask:
    values = _drawn(*frames).values
    return Mask(values=values, geometry=Geometry(affine=AXIAL, shape=values.shape, stack="time"))


def _largest(found: Measures) -> LesionMeasures:
    assert found.largest is not None
    return found.largest


def _only(mask: Mask) -> LesionMeasures:
    (lesion,) = measure(mask).lesions
    return lesion


def test_by_hand() -> None:
    found = measure(_drawn("......../......../........", ".######./......../........", ".##...../.##...../........"))
    lesion = _largest(found)
    assert (found.lesion_count, found.mask_voxels, lesion.voxels) == (1, 10, 10)
    assert found.sum_volume_ml == lesion.volume_ml == pytest.approx(10 * 5 * 2 * 0.5 / 1000)
    assert lesion.area == pytest.approx(6 * 2 * 0.5)
    # two columns by two rows: from outer edge to outer edge down the rows is 2 * 2 mm; the corners are cut off
    assert lesion.slice_index == 2
    assert lesion.long_axis == found.largest_long_axis == pytest.approx(np.hypot(4, 0.5))
    assert lesion.touches_border
    assert lesion.centroid_index == pytest.approx((1.4, 0.2, (21 + 6) / 10))
    assert lesion.centroid_lps == pytest.approx((-10 + 0.5 * 2.7, 20 + 2 * 0.2, 100 + 5 * 1.4))


def test_a_long_line_of_pixels_measures_its_steps() -> None:
    found = _only(
        _drawn("............../.############./..............", "............../............../..............")
    )
    assert found.long_axis == pytest.approx(12 * 0.5)
    assert found.short_axis == pytest.approx(2)


def test_an_ellipse_has_its_axes() -> None:
    rows, columns = np.mgrid[:200, :300]
    values = ((rows - 100) / 40) ** 2 + ((columns - 150) / 90) ** 2 <= 1
    whole = measure(Mask(values=values[None], geometry=Geometry.of_pixels(200, 300)))
    found = _largest(whole)
    assert found.long_axis == pytest.approx(181, abs=0.5)
    assert found.short_axis == pytest.approx(81, abs=0.5)
    assert (whole.unit, found.volume_ml, found.max_diameter, found.centroid_lps) == ("pixel", None, None, None)
    assert (whole.sum_volume_ml, whole.sum_area) == (None, values.sum())


def test_a_tilted_rod_is_measured_along_itself() -> None:
    rows, columns = np.mgrid[:200, :200]
    along, across = (rows - 100) * 0.6 + (columns - 100) * 0.8, (rows - 100) * 0.8 - (columns - 100) * 0.6
    values = (np.abs(along) <= 60) & (np.abs(across) <= 10)
    found = _only(Mask(values=values[None], geometry=Geometry.of_pixels(200, 200)))
    assert found.long_axis == pytest.approx(np.hypot(120, 20), abs=2)  # corner to corner
    assert found.short_axis == pytest.approx(20 * np.hypot(120, 20) / 120, abs=2)  # the chord at right angles to that


def test_a_ball_in_oblong_voxels() -> None:
    found = _only(_mask(_ball((21, 51, 201), radius=30)))
    assert found.volume_ml == pytest.approx(4 / 3 * np.pi * 3**3, rel=0.02)
    assert found.long_axis == pytest.approx(60, abs=2.5)
    assert found.max_diameter == pytest.approx(60, abs=5)
    assert not found.touches_border


def test_shear_is_measured_in_the_world() -> None:
    sheared = AXIAL.copy()
    sheared[0, 1] = 2  # each row starts 2 mm further to the left: down the rows is 2 * sqrt(2) mm
    values = np.zeros((2, 9, 9), bool)
    values[0, 2:7, 4] = True
    assert _only(_mask(values, sheared)).long_axis == pytest.approx(5 * np.hypot(2, 2))


def test_an_empty_mask_has_no_size_but_a_volume() -> None:
    found = measure(_drawn("..../....", "..../...."))
    assert (found.lesion_count, found.mask_voxels, found.sum_volume_ml) == (0, 0, 0)
    assert (found.largest, found.largest_long_axis, found.largest_short_axis) == (None, None, None)
    assert measure(_drawn("..../....")).sum_area is None


# ---- two lesions


def test_two_lesions_in_one_slice_are_not_one_long_one() -> None:
    """Two balls far apart: the hull of both is 100 mm wide, neither lesion is."""
    values = _ball((21, 71, 401), radius=12, at=(0, 0, -40)) | _ball((21, 71, 401), radius=8, at=(0, 0, 40))
    found = measure(_mask(values))
    assert found.lesion_count == 2
    assert [one.long_axis for one in found.lesions] == pytest.approx([24, 16], abs=2.5)
    assert [one.max_diameter for one in found.lesions] == pytest.approx([24, 16], abs=5)
    assert [one.volume_ml for one in found.lesions] == pytest.approx(
        [4 / 3 * np.pi * r**3 for r in (1.2, 0.8)], rel=0.05
    )
    assert found.sum_volume_ml == pytest.approx(sum(one.volume_ml or 0 for one in found.lesions))
    assert found.sum_volume_ml == pytest.approx(values.sum() * 0.005)


def test_two_lesions_in_different_slices() -> None:
    """The larger one lies above; each is measured in the slice where it is largest itself."""
    values = _ball((41, 71, 201), radius=20, at=(50, 0, 0)) | _ball((41, 71, 201), radius=10, at=(-60, 20, 20))
    first, second = measure(_mask(values)).lesions
    assert (first.slice_index, second.slice_index) == (30, 8)
    assert (first.long_axis, second.long_axis) == pytest.approx((40, 20), abs=2.5)


def test_parts_in_neighbouring_slices_that_touch_by_a_corner_are_one() -> None:
    apart = measure(_drawn("##...../......./.......", "......./......./..##...", "......./......./......."))
    joined = measure(_drawn("##...../......./.......", "......./..##.../.......", "......./......./......."))
    assert (apart.lesion_count, joined.lesion_count) == (2, 1)


def test_two_pieces_of_one_lesion_in_a_slice_are_measured_apart() -> None:
    """A horseshoe on end: in the middle slice two legs, joined above; no diameter runs from one leg to the other."""
    legs = ".............../.###.......###./..............."
    bow = ".............../...#########.../..............."
    empty = ".............../.............../..............."
    found = _only(_drawn(empty, legs, bow, empty))
    assert found.voxels == 15
    assert (found.slice_index, found.long_axis) == (2, pytest.approx(9 * 0.5))
    # the hull over both legs would measure 13 pixels in slice 1


def test_equals_come_in_the_order_of_the_patient() -> None:
    """Not in that of the file: of two equal lesions the lower one is the first, of equal slices the lower too."""
    drawn = _drawn(
        "##...../......./.......", "......./......./.......", "......./......./.##....", ".##..../......./.##...."
    )
    up, down = measure(drawn), measure(_stored(drawn, (0, 1, 2), (-1, 1, 1)))
    assert [one.voxels for one in up.lesions] == [4, 2, 2]
    places = [[one.centroid_lps for one in found.lesions] for found in (up, down)]
    assert np.allclose(*places)
    assert places[0][1][2] < places[0][2][2]
    assert (up.lesions[0].slice_index, down.lesions[0].slice_index) == (2, 1)


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("mirrored", [False, True])
def test_of_equally_long_axes_the_one_with_the_longer_short_axis(turns: int, mirrored: bool) -> None:
    """Two long axes of one length have 4.04 and 4.49 pixels across them; turning the file does not choose the other."""
    drawn = _drawn("....#/..##./##.##/...#./..##.").values[0]
    turned = np.rot90(drawn[:, ::-1] if mirrored else drawn, turns)
    found = _only(Mask(values=turned[None].copy(), geometry=Geometry.of_pixels(5, 5)))
    assert (found.long_axis, found.short_axis) == pytest.approx((np.sqrt(29), 4.4876373))


# ---- clips, edges


def test_lesions_of_a_clip_lie_in_one_frame() -> None:
    found = measure(_clip("##...../......./......#", "##...../......./###..##", "##..#../......./#.#..#."))
    assert (found.frame, found.lesion_count, found.most_in_a_frame) == (1, 3, 5)
    assert [one.voxels for one in found.lesions] == [3, 2, 2]
    assert {one.slice_index for one in found.lesions} == {1}
    assert (found.mask_voxels, found.sum_volume_ml, found.sum_area) == (16, None, 7)
    assert _largest(found).max_diameter is None


def test_the_first_frame_of_a_clip_is_no_edge() -> None:
    assert not _only(_clip("......./..##.../.......", "......./......./.......")).touches_border
    assert _only(_drawn("......./..##.../.......", "......./......./.......")).touches_border


def test_what_was_looked_at_has_an_edge_too() -> None:
    mask = _drawn("......./......./.......", "......./..##.../.......", "......./......./.......")
    assert not measure(mask).border_count
    assert not measure(mask, seen=(slice(None), slice(None), slice(1, 6))).border_count
    assert measure(mask, seen=(slice(None), slice(None), slice(2, 6))).border_count == 1
    assert measure(mask, seen=(slice(0, 2), slice(None), slice(None))).border_count == 1


# ---- against plain reckoning


@settings(max_examples=20, deadline=None)
@given(hnp.arrays(np.bool_, (4, 5, 7)).filter(np.any), st.sampled_from([AXIAL, SHEARED]))
def test_every_lesion_against_every_pair_of_points(values: np.ndarray, affine: np.ndarray) -> None:
    found = measure(_mask(values, affine))
    parts = sorted(_plain_parts(values), key=lambda part: -len(part))
    assert [one.voxels for one in found.lesions] == [len(part) for part in parts]
    steps = affine[:3, :3]
    wanted = sorted(_plain_sizes(part, steps) for part in parts)
    sizes = sorted((one.voxels, one.long_axis, one.short_axis, one.max_diameter) for one in found.lesions)
    assert np.allclose(sizes, wanted)


@settings(max_examples=8, deadline=None)
@given(hnp.arrays(np.bool_, (3, 5, 6), fill=st.just(False)).filter(np.any), st.sampled_from([AXIAL, SHEARED]))
def test_sizes_do_not_depend_on_the_order_of_storage(values: np.ndarray, affine: np.ndarray) -> None:
    mask = _mask(values, affine)
    first = measure(mask)
    for axes, signs in list(product(permutations(range(3)), product((1, -1), repeat=3)))[::5]:
        again = measure(_stored(mask, axes, signs))
        for one, other in zip(first.lesions, again.lesions, strict=True):
            assert [getattr(other, name) for name in SIZES] == pytest.approx([getattr(one, name) for name in SIZES])
            assert np.allclose(one.centroid_lps, other.centroid_lps)


def test_two_thousand_specks_take_a_moment() -> None:
    values = np.zeros((40, 200, 200), bool)
    values[1::4, 1::12, 1::12] = True
    values[1::4, 2::24, 1::12] = True
    began = time.process_time()
    found = measure(_mask(values))
    assert found.lesion_count == 10 * 17 * 17
    assert time.process_time() - began < 5  # under one on a free machine


def _ball(shape: tuple[int, int, int], *, radius: float, at: tuple[float, float, float] = (0, 0, 0)) -> np.ndarray:
    """A ball of so many mm, its centre (z, y, x) mm from the middle of the grid."""
    points = Geometry(affine=AXIAL, shape=shape).to_world(np.indices(shape).reshape(3, -1).T.astype(float))
    centre = points.mean(axis=0) + np.array(at[::-1])
    return (np.linalg.norm(points - centre, axis=1) <= radius).reshape(shape)


def _stored(mask: Mask, axes: tuple[int, ...], signs: tuple[int, ...]) -> Mask:
    """The same mask in the world, its array axes in another order and some of them the other way round."""
    steps, origin = mask.geometry.affine[:3, :3].copy(), mask.geometry.affine[:3, 3].copy()
    values = mask.values
    for axis, sign in enumerate(signs):
        if sign < 0:
            origin += steps[:, axis] * (values.shape[axis] - 1)
            steps[:, axis] *= -1
            values = np.flip(values, axis)
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = steps[:, axes], origin
    return _mask(np.ascontiguousarray(values.transpose(axes)), affine)


def _plain_parts(values: np.ndarray) -> list[np.ndarray]:
    """Voxels that reach each other by steps of at most one along each axis, (voxels, n) each."""
    left, parts = {tuple(index) for index in np.argwhere(values).tolist()}, []
    while left:
        part, border = [], [left.pop()]
        while border:
            part.append(border.pop())
            near = {one for one in left if max(abs(a - b) for a, b in zip(one, part[-1], strict=True)) <= 1}
            left -= near
            border += near
        parts.append(np.array(part))
    return parts


def _plain_sizes(part: np.ndarray, steps: np.ndarray) -> tuple[int, float, float, float]:
    """Voxels, the two axes of the piece with the longest one in any slice, the longest diameter in space."""
    grid = np.zeros((4, 5, 7), bool)
    grid[tuple(part.T)] = True
    axes = max(_plain_axes(piece, steps[:, 1:]) for one in grid for piece in _plain_parts(one))
    points = _face_centres(part, steps)
    return len(part), *axes, float(max(np.linalg.norm(points - point, axis=1).max() for point in points))


def _plain_axes(piece: np.ndarray, steps: np.ndarray) -> tuple[float, float]:
    """The longest distance between any two points, and of those that have it the longest chord across it.

    A chord is where a line meets all half planes of the hull, here through every point in turn.
    """
    points = _face_centres(piece, steps) @ np.linalg.svd(steps, full_matrices=False)[0]  # in their own plane
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    walls = ConvexHull(points).equations
    found = []
    for first, second in np.argwhere(apart > apart.max() - 1e-7):
        along = (points[second] - points[first]) / apart.max()
        across = np.array([-along[1], along[0]])
        for point in points:
            rise, room = walls[:, :2] @ across, -walls[:, 2] - walls[:, :2] @ point
            up, down = rise > 1e-9, rise < -1e-9
            found.append(float((room[up] / rise[up]).min() - (room[down] / rise[down]).max()))
    return round(float(apart.max()), 7), max(found)


def _face_centres(centres: np.ndarray, steps: np.ndarray) -> np.ndarray:
    halves = np.concatenate([np.eye(centres.shape[1]), -np.eye(centres.shape[1])]) / 2
    return np.unique((centres[:, None] + halves).reshape(-1, centres.shape[1]), axis=0) @ steps.T
