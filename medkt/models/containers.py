"""What a file of weights says it holds, looked at before a value is read: names, shapes, and whether its bytes can be that.

A safetensors file begins with all names and shapes; a zip (what torch.save writes) ends with the sizes of its parts. Neither
is believed beyond the bytes there are, and no model is built for a file that lies.
"""

import json
import math
import struct
import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medkt.bounds import parse_json
from medkt.errors import WeightsError

Shape = tuple[int, ...]

MOST_ENTRIES = 20_000
LARGEST_HEADER = 64 << 20  # bytes: of names and shapes alone
MOST_AXES = 8
_BYTES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "U16": 2, "I16": 2, "F16": 2, "BF16": 2,
    "U32": 4, "I32": 4, "F32": 4, "U64": 8, "I64": 8, "F64": 8,
}  # fmt: skip
_UNPACKED = 4  # times the file, and a little: torch compresses what describes a model, never its values
_LITTLE = 64 << 20


def require_sound(path: Path) -> None:
    """That the parts of a checkpoint can be what they say; a pickle of the old format says nothing beforehand.

    Raises:
        WeightsError: they cannot.
    """
    if path.suffix == ".safetensors":
        safetensors_shapes(path)
    elif is_zip(path):
        _require_sound_zip(path)


def is_zip(path: Path) -> bool:
    """Whether a checkpoint is a zip, as it is in the newer format of torch.

    Raises:
        WeightsError: its end is that of a zip in several volumes, which zipfile refuses to tell.
    """
    try:
        return zipfile.is_zipfile(path)
    except zipfile.BadZipFile as error:
        raise _damaged(path, str(error)) from error


def safetensors_shapes(path: Path) -> Mapping[str, Shape]:
    """The shape of every entry of a safetensors file by its name, from the header alone.

    Raises:
        WeightsError: the header is no header, or says more than the file holds.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 2 <= length <= min(LARGEST_HEADER, size - 8):
            raise _damaged(path, f"its header says {length} bytes")
        try:
            header = parse_json(file.read(length), str(path))
            entries = {name: one for name, one in header.items() if name != "__metadata__"}
            shapes = {name: _entry(one, size - 8 - length) for name, one in entries.items()}
        except (ValueError, TypeError, KeyError, AttributeError, json.JSONDecodeError) as error:
            raise _damaged(path, str(error) or "its header is none") from error
    _require_few(len(shapes), path)
    return shapes


def _entry(stated: dict[str, Any], room: int) -> Shape:
    """The shape of an entry, whose bytes lie where they are said to lie and are as many as it needs."""
    shape = tuple(int(side) for side in stated["shape"])
    first, last = (int(place) for place in stated["data_offsets"])
    needed = math.prod(shape) * _BYTES[str(stated["dtype"])]
    if min(shape, default=0) < 0 or len(shape) > MOST_AXES or not 0 <= first <= last <= room or last - first != needed:
        raise ValueError(f"an entry says {needed} bytes, and {last - first} of {room} are given to it")
    return shape


def _require_sound_zip(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise _damaged(path, str(error)) from error
    _require_few(len(members), path)
    again = [name for name, count in Counter(member.filename for member in members).items() if count > 1]
    if again:
        raise _damaged(path, "two of its parts have one name")
    unpacked, size = sum(member.file_size for member in members), path.stat().st_size
    if unpacked > _UNPACKED * size + _LITTLE:
        raise _damaged(path, f"its parts say {unpacked} bytes, unpacked from {size}")
    described = [member.file_size for member in members if member.filename.endswith("data.pkl")]
    if max(described, default=0) > LARGEST_HEADER:
        raise _damaged(path, f"what describes its entries takes {max(described)} bytes")


def _require_few(count: int, path: Path) -> None:
    if count > MOST_ENTRIES:
        raise _damaged(path, f"it holds {count} entries, more than {MOST_ENTRIES}")


def _damaged(path: Path, why: str) -> WeightsError:
    return WeightsError(f"{path} is damaged or no checkpoint ({why})")
