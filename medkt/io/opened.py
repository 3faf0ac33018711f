"""Which files reading a path opens: the path's own, what lies below a folder, and what belongs to it by its name or header."""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from medkt.errors import MedktError
from medkt.io.entries import is_of_the_system
from medkt.io.itk_header import header_of, itk_kind


def opened_by(path: str) -> Iterable[tuple[str, str, os.stat_result]]:
    """Every file that reading `path` may open, by a name that does not depend on where it lies; each is asked for once."""
    if path[-8:].upper() == "DICOMDIR" and os.path.basename(path).upper() == "DICOMDIR":
        path = os.path.dirname(path) or "."
    found = os.stat(path)
    if stat.S_ISDIR(found.st_mode):
        return ((name, file, os.stat(file)) for name, file in _below(path, ""))
    beside = _beside(path)
    if beside and os.access(beside, os.F_OK):  # most have none; of a million cases an error for each is felt
        with suppress(OSError):
            other = os.stat(beside)
            if stat.S_ISREG(other.st_mode):
                return (("", path, found), ("beside", beside, other))
    return (("", path, found),)


def _below(folder: str, prefix: str) -> Iterator[tuple[str, str]]:
    with os.scandir(folder) as entries:
        listed = sorted(entries, key=lambda entry: entry.name)
    for entry in listed:
        if is_of_the_system(entry.name):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _below(entry.path, f"{prefix}{entry.name}/")
        elif entry.is_file():
            yield f"{prefix}{entry.name}", entry.path


_PAIRS = ((".nii.gz", ".json"), (".nii", ".json"), (".hdr", ".img"), (".img", ".hdr"))


def _beside(text: str) -> str:
    """A file that belongs to another one: the other half of a pair, the sidecar of a NIfTI file, ITK's voxels; "" for none."""
    end = text[-7:].lower()
    if end.endswith((".mhd", ".nhdr")):
        return _voxels_of(text)
    for one, other in _PAIRS:
        if end.endswith(one):
            return text[: -len(one)] + other
    return ""


def _voxels_of(text: str) -> str:
    """The file of voxels that a header of ITK names beside itself; "" where it names none that may be read."""
    path = Path(text)
    try:
        kind = itk_kind(path)
        held = path if kind is None else header_of(path, kind, text).voxels_of(path, text)
    except (OSError, MedktError):  # reading the case says what is wrong
        return ""
    return "" if held == path else str(held)
