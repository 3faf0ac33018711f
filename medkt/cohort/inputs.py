"""What a case was made from, as a few digits: whether its files are still those, and its row still says the same.

By default a file is known by its size and the time it was last changed, which costs no reading; with `strict` by its bytes.
The digits are keyed with the run's salt, so that they tell nobody what the files are called.
"""

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from typing import Any

from medkt.datasets.case import Case
from medkt.io.entries import is_of_the_system

ABSENT = "absent"  # in the place of the digits, where a file is not there
BLOCK = 1 << 20


def fingerprint(case: Case, asked: Any, salt: bytes, *, strict: bool = False) -> str:
    """24 hexadecimal digits over the files of a case and what its row says; `ABSENT` where a file is not there.

    Args:
        case: of the manifest.
        asked: what else the outcome depends on: concepts and columns; as JSON takes it.
        salt: of the run.
        strict: over the bytes of the files; else over sizes and times.
    """
    whole = _keyed(salt[:64]).copy()
    said = (
        case.series, case.volume, case.slice_index, case.image_kind, case.reference_kind, case.reference_key, case.modality,
        asked,
    )  # fmt: skip
    whole.update(_as_json(said).encode())
    try:
        for path in (case.image, *case.references):
            for name, file, found in _files(str(path)):
                of_bytes = strict and stat.S_ISREG(found.st_mode)  # a pipe has no end
                state = _digest(file) if of_bytes else f"{found.st_size} {found.st_mtime_ns}"
                whole.update(f"\0{name}\0{state}".encode(errors="surrogateescape"))
    except OSError:
        return ABSENT
    return whole.hexdigest()


@lru_cache(maxsize=4)
def _keyed(key: bytes) -> "hashlib.blake2b":
    return hashlib.blake2b(key=key, digest_size=12)


_as_json = json.JSONEncoder(ensure_ascii=True, allow_nan=False).encode  # made once: of a million rows it is felt


def _files(path: str) -> Iterator[tuple[str, str, os.stat_result]]:
    """Every file that reading `path` may open, by a name that does not depend on where it lies; each is asked for once."""
    if path[-8:].upper() == "DICOMDIR" and os.path.basename(path).upper() == "DICOMDIR":
        path = os.path.dirname(path) or "."
    found = os.stat(path)
    if stat.S_ISDIR(found.st_mode):
        for name, file in _below(path, ""):
            yield name, file, os.stat(file)
        return
    yield "", path, found
    for beside in _beside(path):
        with suppress(OSError):  # most have none
            found = os.stat(beside)
            if stat.S_ISREG(found.st_mode):
                yield "beside", beside, found


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


def _beside(text: str) -> Iterator[str]:
    """Files that belong to another one: the two halves of a pair, and the sidecar of a NIfTI file."""
    lower = text.lower()
    for one, other in ((".hdr", ".img"), (".img", ".hdr"), (".nii.gz", ".json"), (".nii", ".json")):
        if lower.endswith(one):
            yield text[: -len(one)] + other
            return


def _digest(file: str) -> str:
    whole = hashlib.blake2b(digest_size=16)
    with open(file, "rb") as opened:
        while block := opened.read(BLOCK):
            whole.update(block)
    return whole.hexdigest()
