"""Files that belong together, put in the place of earlier ones."""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from medkt.errors import OutputError


def write_together(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write all files under temporary names first, then give them their names, in the order given.

    What fails while writing (no space, no permission) leaves the earlier files as they were. A reader that comes
    between two renames meets a digest that does not fit, and is told so.

    Raises:
        OutputError: the folder or a file cannot be written.
    """
    suffix = f".{secrets.token_hex(6)}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            with (folder / f".{name}{suffix}").open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        for name in contents:
            os.replace(folder / f".{name}{suffix}", folder / name)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror}); check space and permission") from error
    finally:
        for name in contents:
            if folder.is_dir():
                (folder / f".{name}{suffix}").unlink(missing_ok=True)
