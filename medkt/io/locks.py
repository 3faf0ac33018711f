"""A file that one process holds: let go by the system when the process ends, however it ends.

Some disks have no such locks (a Lustre mounted without flock, some shares). There a file beside it says who holds it: it
is made by one process alone, and counts until that process is seen to have ended, which only its own computer can see.
"""

import errno
import json
import os
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path

from medkt.bounds import parse_json
from medkt.errors import OutputError

HELD = ".held"  # the ending of a file that says who holds the one beside it
TORN_AFTER_S = 5.0  # a file that says nothing for so long was left by a process that ended while writing it

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


_TAKEN = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK}
_UNKNOWN = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}  # to this disk


def take(descriptor: int, path: Path) -> bool:
    """Take the lock of the open file at `path`; False where another process has it.

    Raises:
        OutputError: the disk can neither lock a file nor take the one beside it.
    """
    try:
        _lock(descriptor)
    except OSError as error:
        if error.errno in _TAKEN:
            return False
        if error.errno not in _UNKNOWN:
            raise OutputError(
                f"{path}: cannot be locked ({error.strerror}); choose a folder on another disk"
            ) from error
        return _take_beside(path)
    return not _is_held(_beside(path))  # by a process that could not lock


def let_go(descriptor: int, path: Path) -> None:
    """Close a file that `take` was asked for, and give up what it gave."""
    os.close(descriptor)
    if _holder_of(_beside(path)) == _myself():
        with suppress(OSError):  # it is stale as soon as this process ends
            _beside(path).unlink()


def wait_until_free(path: Path, *, seconds: float) -> bool:
    """Wait for whoever holds a file; False where it is still held after so many seconds."""
    until = time.monotonic() + seconds
    while not is_free(path):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def is_free(path: Path) -> bool:
    """Whether no process holds a file."""
    descriptor, free = os.open(path, os.O_RDWR), False
    try:
        free = take(descriptor, path)
    finally:
        if free:
            let_go(descriptor, path)
        else:
            os.close(descriptor)
    return free


def holder_said(path: Path) -> str:
    """Who holds a file, in words, where a file beside it says so; else nothing."""
    holder = _holder_of(_beside(path))
    if not holder:
        return ""
    return f" (process {holder.get('process')} of {holder.get('host')}; if it is gone, delete {_beside(path)})"


# ---- the file beside


def _beside(path: Path) -> Path:
    return path.with_name(path.name + HELD)


def _take_beside(path: Path) -> bool:
    beside = _beside(path)
    for _ in range(3):
        try:
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            if _is_held(beside):
                return False
            with suppress(FileNotFoundError):
                beside.unlink()
            continue
        except OSError as error:
            raise OutputError(f"{path}: cannot be held ({error.strerror}); choose a folder on another disk") from error
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(_myself(), file, allow_nan=False)
        return True
    return False


def _is_held(beside: Path) -> bool:
    """Whether a process holds the file, or may do so for all that can be seen from here."""
    holder = _holder_of(beside)
    if holder is None:
        return False
    if not holder:
        with suppress(FileNotFoundError):
            return time.time() - beside.stat().st_mtime < TORN_AFTER_S
        return False
    if holder.get("host") != socket.gethostname():
        return True
    process = holder.get("process")
    return isinstance(process, int) and began_of(process) == holder.get("began")


def _holder_of(beside: Path) -> dict[str, object] | None:
    """Who made the file: None where there is none, nothing where it does not say so."""
    try:
        holder = parse_json(beside.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return {}
    return holder if isinstance(holder, dict) else {}


def _myself() -> dict[str, object]:
    return {"host": socket.gethostname(), "process": os.getpid(), "began": began_of(os.getpid())}


def began_of(process: int) -> str | None:
    """When a process of this computer began, as far as the system tells; None where there is none of this number."""
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None if Path("/proc/self/stat").exists() else _signalled(process)


def _signalled(process: int) -> str | None:
    if sys.platform == "win32":  # nothing tells it there without a library, and there every disk locks
        return ""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return None
    except OSError:
        return ""
    return ""
