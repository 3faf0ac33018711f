"""What encoded frames say of themselves, held against the DICOM header, before a decoder allocates what they say."""

from pydicom import Dataset
from pydicom.encaps import generate_frames

from medkt.errors import UnreadableError
from medkt.io.dicom_header import integer
from medkt.io.dicom_jpeg import jpeg_header
from medkt.io.guard import reading

_J2K = b"\xff\x4f\xff\x51"  # a codestream begins with its sizes (ITU T.800 A.5.1)
_BOX, _LATEST_BOX = b"jp2c", 4096  # of a JP2 file, which some writers put around it
_EVERY_POINT = b"\x01\x01"  # of the grid there is a sample; other steps are not ordinary


def as_stated(dataset: Dataset) -> bool:
    """Whether every frame says the rows, columns and channels that the header says, and no more bits than it has room for."""
    expected = (integer(dataset, "Rows"), integer(dataset, "Columns"), integer(dataset, "SamplesPerPixel") or 1)
    total = integer(dataset, "NumberOfFrames") or 1
    room = integer(dataset, "BitsAllocated") or 0
    try:
        with reading("", "reading the encoded frames"):
            said = [stream_header(frame) for frame in generate_frames(dataset.PixelData, number_of_frames=total)]
    except UnreadableError:
        return False
    return len(said) == total and all(one is not None and one[:3] == expected and one[3] <= room for one in said)


def stream_header(frame: bytes) -> tuple[int, int, int, int] | None:
    """Rows, columns, channels and bits of a JPEG, JPEG-LS or JPEG 2000 stream; None where it is none of them."""
    jpeg = jpeg_header(frame)
    return (jpeg.rows, jpeg.columns, jpeg.components, jpeg.precision) if jpeg is not None else _jpeg_2000(frame)


def _jpeg_2000(frame: bytes) -> tuple[int, int, int, int] | None:
    at = 0 if frame.startswith(_J2K) else frame.find(_BOX + _J2K, 0, _LATEST_BOX) + len(_BOX)
    if not frame.startswith(_J2K, at) or len(frame) < at + 43:
        return None
    channels = int.from_bytes(frame[at + 40 : at + 42], "big")
    parts = [frame[one : one + 3] for one in range(at + 42, at + 42 + 3 * min(channels, 4), 3)]
    if channels > 4 or any(part[1:] != _EVERY_POINT for part in parts):
        return None
    right, bottom, left, top = (int.from_bytes(frame[one : one + 4], "big") for one in range(at + 8, at + 24, 4))
    return bottom - top, right - left, channels, max((part[0] & 0x7F) + 1 for part in parts)
