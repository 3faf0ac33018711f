"""Pixels that lie in a file as they are: one grey frame, little endian, not encoded, up to the file's last byte.

So most CT is stored. The header is known by then, so that the file need not be parsed once more for its pixels, which takes
longer than reading them. Whatever is unusual in any way goes through the library's decoder, which knows all ways and has
words for what is wrong.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from medkt.io.dicom_header import integer, text
from medkt.io.guard import reading

PLAIN = {"1.2.840.10008.1.2": b"", "1.2.840.10008.1.2.1": b"OW"}  # the syntax, and how the element then begins
_TAG = b"\xe0\x7f\x10\x00"  # PixelData, little endian
_KINDS = {(8, 0): "u1", (8, 1): "i1", (16, 0): "<u2", (16, 1): "<i2"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelElement:
    """Where the bytes of PixelData lie: the first one and how many, and its VR, b"" where it is implicit."""

    start: int
    length: int
    vr: bytes


def pixel_element(file: BinaryIO) -> PixelElement | None:
    """The element of pixels at which a file stands; None for any other, or one that is encoded or ends elsewhere."""
    place = file.tell()
    head = file.read(12)
    end = file.seek(0, 2)
    if head[:4] != _TAG or len(head) < 12:
        return None
    vr = head[4:6] if head[4:6] in (b"OW", b"OB") and head[6:8] == b"\0\0" else b""
    start = place + (12 if vr else 8)
    length = int.from_bytes(head[8:12] if vr else head[4:8], "little")
    return PixelElement(start=start, length=length, vr=vr) if start + length == end else None


def plain_plane(
    path: Path, header: Dataset, element: PixelElement | None, syntax: str, shown: str
) -> NDArray[Any] | None:
    """The stored values, (rows, columns), as the decoder would give them; None where it is to be asked."""
    if element is None or PLAIN.get(syntax) != element.vr:
        return None
    kind = _kind(header)
    rows, columns = integer(header, "Rows") or 0, integer(header, "Columns") or 0
    if kind is None or rows < 1 or columns < 1:
        return None
    needed = rows * columns * kind.itemsize
    if element.length != needed + needed % 2:
        return None
    with reading(shown, "reading the DICOM file"):
        values = np.fromfile(path, kind, rows * columns, offset=element.start).reshape(rows, columns)
    unused = 8 * kind.itemsize - (integer(header, "BitsStored") or 0)
    if unused:  # nobody says what stands in them (PS3.5 8.1.1): the sign fills them, or 0
        np.left_shift(values, unused, out=values)
        np.right_shift(values, unused, out=values)
    return values


def _kind(header: Dataset) -> np.dtype[Any] | None:
    """The type of one grey value, None where the header leaves anything open."""
    bits, stored = integer(header, "BitsAllocated"), integer(header, "BitsStored")
    name = _KINDS.get((bits or 0, -1 if (sign := integer(header, "PixelRepresentation")) is None else sign))
    grey = text(header, "PhotometricInterpretation") in ("MONOCHROME1", "MONOCHROME2")
    alone = integer(header, "SamplesPerPixel") == 1 and "NumberOfFrames" not in header
    if name is None or not (grey and alone) or not 1 <= (stored or 0) <= (bits or 0):
        return None
    return np.dtype(name)
