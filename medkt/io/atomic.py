"""Files that are either complete or absent."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from medkt.errors import OutputError


def write_atomically(path: str | Path, write: Callable[[Path], None]) -> Path:
    """Call `write` with a temporary name beside `path`, then give the finished file its name.

    Raises:
        OutputError: no such folder, no permission, no space, a folder stands there; nothing is left behind.
    """
    target = Path(path)
    if target.is_dir():
        raise OutputError(f"{path}: a folder stands where the file should go; give a file name")
    if not target.parent.is_dir():
        raise OutputError(f"{path}: the folder to write into does not exist; make it first")
    suffix = "".join(target.suffixes[-2:])  # libraries choose the format by the suffix
    temporary = target.parent / f".{secrets.token_hex(8)}.part{suffix}"
    try:
        write(temporary)
        os.replace(temporary, target)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise OutputError(f"{path}: cannot be written ({reason}); check space and permission") from error
    finally:
        temporary.unlink(missing_ok=True)
    return target
