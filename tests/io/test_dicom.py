"""DICOM series and single files: order, values, display, choice of series and volume, archives."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK
from dicom_making import AXIAL, header, numbered, save, write_picture, write_series
from orientations import axis_aligned, oblique
from pydicom import Dataset, dcmread
from pydicom.fileset import FileSet
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian, RLELossless

from medkt.errors import (
    AmbiguousInputError,
    IncompleteError,
    InputError,
    MissingDependencyError,
    UnreadableError,
    UnsupportedError,
)
from medkt.extras import EXTRAS
from medkt.io import read_image

itk: Any = SimpleITK  # without hints
VALUES = numbered((4, 5, 6))


def test_slices_are_ordered_by_place_and_nothing_else(tmp_path: Path) -> None:
    write_series(tmp_path, VALUES)
    image = read_image(tmp_path)
    assert np.array_equal(image.values, VALUES)
    assert image.values.dtype == np.int16
    assert np.allclose(image.geometry.affine, AXIAL)
    assert image.geometry.frame_of_reference_uid == "1.2.3.4.9"
    assert image.modality == "CT"


@pytest.mark.parametrize("number", range(49))
def test_every_voxel_lies_where_it_was_and_where_simpleitk_has_it(number: int, tmp_path: Path) -> None:
    affine = [*axis_aligned(), oblique()][number]
    write_series(tmp_path, VALUES, affine)
    image = read_image(tmp_path)
    indices = np.argwhere(np.ones(VALUES.shape))
    world = indices @ affine[:3, :3].T + affine[:3, 3]
    back = np.rint(image.geometry.to_index(world.astype(float))).astype(int)
    assert np.allclose(image.geometry.to_world(back.astype(float)), world, atol=1e-6)
    assert np.array_equal(image.values[tuple(back.T)], VALUES[tuple(indices.T)])
    other = itk.ReadImage(itk.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path)))
    assert np.array_equal(itk.GetArrayFromImage(other), image.values)
    assert np.allclose(
        other.TransformIndexToPhysicalPoint((4, 2, 1)), image.geometry.to_world(np.array([[1.0, 2, 4]]))[0]
    )


def test_no_patient_and_no_path_in_provenance(tmp_path: Path) -> None:
    write_series(tmp_path / "Secret", VALUES)
    provenance = read_image(tmp_path / "Secret").provenance
    assert "ecret" not in str(provenance)
    assert str(tmp_path) not in str(provenance)
    assert "1950" not in str(provenance)
    assert len(provenance.digest) == 64
    assert "ecret" not in repr(read_image(tmp_path / "Secret"))  # an image may end in a log


def test_the_digest_knows_voxels_and_place(tmp_path: Path) -> None:
    moved = AXIAL + np.array([0, 0, 0, 1.0]) * [[1], [0], [0], [0]]
    for name, values, affine in (
        ("a", VALUES, AXIAL),
        ("b", VALUES, AXIAL),
        ("c", VALUES[::-1], AXIAL),
        ("d", VALUES, moved),
    ):
        write_series(tmp_path / name, values, affine)
    digests = [read_image(tmp_path / name).provenance.digest for name in "abcd"]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


@pytest.mark.parametrize(
    ("slope", "intercept", "dtype"),
    [("1", "-1024", np.int16), ("2", "0", np.int16), ("0.5", "3", np.float32), ("1000", "0", np.int32)],
)
def test_rescale(slope: str, intercept: str, dtype: type, tmp_path: Path) -> None:
    write_series(tmp_path, VALUES, RescaleSlope=slope, RescaleIntercept=intercept)
    image = read_image(tmp_path)
    assert image.values.dtype == dtype
    assert np.allclose(image.values, VALUES * float(slope) + float(intercept))
    assert any("modality LUT applied" in step for step in image.provenance.steps)


def test_one_wide_slice_widens_all(tmp_path: Path) -> None:
    values = VALUES.astype(np.uint16)
    values[2, 0, 0] = 60000
    write_series(tmp_path, values, RescaleSlope="1", RescaleIntercept="-5")
    image = read_image(tmp_path)
    assert image.values.dtype == np.int32
    assert np.array_equal(image.values, values.astype(int) - 5)


def test_modality_table(tmp_path: Path) -> None:
    item = Dataset()
    item.LUTDescriptor = [4, 2, 16]
    item.ModalityLUTType = "OD"
    item.LUTData = [100, 200, 300, 65535]
    plane = np.array([[0, 2, 3], [4, 5, 9]], dtype=np.uint16)
    item["LUTDescriptor"].VR = item["LUTData"].VR = "US"
    image = read_image(write_picture(tmp_path / "a.dcm", plane, ModalityLUTSequence=[item]))
    assert image.values[0].tolist() == [[100, 100, 200], [300, 65535, 65535]]


def test_slope_zero_is_refused(tmp_path: Path) -> None:
    write_series(tmp_path, VALUES, RescaleSlope="0", RescaleIntercept="1")
    with pytest.raises(UnreadableError, match="rescale slope is 0"):
        read_image(tmp_path)


@pytest.mark.parametrize(
    "given", [{"RescaleSlope": "1e308"}, {"RescaleIntercept": "-1e30"}, {"RescaleSlope": "1.5e29"}]
)
def test_a_rescaling_that_nothing_measures_is_refused(tmp_path: Path, given: dict[str, str]) -> None:
    write_series(tmp_path, VALUES, **{"RescaleSlope": "1", "RescaleIntercept": "0", **given})
    with pytest.raises(UnreadableError, match="values that nothing measures"):
        read_image(tmp_path)


def test_a_rescaling_too_large_for_whole_numbers_gives_real_ones(tmp_path: Path) -> None:
    write_series(tmp_path, VALUES, RescaleSlope="4294967296", RescaleIntercept="0")
    image = read_image(tmp_path)
    assert image.values.dtype == np.float32
    assert np.array_equal(image.values, VALUES.astype(np.float64) * 2.0**32)


def test_signed_values_of_twelve_bits(tmp_path: Path) -> None:
    wanted = np.array([[-2048, -1, 0], [5, 2047, 7]], dtype=np.int16)
    dirty = (wanted.astype(np.uint16) & 0x0FFF) | 0x4000  # overlays used to lie in the unused bits
    image = read_image(write_picture(tmp_path / "a.dcm", dirty, BitsStored=12, HighBit=11, PixelRepresentation=1))
    assert np.array_equal(image.values[0], wanted)


@pytest.mark.parametrize(
    ("photometric", "shape", "inverted"),
    [
        ("MONOCHROME1", "INVERSE", True),
        ("MONOCHROME1", None, True),
        ("MONOCHROME2", "INVERSE", True),
        ("MONOCHROME2", "IDENTITY", False),
    ],
)
def test_inversion_is_said_and_not_done(photometric: str, shape: str | None, inverted: bool, tmp_path: Path) -> None:
    more = {} if shape is None else {"PresentationLUTShape": shape}
    plane = VALUES[0].astype(np.uint16)
    image = read_image(write_picture(tmp_path / "a.dcm", plane, PhotometricInterpretation=photometric, **more))
    assert image.display.inverted is inverted
    assert np.array_equal(image.values[0], plane)


def test_windows_in_file_order(tmp_path: Path) -> None:
    write_series(tmp_path, VALUES, WindowCenter=["40", "-600"], WindowWidth=["400", "1500"], VOILUTFunction="SIGMOID")
    display = read_image(tmp_path).display
    assert display.windows == ((40.0, 400.0), (-600.0, 1500.0))
    assert display.function == "SIGMOID"


@pytest.mark.parametrize(
    ("negatives", "said"), [(1, "1 of 6 slices are inverted"), (4, "2 of 6 slices are not inverted")]
)
def test_negatives_among_the_slices_are_said(negatives: int, said: str, tmp_path: Path) -> None:
    for path in write_series(tmp_path, numbered((6, 5, 4)), modality="MR")[6 - negatives :]:
        dataset = dcmread(path)
        dataset.PhotometricInterpretation = "MONOCHROME1"
        save(dataset, path)
    image = read_image(tmp_path)
    assert any(warning.startswith(said) for warning in image.provenance.warnings)
    assert image.display.inverted == (negatives > 3)


def test_tables_that_vary_are_said(tmp_path: Path) -> None:
    for k, path in enumerate(write_series(tmp_path, numbered((3, 5, 4)))):
        dataset = dcmread(path)
        table = Dataset()
        table.LUTDescriptor, table.LUTData = [2, 0, 16], [0, 100 + k]
        table["LUTDescriptor"].VR = table["LUTData"].VR = "US"
        dataset.VOILUTSequence = [table]
        save(dataset, path)
    said = "windows vary from slice to slice: those of the middle slice are kept"
    assert said in read_image(tmp_path).provenance.warnings


def test_voi_table(tmp_path: Path) -> None:
    item = Dataset()
    item.LUTDescriptor, item.LUTData = [3, 7, 16], [1, 2, 3]
    item["LUTDescriptor"].VR = item["LUTData"].VR = "US"
    table = read_image(
        write_picture(tmp_path / "a.dcm", VALUES[0].astype(np.uint16), VOILUTSequence=[item])
    ).display.table
    assert table is not None
    assert (table[0], table[1].tolist()) == (7.0, [1, 2, 3])


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_other_encodings(syntax: str, tmp_path: Path) -> None:
    save(header("OT", VALUES[0]), tmp_path / "a.dcm", syntax)
    assert np.array_equal(read_image(tmp_path / "a.dcm").values[0], VALUES[0])


def test_big_endian(tmp_path: Path) -> None:
    dataset = header("OT", VALUES[0].astype(">i2"))
    dataset["PixelData"].VR = "OW"
    save(dataset, tmp_path / "a.dcm", ExplicitVRBigEndian)
    assert np.array_equal(read_image(tmp_path / "a.dcm").values[0], VALUES[0])


@pytest.mark.parametrize("end", [">", "<"])
def test_palette_in_either_byte_order(end: str, tmp_path: Path) -> None:
    table = np.array([0, 1000, 60000], dtype=f"{end}u2")
    more = {f"{name}PaletteColorLookupTableDescriptor": [3, 0, 16] for name in ("Red", "Green", "Blue")}
    dataset = header(
        "OT",
        np.array([[[0, 1], [2, 2]]] * 2, dtype=np.uint8),
        NumberOfFrames=2,
        PhotometricInterpretation="PALETTE COLOR",
        **more,
    )
    for name in ("Red", "Green", "Blue"):
        setattr(dataset, f"{name}PaletteColorLookupTableData", table.tobytes())
    save(dataset, tmp_path / "a.dcm", ExplicitVRBigEndian if end == ">" else ImplicitVRLittleEndian)
    for frame in read_image(tmp_path / "a.dcm").values:  # the second frame must not be swapped once more
        assert frame.tolist() == [[0, 1000], [60000, 60000]]


def test_rle_and_colour(tmp_path: Path) -> None:
    colour = np.zeros((2, 3, 3), dtype=np.uint8)
    colour[..., 0], colour[0, 0, 1], colour[1, 2, 2] = 10, 200, 90
    dataset = header(
        "US", np.zeros((2, 3), np.uint8), SamplesPerPixel=3, PlanarConfiguration=0, PhotometricInterpretation="RGB"
    )
    dataset.PixelData = colour.tobytes()
    save(dataset, tmp_path / "a.dcm")
    packed = dcmread(tmp_path / "a.dcm")
    packed.compress(RLELossless)
    packed.save_as(tmp_path / "b.dcm")
    expected = np.rint(colour @ [0.299, 0.587, 0.114])
    for name in ("a.dcm", "b.dcm"):
        image = read_image(tmp_path / name)
        assert np.array_equal(image.values[0], expected)
        assert any("luma" in step for step in image.provenance.steps)
        assert image.colour == 2 / 6  # the others differ by less than a tint does


def test_planar_colour_and_ybr(tmp_path: Path) -> None:
    planes = np.arange(18, dtype=np.uint8).reshape(3, 2, 3)
    for photometric, expected, share in (
        ("RGB", np.rint(np.moveaxis(planes, 0, -1) @ [0.299, 0.587, 0.114]), 0.0),
        ("YBR_FULL", planes[0], 1.0),
    ):
        dataset = header(
            "US", planes[0], SamplesPerPixel=3, PlanarConfiguration=1, PhotometricInterpretation=photometric
        )
        dataset.PixelData = planes.tobytes()
        image = read_image(save(dataset, tmp_path / "a.dcm"))
        assert np.array_equal(image.values[0], expected)
        assert image.colour == share


# ---- which series, which volume


def test_several_series_are_listed_without_words(tmp_path: Path) -> None:
    write_series(tmp_path / "a", VALUES, SeriesInstanceUID="1.2.3.11", SeriesNumber=2)
    write_series(tmp_path / "b" / "deeper", VALUES[:2, :3], SeriesInstanceUID="1.2.3.12", SeriesNumber=1, modality="MR")
    with pytest.raises(
        AmbiguousInputError,
        match=r"2 series; choose one with --series .*\[1\] 1\.2\.3\.12 MR, 2 images, 6x3; \[2\] 1\.2\.3\.11 CT, 4",
    ) as caught:
        read_image(tmp_path)
    assert "ecret" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 3
    for choice, slices in (("1", 2), ("2", 4), ("1.2.3.11", 4), ("1.2.3.12", 2)):
        assert read_image(tmp_path, series=choice).values.shape[0] == slices
    with pytest.raises(AmbiguousInputError, match=r"2 series begin like --series 1\.2\.3\.1"):
        read_image(tmp_path, series="1.2.3.1")
    with pytest.raises(InputError, match="no series 3, there are 2"):
        read_image(tmp_path, series="3")
    with pytest.raises(InputError, match=r"no series begins with --series 9\.9"):
        read_image(tmp_path, series="9.9")


def test_a_unique_beginning_is_enough(tmp_path: Path) -> None:
    write_series(tmp_path / "a", VALUES, SeriesInstanceUID="1.2.3.11.5")
    write_series(tmp_path / "b", VALUES[:2], SeriesInstanceUID="1.2.3.12.6")
    assert read_image(tmp_path, series="1.2.3.12").values.shape[0] == 2


def test_repeated_positions_are_volumes(tmp_path: Path) -> None:
    write_series(tmp_path, VALUES, TemporalPositionIdentifier=1)
    write_series(tmp_path / "b", VALUES + 500, TemporalPositionIdentifier=2)
    with pytest.raises(
        AmbiguousInputError,
        match=r"2 volumes or views in the series; choose one with --volume: \[1\] 4 images, 6x5, axial, temporal position 1; \[2\]",
    ):
        read_image(tmp_path)
    assert np.array_equal(read_image(tmp_path, volume=1).values, VALUES)
    assert np.array_equal(read_image(tmp_path, volume=2).values, VALUES + 500)
    with pytest.raises(InputError, match="no volume 3; --volume counts from 1 to 2"):
        read_image(tmp_path, volume=3)


def test_volumes_of_unequal_length_are_told_apart_by_their_marks(tmp_path: Path) -> None:
    write_series(tmp_path, VALUES, DiffusionBValue=0.0)
    write_series(tmp_path / "b", VALUES[:3] + 500, DiffusionBValue=1000.0)
    assert np.array_equal(read_image(tmp_path, volume=2).values, VALUES[:3] + 500)


def test_a_localiser_is_told_apart(tmp_path: Path) -> None:
    write_series(tmp_path, VALUES)
    coronal = AXIAL[:, [1, 0, 2, 3]].copy()
    write_series(tmp_path / "b", VALUES[:1], coronal)
    with pytest.raises(
        AmbiguousInputError, match=r"2 volumes or views.*4 images, 6x5, axial; \[2\] 1 image, 6x5, coronal"
    ):
        read_image(tmp_path)
    assert read_image(tmp_path, volume=1).values.shape[0] == 4


def test_two_radiographs_are_two_views(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.dcm", VALUES[0].astype(np.uint16))
    write_picture(tmp_path / "b.dcm", VALUES[1].astype(np.uint16))
    with pytest.raises(AmbiguousInputError, match=r"\[1\] 1 image, 6x5; \[2\] 1 image, 6x5"):
        read_image(tmp_path)


def test_copies_of_a_file_count_once(tmp_path: Path) -> None:
    for path in write_series(tmp_path, VALUES):
        (tmp_path / f"copy{path.name}").write_bytes(path.read_bytes())
    image = read_image(tmp_path)
    assert np.array_equal(image.values, VALUES)
    assert any("4 files repeat the SOP instance" in warning for warning in image.provenance.warnings)


def test_objects_without_pixels_and_other_files_are_skipped(tmp_path: Path) -> None:
    write_series(tmp_path, VALUES)
    report = header(
        "OT",
        VALUES[0],
        SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11",
        SeriesInstanceUID="1.9",
        Rows=None,
        Columns=None,
        PixelData=None,
    )
    save(report, tmp_path / "sr.dcm")
    (tmp_path / "notes.txt").write_text("hello")
    image = read_image(tmp_path)
    assert np.array_equal(image.values, VALUES)
    assert any("1 objects without an image skipped" in step for step in image.provenance.steps)


# ---- archives and directories


def test_a_zip_is_read_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = write_series(tmp_path / "in", VALUES)
    with zipfile.ZipFile(tmp_path / "study.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in paths:
            archive.write(path, f"deep/{path.name}")
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    assert np.array_equal(read_image(tmp_path / "study.zip").values, VALUES)
    assert list(temporary.iterdir()) == []


def test_a_dicomdir_is_read(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "in", VALUES)
    files = FileSet()
    first_stage = files._stage["t"]
    for path in paths:
        files.add(path)
    files.write(tmp_path / "disc")
    first_stage.cleanup()
    files._stage["t"].cleanup()  # pydicom leaves it to the garbage collector, which warns in some later test
    image = read_image(tmp_path / "disc" / "DICOMDIR")
    assert np.array_equal(image.values, VALUES)
    assert np.array_equal(read_image(tmp_path / "disc").values, VALUES)
    file = next(
        path for path in (tmp_path / "disc").rglob("*") if path.is_file() and dcmread(path).get("InstanceNumber") == 1
    )
    file.unlink()  # the first slice: what is left is a stack without a gap
    for disc in (tmp_path / "disc" / "DICOMDIR", tmp_path / "disc"):
        with pytest.raises(IncompleteError, match=r"1 lost: .*named by the DICOMDIR and not there.*--allow-incomplete"):
            read_image(disc)
        image = read_image(disc, allow_incomplete=True)
        assert len(image.values) == len(VALUES) - 1
        assert any("1 named by the DICOMDIR and not there" in warning for warning in image.provenance.warnings)


# ---- what is refused


@pytest.mark.parametrize(
    ("uid", "what"),
    [
        ("1.2.840.10008.5.1.4.1.1.66.4", r"a segmentation \(SEG\)"),
        ("1.2.840.10008.5.1.4.1.1.481.3", "RTSTRUCT"),
        ("1.2.840.10008.5.1.4.1.1.77.1.6", "whole-slide"),
        ("1.2.840.10008.5.1.4.1.1.30", "parametric map"),
    ],
)
def test_other_objects_are_named(uid: str, what: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=rf"a\.dcm: holds .*{what}.*medkt reads images"):
        read_image(save(header("OT", VALUES[0], SOPClassUID=uid), tmp_path / "a.dcm"))


def test_no_pixels(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=r"a\.dcm: holds no pixel data"):
        read_image(save(header("CT", VALUES[0], PixelData=None), tmp_path / "a.dcm"))


def test_zero_size(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="says 0 rows"):
        read_image(save(header("CT", VALUES[0], Rows=0), tmp_path / "a.dcm"))


def test_too_few_pixels(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match=r"a\.dcm: decoding the pixels failed"):
        read_image(save(header("CT", VALUES[0], PixelData=b"\0\0" * 7), tmp_path / "a.dcm"))


@pytest.mark.parametrize("part", [0.2, 0.6, 0.95])
def test_a_cut_file_in_a_folder_is_an_error_and_no_shorter_stack(part: float, tmp_path: Path) -> None:
    path = write_series(tmp_path, numbered((4, 50, 60)))[3]
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    with pytest.raises((UnreadableError, UnsupportedError), match=path.name):
        read_image(tmp_path)


def test_no_such_codec_is_named(tmp_path: Path) -> None:
    dataset = header("CT", VALUES[0])
    path = save(dataset, tmp_path / "a.dcm")
    data = path.read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.9\0")
    path.write_bytes(data)
    with pytest.raises((UnsupportedError, UnreadableError), match=r"a\.dcm"):
        read_image(path)


def test_a_missing_codec_names_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("jpeg_ls", reason="writes by the extra `codecs`")
    dataset = header("OT", np.zeros((8, 8), np.uint8))
    save(dataset, tmp_path / "a.dcm")
    packed = dcmread(tmp_path / "a.dcm")
    packed.compress("1.2.840.10008.1.2.4.80")
    packed.save_as(tmp_path / "b.dcm")
    monkeypatch.setattr("pydicom.pixels.decoders.base.Decoder.is_available", property(lambda self: False))
    with pytest.raises(UnsupportedError, match=r"b\.dcm: no decoder for transfer syntax .*4\.80; install medkt again"):
        read_image(tmp_path / "b.dcm")
    monkeypatch.setattr("medkt.extras.is_installed", lambda name: name not in EXTRAS["codecs"])
    with pytest.raises(
        MissingDependencyError, match=r"b\.dcm: the transfer syntax .*4\.80 needs .* pip install 'medkt\[codecs\]'"
    ):
        read_image(tmp_path / "b.dcm")


def test_what_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "empty.dcm").touch()
    with pytest.raises(UnsupportedError, match=r"notes\.txt: is neither DICOM nor NIfTI"):
        read_image(tmp_path / "notes.txt")
    with pytest.raises(InputError, match="the file is empty"):
        read_image(tmp_path / "empty.dcm")
    with pytest.raises(InputError, match="there is no such file"):
        read_image(tmp_path / "absent.dcm")
    with pytest.raises(IncompleteError, match=r"no DICOM file that can be read: empty\.dcm \(empty, 0 bytes\)"):
        read_image(tmp_path)
    (tmp_path / "empty.dcm").unlink()
    with pytest.raises(InputError, match="no DICOM file in this folder"):
        read_image(tmp_path)
    (tmp_path / "junk.dcm").write_bytes(b"junk" * 100)
    with pytest.raises(UnreadableError, match=r"junk\.dcm.*(is not a DICOM file|failed)"):
        read_image(tmp_path / "junk.dcm")
