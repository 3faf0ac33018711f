"""Grids in the world: oblong spacing, unequal axes, values worked out by hand."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medkt.errors import GeometryError, GeometryMismatchError, SettingsError
from medkt.spatial import Geometry, Image, Mask, planes_of, slice_axis_of


def _axial(shape: tuple[int, int, int] = (5, 4, 3), spacing: tuple[float, float, float] = (5.0, 0.5, 0.7)) -> Geometry:
    """An axial series as a scanner writes it: slices go up, rows go back, columns go to the patient's left."""
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2], affine[3, 3] = *spacing, 1.0
    affine[:3, 3] = (-10.0, -20.0, 30.0)
    return Geometry(affine=affine, shape=shape)


def test_spacing_points_and_areas_by_hand() -> None:
    geometry = _axial()
    assert geometry.spacing == (5.0, 0.5, 0.7)
    np.testing.assert_allclose(geometry.to_world(np.array([[1.0, 2.0, 1.0]])), [[-9.3, -19.0, 35.0]])
    np.testing.assert_allclose(geometry.to_index(np.array([[-9.3, -19.0, 35.0]])), [[1.0, 2.0, 1.0]])
    assert geometry.voxel_volume_ml == pytest.approx(0.00175)
    assert geometry.pixel_area(0) == pytest.approx(0.35)


def test_a_radiograph_and_a_clip_have_no_volume() -> None:
    for shape in ((1, 4, 3), (4, 1, 3), (4, 3, 1)):
        assert _axial(shape=shape).voxel_volume_ml is None
    clip = Geometry.of_pixels(4, 3, frames=6)
    assert clip.stack == "time"
    assert clip.voxel_volume_ml is None
    np.testing.assert_allclose(clip.to_world(np.array([[0.0, 2.0, 1.0]])), [[1.0, 2.0, 0.0]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"affine": np.eye(3)}, "4x4"),
        ({"affine": np.diag([1.0, 1.0, np.nan, 1.0])}, "finite"),
        ({"affine": np.diag([1.0, 0.0, 1.0, 1.0])}, "singular"),
        ({"shape": (0, 4, 3)}, "three positive numbers"),
    ],
)
def test_what_cannot_be_a_grid_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(GeometryError, match=message):
        Geometry(**{"affine": np.eye(4), "shape": (2, 4, 3), **change})  # type: ignore[arg-type]


def test_the_affine_is_a_copy_that_nobody_can_change() -> None:
    affine = np.eye(4)
    geometry = Geometry(affine=affine, shape=(2, 3, 4))
    affine[0, 0] = 9.0
    assert geometry.affine[0, 0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        geometry.affine[0, 0] = 9.0


def test_other_grids_are_refused_and_named() -> None:
    geometry = _axial()
    geometry.require_same_grid(_axial(), what="mask")
    moved = geometry.affine.copy()
    moved[0, 3] += 0.001 * 0.5 * 0.9  # just within a thousandth of the smallest voxel
    geometry.require_same_grid(Geometry(affine=moved, shape=geometry.shape), what="mask")
    moved[0, 3] += 0.01
    with pytest.raises(GeometryMismatchError, match="the mask lies on another grid"):
        geometry.require_same_grid(Geometry(affine=moved, shape=geometry.shape), what="mask")
    with pytest.raises(GeometryMismatchError, match=r"shape \(5, 3, 4\)"):
        geometry.require_same_grid(_axial(shape=(5, 3, 4)), what="mask")
    one = Geometry(affine=geometry.affine, shape=geometry.shape, frame_of_reference_uid="1.2")
    two = Geometry(affine=geometry.affine, shape=geometry.shape, frame_of_reference_uid="1.3")
    assert one.same_grid(geometry)
    assert not one.same_grid(two)


def test_values_must_fit_their_grid() -> None:
    with pytest.raises(GeometryMismatchError, match="the image has shape"):
        Image(values=np.zeros((5, 3, 4)), geometry=_axial())
    with pytest.raises(GeometryMismatchError, match="the mask has shape"):
        Mask(values=np.zeros((5, 3, 4), dtype=bool), geometry=_axial())


def test_shear_is_seen() -> None:
    affine = _axial().affine.copy()
    assert not _axial().is_sheared
    affine[1, 0] = 1.0
    assert Geometry(affine=affine, shape=(5, 4, 3)).is_sheared


@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("signs", list(itertools.product((1, -1), repeat=3)))
def test_planes_are_shown_in_radiological_convention_for_every_orientation(
    axes: tuple[int, ...], signs: tuple[int, ...]
) -> None:
    """A voxel at the patient's left, front and top appears at the right and top of the axial plane."""
    spacing = {0: 0.7, 1: 0.5, 2: 5.0}  # x, y, z: the scanner's slices go along z
    affine = np.eye(4)
    shape = [0, 0, 0]
    affine[:3, :3] = 0.0
    for axis, (world, sign) in enumerate(zip(axes, signs, strict=True)):
        affine[world, axis] = sign * spacing[world]
        shape[axis] = {0: 3, 1: 4, 2: 5}[world]
    geometry = Geometry(affine=affine, shape=(shape[0], shape[1], shape[2]))
    values = np.zeros(geometry.shape)
    corner = tuple(
        (n - 1 if (sign > 0) == (world != 1) else 0) for n, world, sign in zip(shape, axes, signs, strict=True)
    )  # left (+x), front (-y), top (+z)
    values[corner] = 1.0
    planes = planes_of(geometry)
    assert planes.orientation == "axial"
    assert planes.axis == axes.index(2)
    shown = planes.show(values, corner[planes.axis])
    assert shown.shape == (4, 3)
    assert shown[0, 2] == 1.0
    assert planes.spacing(geometry) == (0.5, 0.7)
    back = np.zeros_like(values)
    for index in range(shape[planes.axis]):
        planes.put(back, index, planes.show(values, index))
    np.testing.assert_array_equal(back, values)


def test_the_slice_axis_is_the_one_with_the_largest_step_and_may_be_chosen() -> None:
    coronal = Geometry(affine=_axial(spacing=(1.0, 6.0, 1.0)).affine, shape=(5, 4, 3))
    assert slice_axis_of(coronal) == 1
    assert planes_of(coronal).orientation == "coronal"
    assert slice_axis_of(_axial(spacing=(1.0, 1.0, 1.0))) == 0
    assert planes_of(_axial(), axis=2).orientation == "sagittal"
    with pytest.raises(SettingsError, match="slice axis"):
        planes_of(_axial(), axis=3)


def test_coronal_and_sagittal_planes_have_the_head_on_top() -> None:
    geometry = _axial()
    values = np.zeros(geometry.shape)
    values[4] = 1.0  # the uppermost slice
    for axis in (1, 2):
        shown = planes_of(geometry, axis=axis).show(values, 1)
        assert shown[0].all()
        assert not shown[1:].any()


@given(
    angles=st.tuples(*[st.floats(-3.0, 3.0)] * 3),
    spacing=st.tuples(*[st.floats(0.2, 6.0)] * 3),
    point=st.tuples(*[st.floats(-5.0, 50.0)] * 3),
)
def test_index_and_world_are_inverse_for_oblique_grids(
    angles: tuple[float, ...], spacing: tuple[float, ...], point: tuple[float, ...]
) -> None:
    from scipy.spatial.transform import Rotation

    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", angles).as_matrix() * np.array(spacing)
    geometry = Geometry(affine=affine, shape=(5, 4, 3))
    index = np.array([point])
    np.testing.assert_allclose(geometry.to_index(geometry.to_world(index)), index, atol=1e-8)
    np.testing.assert_allclose(geometry.spacing, spacing, rtol=1e-9)


@pytest.mark.parametrize("degrees", [0.0, 12.0, -30.0])
def test_volume_and_area_of_a_tilted_grid(degrees: float) -> None:
    """A gantry that leans by an angle: between slices lies the step times its cosine, in a slice nothing changes."""
    affine = _axial().affine.copy()
    tilt = np.deg2rad(degrees)
    affine[:3, 0] = 5.0 * np.array([0.0, np.sin(tilt), np.cos(tilt)])
    geometry = Geometry(affine=affine, shape=(5, 4, 3))
    assert geometry.spacing == pytest.approx((5.0, 0.5, 0.7))
    assert geometry.is_sheared is (degrees != 0)
    assert geometry.voxel_volume_ml == pytest.approx(5.0 * 0.5 * 0.7 * np.cos(tilt) / 1000)
    assert geometry.pixel_area(0) == pytest.approx(0.5 * 0.7)
    assert geometry.pixel_area(1) == pytest.approx(5.0 * 0.7)
    assert geometry.pixel_area(2) == pytest.approx(5.0 * 0.5 * np.cos(tilt))
