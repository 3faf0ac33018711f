"""Files that take the places of earlier ones, all or none: also where the process is killed among them.

They are written into a hidden folder beside their places. A list of them there says that all are complete: from then on
whoever comes next, and finds the folder left, puts the rest in place.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from medkt.bounds import read_note

LIST = ".moves.json"
_ASIDE = "earlier"


def move_files(hidden: Path, files: Sequence[str], *, earlier: Sequence[str]) -> None:
    """Move files from `hidden` into the folder around it, and those of an earlier result out of it.

    Where that fails, everything is as it was; where even that cannot be had, the list stays in `hidden`. The last of `files` is the last that appears, and the first to go: it is
    the one that says what the others are.

    Args:
        hidden: holds all of `files`.
        files: names.
        earlier: names of files in the folder around that go.

    Raises:
        OSError: a file cannot be moved.
    """
    folder, aside = hidden.parent, hidden / _ASIDE
    flush_files(hidden)
    aside.mkdir()
    _write_list(hidden, files, earlier)
    gone = sorted((name for name in earlier if (folder / name).is_file()), key=lambda name: name != files[-1])
    moves = [(folder / name, aside / name) for name in gone] + [(hidden / name, folder / name) for name in files]
    done: list[tuple[Path, Path]] = []
    try:
        for source, target in moves:
            os.replace(source, target)
            done.append((source, target))
    except BaseException:
        for source, target in reversed(done):
            os.replace(target, source)
        (hidden / LIST).unlink(missing_ok=True)  # else, where even that fails, whoever comes next goes on with it
        raise
    (hidden / LIST).unlink(missing_ok=True)


def is_moving(hidden: Path) -> bool:
    """Whether files in there have still to be moved."""
    return (hidden / LIST).exists()


def finish_moves(hidden: Path) -> None:
    """Put in place what a killed process has left to move, where `hidden` holds the list of a whole result.

    Raises:
        OSError: a file cannot be moved.
    """
    try:
        listed = read_note(hidden / LIST) or {}
        files, earlier = [str(one) for one in listed["files"]], [str(one) for one in listed["earlier"]]
    except (KeyError, TypeError):
        return  # killed before all was written
    if any(Path(name).name != name for name in (*files, *earlier)):
        return  # not written here
    folder = hidden.parent
    for name in (one for one in earlier if one not in files):
        (folder / name).unlink(missing_ok=True)
    for name in files:
        if (hidden / name).is_file():
            os.replace(hidden / name, folder / name)


def flush_files(folder: Path) -> None:
    """What is in the folder is on the disk, before its name says that it is complete."""
    for path in folder.iterdir():
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _write_list(hidden: Path, files: Sequence[str], earlier: Sequence[str]) -> None:
    """Whole or not at all: under a name of its own first."""
    part = hidden / f"{LIST}.part"
    with part.open("w", encoding="utf-8") as file:
        json.dump({"files": list(files), "earlier": list(earlier)}, file, allow_nan=False)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, hidden / LIST)
