"""Names for what is not complete yet, which say who writes it: what a killed process left goes at the next start.

A name holds the process and when it began, and digits of its computer; so another process can see whether it still
works. Whoever makes a part removes those of processes that have ended from the same folder. Of a process of another
computer nobody can see that: its parts go after a day.
"""

import hashlib
import os
import re
import secrets
import shutil
import socket
import time
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path

from medkt.io.locks import began_of
from medkt.io.moves import finish_moves

PART = re.compile(r"\.[0-9a-f]{16}\.(?P<machine>[0-9a-f]{8})-(?P<process>\d+)-(?P<began>\d*)\.part(\..*)?")
_EARLIER = re.compile(r"\.[0-9a-f]{12,16}\.part(\..*)?")  # of earlier versions, which did not say who
NOBODYS_AFTER_S = 86_400.0


def part_beside(folder: Path, suffix: str = "") -> Path:
    """A path in `folder` for something that gets its own name once it is complete; nothing is made.

    Args:
        folder: what killed processes left there is removed, when it is first named here.
        suffix: with dot; libraries choose the format by it.
    """
    _sweep_once(os.path.abspath(folder))
    process = os.getpid()
    name = f".{secrets.token_hex(8)}.{_machine()}-{process}-{began_of(process) or ''}.part{suffix}"
    return folder / name


def is_part(name: str) -> bool:
    """Whether a name is one of `part_beside`, or of earlier versions."""
    return bool(PART.fullmatch(name) or _EARLIER.fullmatch(name))


def sweep_parts(folder: Path) -> int:
    """Remove what processes that have ended left in a folder; gives how many.

    Files that were just being moved to their places are moved first: they were complete.
    """
    swept = 0
    with suppress(OSError):
        left = [folder / name for name in os.listdir(folder) if is_part(name)]
        for part in (one for one in left if _is_left(one)):
            with suppress(OSError):
                _remove(part)
                swept += 1
    return swept


@lru_cache(maxsize=256)
def _sweep_once(folder: str) -> None:
    """Folders that hold a file a case would be listed again for each of them."""
    sweep_parts(Path(folder))


def _remove(part: Path) -> None:
    if part.is_dir() and not part.is_symlink():
        finish_moves(part)
        shutil.rmtree(part)
    else:
        part.unlink()


def _is_left(part: Path) -> bool:
    found = PART.fullmatch(part.name)
    if found is None or found["machine"] != _machine():
        return time.time() - part.lstat().st_mtime > NOBODYS_AFTER_S
    return began_of(int(found["process"])) != (found["began"] or "")


@cache
def _machine() -> str:
    """Digits of this computer, and of what it counts processes by: those in a container are others than those outside."""
    try:
        counted = os.readlink("/proc/self/ns/pid")
    except OSError:
        counted = ""
    return hashlib.sha256(f"{socket.gethostname()}\0{counted}".encode()).hexdigest()[:8]
