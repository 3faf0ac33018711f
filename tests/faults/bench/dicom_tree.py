"""A DICOM file as a tree of raw elements that can be broken one by one, and written as no library would write them."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from random import Random

import pydicom
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element

_LONG = {"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"}
_KINDS = ("AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO", "LT", "OB", "OW", "PN", "SH", "SL", "SQ", "SS", "ST", "TM", "UI", "UL", "UN", "US", "UT", "ZZ", "\0\0")  # fmt: skip
UNDEFINED = 0xFFFFFFFF
_TEXTS = (
    b"", b" ", b"0", b"-1", b"1", b"NaN", b"inf", b"-inf", b"1e308", b"1e-308", b"9" * 16, b"9" * 400, b"2147483648", b"-0", b"0.0000001",
    b"abc", b"1\\2", b"1\\2\\3", b"1\\2\\3\\4\\5\\6", b"\\" * 50, b"\\0\\", b"1\\x\\3", b"0\\0\\0\\0\\0\\0", b"\x1b[2J", b"\0\0", b"a\nb", b"\xff\xfe",
    b"../../x", b"1.2.840.10008.1.2.4.90", b"1.2.840.10008.5.1.4.1.1.66.4", b"MONOCHROME1", b"RGB", b"PALETTE COLOR", b"YBR_FULL_422", b"SIGNED",
    b"19000101", b"ISO_IR 192", b"ISO 2022 IR 87", b"\x1b$B" * 9, "\u80ba".encode(), b"x" * 70000,
)  # fmt: skip


@dataclass(slots=True)
class Node:
    """One element: its tag, its kind as it is written, and its bytes or the items of a sequence.

    Attributes:
        stated: the length that is written, where it is not that of the value.
    """

    tag: int
    kind: str
    value: "bytes | list[list[Node]]"
    stated: int | None = None


def tree_of(path: Path) -> tuple[bytes, list[Node]]:
    """What stands before the data set (preamble and group 2), and its elements; explicit VR, little endian."""
    dataset = pydicom.dcmread(path, force=True)
    content = path.read_bytes()
    length = int(dataset.file_meta.FileMetaInformationGroupLength)
    return content[: 128 + 4 + 12 + length], _nodes(dataset)


def _nodes(dataset: Dataset) -> list[Node]:
    return [_node(element) for element in dataset]


def _node(element: DataElement) -> Node:
    if element.VR == "SQ":
        return Node(int(element.tag), "SQ", [_nodes(item) for item in element.value])
    stream = DicomBytesIO()
    stream.is_little_endian, stream.is_implicit_VR = True, False
    write_data_element(stream, element)
    raw = stream.getvalue()
    kind = raw[4:6].decode()
    value = raw[12:] if kind in _LONG else raw[8:]
    return Node(int(element.tag), kind, value, UNDEFINED if element.is_undefined_length else None)


def written(start: bytes, nodes: list[Node]) -> bytes:
    """The file."""
    stream = BytesIO(start)
    stream.seek(0, 2)
    _write(stream, nodes)
    return stream.getvalue()


def _write(stream: BytesIO, nodes: list[Node]) -> None:
    for node in nodes:
        body = node.value if isinstance(node.value, bytes) else _items(node.value)
        kind = node.kind.encode("latin-1")
        length = len(body) if node.stated is None else node.stated
        stream.write(struct.pack("<HH", node.tag >> 16, node.tag & 0xFFFF) + kind)
        stream.write(
            struct.pack("<HI", 0, length & 0xFFFFFFFF) if node.kind in _LONG else struct.pack("<H", length & 0xFFFF)
        )
        stream.write(body)


def _items(items: list[list[Node]]) -> bytes:
    stream = BytesIO()
    for item in items:
        inside = BytesIO()
        _write(inside, item)
        stream.write(struct.pack("<HHI", 0xFFFE, 0xE000, len(inside.getvalue())) + inside.getvalue())
    return stream.getvalue()


def _holders(nodes: list[Node]) -> Iterator[tuple[list[Node], int]]:
    """Every element and the list that it stands in."""
    for number, node in enumerate(nodes):
        yield nodes, number
        if isinstance(node.value, list):
            for item in node.value:
                yield from _holders(item)


def damaged(path: Path, random: Random) -> bytes:
    """The file with one to three of its elements changed, taken out, doubled, moved, renamed or nested."""
    start, nodes = tree_of(path)
    for _ in range(random.randint(1, 3)):
        places = list(_holders(nodes))
        if not places:
            break
        _damage(*random.choice(places), random)
    return written(start, nodes)


def _damage(holder: list[Node], at: int, random: Random) -> None:
    node = holder[at]
    kind = random.randrange(12)
    if kind == 0:
        del holder[at]
    elif kind == 1:
        holder.insert(at, Node(node.tag, node.kind, node.value, node.stated))
    elif kind == 2:
        node.kind = random.choice(_KINDS)
    elif kind == 3:
        node.stated = random.choice((0, 1, 2, 0xFFFE, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFE, UNDEFINED, len(holder)))
    elif kind == 4:
        node.tag = random.choice((node.tag ^ 1 << random.randrange(32), 0xFFFEE00D, 0xFFFEE0DD, 0x7FE00010, 0))
    elif kind == 5:
        other = random.randrange(len(holder))
        holder[at], holder[other] = holder[other], holder[at]
    elif kind == 6 and isinstance(node.value, list):
        node.value = random.choice(([], node.value * 2, node.value * 300, node.value[:-1], [[]], b"\0" * 8))
    elif kind == 7 and random.random() < 0.3:
        node.kind, node.value = "SQ", _nested(random.choice((3, 60, 1200)))
    else:
        node.value = other_value(node, random)


def _nested(levels: int) -> bytes:
    """A sequence in a sequence and so on."""
    body = b""
    for _ in range(levels):
        inside = struct.pack("<HH", 0x0008, 0x1140) + b"SQ\0\0" + struct.pack("<I", len(body)) + body
        body = struct.pack("<HHI", 0xFFFE, 0xE000, len(inside)) + inside
    return body


def other_value(node: Node, random: Random) -> bytes:
    """Bytes that the element's kind does not expect, or does only just."""
    numbers = {"US": 2, "SS": 2, "UL": 4, "SL": 4, "FL": 4, "FD": 8, "AT": 4}
    if node.kind in numbers and random.random() < 0.8:
        width = numbers[node.kind]
        if node.kind in ("FL", "FD"):
            choice = random.choice((float("nan"), float("inf"), -1.0, 0.0, 1e38, 1e-38))
            return struct.pack("<f" if width == 4 else "<d", choice) * random.choice((1, 1, 1, 0, 3))
        number = random.choice((0, 1, 2, 3, 7, 8, 15, 16, 32, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, UNDEFINED))
        return (number & ((1 << 8 * width) - 1)).to_bytes(width, "little") * random.choice((1, 1, 1, 1, 0, 2, 500))
    if isinstance(node.value, bytes) and len(node.value) > 64 and random.random() < 0.7:
        return _other_pixels(node.value, random)
    return random.choice((*_TEXTS, random.randbytes(random.randrange(40))))


def _other_pixels(value: bytes, random: Random) -> bytes:
    """Pixel data or a table: shorter, longer, empty, of one byte too many, or with other bytes in a fragment."""
    choice = random.randrange(6)
    if choice == 0:
        return value[: random.randrange(len(value))]
    if choice == 1:
        return value + random.randbytes(random.choice((1, 2, len(value))))
    if choice == 2:
        return b""
    changed = bytearray(value)
    for _ in range(random.randint(1, 6)):
        at = min(len(value) - 1, int(len(value) ** random.random())) if choice < 5 else random.randrange(len(value))
        changed[at] = random.choice((0, 0xFF, 0x80, random.randrange(256)))
    return bytes(changed)
