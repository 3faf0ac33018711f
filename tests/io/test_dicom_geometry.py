"""Stacks that are no regular grid: each is refused with numbers, and resampled when asked."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_making import AXIAL, header, numbered, save, write_clip, write_enhanced, write_picture, write_series
from numpy.typing import NDArray
from orientations import oblique, sheared
from pydicom import dcmread

from medkt.errors import AmbiguousInputError, GeometryError, UnreadableError
from medkt.io import read_image

VALUES = numbered((6, 5, 4))


def ramp(
    affine: NDArray[Any], shape: tuple[int, int, int] = (6, 12, 10), at: list[float] | None = None
) -> NDArray[Any]:
    """Values that grow linearly in the world, so that linear interpolation is exact."""
    index = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), axis=-1).astype(float)
    index[..., 0] = np.array(range(shape[0]) if at is None else at)[:, None, None]
    world = index @ affine[:3, :3].T + affine[:3, 3]
    values: NDArray[Any] = np.rint(world @ [30.0, 50.0, 20.0]).astype(np.int16)
    return values


def test_missing_slices_are_counted_and_placed(tmp_path: Path) -> None:
    write_series(tmp_path, VALUES[:4], at=[0, 1, 4, 5])
    with pytest.raises(
        GeometryError, match=r"2 slices are missing \(step 2\.5 mm; 2 after -27\.5 mm along the normal\).*--regrid"
    ):
        read_image(tmp_path)


def test_one_missing_slice(tmp_path: Path) -> None:
    write_series(tmp_path, VALUES[:5], at=[0, 1, 2, 4, 5])
    with pytest.raises(GeometryError, match="1 slice is missing"):
        read_image(tmp_path)


def test_missing_slices_are_interpolated_on_request(tmp_path: Path) -> None:
    at = [0.0, 1, 3, 4, 5, 6]
    values = ramp(AXIAL, at=at)
    write_series(tmp_path, values, at=at)
    image = read_image(tmp_path, regrid=True)
    assert image.values.shape[0] == 7
    assert image.values.dtype == np.int16
    assert np.array_equal(image.values[[0, 1, 3, 4, 5, 6]], values)
    assert np.array_equal(image.values, ramp(AXIAL, (7, 12, 10)))
    assert np.allclose(image.geometry.affine, AXIAL)
    assert any("resampled onto a regular grid: 1 slice is missing" in warning for warning in image.provenance.warnings)


def test_double_positions(tmp_path: Path) -> None:
    write_series(tmp_path, VALUES)
    write_series(tmp_path / "again", VALUES[2:3] + 900, at=[2])
    with pytest.raises(GeometryError, match=r"1 of 7 slices lie where another one lies \(at -25 mm along the normal\)"):
        read_image(tmp_path)
    image = read_image(tmp_path, regrid=True)
    assert image.values.shape == VALUES.shape
    assert np.array_equal(image.values[[0, 1, 3, 4, 5]], VALUES[[0, 1, 3, 4, 5]])


@pytest.mark.parametrize("step", [0.008, 0.004])
def test_slices_of_micrometres_are_not_at_one_place(step: float, tmp_path: Path) -> None:
    affine = AXIAL.copy()
    affine[:3, :3] *= step / 2.5
    write_series(tmp_path, VALUES, affine)
    image = read_image(tmp_path)
    assert np.array_equal(image.values, VALUES)
    assert image.geometry.spacing[0] == pytest.approx(step)


def test_uneven_steps(tmp_path: Path) -> None:
    at = [0.0, 1, 2, 3.4, 4.4, 5.4]
    write_series(tmp_path, ramp(AXIAL, at=at), at=at)
    with pytest.raises(GeometryError, match=r"inconsistent increments: 2\.5 to 3\.5 mm, usually 2\.5"):
        read_image(tmp_path)
    image = read_image(tmp_path, regrid=True)
    assert image.geometry.spacing[0] == pytest.approx(2.5)
    assert np.abs(image.values - ramp(AXIAL, image.geometry.shape).astype(int)).max() <= 1


def test_the_last_slice_is_not_lost_where_it_lies_near_no_plane(tmp_path: Path) -> None:
    at = [0.0, 1, 2, 3, 4, 4.8]
    values = numbered((6, 5, 4))
    write_series(tmp_path, values, at=at)
    image = read_image(tmp_path, regrid=True)
    assert np.array_equal(image.values, values)  # the last one half a millimetre from its place
    assert not any("between its planes" in warning for warning in image.provenance.warnings)


def test_slices_between_the_planes_of_the_grid_are_counted(tmp_path: Path) -> None:
    at = [0.0, 0.4, 0.7, 1, 2, 3, 4, 5, 6]
    write_series(tmp_path, numbered((9, 5, 4)), at=at)
    image = read_image(tmp_path, regrid=True)
    assert image.values.shape[0] == 7
    assert any("; 2 of 9 slices lie between its planes and are in none" in one for one in image.provenance.warnings)


def test_gantry_tilt(tmp_path: Path) -> None:
    values = ramp(sheared())
    write_series(tmp_path, values, sheared())
    with pytest.raises(GeometryError, match=r"gantry tilt: slices lean by 15\.0 degrees"):
        read_image(tmp_path)
    image = read_image(tmp_path, regrid=True)
    assert not image.geometry.is_sheared
    assert image.geometry.shape[1] > values.shape[1]
    low = values.min()
    inside = image.values > low + 100  # not filled from outside, not mixed with it
    truth = ramp(image.geometry.affine.copy(), image.geometry.shape)
    apart = np.abs(image.values.astype(int) - truth)[inside]
    assert inside.mean() > 0.4
    assert np.mean(apart <= 1) > 0.85  # the rest touches the border, where voxels mix with what is outside


def test_slices_moved_sideways(tmp_path: Path) -> None:
    paths = write_series(tmp_path, VALUES)
    from pydicom import dcmread

    moved = dcmread(paths[3])
    moved.ImagePositionPatient[0] += 2.0
    moved.save_as(paths[3])
    with pytest.raises(GeometryError, match=r"shifted sideways against each other by up to 1\.64 mm"):
        read_image(tmp_path)


def test_rounded_positions_pass(tmp_path: Path) -> None:
    affine = AXIAL.copy()
    affine[2, 0] = 1.25
    at = [round(k * 1.25, 1) / 1.25 for k in range(6)]  # 0, 1.2, 2.5, 3.8, ...: written to a tenth
    write_series(tmp_path, VALUES, affine, at=at)
    assert read_image(tmp_path).geometry.spacing[0] == pytest.approx(1.25, rel=0.02)


def test_thickness_is_no_step(tmp_path: Path) -> None:
    write_series(tmp_path, VALUES, SliceThickness="9", SpacingBetweenSlices="7")
    assert read_image(tmp_path).geometry.spacing[0] == pytest.approx(2.5)


def test_one_slice_takes_what_the_file_says(tmp_path: Path) -> None:
    write_series(tmp_path, VALUES[:1], SliceThickness="9")
    image = read_image(tmp_path)
    assert image.geometry.spacing[0] == pytest.approx(9)
    assert "one slice: its depth from SliceThickness" in image.provenance.steps


@pytest.mark.parametrize("per_frame", [False, True])
def test_one_enhanced_slice_takes_what_its_group_says(per_frame: bool, tmp_path: Path) -> None:
    path = write_enhanced(tmp_path / "a.dcm", numbered((1, 10, 12)), measures_per_frame=per_frame)
    dataset = dcmread(path)
    groups = dataset.PerFrameFunctionalGroupsSequence if per_frame else dataset.SharedFunctionalGroupsSequence
    groups[0].PixelMeasuresSequence[0].SliceThickness = "5"
    image = read_image(save(dataset, path))
    assert image.geometry.spacing[0] == pytest.approx(5)
    assert "one slice: its depth from SliceThickness" in image.provenance.steps


def test_slices_without_pixel_spacing_are_refused(tmp_path: Path) -> None:
    write_series(tmp_path, VALUES, PixelSpacing=[])
    with pytest.raises(GeometryError, match="6 slices with positions but without PixelSpacing"):
        read_image(tmp_path)


def test_radial_slices_are_views(tmp_path: Path) -> None:
    for k in range(3):
        write_series(tmp_path / str(k), VALUES[k : k + 1], oblique((0, 0, 60 * k)))
    with pytest.raises(AmbiguousInputError, match="3 volumes or views"):
        read_image(tmp_path)


def test_positions_far_apart_are_not_filled(tmp_path: Path) -> None:
    write_series(tmp_path, VALUES[:3], at=[0, 1, 900])
    with pytest.raises(GeometryError, match="898 slices are missing"):
        read_image(tmp_path)
    with pytest.raises(GeometryError, match="regridding 3 slices would make 901"):
        read_image(tmp_path, regrid=True)


# ---- many frames in one file


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0], [3, 0, 5, 1, 4, 2]])
def test_enhanced_frames_are_ordered_by_place(order: list[int], tmp_path: Path) -> None:
    image = read_image(write_enhanced(tmp_path / "a.dcm", VALUES, oblique(), order=order, RescaleIntercept="-10"))
    reference = tmp_path / "single"
    write_series(reference, VALUES, oblique(), RescaleSlope="1", RescaleIntercept="-10")
    single = read_image(reference)
    assert np.array_equal(image.values, single.values)
    assert image.geometry.same_grid(single.geometry)


def test_enhanced_with_a_gap(tmp_path: Path) -> None:
    with pytest.raises(GeometryError, match="1 slice is missing"):
        read_image(write_enhanced(tmp_path / "a.dcm", VALUES, order=[0, 1, 2, 4, 5]))


def test_enhanced_with_every_place_twice(tmp_path: Path) -> None:
    path = write_enhanced(tmp_path / "a.dcm", VALUES, order=[0, 1, 2, 0, 1, 2])
    with pytest.raises(AmbiguousInputError, match="2 volumes or views"):
        read_image(path)
    assert np.array_equal(read_image(path, volume=2).values, VALUES[:3])


def test_fewer_descriptions_than_frames(tmp_path: Path) -> None:
    from pydicom import dcmread

    dataset = dcmread(write_enhanced(tmp_path / "a.dcm", VALUES))
    dataset.PerFrameFunctionalGroupsSequence.pop()
    dataset.save_as(tmp_path / "a.dcm")
    with pytest.raises(UnreadableError, match="6 frames, but 5 are described"):
        read_image(tmp_path / "a.dcm")


def test_a_clip_is_a_stack_in_time(tmp_path: Path) -> None:
    image = read_image(write_clip(tmp_path / "a.dcm", VALUES.astype(np.uint8)))
    assert image.geometry.stack == "time"
    assert image.geometry.voxel_volume_ml is None
    assert np.array_equal(image.values, VALUES.astype(np.uint8))
    assert any("a clip in time" in warning for warning in image.provenance.warnings)


# ---- how large a pixel is

PLANE = numbered((1, 5, 4), np.uint16)[0]


def spacing_of(path: Path) -> tuple[tuple[float, float], str, str]:
    image = read_image(path)
    source = next(step for step in image.provenance.steps if step.startswith("pixel spacing from"))
    return image.geometry.spacing[1:], image.geometry.unit, source.removeprefix("pixel spacing from ")


@pytest.mark.parametrize("modality", ["CR", "DX"])
@pytest.mark.parametrize(
    ("attributes", "steps", "unit", "source"),
    [
        (
            {"PixelSpacing": [0.2, 0.1], "ImagerPixelSpacing": [0.3, 0.3]},
            (0.2, 0.1),
            "mm",
            "PixelSpacing, calibrated (differs from",
        ),
        (
            {"PixelSpacing": [0.2, 0.1], "PixelSpacingCalibrationType": "FIDUCIAL"},
            (0.2, 0.1),
            "mm",
            "PixelSpacing, calibrated by fiducial",
        ),
        (
            {"PixelSpacing": [0.3, 0.3], "ImagerPixelSpacing": [0.3, 0.3]},
            (0.3, 0.3),
            "mm",
            "PixelSpacing, equal to ImagerPixelSpacing",
        ),
        ({"ImagerPixelSpacing": [0.3, 0.4]}, (0.3, 0.4), "mm", "ImagerPixelSpacing"),
        ({"NominalScannedPixelSpacing": [0.5, 0.6]}, (0.5, 0.6), "mm", "NominalScannedPixelSpacing"),
        ({"PixelSpacing": [0, 0]}, (1, 1), "pixel", "none"),
        ({"PixelAspectRatio": [4, 3]}, (4 / 3, 1), "pixel", "PixelAspectRatio"),
        ({}, (1, 1), "pixel", "none"),
    ],
)
def test_radiograph_spacing(
    modality: str, attributes: dict[str, Any], steps: tuple[float, float], unit: str, source: str, tmp_path: Path
) -> None:
    found, found_unit, found_source = spacing_of(write_picture(tmp_path / "a.dcm", PLANE, modality, **attributes))
    assert found == pytest.approx(steps)
    assert found_unit == unit
    assert found_source.startswith(source)


def test_magnification_is_said_and_not_removed(tmp_path: Path) -> None:
    path = write_picture(
        tmp_path / "a.dcm", PLANE, ImagerPixelSpacing=[0.3, 0.3], EstimatedRadiographicMagnificationFactor="1.5"
    )
    image = read_image(path)
    assert image.geometry.spacing[1] == pytest.approx(0.3)
    assert any("estimated magnification 1.5 (not removed)" in warning for warning in image.provenance.warnings)


def test_no_spacing_is_warned_of(tmp_path: Path) -> None:
    warnings = read_image(write_picture(tmp_path / "a.dcm", PLANE)).provenance.warnings
    assert "no pixel spacing in the file: lengths are in pixels" in warnings


def test_ultrasound_regions(tmp_path: Path) -> None:
    from dicom_making import region

    def regions(*items: Any) -> tuple[tuple[float, float], str, str]:
        return spacing_of(
            write_picture(tmp_path / "a.dcm", PLANE, "US", SequenceOfUltrasoundRegions=list(items), PixelSpacing=[9, 9])
        )

    assert regions(region(0.01, -0.02))[0] == pytest.approx((0.2, 0.1))
    assert regions(region(0.01, -0.02))[1] == "mm"
    assert regions(region(0.5, 0.5, kind=3), region(0.01, 0.02))[0] == pytest.approx(
        (0.2, 0.1)
    )  # a spectral curve beside
    assert regions(region(0.5, 0.5, units=4))[2] == "PixelSpacing"  # seconds are no length
    assert regions(region(0.01, 0.01), region(0.02, 0.02))[1] == "pixel"


def test_a_picture_has_no_frame_of_reference(tmp_path: Path) -> None:
    assert (
        read_image(
            write_picture(tmp_path / "a.dcm", PLANE, FrameOfReferenceUID="1.2.3")
        ).geometry.frame_of_reference_uid
        is None
    )


def test_a_sheared_direction_pair_is_no_place(tmp_path: Path) -> None:
    dataset = header(
        "CT", PLANE, ImagePositionPatient=[0, 0, 0], ImageOrientationPatient=[1, 0, 0, 1, 0, 0], PixelSpacing=[1, 1]
    )
    assert read_image(save(dataset, tmp_path / "a.dcm")).geometry.frame_of_reference_uid is None
