"""What a case was made from, as a few digits: whether its files are still those, and its row still says the same.

By default a file is known by its size and the time it was last changed, which costs no reading; with `strict` by its bytes.
The digits are keyed with the run's salt, so that they tell nobody what the files are called. Those of the row come first
and those of the files after them: a run that goes on with the same manifest need look at the files alone.
"""

import hashlib
import json
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from medkt.datasets.case import Case
from medkt.errors import MedktError
from medkt.io.entries import is_of_the_system
from medkt.io.itk_header import header_of, itk_kind

ABSENT = "absent"  # in the place of the digits, where a file is not there
BLOCK = 1 << 20


def fingerprint(case: Case, asked: Any, salt: bytes, *, strict: bool = False) -> str:
    """48 hexadecimal digits over what the row of a case says and its files; `ABSENT` where a file is not there.

    Args:
        case: of the manifest.
        asked: what else the outcome depends on: concepts and columns; as JSON takes it.
        salt: of the run.
        strict: over the bytes of the files; else over sizes and times.
    """
    return joined(of_row(case, asked, salt), of_files(paths_of(case), salt, strict=strict))


def joined(row: str, files: str) -> str:
    """The digits of both parts as one."""
    return files if files == ABSENT else row + files


def paths_of(case: Case) -> tuple[str, ...]:
    """What is read of a case: its image and its references."""
    return (str(case.image), *map(str, case.references))


def of_row(case: Case, asked: Any, salt: bytes) -> str:
    """24 hexadecimal digits over what a row says, but for where its files are."""
    said = (
        case.series, case.volume, case.slice_index, case.image_kind, case.reference_kind, case.reference_key, case.modality,
        asked,
    )  # fmt: skip
    whole = _keyed(salt[:64], b"row").copy()
    whole.update(_as_json(said).encode())
    return whole.hexdigest()


def of_files(paths: Iterable[str], salt: bytes, *, strict: bool = False) -> str:
    """24 hexadecimal digits over all files that reading these paths may open; `ABSENT` where one is not there."""
    whole = _keyed(salt[:64], b"files").copy()
    try:
        for path in paths:
            for name, file, found in _opened_by(path):
                of_bytes = strict and stat.S_ISREG(found.st_mode)  # a pipe has no end
                state = _digest(file) if of_bytes else f"{found.st_size} {found.st_mtime_ns}"
                whole.update(f"\0{name}\0{state}".encode("utf-8", "surrogateescape"))
    except OSError:
        return ABSENT
    return whole.hexdigest()


@lru_cache(maxsize=8)
def _keyed(key: bytes, part: bytes) -> "hashlib.blake2b":
    return hashlib.blake2b(key=key, digest_size=12, person=part)


_as_json = json.JSONEncoder(ensure_ascii=True, allow_nan=False).encode  # made once: of a million rows it is felt


def _opened_by(path: str) -> Iterable[tuple[str, str, os.stat_result]]:
    """Every file that reading `path` may open, by a name that does not depend on where it lies; each is asked for once."""
    if path[-8:].upper() == "DICOMDIR" and os.path.basename(path).upper() == "DICOMDIR":
        path = os.path.dirname(path) or "."
    found = os.stat(path)
    if stat.S_ISDIR(found.st_mode):
        return ((name, file, os.stat(file)) for name, file in _below(path, ""))
    beside = _beside(path)
    if beside and os.access(beside, os.F_OK):  # most have none; of a million cases an error for each is felt
        with suppress(OSError):
            other = os.stat(beside)
            if stat.S_ISREG(other.st_mode):
                return (("", path, found), ("beside", beside, other))
    return (("", path, found),)


def _below(folder: str, prefix: str) -> Iterator[tuple[str, str]]:
    with os.scandir(folder) as entries:
        listed = sorted(entries, key=lambda entry: entry.name)
    for entry in listed:
        if is_of_the_system(entry.name):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _below(entry.path, f"{prefix}{entry.name}/")
        elif entry.is_file():
            yield f"{prefix}{entry.name}", entry.path


_PAIRS = ((".nii.gz", ".json"), (".nii", ".json"), (".hdr", ".img"), (".img", ".hdr"))


def _beside(text: str) -> str:
    """A file that belongs to another one: the other half of a pair, the sidecar of a NIfTI file, ITK's voxels; "" for none."""
    end = text[-7:].lower()
    if end.endswith((".mhd", ".nhdr")):
        return _voxels_of(text)
    for one, other in _PAIRS:
        if end.endswith(one):
            return text[: -len(one)] + other
    return ""


def _voxels_of(text: str) -> str:
    """The file of voxels that a header of ITK names beside itself; "" where it names none that may be read."""
    path = Path(text)
    try:
        kind = itk_kind(path)
        held = path if kind is None else header_of(path, kind, text).voxels_of(path, text)
    except (OSError, MedktError):  # reading the case says what is wrong
        return ""
    return "" if held == path else str(held)


def _digest(file: str) -> str:
    whole = hashlib.blake2b(digest_size=16)
    with open(file, "rb") as opened:
        while block := opened.read(BLOCK):
            whole.update(block)
    return whole.hexdigest()
