"""NIfTI in and out: every orientation, every kind of voxel, and headers that come back bit for bit."""

import gzip
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK
from dicom_making import write_series
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from orientations import axis_aligned, oblique, sheared

from medkt.errors import AmbiguousInputError, GeometryError, InputError, OutputError, UnreadableError, UnsupportedError
from medkt.io import read_image, read_mask, write_nifti_mask, write_saliency_nifti
from medkt.io.nifti import lps_affine, ras_affine
from medkt.spatial import Mask, SaliencyMap

nib: Any = nibabel  # without hints
Array = np.ndarray[Any, Any]
KEPT = (
    "pixdim", "xyzt_units", "sform_code", "qform_code", "quatern_b", "quatern_c", "quatern_d",
    "qoffset_x", "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z",
)  # fmt: skip
AFFINES = [*axis_aligned(), oblique(), oblique((3, 0, 0)), sheared()]


def save(
    path: Path,
    values: Array,
    affine: Array,
    *,
    sform: int = 1,
    qform: int = 1,
    unit: int = 2,
    kind: Any = nib.Nifti1Image,
) -> Path:
    """A NIfTI file of (i, j, k) values."""
    image = kind(values, affine)
    image.set_sform(affine, sform)
    image.set_qform(affine, qform, strip_shears=True)
    image.header["xyzt_units"] = unit
    nib.save(image, path)
    return path


def ijk(shape: tuple[int, ...] = (4, 5, 6), dtype: Any = np.int16) -> Array:
    return np.random.default_rng(1).permutation(int(np.prod(shape))).reshape(shape).astype(dtype)


def with_landmark(path: Path) -> tuple[Any, Mask]:
    """An image and a mask of one corner voxel and two beside it, an asymmetric mark."""
    image = read_image(path)
    values = np.zeros(image.values.shape, dtype=bool)
    values[0, 0, 0] = values[0, 0, 1] = values[1, 0, 0] = values[-1, 2, 3] = True
    return image, Mask(values=values, geometry=image.geometry)


@pytest.mark.parametrize("number", range(len(AFFINES)))
def test_mask_has_the_affine_of_the_image_and_the_landmark_its_place(number: int, tmp_path: Path) -> None:
    source = save(tmp_path / "a.nii", ijk(), AFFINES[number])
    image, mask = with_landmark(source)
    written: Any = nib.load(write_nifti_mask(mask, image, tmp_path / "m.nii.gz"))
    original: Any = nib.load(source)
    assert np.array_equal(written.affine, original.affine)
    assert all(np.array_equal(written.header[field], original.header[field]) for field in KEPT)
    there = {tuple(index) for index in np.argwhere(np.asanyarray(written.dataobj)).tolist()}
    assert there == {(0, 0, 0), (1, 0, 0), (0, 0, 1), (3, 2, 5)}
    assert written.get_data_dtype() == np.uint8
    ours = image.geometry.to_world(np.array([[1.0, 2.0, 3.0]]))[0]  # slice 1, row 2, column 3
    assert np.allclose((original.affine @ [3, 2, 1, 1])[:3] * [-1, -1, 1], ours, atol=1e-5)


@pytest.mark.parametrize("number", range(49))
def test_values_and_places_are_those_of_simpleitk(number: int, tmp_path: Path) -> None:
    source = save(tmp_path / "a.nii", ijk(), AFFINES[number])
    image = read_image(source)
    other: Any = SimpleITK.ReadImage(str(source))
    assert np.array_equal(SimpleITK.GetArrayFromImage(other), image.values)
    assert np.allclose(
        other.TransformIndexToPhysicalPoint((3, 2, 1)), image.geometry.to_world(np.array([[1.0, 2, 3]]))[0], atol=1e-4
    )


@given(
    arrays(bool, st.tuples(*[st.integers(1, 5)] * 3)),
    st.integers(0, len(AFFINES) - 1),
    st.sampled_from([(1, 0), (0, 1), (2, 1), (4, 4)]),
    st.sampled_from([nib.Nifti1Image, nib.Nifti2Image]),
)
def test_write_then_read_is_the_identity(
    tmp_path_factory: pytest.TempPathFactory, values: Array, number: int, codes: tuple[int, int], kind: Any
) -> None:
    folder = tmp_path_factory.mktemp("a")
    shape = values.shape[::-1]
    image = read_image(save(folder / "a.nii", ijk(shape), AFFINES[number], sform=codes[0], qform=codes[1], kind=kind))
    mask = Mask(values=values, geometry=image.geometry)
    path = write_nifti_mask(mask, image, folder / "m.nii.gz")
    again = read_mask(path, label=1 if values.all() else None)
    assert np.array_equal(again.values, values)
    assert image.geometry.same_grid(again.geometry)
    assert isinstance(nib.load(path), kind)


def test_the_same_mask_gives_the_same_bytes(tmp_path: Path) -> None:
    image, mask = with_landmark(save(tmp_path / "a.nii", ijk(), oblique()))
    first = write_nifti_mask(mask, image, tmp_path / "1.nii.gz").read_bytes()
    assert first == write_nifti_mask(mask, image, tmp_path / "2.nii.gz").read_bytes()


def test_conversion_is_its_own_inverse() -> None:
    for affine in AFFINES:
        assert np.allclose(lps_affine(ras_affine(affine)), affine)


def test_saliency_is_float32_with_the_header_of_the_image(tmp_path: Path) -> None:
    source = save(tmp_path / "a.nii", ijk(), oblique())
    image = read_image(source)
    values = np.random.default_rng(0).random(image.values.shape).astype(np.float32)
    path = write_saliency_nifti(SaliencyMap(values=values, geometry=image.geometry), image, tmp_path / "s.nii.gz")
    written: Any = nib.load(path)
    assert written.get_data_dtype() == np.float32
    assert np.array_equal(np.asarray(written.dataobj).transpose(2, 1, 0), values)
    assert np.array_equal(written.affine, nib.load(source).affine)


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (4, 5, 6, 1)])
def test_mask_has_the_shape_of_the_file(shape: tuple[int, ...], tmp_path: Path) -> None:
    source = save(tmp_path / "a.nii", ijk(shape), oblique())
    image = read_image(source)
    mask = Mask(values=np.ones(image.values.shape, dtype=bool), geometry=image.geometry)
    assert nib.load(write_nifti_mask(mask, image, tmp_path / "m.nii")).shape == shape


def test_names_in_the_header_of_the_image_are_not_copied(tmp_path: Path) -> None:
    image = nib.Nifti1Image(ijk(), oblique())
    image.header["descrip"] = b"Secret^Person"
    image.header["db_name"] = b"SECRET-ID"
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"Secret^Person"))
    nib.save(image, tmp_path / "a.nii")
    read, mask = with_landmark(tmp_path / "a.nii")
    data = write_nifti_mask(mask, read, tmp_path / "m.nii").read_bytes()
    assert b"Secret" not in data
    assert b"SECRET" not in data


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", ">i2", "int8", "uint32"])
def test_whole_numbers_stay_whole(dtype: str, tmp_path: Path) -> None:
    values = ijk(dtype=np.dtype(dtype))
    image = nib.Nifti1Image(values, oblique(), header=nib.Nifti1Header(endianness=">" if dtype[0] == ">" else "<"))
    image.header.set_data_dtype(dtype)
    nib.save(image, tmp_path / "a.nii")
    read = read_image(tmp_path / "a.nii")
    assert read.values.dtype == np.dtype(dtype).newbyteorder("=")
    assert np.array_equal(read.values, values.transpose(2, 1, 0))


def test_a_big_endian_image_gets_its_mask(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(ijk(), oblique(), header=nib.Nifti1Header(endianness=">")), tmp_path / "a.nii")
    image, mask = with_landmark(tmp_path / "a.nii")
    written: Any = nib.load(write_nifti_mask(mask, image, tmp_path / "m.nii"))
    assert np.array_equal(written.affine, nib.load(tmp_path / "a.nii").affine)


def scaled(path: Path, slope: float, inter: float) -> Path:
    image = nib.Nifti1Image(ijk(), oblique())
    image.header.set_slope_inter(slope, inter)
    nib.save(image, path)
    raw = bytearray(path.read_bytes())  # nibabel rescales on saving; write the scale over a file that has none
    plain = nib.Nifti1Image(ijk(), oblique()).to_bytes()
    raw = bytearray(plain)
    raw[112:120] = np.array([slope, inter], dtype="<f4").tobytes()
    path.write_bytes(bytes(raw))
    return path


def test_scaling_is_applied(tmp_path: Path) -> None:
    read = read_image(scaled(tmp_path / "a.nii", 0.5, -3))
    assert read.values.dtype == np.float32
    assert np.allclose(read.values, ijk().transpose(2, 1, 0) * 0.5 - 3)


def test_whole_scaling_keeps_whole_numbers(tmp_path: Path) -> None:
    read = read_image(scaled(tmp_path / "a.nii", 2, -1024))
    assert read.values.dtype == np.int16
    assert np.array_equal(read.values, ijk().transpose(2, 1, 0) * 2 - 1024)


def test_a_scaling_too_large_for_whole_numbers(tmp_path: Path) -> None:
    read = read_image(scaled(tmp_path / "a.nii", 2.0**40, 0))
    assert read.values.dtype == np.float32
    assert np.array_equal(read.values, ijk().transpose(2, 1, 0) * 2.0**40)
    with pytest.raises(UnreadableError, match="values that nothing measures"):
        read_image(scaled(tmp_path / "b.nii", 2, 1e38))


@pytest.mark.parametrize(("unit", "factor", "warned"), [(2, 1, 0), (1, 1000, 0), (3, 0.001, 0), (0, 1, 1), (10, 1, 0)])
def test_units_of_length(unit: int, factor: float, warned: int, tmp_path: Path) -> None:
    image = read_image(save(tmp_path / "a.nii", ijk(), oblique(), unit=unit))
    assert image.geometry.spacing == pytest.approx((0.7 * factor, 0.8 * factor, 2.5 * factor), rel=1e-5)
    assert sum("no unit" in warning for warning in image.provenance.warnings) == warned


def test_no_code_is_warned_of(tmp_path: Path) -> None:
    image = read_image(save(tmp_path / "a.nii", ijk(), oblique(), sform=0, qform=0))
    assert any("left and right are a guess" in warning for warning in image.provenance.warnings)


def test_sform_is_preferred(tmp_path: Path) -> None:
    image = nib.Nifti1Image(ijk(), oblique())
    image.set_sform(oblique(), 2)
    image.set_qform(axis_aligned()[0], 1)
    nib.save(image, tmp_path / "a.nii")
    assert np.allclose(read_image(tmp_path / "a.nii").geometry.affine, lps_affine(oblique()), atol=1e-5)


def test_shear_is_warned_of(tmp_path: Path) -> None:
    warnings = read_image(save(tmp_path / "a.nii", ijk(), sheared(), qform=0)).provenance.warnings
    assert any(warning.startswith("sheared affine: programs of ITK") for warning in warnings)


def test_four_axes_need_a_choice(tmp_path: Path) -> None:
    source = save(tmp_path / "a.nii", ijk((2, 3, 4, 5)), oblique())
    with pytest.raises(
        AmbiguousInputError, match=r"a\.nii: 5 volumes of shape \(2, 3, 4\); choose one with --volume 1 to 5"
    ):
        read_image(source)
    image = read_image(source, volume=2)
    assert np.array_equal(image.values, ijk((2, 3, 4, 5))[..., 1].transpose(2, 1, 0))
    with pytest.raises(InputError, match="no volume 6; --volume counts from 1 to 5"):
        read_image(source, volume=6)
    mask = Mask(values=image.values > 3, geometry=image.geometry)
    written: Any = nib.load(write_nifti_mask(mask, image, tmp_path / "m.nii"))
    assert written.shape == (2, 3, 4)
    assert np.array_equal(written.affine, nib.load(source).affine)


def test_five_axes_that_all_hold_something_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="more than four axes"):
        read_image(save(tmp_path / "a.nii", ijk((2, 3, 4, 2, 3)), oblique()))


@pytest.mark.parametrize("shape", [(2, 3, 4, 1, 5), (2, 3, 4, 5, 1), (2, 3, 4, 1, 1, 5)])
def test_a_fifth_axis_alone_is_chosen_from_as_a_fourth_is(tmp_path: Path, shape: tuple[int, ...]) -> None:
    source = save(tmp_path / "a.nii", ijk(shape), oblique())
    with pytest.raises(AmbiguousInputError, match=r"5 volumes of shape \(2, 3, 4\); choose one with --volume 1 to 5"):
        read_image(source)
    for volume in (3, "3"):
        image = read_image(source, volume=volume)
        np.testing.assert_array_equal(image.values, ijk(shape).reshape(2, 3, 4, 5)[..., 2].transpose(2, 1, 0))


@pytest.mark.parametrize("volume", ["echo 2", "1.5", "", "-1"])
def test_volumes_of_nifti_have_no_names(tmp_path: Path, volume: str) -> None:
    source = save(tmp_path / "a.nii", ijk((2, 3, 4, 5)), oblique())
    with pytest.raises(InputError, match="such a file names none, so give a number from 1 to 5"):
        read_image(source, volume=volume)


def test_nan_is_refused_with_its_count(tmp_path: Path) -> None:
    values = ijk(dtype=np.float32)
    values[0, 0, :2] = np.nan
    values[1, 1, 1] = np.inf
    with pytest.raises(InputError, match=r"3 of 120 voxels are NaN or infinite; replace them"):
        read_image(save(tmp_path / "a.nii", values, oblique()))


def test_complex_is_refused_and_colour_becomes_luma(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="complex"):
        read_image(save(tmp_path / "a.nii", ijk().astype(np.complex64), oblique()))
    colour = np.zeros((2, 3, 4), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    colour["G"] = 100
    assert np.unique(read_image(save(tmp_path / "b.nii", colour, oblique())).values) == 59  # 0.587 of 100


def test_header_and_voxels_in_two_files(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Pair(ijk(), oblique()), tmp_path / "a.img")
    for name in ("a.hdr", "a.img"):
        assert np.array_equal(read_image(tmp_path / name).values, ijk().transpose(2, 1, 0))
    (tmp_path / "a.img").unlink()
    with pytest.raises(InputError, match=r"the \.img beside it is missing"):
        read_image(tmp_path / "a.hdr")


def test_content_decides_not_the_name(tmp_path: Path) -> None:
    data = save(tmp_path / "a.nii", ijk(), oblique()).read_bytes()
    (tmp_path / "scan").write_bytes(gzip.compress(data))
    assert np.array_equal(read_image(tmp_path / "scan").values, ijk().transpose(2, 1, 0))


@pytest.mark.parametrize("keep", [10, 200, 348, 400, 0.9])
def test_cut_files_are_refused(keep: float, tmp_path: Path) -> None:
    data = save(tmp_path / "a.nii", ijk(), oblique()).read_bytes()
    (tmp_path / "b.nii").write_bytes(data[: int(len(data) * keep) if keep < 1 else int(keep)])
    packed = gzip.compress(data)
    (tmp_path / "b.nii.gz").write_bytes(
        packed[: int(len(packed) * keep) if keep < 1 else min(int(keep), len(packed) - 9)]
    )
    for name in ("b.nii", "b.nii.gz"):
        with pytest.raises(UnreadableError, match=r"b\.nii.*(failed|is not NIfTI)"):
            read_image(tmp_path / name)


def test_a_wrong_checksum_is_noticed(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(save(tmp_path / "a.nii", ijk(), oblique()).read_bytes()))
    packed[-6] ^= 1
    (tmp_path / "a.nii.gz").write_bytes(bytes(packed))
    with pytest.raises(UnreadableError, match="unpacking the gzip failed"):
        read_image(tmp_path / "a.nii.gz")


def test_analyze_is_refused(tmp_path: Path) -> None:
    nib.save(nib.AnalyzeImage(ijk(), np.eye(4)), tmp_path / "a.img")
    with pytest.raises(UnsupportedError, match=r"Analyze 7\.5"):
        read_image(tmp_path / "a.hdr")


def test_a_singular_affine_is_refused(tmp_path: Path) -> None:
    image = nib.Nifti1Image(ijk(), oblique())
    image.header["sform_code"] = 2
    image.header["srow_x"] = image.header["srow_y"]
    raw = bytearray(image.to_bytes())
    raw[280:296] = raw[296:312]  # the same row twice, past nibabel's own care
    (tmp_path / "a.nii").write_bytes(bytes(raw))
    with pytest.raises(GeometryError, match="singular"):
        read_image(tmp_path / "a.nii")


def test_a_mask_goes_only_into_nifti_names(tmp_path: Path) -> None:
    image, mask = with_landmark(save(tmp_path / "a.nii", ijk(), oblique()))
    with pytest.raises(OutputError, match=r"ends in \.nii or \.nii\.gz"):
        write_nifti_mask(mask, image, tmp_path / "m.dcm")


@pytest.mark.parametrize("header_packed", [False, True])
@pytest.mark.parametrize("voxels_packed", [False, True])
def test_a_pair_is_read_by_either_name_gzipped_or_not(tmp_path: Path, header_packed: bool, voxels_packed: bool) -> None:
    values = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    pair: Any = nibabel.Nifti1Pair
    nibabel.save(pair(values, np.diag([2.0, 3.0, 4.0, 1.0])), tmp_path / "a.img")
    names = []
    for ending, packed in ((".hdr", header_packed), (".img", voxels_packed)):
        path = tmp_path / f"a{ending}"
        if packed:
            path.with_name(f"a{ending}.gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
        names.append(f"a{ending}.gz" if packed else f"a{ending}")
    for name in names:
        image = read_image(tmp_path / name)
        np.testing.assert_array_equal(image.values, values.transpose(2, 1, 0))
        assert image.geometry.spacing == (4.0, 3.0, 2.0)


def test_the_other_half_of_a_gzipped_pair_is_missed_by_name(tmp_path: Path) -> None:
    pair: Any = nibabel.Nifti1Pair
    nibabel.save(pair(np.zeros((2, 3, 4), np.int16), np.eye(4)), tmp_path / "a.img")
    packed = tmp_path / "a.hdr.gz"
    packed.write_bytes(gzip.compress((tmp_path / "a.hdr").read_bytes()))
    (tmp_path / "a.img").unlink()
    with pytest.raises(InputError, match=r"header of a pair, and the \.img beside it is missing"):
        read_image(packed)


def test_a_gzipped_pair_from_elsewhere(failing: Path) -> None:
    images = [read_image(failing / name) for name in ("air.hdr.gz", "air.img.gz")]
    assert images[0].values.shape == (64, 67, 79)
    np.testing.assert_array_equal(images[0].values, images[1].values)


def test_a_mask_beside_its_image_has_the_frame_of_reference_that_the_file_cannot_hold(tmp_path: Path) -> None:
    write_series(tmp_path / "series", np.arange(120).reshape(4, 5, 6))
    image = read_image(tmp_path / "series")
    assert image.geometry.frame_of_reference_uid
    inside = np.zeros(image.values.shape, dtype=bool)
    inside[1, 2, 3:5] = True
    path = write_nifti_mask(Mask(values=inside, geometry=image.geometry), image, tmp_path / "m.nii.gz")
    assert read_mask(path).geometry.frame_of_reference_uid is None
    assert read_mask(path, like=image).geometry == image.geometry
