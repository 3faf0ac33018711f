"""One order of planes, rows and columns for a volume, in whichever of its 48 orders it is stored."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from medkt.spatial import Geometry, Planes, planes_of, slice_axis_of

SHAPE = (4, 5, 6)
VALUES = np.arange(120).reshape(SHAPE)
ORDERS = list(itertools.product(itertools.permutations(range(3)), itertools.product((1, -1), repeat=3)))


def _stored(geometry: Geometry, axes: tuple[int, ...], signs: tuple[int, ...]) -> tuple[np.ndarray, Geometry]:
    """The volume with its axes in another order, each turned round where its sign is -1."""
    values = VALUES.transpose(axes)[tuple(slice(None, None, sign) for sign in signs)]
    affine = np.array(geometry.affine)
    affine[:3, :3] = geometry.affine[:3, list(axes)] * signs
    corner = [0 if sign > 0 else values.shape[k] - 1 for k, sign in enumerate(signs)]
    affine[:3, 3] = geometry.affine[:3, 3] - affine[:3, :3] @ np.array(corner)
    return values, Geometry(affine=affine, shape=values.shape)


def _grid(steps: np.ndarray, shape: tuple[int, int, int] = SHAPE) -> Geometry:
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = steps, (7.0, -3.0, 11.0)
    return Geometry(affine=affine, shape=shape)


AXIAL = np.array([[0.0, 0, 1], [0, 1, 0], [1, 0, 0]])


@given(
    angles=st.tuples(*[st.floats(-3.2, 3.2)] * 3)
    | st.tuples(*[st.sampled_from([0, np.pi / 4, np.pi / 2, -np.pi / 4])] * 3),
    spacing=st.tuples(*[st.floats(0.3, 5.0)] * 3) | st.tuples(*[st.sampled_from([0.5, 0.6, 1.0, 1.2, 1.44])] * 3),
    noise=st.sampled_from([0.0, 1e-7, -1e-7]),
    order=st.sampled_from(ORDERS),
)
def test_every_order_shows_the_same_planes(
    angles: tuple[float, ...], spacing: tuple[float, ...], noise: float, order: tuple[tuple[int, ...], tuple[int, ...]]
) -> None:
    """Also where angles and steps are round numbers that leave two axes alike, and are rounded another way in one file."""
    geometry = _grid(Rotation.from_euler("xyz", angles).as_matrix() @ AXIAL * np.array(spacing))
    values, other = _stored(geometry, *order)
    rounded = np.array(other.affine)
    rounded[:3, :3] *= 1 + noise * np.random.default_rng(0).uniform(-1, 1, (3, 3))
    other = Geometry(affine=rounded, shape=other.shape)
    first, second = planes_of(geometry), planes_of(other)
    np.testing.assert_array_equal(second.seen(values), first.seen(VALUES))
    assert second.orientation == first.orientation
    np.testing.assert_allclose(second.geometry(other).affine, first.geometry(geometry).affine, atol=1e-5)
    np.testing.assert_allclose(second.spacing(other), first.spacing(geometry), rtol=1e-6)


@pytest.mark.parametrize("order", ORDERS)
def test_planes_are_counted_upwards_backwards_and_to_the_right(order: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    """As DICOM stacks axial, coronal and sagittal slices: columns, rows and slices are a right-handed set."""
    geometry = _grid(AXIAL)
    for world, along in ((2, (0, 0, 1)), (1, (0, 1, 0)), (0, (-1, 0, 0))):
        values, other = _stored(geometry, *order)
        axis = int(np.argmax(np.abs(other.directions[world])))
        planes = planes_of(other, axis)
        seen = planes.geometry(other)
        np.testing.assert_array_equal(seen.directions[:, 0], along)
        np.testing.assert_allclose(np.cross(seen.directions[:, 2], seen.directions[:, 1]), along, atol=1e-12)
        index = planes.number(1, other.shape[axis])
        np.testing.assert_array_equal(planes.seen(values)[1], planes.show(values, index))
        voxel = np.argwhere(values == planes.seen(values)[2, 1, 3])
        np.testing.assert_allclose(seen.to_world(np.array([[2.0, 1, 3]])), other.to_world(voxel.astype(float)))


def test_a_ratio_of_steps_at_the_boundary_is_one_ratio_however_it_was_rounded() -> None:
    for step in (1.2, np.float32(1.2), np.nextafter(1.2, 2), 1.2 + 1e-6):
        assert slice_axis_of(_grid(AXIAL * np.array([1.0, float(step), 1.0]))) == 0
    assert slice_axis_of(_grid(AXIAL * np.array([1.0, 1.21, 1.0]))) == 1


@pytest.mark.parametrize("thin", [0, 1, 2])
def test_a_single_plane_is_cut_across_its_one_index_and_shown_as_its_affine_says(thin: int) -> None:
    """A radiograph that a converter stored bottom row first, as NIfTI has it, stands upright."""
    shape = tuple(1 if axis == thin else n for axis, n in enumerate(SHAPE))
    steps = AXIAL * np.array([1.0, -1.0, 1.0])
    geometry = _grid(steps[:, [(0, 1, 2), (1, 0, 2), (1, 2, 0)][thin]], (shape[0], shape[1], shape[2]))
    planes = planes_of(geometry)
    assert (planes.axis, planes.orientation) == (thin, "single plane")
    picture = np.arange(np.prod(shape)).reshape(shape)
    np.testing.assert_array_equal(planes.show(picture, 0), picture.squeeze(thin)[::-1])


def test_clips_and_pictures_without_spacing_stay_as_stored() -> None:
    flipped = np.array([[0.0, 0, -1], [0, -1, 0], [1, 0, 0]])
    for unit, stack in (("pixel", "space"), ("pixel", "time"), ("mm", "time")):
        affine = np.eye(4)
        affine[:3, :3] = flipped
        planes = planes_of(Geometry(affine=affine, shape=SHAPE, unit=unit, stack=stack))  # type: ignore[arg-type]
        assert planes == Planes(axis=0, transpose=False, flip_rows=False, flip_columns=False, orientation="as stored")


@pytest.mark.parametrize("flips", list(itertools.product((False, True), repeat=3)))
def test_a_region_goes_where_its_pixels_go(flips: tuple[bool, bool, bool]) -> None:
    transpose, rows, columns = flips
    planes = Planes(axis=0, transpose=transpose, flip_rows=rows, flip_columns=columns, orientation="single plane")
    stored = np.zeros((1, 5, 7), bool)
    stored[0, 1:3, 2:6] = True
    top, left, bottom, right = planes.region((1, 2, 3, 6), Geometry.of_pixels(5, 7))
    shown = planes.show(stored, 0)
    assert shown[top:bottom, left:right].all()
    assert shown.sum() == shown[top:bottom, left:right].sum()


@pytest.mark.parametrize("order", ORDERS)
def test_a_box_of_what_is_shown_is_found_in_the_stored_array(order: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    values, geometry = _stored(_grid(AXIAL), *order)
    planes = planes_of(geometry)
    box = planes.box(((1, 3), (0, 4), (2, 5)), geometry)
    np.testing.assert_array_equal(np.sort(values[box], None), np.sort(planes.seen(values)[1:3, 0:4, 2:5], None))
