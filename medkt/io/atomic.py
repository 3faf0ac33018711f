"""Files that are either complete or absent."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from medkt.errors import OutputError
from medkt.io.parts import part_beside


def write_atomically(path: str | Path, write: Callable[[Path], object]) -> Path:
    """Call `write` with a temporary name beside `path`; once the disk holds that file, give it its name.

    Raises:
        OutputError: no such folder, no permission, no space, a folder stands there; nothing is left behind.
    """
    target = Path(path)
    if target.is_dir():
        raise OutputError(f"{path}: a folder stands where the file should go; give a file name")
    if not target.parent.is_dir():
        raise OutputError(f"{path}: the folder to write into does not exist; make it first")
    suffix = "".join(target.suffixes[-2:])  # libraries choose the format by the suffix
    temporary, placed = part_beside(target.parent, suffix), False
    try:
        write(temporary)
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())  # a name must never stand over a part, also after a power cut
        os.replace(temporary, target)
        placed = True
    except OutputError:  # of a file that is written beside this one
        raise
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise OutputError(f"{path}: cannot be written ({reason}); check space and permission") from error
    finally:
        if not placed:
            with suppress(OSError):  # a part that cannot even be removed goes at the next start in this folder
                temporary.unlink(missing_ok=True)
    return target
