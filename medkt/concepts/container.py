"""A zip whose bytes follow from what it holds: stored members, no times, one order, nothing besides.

Any unzip program opens it. Reading compares every byte with what writing would have made, so nothing can be changed,
appended, hidden in a comment or packed into a bomb (local headers and directory after PKWARE APPNOTE 6.3.10, 4.3).
"""

import os
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from medkt.bounds import require_regular
from medkt.errors import InputError, OutputError, UnreadableError

LARGEST_BYTES = 3 * 2**30
"""Of a whole file, below where a zip needs its 64-bit form. The full difference of a ViT-L/14 tower has 1.2 GB."""
MOST_MEMBERS = 384
_LONGEST_NAME = 120
_EPOCH = 0x0021  # 1 January 1980, the first day that a zip knows, at 0:00
_MADE_BY = 3 << 8 | 20  # Unix, version 2.0
_MODE = 0o100644 << 16
_END = struct.Struct("<4sHHHHIIH")  # of the directory: mark, two disks, two counts, its length, its place, comment


def write_container(path: Path, members: Mapping[str, bytes]) -> Path:
    """Write the members, in their order, under `path`: complete or not at all, and on the disk before it has its name.

    Raises:
        InputError: too much, or a name that could lead out of a folder.
        OutputError: no such folder, no permission, no space, a folder stands there; nothing is left behind.
    """
    from medkt.io.parts import part_beside

    _check_members({name: len(content) for name, content in members.items()}, str(path))
    if path.is_dir():
        raise OutputError(f"{path}: a folder stands where the file should go; give a file name")
    temporary = part_beside(path.parent)
    try:
        with temporary.open("xb") as file:
            for chunk in _chunks(members):
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written ({error.strerror}); check the folder, space and permission"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
    return path


def read_container(path: Path) -> dict[str, bytes]:
    """The members of such a file, in order.

    Raises:
        UnreadableError: missing, no zip, damaged, compressed, or any byte besides what the members make.
        InputError: larger than `LARGEST_BYTES`, too many members, or names that lead out of a folder.
    """
    require_regular(path)
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size > LARGEST_BYTES:
                raise InputError(f"{path}: is larger than {LARGEST_BYTES >> 30} GiB; it is not to be trusted")
            _require_small_directory(file, str(path))
            members = _members(file, str(path))
            file.seek(0)
            if any(file.read(len(chunk)) != chunk for chunk in _chunks(members)) or file.read(1):
                raise UnreadableError(f"{path}: holds bytes that do not belong to its members; fetch it again")
    except OSError as error:
        raise UnreadableError(f"{path}: cannot be read ({error.strerror}); check the path and permission") from error
    return members


def _require_small_directory(file: BinaryIO, path: str) -> None:
    """That the last 22 bytes tell of a directory no larger than ours may be, before anything builds a list from it."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _END.size))
    last = file.read(_END.size)
    if len(last) < _END.size or not last.startswith(b"PK\x05\x06"):
        raise UnreadableError(f"{path}: is no package, or damaged (it does not end as a zip does); fetch it again")
    _, _, _, _, count, length, offset, _ = _END.unpack(last)
    if count > MOST_MEMBERS:
        raise InputError(f"{path}: {count} members, expected at most {MOST_MEMBERS}; it is not to be trusted")
    if offset + length + _END.size != size:
        raise UnreadableError(f"{path}: holds bytes that do not belong to its members; fetch it again")


def _members(file: object, path: str) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(file) as archive:  # type: ignore[call-overload]
            entries = archive.infolist()
            if len({entry.filename for entry in entries}) != len(entries):
                raise UnreadableError(f"{path}: a member stands twice; the file is not to be trusted")
            for entry in entries:
                if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
                    raise UnreadableError(f"{path}: {entry.filename} is compressed; a package is stored as it is")
            _check_members({entry.filename: entry.file_size for entry in entries}, path)
            return {entry.filename: archive.read(entry) for entry in entries}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, struct.error, UnicodeDecodeError) as error:
        raise UnreadableError(f"{path}: is no package, or damaged ({error}); fetch it again") from error


def _check_members(sizes: Mapping[str, int], path: str) -> None:
    if len(sizes) > MOST_MEMBERS:
        raise InputError(f"{path}: {len(sizes)} members, expected at most {MOST_MEMBERS}; it is not to be trusted")
    if sum(sizes.values()) > LARGEST_BYTES - MOST_MEMBERS * 1024:
        raise InputError(
            f"{path}: the members come to more than {LARGEST_BYTES >> 30} GiB; store a low-rank difference"
        )
    for name in sizes:
        pure = PurePosixPath(name)
        plain = name.isascii() and name.isprintable() and "\\" not in name and ":" not in name
        if not plain or len(name) > _LONGEST_NAME or pure.is_absolute() or ".." in pure.parts or str(pure) != name:
            raise InputError(f"{path}: a member's name leads out of the package: {name!r}; it is not to be trusted")


def _chunks(members: Mapping[str, bytes]) -> Iterator[bytes]:
    directory, offset = b"", 0
    for name, content in members.items():
        shared = struct.pack("<HHHHIII", 0, 0, 0, _EPOCH, zlib.crc32(content), len(content), len(content))
        shared += struct.pack("<HH", len(name), 0)
        local = b"PK\x03\x04" + struct.pack("<H", 20) + shared + name.encode("ascii")
        yield local
        yield content
        directory += b"PK\x01\x02" + struct.pack("<HH", _MADE_BY, 20) + shared
        directory += struct.pack("<HHHII", 0, 0, 0, _MODE, offset) + name.encode("ascii")
        offset += len(local) + len(content)
    yield directory
    yield b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, len(members), len(members), len(directory), offset, 0)
