"""Temporary folders for what holds patients' data: beside the results, seen by their owner alone, swept at the next start.

They lie under a run's folder, or beside what a command writes, and so on the disk that the user chose for patients' data;
only a command that writes nothing uses the system's folder for temporary files. A process holds a file in each while it
lives. One that was killed leaves its folder, and whoever makes the next one at the same place removes it.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from medkt.errors import OutputError
from medkt.io.locks import HELD, is_free, let_go, take

PREFIX = ".medkt-scratch-"
_LOCK = "lock"
_place: list[Path] = []


@contextmanager
def scratch_in(folder: Path) -> Iterator[None]:
    """Temporary folders lie in `folder` while the block runs, or in the closest folder above that is there."""
    _place.append(folder)
    try:
        yield
    finally:
        _place.remove(folder)


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """An empty folder of this process alone; removed on leaving.

    Raises:
        OutputError: it cannot be made.
    """
    place = _existing(_place[-1]) if _place else Path(tempfile.gettempdir())
    sweep_scratch(place)
    try:
        whole = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
    except OSError as error:
        raise OutputError(f"{place}: no temporary folder can be made there ({error.strerror})") from error
    lock, descriptor = whole / _LOCK, -1
    try:
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
            inner = whole / "files"
            inner.mkdir()
        except OSError as error:
            raise OutputError(f"{place}: cannot be written ({error.strerror}); check space and permission") from error
        take(descriptor, lock)
        yield inner
    finally:
        if descriptor >= 0:
            let_go(descriptor, lock)
        shutil.rmtree(whole, ignore_errors=True)


def sweep_scratch(place: Path) -> int:
    """Remove the temporary folders of processes that have ended; gives how many."""
    swept = 0
    for left in place.glob(f"{PREFIX}*"):
        if _is_left(left):
            shutil.rmtree(left, ignore_errors=True)
            swept += 1
    return swept


def _is_left(folder: Path) -> bool:
    """Whether nobody holds a folder; one that is just being made has no file to hold yet, and others may not ask."""
    with suppress(OSError):
        if folder.is_symlink() or not folder.is_dir():
            return False
        if (folder / _LOCK).exists():
            return is_free(folder / _LOCK)
        # nothing of a patient gets in before the lock is there
        return not any(name for name in os.listdir(folder) if name != f"{_LOCK}{HELD}") and _is_old(folder)
    return False


def _is_old(folder: Path) -> bool:
    return time.time() - folder.stat().st_mtime > 60


def _existing(folder: Path) -> Path:
    """The folder, or the closest one above it that exists."""
    whole = Path(os.path.abspath(folder))
    return next((one for one in (whole, *whole.parents) if one.is_dir()), Path(tempfile.gettempdir()))
