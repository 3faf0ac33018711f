"""Several files that appear together, or not at all."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from medkt.errors import MedktError, OutputError
from medkt.io.moves import is_moving, move_files
from medkt.io.parts import part_beside


@contextmanager
def files_together(folder: Path, names: Sequence[str]) -> Iterator[Path]:
    """A hidden folder to write `names` into; at the end of the block they take their places in `folder`, the last one last.

    Raises:
        OutputError: they cannot be written; then everything is as it was.
    """
    hidden = part_beside(folder)
    try:
        hidden.mkdir()
        yield hidden
        move_files(hidden, names, earlier=[name for name in names if (folder / name).is_file()])
    except MedktError as error:  # it may name a file in the hidden folder, which the user never sees
        raise type(error)(str(error).replace(f"{hidden}{os.sep}", f"{folder}{os.sep}")) from error
    except OSError as error:
        raise OutputError(
            f"{folder / names[-1]}: cannot be written ({error.strerror}); check space and permission"
        ) from error
    finally:
        if not is_moving(hidden):
            shutil.rmtree(hidden, ignore_errors=True)
