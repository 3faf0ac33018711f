"""Odd but honest DICOM: one UID on several pictures, objects without pixels, two steps, filled streams, empty tables."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from dicom_making import header, numbered, save, write_picture, write_series
from pydicom import Dataset, dcmread
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID, JPEGLSLossless, RLELossless

from medkt.concepts import load_concept
from medkt.errors import GeometryError, MedktError, UnreadableError, UnsupportedError
from medkt.io import read_image, write_dicom_seg
from medkt.io.dicom_stack import usual_step
from medkt.spatial import Mask


def one_uid(paths: list[Path], uid: str = "1.2.3.77") -> None:
    for path in paths:
        dataset = dcmread(path)
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UID(uid)
        dataset.save_as(path)


def test_different_slices_under_one_uid_are_all_kept_and_said(tmp_path: Path) -> None:
    values = numbered((5, 6, 7))
    one_uid(write_series(tmp_path, values))
    image = read_image(tmp_path)
    np.testing.assert_array_equal(image.values, values)
    assert "5 different pictures have one SOP instance UID: all are kept" in image.provenance.warnings
    mask = Mask(values=image.values > 3, geometry=image.geometry)
    with pytest.raises(UnsupportedError, match="several of the source files have one SOPInstanceUID"):
        write_dicom_seg([mask], [load_concept("ct_nodule")], image, tmp_path / "mask.dcm")


def test_true_copies_are_skipped_and_counted_however_they_are_stored(tmp_path: Path) -> None:
    values = numbered((4, 6, 7))
    paths = write_series(tmp_path, values)
    shutil.copy(paths[1], tmp_path / "copy.dcm")
    packed = dcmread(paths[2])
    packed.compress(RLELossless, generate_instance_uid=False)
    packed.save_as(tmp_path / "packed.dcm")
    image = read_image(tmp_path)
    np.testing.assert_array_equal(image.values, values)
    assert "2 files repeat the SOP instance of another, voxel for voxel, and are skipped" in image.provenance.warnings
    assert not any("different pictures" in warning for warning in image.provenance.warnings)


def test_one_pixel_makes_another_picture(tmp_path: Path) -> None:
    values = numbered((4, 6, 7))
    paths = write_series(tmp_path, values)
    changed = dcmread(paths[1])
    pixels = changed.pixel_array.copy()
    pixels[2, 3] += 1
    changed.PixelData = pixels.tobytes()
    changed.save_as(tmp_path / "other.dcm")
    with pytest.raises(GeometryError, match="1 of 5 slices lie where another one lies"):
        read_image(tmp_path)
    image = read_image(tmp_path, regrid=True)  # a regular grid has room for one of the two
    np.testing.assert_array_equal(image.values, values)
    assert any("the first was kept: 1 left out shows something else" in one for one in image.provenance.warnings)


def test_a_slice_moved_by_a_copy_is_another_picture(tmp_path: Path) -> None:
    values = np.repeat(numbered((1, 6, 7)), 4, axis=0)  # voxels are equal, places are not
    one_uid(write_series(tmp_path, values))
    assert read_image(tmp_path).values.shape == (4, 6, 7)


def test_pictures_that_nothing_tells_apart_are_never_dropped(failing: Path) -> None:
    with pytest.raises(MedktError, match=r"3 different pictures.*give the file that you mean"):
        read_image(failing / "same_sop_uid")
    with pytest.raises(MedktError, match="give the file that you mean"):
        read_image(failing / "same_sop_uid", volume=1)
    for name in ("12bitSigned_0x0F0F", "12bitUnsigned", "12bitUnsigned_0x0F0F"):
        assert read_image(failing / "same_sop_uid" / f"{name}.dcm").values.shape == (35, 64, 64)


def test_an_object_without_pixels_does_not_close_the_folder(failing: Path) -> None:
    image = read_image(failing / "philips_xx")
    assert image.values.shape == (32, 112, 112)
    assert any("1 objects without an image skipped" in step for step in image.provenance.steps)


def test_an_image_that_lost_its_pixels_is_damage_and_not_an_odd_object(tmp_path: Path) -> None:
    paths = write_series(tmp_path, numbered((4, 6, 7)))
    dataset = dcmread(paths[1])
    del dataset.PixelData
    dataset.save_as(paths[1])
    with pytest.raises(MedktError, match="no pixel data"):
        read_image(tmp_path)


def test_a_makers_own_class_with_pixels_is_a_picture(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "a.dcm", numbered((1, 40, 50))[0], SOPClassUID="1.3.46.670589.11.0.0.12.2")
    assert read_image(path).values.shape == (1, 40, 50)


def test_a_head_in_two_steps_with_tilt(failing: Path) -> None:
    with pytest.raises(
        GeometryError, match=r"1 of 1\.081, 13 of 4\.002, 13 of 6\.999.*lean by 18\.5 degrees.*--regrid"
    ):
        read_image(failing / "head_ct_two_steps")
    image = read_image(failing / "head_ct_two_steps", regrid=True)
    assert image.geometry.spacing[0] == pytest.approx(4.002, abs=1e-3)
    assert not image.geometry.is_sheared
    assert image.values.shape == (37, 39, 32)
    files = sorted((failing / "head_ct_two_steps").iterdir())
    for k in (0, 5, 13):  # the slices of the first part lie on the grid, moved down its planes
        stored = dcmread(files[k])
        plane = stored.pixel_array * float(stored.RescaleSlope) + float(stored.RescaleIntercept)
        corner = image.geometry.to_index(np.array([stored.ImagePositionPatient], dtype=float))[0]
        assert corner[0] == pytest.approx(k, abs=0.02)
        rows = np.clip(corner[1] + np.arange(4, 28), 0, 37)
        low = np.floor(rows).astype(int)
        there = image.values[k, low].astype(float) * (1 - (rows - low))[:, None]
        there += image.values[k, low + 1] * (rows - low)[:, None]
        centre = plane[4:28, 4:28]  # away from the border
        assert np.corrcoef(there[:, 4:28].ravel(), centre.ravel())[0, 1] > 0.97


@pytest.mark.parametrize(
    ("steps", "usual"),
    [
        ([4.0] * 6 + [1.1] + [7.0] * 6, 4.0),
        ([7.0] * 7 + [1.1] + [4.0] * 6, 7.0),
        ([1.0, 9.0, 10.0, 20.0, 10.0], 1.0),  # slices left out
        ([2.0, 4.0, 2.0, 6.0, 4.0], 2.0),
        ([2.5, 2.5, 2.5, 5.0], 2.5),
    ],
)
def test_the_usual_step_is_no_single_short_one(steps: list[float], usual: float) -> None:
    assert usual_step(np.cumsum([0.0, *steps])) == pytest.approx(usual)


def test_jpeg_ls_filled_before_its_end_is_read(failing: Path) -> None:
    path = failing / "jpegls_refused_MR1_JLSL"
    image = read_image(path)
    stored = dcmread(path)
    by_gdcm, _ = get_decoder(stored.file_meta.TransferSyntaxUID).as_array(stored, raw=True, decoding_plugin="gdcm")
    np.testing.assert_array_equal(image.values[0], by_gdcm)
    assert any("filling byte before its end mark" in warning for warning in image.provenance.warnings)


# CharLS takes seconds to find that a stream ends
@pytest.mark.parametrize(
    ("side", "cut"),
    [(64, False), (512, False), *(pytest.param(*one, marks=pytest.mark.slow) for one in ((64, True), (512, True)))],
)
def test_damaged_jpeg_ls_is_still_an_error(failing: Path, tmp_path: Path, side: int, cut: bool) -> None:
    dataset = dcmread(failing / "jpegls_refused_MR1_JLSL")
    decoder = get_decoder(dataset.file_meta.TransferSyntaxUID)
    plane, _ = decoder.as_array(dataset, raw=True, decoding_plugin="gdcm")
    dataset.Rows = dataset.Columns = side
    dataset.compress(JPEGLSLossless, np.ascontiguousarray(plane[-side:, -side:]))
    stream = next(generate_frames(dataset.PixelData, number_of_frames=1))
    middle = len(stream) // 2
    broken = stream[:middle] if cut else stream[:middle] + bytes(1500) + stream[middle + 1500 :]
    dataset.PixelData = encapsulate([broken])
    dataset.save_as(tmp_path / "a.dcm")
    with pytest.raises(UnreadableError, match="decoding the pixels failed"):
        read_image(tmp_path / "a.dcm")


def test_jpeg_ls_that_charls_refuses_is_asked_of_the_next_decoder_and_said(
    failing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medkt.io.dicom_jpeg_ls._FILLED_END", b"never")
    monkeypatch.setenv("MEDKT_DECODE_APART", "never")  # in the process that is changed here
    image = read_image(failing / "jpegls_refused_MR1_JLSL")
    assert int(image.values.sum()) == 126140037
    assert any("pyjpegls does not read it, gdcm does" in warning for warning in image.provenance.warnings)


def table(*entries: int) -> Dataset:
    item = Dataset()
    item.LUTDescriptor = [len(entries), 0, 16]
    item.LUTData = np.array(entries, "<u2").tobytes() or None
    return item


def test_an_empty_table_for_display_is_passed_over_and_said(tmp_path: Path) -> None:
    plane = numbered((1, 40, 50))[0]
    path = write_picture(tmp_path / "a.dcm", plane, VOILUTSequence=[table()], WindowCenter="900", WindowWidth="800")
    image = read_image(path)
    assert image.display.table is None
    assert image.display.windows == ((900.0, 800.0),)
    assert "a look-up table for display (VOI LUT) is empty: passed over" in image.provenance.warnings


def test_an_empty_modality_table_gives_way_to_slope_and_intercept_or_is_refused(tmp_path: Path) -> None:
    plane = numbered((1, 40, 50))[0]
    empty = header("CT", plane, ModalityLUTSequence=[table()])
    with pytest.raises(UnreadableError, match=r"ModalityLUTSequence.*is empty.*restore the table, or remove"):
        read_image(save(empty, tmp_path / "a.dcm"))
    empty.RescaleSlope, empty.RescaleIntercept = "2", "-1024"
    image = read_image(save(empty, tmp_path / "b.dcm"))
    np.testing.assert_array_equal(image.values[0], plane.astype(int) * 2 - 1024)
    assert any("modality look-up table is empty" in warning for warning in image.provenance.warnings)


def test_a_table_that_is_cut_off_is_still_damage(tmp_path: Path) -> None:
    short = table(1, 2, 3)
    short.LUTDescriptor = [8, 0, 16]
    with pytest.raises(UnreadableError, match="a look-up table of 8 entries holds 3"):
        read_image(write_picture(tmp_path / "a.dcm", numbered((1, 40, 50))[0], VOILUTSequence=[short]))
