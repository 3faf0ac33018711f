"""Decoding in a process apart: what crashes, hangs or takes all memory there is a line, and what is sound is the same."""

import json
import os
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from io import BufferedReader, BytesIO
from pathlib import Path

import numpy as np
import psutil
import pytest
import tifffile
from dicom_making import header, numbered, save, write_series
from io_codecs import BAD, PATCHED
from pydicom import dcmread
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless

from medkt.concepts import load_concept
from medkt.errors import InputError, MedktError, SettingsError, UnreadableError, UnsupportedError
from medkt.io import apart, write_dicom_seg
from medkt.io.apart_wire import EndedError, heard, packed, raised, told
from medkt.io.dicom_streams import stream_header
from medkt.io.masks import read_mask
from medkt.io.read import read_image
from medkt.runs.failures import failure_of
from medkt.spatial import Image, Mask


def children() -> list[psutil.Process]:
    """Processes apart of this one; other tests may have started others, such as the tracker of shared memory."""
    return [one for one in psutil.Process().children() if any("apart_child" in word for word in one.cmdline())]


@pytest.fixture(autouse=True)
def ended() -> Iterator[None]:
    """No test finds the process of another, and none leaves one."""
    apart.end_all()
    yield
    apart.end_all()
    assert children() == []


@pytest.fixture
def series(tmp_path: Path) -> Path:
    """Three slices in JPEG 2000, unequal in rows and columns."""
    for file in write_series(tmp_path / "ct", numbered((3, 40, 72))):
        packed_as(file, JPEG2000Lossless)
    return tmp_path / "ct"


def packed_as(path: Path, syntax: str) -> Path:
    dataset = dcmread(path)
    by = "pylibjpeg" if syntax == JPEG2000Lossless else ""
    dataset.compress(syntax, encoding_plugin=by, generate_instance_uid=False)
    dataset.save_as(path)
    return path


def apart_from_here(monkeypatch: pytest.MonkeyPatch, what: str = "") -> None:
    monkeypatch.setenv("MEDKT_DECODE_APART", "always")
    if what:
        monkeypatch.setattr(apart, "_CHILD", PATCHED.format(what=what))


def read(path: Path, mode: str, monkeypatch: pytest.MonkeyPatch) -> Image:
    monkeypatch.setenv("MEDKT_DECODE_APART", mode)
    return read_image(path, **({"volume": 2} if path.name == "pages.tif" else {}))


def pictures(folder: Path) -> list[Path]:
    """One file of each kind that a codec decodes, and those that are no one's ordinary file."""
    grey = (np.arange(40 * 72).reshape(40, 72) * 3).astype(np.uint16)
    colour = np.stack([grey >> 4, grey >> 5, grey >> 6], axis=-1).astype(np.uint8)
    made = []
    for name, syntax in {"j2k": JPEG2000Lossless, "jls": JPEGLSLossless, "rle": "1.2.840.10008.1.2.5"}.items():
        made.append(packed_as(save(header("CR", grey), folder / f"{name}.dcm"), syntax))
    colours = header("US", colour, SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0)
    colours.Rows, colours.Columns, colours.BitsAllocated, colours.BitsStored, colours.HighBit = 40, 72, 8, 8, 7
    made.append(packed_as(save(colours, folder / "rgb.dcm"), JPEG2000Lossless))
    made.append(
        packed_as(save(header("CT", (grey.astype(int) - 900).astype(np.int16)), folder / "s.dcm"), JPEG2000Lossless)
    )
    for name, more in {"deflate": {"compression": "zlib"}, "plain": {}}.items():
        tifffile.imwrite(folder / f"{name}.tif", grey, **more)
        made.append(folder / f"{name}.tif")
    tifffile.imwrite(folder / "pages.tif", np.stack([grey, grey.T.reshape(40, 72)]), compression="zlib")
    return [*made, folder / "pages.tif"]


def test_what_is_read_apart_is_what_is_read_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in pictures(tmp_path):
        here, there = (read(path, mode, monkeypatch) for mode in ("never", "always"))
        assert here.provenance == there.provenance, path.name
        assert here.values.dtype == there.values.dtype
        np.testing.assert_array_equal(here.values, there.values)
    pids = [child.pid for child in children()]
    assert len(pids) == 1  # one process for them all
    modules = Path(f"/proc/{pids[0]}/maps")
    if modules.exists():
        assert "libtorch" not in modules.read_text()


def test_real_files_are_the_same_either_way(failing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """JPEG-LS that only the second decoder reads, with what is said of it."""
    path = failing / "jpegls_refused_MR1_JLSL"
    here, there = (read(path, mode, monkeypatch) for mode in ("never", "auto"))
    assert here.provenance == there.provenance
    assert len(children()) == 1  # strange, so it went there by itself


def test_a_small_ordinary_file_starts_no_process(series: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", lambda *words, **named: pytest.fail("a process was started"))
    monkeypatch.delenv("MEDKT_DECODE_APART", raising=False)
    read_image(series)
    for path in pictures(tmp_path):
        if path.name not in ("deflate.tif", "pages.tif"):
            read_image(path)


@pytest.mark.parametrize(
    ("what", "kind", "code", "said"),
    [
        ("crash", UnreadableError, "decoder-died", r"its decoder crashed \(signal SIGSEGV\); the pixels are damaged"),
        ("abort", UnreadableError, "decoder-died", r"its decoder crashed \(signal SIGABRT\)"),
        ("leave", UnreadableError, "decoder-died", r"its decoder crashed \(exit code 3\)"),
        ("babble", UnreadableError, "decoder-died", r"its decoder crashed"),
        ("killed", InputError, "memory", "the system ended its decoder, as it does where memory runs out"),
        ("memory", InputError, "memory", "does not fit into memory"),
        ("hang", UnreadableError, "decoder-slow", r"decoding its pixels took longer than 2 s; .* MEDKT_DECODE_SECONDS"),
    ],
)
def test_a_codec_that_fails_is_one_line(
    what: str, kind: type[MedktError], code: str, said: str, series: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apart_from_here(monkeypatch, BAD[what])
    monkeypatch.setenv("MEDKT_DECODE_SECONDS", "1")
    sorted(series.glob("*.dcm"))[1].rename(series / "bad.dcm")
    began = time.perf_counter()
    with pytest.raises(kind, match=rf"bad\.dcm\): {said}") as caught:
        read_image(series)
    assert time.perf_counter() - began < 20
    assert failure_of(caught.value, "read").code == code
    assert failure_of(caught.value, "read").kind == ("memory" if code == "memory" else "unreadable")
    assert "\n" not in str(caught.value)


def test_what_is_left_of_a_series_is_read_by_the_next_process(series: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sorted(series.glob("*.dcm"))[2].rename(series / "bad.dcm")
    apart_from_here(monkeypatch, BAD["crash"])
    image = read_image(series, allow_incomplete=True)
    assert image.values.shape == (2, 40, 72)
    whole = numbered((3, 40, 72))
    assert all(any(np.array_equal(plane, one) for one in whole) for plane in image.values)


def test_a_picture_whose_codec_crashes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tifffile.imwrite(tmp_path / "bad.tif", np.zeros((20, 30), np.uint8), compression="zlib")
    apart_from_here(monkeypatch, BAD["crash"])
    with pytest.raises(UnreadableError, match=r"bad\.tif: its decoder crashed"):
        read_image(tmp_path / "bad.tif")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux limits the memory of a process")
def test_a_picture_that_unpacks_to_more_than_it_says(tmp_path: Path) -> None:
    """40 rows of 40 bytes in the header, and 2 GiB in the strip behind it."""
    path = tmp_path / "bomb.tif"
    tifffile.imwrite(path, np.zeros((40, 40), np.uint8), compression="zlib")
    packer = zlib.compressobj(9)
    start = packer.compress(b"") + packer.flush(zlib.Z_FULL_FLUSH)
    bomb = start + (packer.compress(bytes(1 << 24)) + packer.flush(zlib.Z_FULL_FLUSH)) * 128
    with tifffile.TiffFile(path) as file:
        place, count = (file.pages[0].tags[name].valueoffset for name in ("StripOffsets", "StripByteCounts"))
        kinds = [file.pages[0].tags[name].dtype for name in ("StripOffsets", "StripByteCounts")]
    assert kinds == [4, 4]
    content = bytearray(path.read_bytes())
    content[place : place + 4] = len(content).to_bytes(4, "little")
    content[count : count + 4] = len(bomb).to_bytes(4, "little")
    path.write_bytes(bytes(content) + bomb)
    with pytest.raises(InputError, match=r"bomb\.tif: does not fit into memory") as caught:
        read_image(path)
    assert failure_of(caught.value, "read").kind == "memory"


def test_a_stream_that_says_another_size_goes_apart(tmp_path: Path) -> None:
    """JPEG 2000 of 3000 x 3000 behind a header of 40 x 72."""
    small, large = (
        packed_as(save(header("CR", np.zeros(shape, np.uint16)), tmp_path / f"{shape[0]}.dcm"), JPEG2000Lossless)
        for shape in ((40, 72), (3000, 3000))
    )
    dataset = dcmread(small)
    stream = next(generate_frames(dcmread(large).PixelData, number_of_frames=1))
    assert stream_header(stream) == (3000, 3000, 1, 16)
    dataset.PixelData = encapsulate([stream])
    dataset.save_as(tmp_path / "lie.dcm")
    with pytest.raises(UnreadableError, match=r"lie\.dcm: decoding the pixels failed"):
        read_image(tmp_path / "lie.dcm")
    assert len(children()) == 1


def test_an_encoded_segmentation_is_decoded_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "image.dcm"
    plane = numbered((1, 24, 40))[0]
    save(header("CR", plane), path)
    seg = _segmentation(path, tmp_path / "seg.dcm")
    here = read_mask(seg, like=read_image(path))
    assert children() == []
    packed = dcmread(seg)
    levels = packed.pixel_array * np.uint8(255)  # JPEG-LS has eight bits or more
    packed.BitsAllocated = packed.BitsStored = 8
    packed.HighBit, packed.SegmentationType, packed.SegmentationFractionalType = 7, "FRACTIONAL", "PROBABILITY"
    packed.MaximumFractionalValue, packed.PixelData = 255, levels.tobytes()
    packed.compress(JPEGLSLossless, generate_instance_uid=False)
    packed.save_as(seg)
    there = read_mask(seg, like=read_image(path))
    np.testing.assert_array_equal(here.values, there.values)
    assert int(there.values.sum()) == 6
    assert len(children()) == 1


def _segmentation(image: Path, path: Path) -> Path:
    read_in = read_image(image)
    values = np.zeros(read_in.geometry.shape, dtype=bool)
    values[0, 2:4, 5:8] = True
    return write_dicom_seg(
        [Mask(values=values, geometry=read_in.geometry)], [load_concept("cxr_nodule")], read_in, path
    )


def test_the_process_ends_with_whoever_asked(series: Path, tmp_path: Path) -> None:
    """Killed in the middle of a hang, it leaves no process that goes on."""
    code = (
        "import sys; from medkt.io import apart, read_image\n"
        f"apart._CHILD = {PATCHED.format(what=BAD['hang'])!r}\n"
        "import threading, psutil, os, time\n"
        "def tell():\n"
        "    while not psutil.Process().children(): time.sleep(0.05)\n"
        "    time.sleep(1.5); print(psutil.Process().children()[0].pid, flush=True); os.kill(os.getpid(), 9)\n"
        "threading.Thread(target=tell, daemon=True).start()\n"
        f"read_image({str(series)!r})\n"
    )
    sorted(series.glob("*.dcm"))[0].rename(series / "bad.dcm")
    environment = {**os.environ, "MEDKT_DECODE_APART": "always", "TMPDIR": str(tmp_path)}
    told_pid = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=60)
    pid = int(told_pid.stdout)
    until = time.monotonic() + 10
    while psutil.pid_exists(pid) and time.monotonic() < until:
        time.sleep(0.05)
    assert not psutil.pid_exists(pid)
    assert [one.name for one in tmp_path.iterdir()] == ["ct"]


def test_nothing_that_is_said_is_executed_or_taken_for_granted(monkeypatch: pytest.MonkeyPatch) -> None:
    def say(header: dict[str, object], behind: bytes = b"") -> object:
        return heard(BufferedReader(BytesIO(packed(dict(header))[0] + behind)))

    for kind, shape in (("|O", [1]), ("<U9", [1]), ("<f8", [-1]), ("<f8", [1] * 5), ("<M8", [1]), ("x", [1])):
        with pytest.raises(EndedError):
            say({"dtype": kind, "shape": shape}, bytes(64))
    for wire in (b"", b"\0\0\0\2{", b"\xff\xff\xff\xff", b"\0\0\0\2[[", (9 << 16).to_bytes(4, "big")):
        with pytest.raises(EndedError):
            heard(BufferedReader(BytesIO(wire)))
    monkeypatch.setenv("MEDKT_MAX_BYTES", "1MiB")
    with pytest.raises(InputError, match=r"more than the 1\.0 MiB"):
        say({"dtype": "<f8", "shape": [1 << 40]})
    array = np.arange(6, dtype=">i2").reshape(2, 3)[:, ::-1]
    words, whole = packed({"colour": False}, array)
    assert whole is not None
    back = heard(BufferedReader(BytesIO(words + whole.tobytes())))
    assert back.array is not None
    assert back.array.dtype.str == ">i2"
    np.testing.assert_array_equal(back.array, array)


def test_errors_come_back_as_they_were() -> None:
    error = InputError("a.dcm: says 3", code="too-many-frames", frames=3, most=2, other="DOE^JANE")
    back = raised(json.loads(json.dumps(told(error))), {})
    assert (type(back), str(back), back.code, back.numbers) == (
        InputError, "a.dcm: says 3", "too-many-frames", {"frames": 3, "most": 2},
    )  # fmt: skip
    assert type(raised({"error": "SystemExit", "words": "", "code": "", "numbers": {}}, {})) is MedktError
    assert type(raised({"error": "annotations", "words": "", "code": "", "numbers": {}}, {})) is MedktError


def test_a_process_that_does_not_start_says_so(series: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apart_from_here(monkeypatch)
    monkeypatch.setattr(apart, "_CHILD", "import sys; sys.exit(1)")
    with pytest.raises(MedktError, match=r"cannot be started \(exit code 1\).*MEDKT_DECODE_APART=never"):
        read_image(series)


def test_settings_that_are_none(series: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDKT_DECODE_APART", "sometimes")
    with pytest.raises(SettingsError, match="MEDKT_DECODE_APART=sometimes: expected auto, always or never"):
        read_image(series)
    monkeypatch.setenv("MEDKT_DECODE_APART", "auto")
    monkeypatch.setenv("MEDKT_DECODE_SECONDS", "soon")
    with pytest.raises(SettingsError, match="MEDKT_DECODE_SECONDS=soon: expected a whole number of seconds"):
        read_image(series)


def test_the_missing_decoder_is_named_from_there_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(header("CR", numbered((1, 8, 8))[0]), tmp_path / "a.dcm")
    path.write_bytes(path.read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.9\0"))
    errors = []
    for mode in ("never", "always"):
        with pytest.raises(UnsupportedError, match="no decoder for transfer syntax") as caught:
            read(path, mode, monkeypatch)
        errors.append(str(caught.value))
    assert errors[0] == errors[1]
