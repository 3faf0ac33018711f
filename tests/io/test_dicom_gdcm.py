"""Compressed DICOM by the core's own decoders: the voxels of the extra's codecs, of GDCM by itself, and of whoever wrote them."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pydicom.data
import pytest
import SimpleITK
from dicom_making import header, save
from pydicom import Dataset, dcmread
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from medkt.errors import MissingDependencyError, UnreadableError
from medkt.io import dicom_decode, dicom_gdcm, read_image
from medkt.io.dicom_gdcm import GDCM, JPEG_2000, JPEG_LOSSLESS, JPEG_LS, SYNTAXES, gdcm_decoder

FILES = Path(pydicom.data.__file__).parent / "test_files"
BUNDLED = (
    "JPEG2000.dcm", "693_J2KI.dcm", "MR_small_jp2klossless.dcm", "J2K_pixelrep_mismatch.dcm", "examples_jpeg2k.dcm", "GDCMJ2K_TextGBR.dcm",
    "JPEGLSNearLossless_08.dcm", "JPEGLSNearLossless_16.dcm", "MR_small_jpeg_ls_lossless.dcm", "SC_rgb_jls_lossy_line.dcm",
)  # fmt: skip
CODECS = {**dict.fromkeys(JPEG_LS, "pyjpegls"), **dict.fromkeys(JPEG_2000, "pylibjpeg")}
needs_codecs = pytest.mark.skipif(
    find_spec("openjpeg") is None or find_spec("jpeg_ls") is None, reason="compares with the extra `codecs`"
)


@pytest.fixture
def core(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra `codecs` is not installed; frames are decoded in this process."""
    kept = {syntax: plugin for syntax, plugin in dicom_decode.PREFERRED.items() if plugin == "pillow"}
    monkeypatch.setattr(dicom_decode, "PREFERRED", kept)
    monkeypatch.setattr("medkt.extras.is_installed", lambda name: name not in ("openjpeg", "pylibjpeg", "jpeg_ls"))
    monkeypatch.setenv("MEDKT_DECODE_APART", "never")


def drawn(bits: int, *, signed: bool = False, samples: int = 1) -> np.ndarray:
    """(rows, columns[, samples]) with every kind of neighbour, the ends of the range among them."""
    shape = (37, 50) if samples == 1 else (37, 50, samples)
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    slow = np.linspace(low, high, int(np.prod(shape))).reshape(shape)
    noise = np.random.default_rng(0).normal(0, (high - low) / 50, shape)
    values = np.clip(np.rint(slow + noise), low, high)
    values[:2] = low
    values[-2:] = high
    kind = "int" if signed else "uint"
    return values.astype(f"{kind}{8 if bits <= 8 else 16}")


def described(plane: np.ndarray, bits: int) -> Dataset:
    dataset = header("OT", plane[..., 0] if plane.ndim == 3 else plane, BitsStored=bits, HighBit=bits - 1)
    if plane.ndim == 3:
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "RGB", 0
    dataset.PixelData = plane.tobytes() + b"\0" * (plane.nbytes % 2)
    return dataset


def lossless_jpeg(plane: np.ndarray, path: Path, bits: int) -> Path:
    """A file of lossless JPEG (process 14, first predictor) as SimpleITK writes it."""
    picture = SimpleITK.GetImageFromArray(plane, isVector=plane.ndim == 3)
    writer = SimpleITK.ImageFileWriter()
    writer.SetImageIO("GDCMImageIO")
    writer.UseCompressionOn()
    writer.SetCompressor("JPEG")
    writer.SetFileName(str(path))
    for tag, value in (
        ("0028|0101", bits),
        ("0028|0102", bits - 1),
        ("0008|0060", "OT"),
        ("0008|0016", "1.2.840.10008.5.1.4.1.1.7"),
    ):
        picture.SetMetaData(tag, str(value))
    writer.Execute(picture)
    return path


@pytest.mark.parametrize("syntax", JPEG_LOSSLESS)
@pytest.mark.parametrize(("bits", "samples"), [(8, 1), (12, 1), (16, 1), (8, 3)])
def test_lossless_jpeg_gives_the_voxels_that_were_written(
    bits: int, samples: int, syntax: str, tmp_path: Path, core: None
) -> None:
    plane = drawn(bits, samples=samples)
    stored = dcmread(lossless_jpeg(plane, tmp_path / "a.dcm", bits))
    assert stored.file_meta.TransferSyntaxUID == JPEG_LOSSLESS[1]
    stored.file_meta.TransferSyntaxUID = syntax  # the first predictor is one of those of process 14
    found, meta = gdcm_decoder(syntax).as_array(stored, raw=True, decoding_plugin=GDCM)
    np.testing.assert_array_equal(found, plane)
    assert meta["photometric_interpretation"] == ("RGB" if samples == 3 else "MONOCHROME2")
    if find_spec("gdcm") is not None:
        by_itself, _ = get_decoder(syntax).as_array(stored, raw=True, decoding_plugin="gdcm")
        np.testing.assert_array_equal(found, by_itself)
        assert found.dtype == by_itself.dtype
    stored.save_as(tmp_path / "b.dcm")
    if samples == 1:
        np.testing.assert_array_equal(read_image(tmp_path / "b.dcm").values[0], plane)


@needs_codecs
@pytest.mark.parametrize("syntax", [JPEG_LS[0], JPEG_2000[0]])
@pytest.mark.parametrize(
    ("bits", "signed", "samples"),
    [(8, False, 1), (12, False, 1), (16, False, 1), (12, True, 1), (16, True, 1), (8, False, 3)],
)
def test_without_the_codecs_the_voxels_are_the_same(
    bits: int,
    signed: bool,
    samples: int,
    syntax: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    plane = drawn(bits, signed=signed, samples=samples)
    save(described(plane, bits), tmp_path / "a.dcm")
    packed = dcmread(tmp_path / "a.dcm")
    packed.compress(syntax)
    packed.save_as(tmp_path / "b.dcm")
    with_codecs = read_image(tmp_path / "b.dcm")
    request.getfixturevalue("core")
    without = read_image(tmp_path / "b.dcm")
    np.testing.assert_array_equal(without.values, with_codecs.values)
    assert without.values.dtype == with_codecs.values.dtype
    if samples == 1:
        np.testing.assert_array_equal(without.values[0], plane)


@needs_codecs
@pytest.mark.parametrize("name", BUNDLED)
def test_files_of_other_programs_give_the_voxels_of_the_codecs(name: str) -> None:
    stored = dcmread(FILES / name)
    syntax = stored.file_meta.TransferSyntaxUID
    expected, told = get_decoder(syntax).as_array(stored, raw=True, decoding_plugin=CODECS[syntax])
    found, said = gdcm_decoder(syntax).as_array(stored, raw=True, decoding_plugin=GDCM)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype
    assert said["photometric_interpretation"] == told["photometric_interpretation"]


@pytest.mark.parametrize(
    "name", ["JPGExtended.dcm", "JPEG-lossy.dcm", "SC_rgb_jpeg_gdcm.dcm", "MR_small_RLE.dcm", "SC_rgb_rle.dcm"]
)
def test_what_the_core_decodes_in_any_case(name: str, core: None) -> None:
    assert read_image(FILES / name).values.std() > 0


def test_high_throughput_jpeg_2000_names_the_extra(tmp_path: Path, core: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pydicom.pixels.decoders.base.Decoder.is_available", property(lambda self: False))
    packed = dcmread(save(described(drawn(8), 8), tmp_path / "a.dcm"))
    packed.file_meta.TransferSyntaxUID = UID("1.2.840.10008.1.2.4.201")
    with pytest.raises(
        MissingDependencyError, match=r"a\.dcm: the transfer syntax .*4\.201 needs .* pip install 'medkt\[codecs\]'"
    ):
        dicom_decode.require_decoder(packed, "a.dcm")


@needs_codecs
def test_jpeg_ls_of_seven_bits_is_refused_where_only_gdcm_could_read_it(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    save(described(drawn(7), 7), tmp_path / "a.dcm")
    packed = dcmread(tmp_path / "a.dcm")
    packed.compress(JPEG_LS[0])
    packed.save_as(tmp_path / "b.dcm")
    np.testing.assert_array_equal(read_image(tmp_path / "b.dcm").values[0], drawn(7))
    request.getfixturevalue("core")
    with pytest.raises(MissingDependencyError, match=r"medkt\[codecs\]"):
        read_image(tmp_path / "b.dcm")


@pytest.mark.parametrize("how", ["cut", "size"])
def test_damaged_frames_are_refused(how: str, tmp_path: Path, core: None) -> None:
    stored = dcmread(lossless_jpeg(drawn(12), tmp_path / "a.dcm", 12))
    if how == "size":
        stored.Rows = 64
    else:
        stored.PixelData = stored.PixelData[: len(stored.PixelData) // 8]
    stored.save_as(tmp_path / "b.dcm")
    with pytest.raises(UnreadableError, match=r"b\.dcm"):
        read_image(tmp_path / "b.dcm")


def test_what_goes_to_the_decoder_says_nothing_of_the_patient(
    tmp_path: Path, core: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[bytes] = []
    as_file = dicom_gdcm._as_file
    monkeypatch.setattr(dicom_gdcm, "_as_file", lambda content: given.append(content) or as_file(content))
    stored = dcmread(lossless_jpeg(drawn(8), tmp_path / "a.dcm", 8))
    stored.PatientName, stored.StudyDescription = "Secret^Person", "Secret description"
    stored.save_as(tmp_path / "b.dcm")
    read_image(tmp_path / "b.dcm")
    assert given
    assert not any(b"Secret" in content for content in given)


def test_without_files_of_memory_a_scratch_folder_does(
    tmp_path: Path, core: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("os.memfd_create", raising=False)
    plane = drawn(12)
    path = lossless_jpeg(plane, tmp_path / "a.dcm", 12)
    np.testing.assert_array_equal(read_image(path).values[0], plane)


def test_pydicoms_own_decoders_stay_as_they_are() -> None:
    assert all("medkt" not in str(get_decoder(syntax)._available.get(GDCM, "")) for syntax in SYNTAXES)
