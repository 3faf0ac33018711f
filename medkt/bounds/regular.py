"""Only files are read: opening a pipe waits for a writer that may never come, and a device has no end."""

import stat
from pathlib import Path

from medkt.errors import InputError

_KINDS = {
    stat.S_IFIFO: "a pipe (FIFO)", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device",
}  # fmt: skip


def require_regular(path: Path, shown: str = "") -> None:
    """That a path, where it leads anywhere, leads to a file or a folder.

    Raises:
        InputError: a pipe, a socket or a device.
    """
    try:
        kind = _KINDS.get(stat.S_IFMT(path.stat().st_mode))
    except (OSError, ValueError):  # whoever opens it says what is wrong
        return
    if kind is not None:
        raise InputError(f"{shown or path}: is {kind}; give a file, written to disk first", code="no-file")
