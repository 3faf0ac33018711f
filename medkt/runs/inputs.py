"""What a case was made from, as a few digits: whether its files are still those, and its row still says the same.

By default a file is known by its size and the time it was last changed, which costs no reading; with `strict` by its bytes.
The digits are keyed with the run's salt, so that they tell nobody what the files are called. Those of the row come first
and those of the files after them: a run that goes on with the same manifest need look at the files alone.
"""

import hashlib
import json
import stat
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from medkt.io.opened import opened_by

ABSENT = "absent"  # in the place of the digits, where a file is not there
BLOCK = 1 << 20


def joined(row: str, files: str) -> str:
    """The digits of both parts as one."""
    return files if files == ABSENT else row + files


def of_row(said: Any, salt: bytes) -> str:
    """24 hexadecimal digits over what a row says, as JSON takes it, but for where its files are."""
    whole = _keyed(salt[:64], b"row").copy()
    whole.update(_as_json(said).encode())
    return whole.hexdigest()


def of_files(paths: Iterable[str], salt: bytes, *, strict: bool = False) -> str:
    """24 hexadecimal digits over all files that reading these paths may open; `ABSENT` where one is not there."""
    whole = _keyed(salt[:64], b"files").copy()
    try:
        for path in paths:
            for name, file, found in opened_by(path):
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


def _digest(file: str) -> str:
    whole = hashlib.blake2b(digest_size=16)
    with open(file, "rb") as opened:
        while block := opened.read(BLOCK):
            whole.update(block)
    return whole.hexdigest()
