"""What a file may ask of this machine: sizes in headers are compared with the bytes there are, then with the budget."""

import gzip
import io
import os
import socket
import struct
import subprocess
import sys
import time
import tracemalloc
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from dicom_making import header, numbered, save, write_clip
from nibabel.nifti1 import Nifti1Header, Nifti1Image

from medkt.bounds import Budget, budget, parse_json, parse_yaml
from medkt.bounds.sizes import bytes_of
from medkt.concepts.document import read_document
from medkt.config import parse_overrides, read_yaml
from medkt.datasets.document import read_document as read_json
from medkt.errors import InputError, SettingsError, UnreadableError, UnsupportedError
from medkt.io.masks import read_mask
from medkt.io.read import read_image
from medkt.io.table import read_rows
from medkt.runs.failures import failure_of, kind_of

DEFLATED = "1.2.840.10008.1.2.1.99"
JPEG = "1.2.840.10008.1.2.4.50"


@pytest.fixture(autouse=True)
def clock() -> Iterator[None]:
    """Whatever a file states, it is refused at once."""
    began = time.perf_counter()
    yield
    assert time.perf_counter() - began < 20


@pytest.fixture
def one_mib(monkeypatch: pytest.MonkeyPatch) -> None:
    """A budget of 1 MiB."""
    monkeypatch.setenv("MEDKT_MAX_BYTES", "1MiB")


# ---- the budget itself


@pytest.mark.parametrize(
    ("text", "count"),
    [("1", 1), ("4096", 4096), ("2k", 2048), ("1.5MiB", 3 << 19), ("16GiB", 16 << 30), ("1 tb", 1 << 40)],
)
def test_sizes_in_words(text: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDKT_MAX_BYTES", text)
    assert bytes_of(text) == count == budget().most_bytes


@pytest.mark.parametrize("text", ["0", "-1", "much", "1e99", "1 XiB", "nan", "9" * 400])
def test_what_is_no_size(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDKT_MAX_BYTES", text)
    with pytest.raises(SettingsError, match=r"expected a number of bytes above 0, such as 16GiB"):
        budget()


def test_the_budget_follows_the_machine_up_to_8_gib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MEDKT_MAX_BYTES", raising=False)
    for memory, most in ((16 << 30, 4 << 30), (256 << 30, 8 << 30), (1 << 20, 256 << 20)):
        monkeypatch.setattr("medkt.bounds.sizes._memory", lambda memory=memory: memory)
        assert budget().most_bytes == most


def test_the_refusal_says_the_numbers_and_how_to_raise_them() -> None:
    with pytest.raises(
        InputError, match=r"^a: takes 3\.0 GiB once decoded, .* 1\.0 GiB .* MEDKT_MAX_BYTES=3GiB$"
    ) as met:
        Budget(most_bytes=1 << 30).require_bytes(3 << 30, "a")
    failure = failure_of(met.value, "read")
    assert (failure.code, failure.numbers) == ("over-budget", {"needed_mib": 3072, "allowed_mib": 1024})


# ---- DICOM


@pytest.mark.parametrize("frames", [b"1e999 ", b"two "])
def test_a_number_of_frames_that_is_none(tmp_path: Path, frames: bytes) -> None:
    path = save(header("US", np.zeros((2, 2), np.uint8), NumberOfFrames="1" * len(frames.strip())), tmp_path / "a.dcm")
    content = path.read_bytes()
    at = content.index(b"\x28\0\x08\0IS") + 8
    path.write_bytes(
        content[:at] + frames.ljust(struct.unpack_from("<H", content, at - 2)[0]) + content[at + len(frames) :]
    )
    with pytest.raises(UnreadableError, match="NumberOfFrames is no whole number"):
        read_image(path)


@pytest.mark.parametrize("frames", [400_000, 2**31 - 1, 2**31, 10**9])
def test_more_frames_than_bytes(tmp_path: Path, frames: int) -> None:
    path = save(header("US", np.zeros((2, 2), np.uint8), NumberOfFrames=str(frames)), tmp_path / "a.dcm")
    with pytest.raises(
        UnreadableError, match=rf"says {frames} frames of 2 rows and 2 columns, which its \d+ bytes cannot"
    ):
        read_image(path)


def test_more_encoded_frames_than_bytes(tmp_path: Path) -> None:
    made = header("US", np.zeros((2, 2), np.uint8), NumberOfFrames="100000")
    made.PixelData = b"\xfe\xff\x00\xe0\0\0\0\0" + b"\xfe\xff\xdd\xe0\0\0\0\0"
    made["PixelData"].is_undefined_length = True
    with pytest.raises(UnreadableError, match=r"says 100000 frames of 2 rows"):
        read_image(save(made, tmp_path / "a.dcm", JPEG))


def test_frames_that_the_bytes_hold_are_still_too_many(tmp_path: Path) -> None:
    path = save(header("US", np.zeros((200_000, 1, 1), np.uint8), NumberOfFrames="200000"), tmp_path / "a.dcm")
    with pytest.raises(InputError, match="says 200000 frames, more than 100000"):
        read_image(path)


@pytest.mark.usefixtures("one_mib")
def test_a_series_larger_than_the_budget(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.dcm", numbered((10, 400, 400), np.uint8))
    with pytest.raises(InputError, match=r"a\.dcm: takes 1\.5 MiB once decoded, more than the 1\.0 MiB"):
        read_image(path, volume=1)


@pytest.mark.usefixtures("one_mib")
def test_an_encoded_frame_larger_than_the_budget_by_its_header(tmp_path: Path) -> None:
    made = header("CR", np.zeros((2, 2), np.uint8), Rows=60000, Columns=60000)
    made.PixelData = b"\xfe\xff\x00\xe0\0\0\0\0" + b"\xfe\xff\x00\xe0\x02\0\0\0\xff\xd8" + b"\xfe\xff\xdd\xe0\0\0\0\0"
    made["PixelData"].is_undefined_length = True
    with pytest.raises(InputError, match=r"takes 3\.4 GiB once decoded"):
        read_image(save(made, tmp_path / "a.dcm", JPEG))


def test_a_deflated_file_is_counted_before_it_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(header("CR", np.zeros((4000, 4000), np.uint8)), tmp_path / "a.dcm", DEFLATED)
    assert path.stat().st_size < 100_000
    assert read_image(path).values.shape == (1, 4000, 4000)
    monkeypatch.setenv("MEDKT_MAX_BYTES", "1MiB")
    tracemalloc.start()
    with pytest.raises(InputError, match=r"a\.dcm: takes .* MiB once decoded, more than the 1\.0 MiB"):
        read_image(path)
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


# ---- NIfTI


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("side", [2000, 32767])
def test_more_voxels_than_bytes(tmp_path: Path, side: int, packed: bool) -> None:
    made = Nifti1Header()
    made.set_data_shape((side, side, side))
    made.set_data_dtype(np.float64)
    made["vox_offset"] = 352
    content = made.binaryblock + b"\0" * 4000
    path = tmp_path / ("a.nii.gz" if packed else "a.nii")
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(
        UnreadableError, match=rf"the header counts \d+ bytes .* shape \({side}, {side}, {side}\), and 4348 "
    ):
        read_image(path)


@pytest.mark.usefixtures("one_mib")
@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii"])
def test_a_volume_larger_than_the_budget(tmp_path: Path, name: str) -> None:
    Nifti1Image(np.zeros((200, 100, 100), np.int16), np.eye(4)).to_filename(tmp_path / name)
    with pytest.raises(InputError, match=rf"{name}: takes .* once decoded, more than the 1\.0 MiB"):
        read_image(tmp_path / name)
    with pytest.raises(InputError, match=r"takes .* once decoded, more than the 1\.0 MiB"):
        read_mask(tmp_path / name)


@pytest.mark.usefixtures("one_mib")
def test_scaled_voxels_count_as_what_they_become(tmp_path: Path) -> None:
    image = Nifti1Image(np.ones((100, 50, 50), np.uint8), np.eye(4))
    image.to_filename(tmp_path / "a.nii")
    assert read_image(tmp_path / "a.nii").values.size == 250_000
    image.header.set_slope_inter(2.0, 1.0)
    image.to_filename(tmp_path / "b.nii")
    with pytest.raises(InputError, match=r"takes 1\.9 MiB once decoded"):
        read_image(tmp_path / "b.nii")


def test_a_gzip_bomb_takes_no_more_memory_than_the_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDKT_MAX_BYTES", "32MiB")
    made = Nifti1Header()
    made.set_data_shape((1000, 1000, 1000))
    made["vox_offset"] = 352
    packer = zlib.compressobj(wbits=31)
    content = packer.compress(made.binaryblock + b"\0" * 4)
    content += b"".join(packer.compress(bytes(1 << 20)) for _ in range(300)) + packer.flush()
    (tmp_path / "a.nii.gz").write_bytes(content)
    tracemalloc.start()
    with pytest.raises(InputError, match=r"takes .* MiB once decoded, more than the 32\.0 MiB"):
        read_image(tmp_path / "a.nii.gz")
    assert tracemalloc.get_traced_memory()[1] < 128 << 20
    tracemalloc.stop()


# ---- pictures


def _png(width: int, height: int, colour: int = 6) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    start = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", start) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


def test_a_picture_of_more_pixels_than_is_harmless(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(_png(30_000, 30_000))
    with pytest.raises(UnsupportedError, match=r"a\.png: is too large .*; crop or shrink it"):
        read_image(tmp_path / "a.png")


@pytest.mark.usefixtures("one_mib")
def test_a_picture_larger_than_the_budget(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(_png(1000, 1000))
    with pytest.raises(InputError, match=r"a\.png: takes 3\.8 MiB once decoded, more than the 1\.0 MiB"):
        read_image(tmp_path / "a.png")


@pytest.mark.usefixtures("one_mib")
def test_a_tiff_larger_than_the_budget(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((1000, 1000, 3), np.uint8), photometric="rgb")
    with pytest.raises(InputError, match=r"a\.tif: takes 2\.9 MiB once decoded"):
        read_image(tmp_path / "a.tif")


def test_a_tiff_whose_pages_are_a_circle_or_whose_sides_are_not_there(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 4), np.uint8), metadata=None)
    content = bytearray((tmp_path / "a.tif").read_bytes())
    first = struct.unpack_from("<I", content, 4)[0]
    tags = struct.unpack_from("<H", content, first)[0]
    struct.pack_into("<I", content, first + 2 + 12 * tags, first)  # the next page is the first again
    (tmp_path / "circle.tif").write_bytes(bytes(content))
    with pytest.raises(InputError) as met:
        read_image(tmp_path / "circle.tif", volume=2)
    assert "circle.tif" in str(met.value)


def test_colour_becomes_grey_in_strips_with_the_same_values(monkeypatch: pytest.MonkeyPatch) -> None:
    from medkt.io.luma import luma

    colour = np.random.default_rng(0).integers(0, 256, (37, 53, 4), dtype=np.uint8)
    whole = np.rint(colour[..., :3].astype(np.float64) @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
    for pixels in (1 << 20, 53 * 4, 1):
        monkeypatch.setattr("medkt.io.luma._ROWS_AT_ONCE", pixels)
        np.testing.assert_array_equal(luma(colour, "RGB"), whole)
    large = np.zeros((3000, 3000, 4), np.uint8)
    monkeypatch.undo()
    tracemalloc.start()
    luma(large, "RGB")
    assert tracemalloc.get_traced_memory()[1] < 100 << 20  # 400 MiB as floats at once
    tracemalloc.stop()


# ---- archives


def test_an_archive_that_counts_a_million_members(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(70_000):  # beyond 65535 a zip has its 64-bit form
            archive.writestr(zipfile.ZipInfo(str(number)), b"")
    content = packed.getvalue()
    wide = content.rindex(b"PK\x06\x06")
    lying = content[: wide + 24] + struct.pack("<QQ", 10**6, 10**6) + content[wide + 40 :]
    (tmp_path / "a.zip").write_bytes(lying)
    with pytest.raises(InputError, match="1000000 files in the archive, more than 100000"):
        read_image(tmp_path / "a.zip")


def test_an_archive_in_an_archive_is_not_followed(tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("a.png", _png(4, 4))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.png", inner.getvalue())
    with pytest.raises(InputError, match="an archive within an archive; unpack it"):
        read_image(tmp_path / "a.zip")


def test_an_archive_that_leaves_no_room_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.png", _png(4, 4))
    monkeypatch.setattr("medkt.io.archive.shutil.disk_usage", lambda folder: type("Usage", (), {"free": 10})())
    with pytest.raises(Exception, match=r"a\.zip: unpacks to 0\.0 GiB, and 0\.0 GiB are free; make room"):
        read_image(tmp_path / "a.zip")


# ---- what is no file


@pytest.mark.parametrize("name", ["a.dcm", "a.nii.gz", "a.png", "a"])
def test_a_pipe_is_refused_at_once(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    for read in (read_image, read_mask):
        with pytest.raises(InputError, match=r"is a pipe \(FIFO\); give a file"):
            read(tmp_path / name)


@pytest.mark.parametrize("name", ["a.yaml", "a.csv", "a.medkt", "a.json"])
def test_pipes_instead_of_texts(tmp_path: Path, name: str) -> None:
    from medkt.concepts import read_package

    os.mkfifo(tmp_path / name)
    path = tmp_path / name
    reads = {
        "a.yaml": [lambda: read_yaml(path), lambda: read_document(path, holds="")],
        "a.csv": [lambda: list(read_rows(path))],
        "a.medkt": [lambda: read_package(path)],
        "a.json": [lambda: read_json(path, needed=())],
    }
    for read in reads[name]:
        with pytest.raises((InputError, SettingsError), match=r"is a pipe \(FIFO\); give a file"):
            read()


def test_sockets_and_devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("a.dcm")
        with pytest.raises(InputError, match="is a socket"):
            read_image("a.dcm")
    with pytest.raises(InputError, match="is a device"):
        read_image("/dev/zero")


def test_a_pipe_in_a_folder_of_slices_is_not_waited_for(tmp_path: Path) -> None:
    save(header("CR", np.zeros((4, 4), np.uint8)), tmp_path / "a.dcm")
    os.mkfifo(tmp_path / "b.dcm")
    assert read_image(tmp_path, allow_incomplete=True).values.shape == (1, 4, 4)


# ---- texts


BOMBS = {
    "keys": "".join(f"k{n}: 1\n" for n in range(400_000)),
    "list": "a: [" + "1," * 1_000_000 + "1]",
    "deep": "a: " + "[" * 100_000,
    "deep block": "\n".join(" " * n + "-" for n in range(1500)),
    "laughs": "a: &a [1,1,1,1,1,1,1,1,1]\n" + "".join(
        f"{new}: &{new} [{','.join(['*' + old] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    ),
    "itself": "a: &a [*a]",
    "large": "a: " + "x" * (5 << 20),
}  # fmt: skip


@pytest.mark.parametrize("name", list(BOMBS))
def test_yaml_that_is_too_much(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.yaml").write_text(BOMBS[name])
    with pytest.raises(SettingsError, match=r"a\.yaml(:\d+)?: (holds more than|is larger than|is nested)") as met:
        read_yaml(tmp_path / "a.yaml")
    assert len(str(met.value)) < 400
    with pytest.raises(UnreadableError, match=r"a\.yaml(:\d+)?: (holds more than|is larger than|is nested)"):
        read_document(tmp_path / "a.yaml", holds="words")


def test_yaml_of_a_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="holds more than 20000 values or 32 levels"):
        parse_overrides(["m2ib.beta=" + "[" * 10_000])


def test_aliases_that_stand_for_little_are_read() -> None:
    assert parse_yaml("a: &a [1, 2]\nb: *a\nc: {<<: {d: 1}}", "x") == {"a": [1, 2], "b": [1, 2], "c": {"d": 1}}
    assert parse_yaml("", "x") is None


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "[" * 100_000 + "]" * 100_000])
def test_json_of_a_hundred_thousand_brackets(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(UnreadableError, match=r"nested too deeply|is no JSON"):
        read_json(tmp_path / "a.json", needed=())
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_json(text)


def test_a_table_of_a_hundred_thousand_columns(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(",".join(f"c{n}" for n in range(100_000)) + "\n")
    with pytest.raises(InputError, match=r"a\.csv, row 1: 100000 columns, more than 2000"):
        next(read_rows(tmp_path / "a.csv", check_name=lambda name: None))


# ---- memory


def test_torch_without_memory_is_the_kind_memory() -> None:
    with pytest.raises(RuntimeError) as met:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert (kind_of(met.value), failure_of(met.value, "compute").code) == ("memory", "memory")
    assert kind_of(RuntimeError("shape mismatch")) == "crash"


def test_a_whole_reader_within_a_memory_limit(tmp_path: Path) -> None:
    """A picture that says 12,000 x 12,000 with alpha, in a process that may have 1.5 GiB: one line, no trace."""
    (tmp_path / "a.png").write_bytes(_png(12_000, 12_000))
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (3 << 29, 3 << 29))\n"
        "from medkt.io.read import read_image\nfrom medkt.errors import InputError\n"
        "try: read_image(sys.argv[1])\nexcept InputError as error: print(error)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.png")], capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "MEDKT_MAX_BYTES": "256MiB", "OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "takes 549.3 MiB once decoded, more than the 256.0 MiB" in ran.stdout
