"""JPEG: lossy with 12 bits (processes 4, 6, 8, 10, 12), which only GDCM decodes, and what must not reach GDCM."""

import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pydicom import Dataset
from pydicom.encaps import generate_frames

from medkt.errors import UnreadableError, UnsupportedError
from medkt.io.dicom_gdcm import by_gdcm
from medkt.io.dicom_header import integer
from medkt.io.guard import reading
from medkt.shapes import Array

_ONE_AT_A_TIME = threading.Lock()

EXTENDED = "1.2.840.10008.1.2.4.51"  # 8 or 12 bits; the others are retired and known to no other decoder
RETIRED = ("1.2.840.10008.1.2.4.52", "1.2.840.10008.1.2.4.53", "1.2.840.10008.1.2.4.54", "1.2.840.10008.1.2.4.55")


def needs_jpeg12(syntax: str, bits_stored: int) -> bool:
    """Whether frames of this transfer syntax go this way."""
    return (syntax == EXTENDED and bits_stored > 8) or syntax in RETIRED


def decode_jpeg12(dataset: Dataset, numbers: list[int], shown: str) -> Iterator[Array]:
    """The frames of those numbers (from 1) as (rows, columns) uint16 stored values.

    Raises:
        UnsupportedError: the frames are colour or not of 12 bits.
        UnreadableError: a frame is missing or does not decode.
    """
    if integer(dataset, "SamplesPerPixel") != 1:
        raise UnsupportedError(f"{shown}: 12-bit colour JPEG is not supported; convert it to an uncompressed syntax")
    require_sound_jpeg(dataset, shown)
    wanted = set(numbers)
    found = {}
    total = integer(dataset, "NumberOfFrames") or 1
    for number, frame in enumerate(generate_frames(dataset.PixelData, number_of_frames=total), 1):
        if number in wanted:
            found[number] = _decode(frame, dataset, shown)
    if set(found) != wanted:
        missing = len(wanted) - len(found)
        raise UnreadableError(
            f"{shown}: {missing} frames are missing; the file is truncated", code="frames-missing", missing=missing
        )
    yield from (found[number] for number in numbers)


def _decode(frame: bytes, dataset: Dataset, shown: str) -> Array:
    header = jpeg_header(frame)
    if header is None or header.precision != 12:
        found = "no" if header is None else header.precision
        raise UnsupportedError(f"{shown}: a JPEG frame of {found} bits where 12 are expected; convert the file")
    shape = int(dataset.Rows), int(dataset.Columns)
    try:
        # GDCM knows no name for the retired processes, but its decoder asks the frame itself which process it is
        with listening_to_gdcm(shown):  # it tries its 8-bit decoder first, too, and says that this does not fit
            return by_gdcm(frame, EXTENDED, shape=shape, samples=1, allocated=16, stored=12, signed=False)
    except ValueError as error:
        raise UnreadableError(f"{shown}: a JPEG frame did not decode; it is damaged", code="pixels-damaged") from error


@contextmanager
def listening_to_gdcm(shown: str) -> Iterator[None]:
    """Catch what GDCM's JPEG library writes to the process's error stream, past Python.

    That a stream is damaged it says there and nowhere else, and gives wrong voxels.

    Raises:
        UnreadableError: it complained of corrupt data.
    """
    with _ONE_AT_A_TIME, tempfile.TemporaryFile() as heard:
        sys.stderr.flush()
        kept = os.dup(2)
        try:
            os.dup2(heard.fileno(), 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        heard.seek(0)
        if b"Corrupt JPEG" in heard.read():
            raise UnreadableError(f"{shown}: a JPEG frame is corrupt; export the file again", code="pixels-damaged")


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """What a JPEG stream says of itself (ITU T.81 B.2.2)."""

    precision: int
    rows: int
    columns: int
    components: int


def jpeg_header(frame: bytes) -> JpegHeader | None:
    """The frame header of a JPEG stream, None where there is none."""
    place = 2
    while frame[:2] == b"\xff\xd8" and place + 10 <= len(frame) and frame[place] == 0xFF:
        marker = frame[place + 1]
        if marker == 0xFF:  # a fill byte
            place += 1
            continue
        if (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)) or marker == 0xF7:  # the last is JPEG-LS's
            rows, columns = (int.from_bytes(frame[place + at : place + at + 2], "big") for at in (5, 7))
            return JpegHeader(frame[place + 4], rows, columns, frame[place + 9])
        place += 2 + int.from_bytes(frame[place + 2 : place + 4], "big")
    return None


def require_sound_jpeg(dataset: Dataset, shown: str) -> None:
    """Pass silently when every JPEG frame is of the size and kind that the DICOM header says.

    GDCM ends the whole process on some that are not, and nothing in Python can catch that.

    Raises:
        UnreadableError: a frame is damaged or of another size.
    """
    expected = (integer(dataset, "Rows"), integer(dataset, "Columns"), integer(dataset, "SamplesPerPixel"))
    total = integer(dataset, "NumberOfFrames") or 1
    with reading(shown, "reading the JPEG frames", explain=True):
        headers = [jpeg_header(frame) for frame in generate_frames(dataset.PixelData, number_of_frames=total)]
    for header in headers:
        if header is None or (header.rows, header.columns, header.components) != expected:
            raise UnreadableError(
                f"{shown}: a JPEG frame is damaged or not of the size that the header says; export again",
                code="pixels-damaged",
            )
        if header.precision > (integer(dataset, "BitsAllocated") or 0):
            raise UnreadableError(
                f"{shown}: a JPEG frame has more bits than the header says; export it again", code="pixels-damaged"
            )
