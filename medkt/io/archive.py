"""Zip files from strangers: unpacked into a folder of our own, under names of our own, within limits."""

import lzma
import shutil
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from medkt.errors import InputError, OutputError, UnsupportedError
from medkt.io.entries import HIDDEN, Entry, Listing, UnreadEntry, is_of_the_system
from medkt.io.guard import reading
from medkt.io.scratch import scratch_folder

LARGEST_BYTES = 16 * 1024**3  # unpacked, all members together
MOST_MEMBERS = 100_000
_LONGEST_END = 22 + 65535 + 76  # the end of the directory, its comment, and the 64-bit form before it
_LONGEST_ENTRY = 512  # bytes a member, on average
_LONGEST_DIRECTORY = MOST_MEMBERS * _LONGEST_ENTRY
LARGEST_RATIO = 1000  # a constant CT slice deflates by about 1000; more is a bomb
RATIO_FROM_BYTES = 100 * 1024**2
DAMAGED_MEMBER = "a damaged member of the archive"


@contextmanager
def unpacked(path: Path) -> Iterator[tuple[Path, Listing]]:
    """A temporary folder with the members of a zip file and their listing by their own names; removed on leaving.

    Members get running numbers for names and keep only their suffix, so no name in the archive reaches the disk. What an
    operating system left is not unpacked; a member that is damaged is listed as lost.

    Raises:
        InputError: names that climb out, links, encrypted members, too many members or bytes.
        UnreadableError: the archive is damaged as a whole.
    """
    with scratch_folder() as folder:
        _require_short_directory(path)
        with reading(str(path), "unpacking"), zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            _require_harmless(members, path)
            _require_room(members, folder, path)
            listing = _extract_all(archive, members, folder, path)
        yield folder, listing


def _extract_all(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], folder: Path, path: Path) -> Listing:
    files: list[Entry] = []
    passed: Counter[str] = Counter()
    lost: list[UnreadEntry] = []
    for number, member in enumerate(members):
        name = PurePosixPath(member.filename.replace("\\", "/"))
        target = folder / f"{number:06d}{_suffix(member.filename)}"
        if any(is_of_the_system(part) for part in name.parts):
            passed[HIDDEN] += 1
        elif _extract(archive, member, target, path):
            files.append(Entry(path=target, name=str(name)))
        else:
            target.unlink(missing_ok=True)
            lost.append(UnreadEntry(name=str(name), reason=DAMAGED_MEMBER))
    return Listing(files=files, passed=passed, lost=lost)


def _require_short_directory(path: Path) -> None:
    """That the end of the archive counts no more members than are unpacked, before a list of them is made."""
    with reading(str(path), "unpacking"), path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _LONGEST_END))
        end = file.read()
    at = end.rfind(b"PK\x05\x06")
    count, length = struct.unpack_from("<HI", end, at + 10) if 0 <= at <= len(end) - 22 else (0, 0)
    if (count, length) != (0xFFFF, 0xFFFFFFFF) and length > _LONGEST_DIRECTORY:
        count = max(count, length // _LONGEST_ENTRY)
    wide = end.rfind(b"PK\x06\x06")  # where a zip needs its 64-bit form
    if 0 <= wide <= len(end) - 56:
        count = max(count, struct.unpack_from("<Q", end, wide + 32)[0])
    if count > MOST_MEMBERS:
        raise InputError(
            f"{path}: {count} files in the archive, more than {MOST_MEMBERS}; unpack it yourself",
            code="archive-untrusted",
        )


def _require_room(members: list[zipfile.ZipInfo], folder: Path, path: Path) -> None:
    size, free = sum(member.file_size for member in members), shutil.disk_usage(folder).free
    if size > free:
        raise OutputError(f"{path}: unpacks to {size / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB are free; make room")


def _require_harmless(members: list[zipfile.ZipInfo], path: Path) -> None:
    if not members:
        raise InputError(f"{path}: the archive is empty", code="archive-empty")
    if len(members) > MOST_MEMBERS:
        raise InputError(f"{path}: {len(members)} files in the archive, more than {MOST_MEMBERS}; unpack it yourself")
    size = sum(member.file_size for member in members)
    packed = max(1, sum(member.compress_size for member in members))
    if size > LARGEST_BYTES or (size > RATIO_FROM_BYTES and size / packed > LARGEST_RATIO):
        raise InputError(
            f"{path}: would unpack to {size / 1024**3:.1f} GiB; unpack it yourself if you trust it",
            code="archive-untrusted",
        )
    for member in members:
        name = PurePosixPath(member.filename.replace("\\", "/"))
        if name.is_absolute() or ".." in name.parts or ":" in member.filename:
            raise InputError(
                f"{path}: a member's name leads out of the archive; the archive is not to be trusted",
                code="archive-untrusted",
            )
        if (member.external_attr >> 16) & 0o170000 == 0o120000:
            raise InputError(f"{path}: holds a link; pack the files themselves")
        if member.flag_bits & 1:
            raise UnsupportedError(f"{path}: is encrypted; unpack it with its password first", code="archive-encrypted")


def _extract(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, path: Path) -> bool:
    """Unpack one member; False where its bytes are damaged (checksum, cut, a method that nothing here knows)."""
    left = member.file_size  # the directory of the archive may lie about sizes
    try:
        with archive.open(member) as source, target.open("wb") as sink:
            while block := source.read(1 << 20):
                left -= len(block)
                if left < 0:
                    raise InputError(
                        f"{path}: a member is larger than it says; do not trust this archive", code="archive-untrusted"
                    )
                sink.write(block)
    except OSError as error:
        raise OutputError(f"{path}: cannot be unpacked ({error.strerror}); make space where the results go") from error
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, UnicodeDecodeError):
        return False
    return left == 0


def _suffix(name: str) -> str:
    lower = PurePosixPath(name.replace("\\", "/")).name.lower()
    known = (
        ".nii.gz",
        ".nii",
        ".hdr",
        ".img",
        ".nrrd",
        ".nhdr",
        ".mha",
        ".mhd",
        ".dcm",
        ".png",
        ".jpg",
        ".jpeg",
        ".tif",
        ".tiff",
        ".bmp",
    )
    return next((suffix for suffix in known if lower.endswith(suffix)), "")
