"""A file that one process holds: let go by the system when the process ends, however it ends."""

import os
import sys
import time
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _take(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def take(descriptor: int) -> bool:
    """Take the lock of an open file; False where another process has it."""
    try:
        _take(descriptor)
    except OSError:
        return False
    return True


def wait_until_free(path: Path, *, seconds: float) -> bool:
    """Wait for whoever holds a file; False where it is still held after so many seconds."""
    until = time.monotonic() + seconds
    descriptor = os.open(path, os.O_RDWR)
    try:
        while not take(descriptor):
            if time.monotonic() > until:
                return False
            time.sleep(0.05)
        return True
    finally:
        os.close(descriptor)
