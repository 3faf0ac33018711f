"""Names of the folders of several studies, after their files: decided for all of them together, before anything is computed.

A study is named after its file without the ending, or after its folder. Where two studies would meet in one folder, both take
their ending as well (`scan.nii.gz` beside `scan.dcm`), then the folder that they lie in (`a_scan`, `b_scan`), then the one
above it, and at last digits of the digest of their path. Any script is kept. Names that a disk may take for one meet too:
those that differ in upper and lower case only, or in how an accent is encoded (NFC and NFD).
"""

import hashlib
import os
import re
import unicodedata
from collections.abc import Collection, Sequence
from itertools import chain, count
from pathlib import Path

from medkt.errors import SettingsError

ENDINGS = (".nii.gz", ".nii", ".hdr.gz", ".img.gz", ".hdr", ".img", ".seg.nrrd", ".nrrd", ".nhdr", ".mha", ".mhd", ".dcm", ".dicom", ".ima", ".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".zip")  # fmt: skip
LONGEST = 200  # bytes of a folder's name; disks take 255, some that encrypt fewer
_NOT_IN_A_NAME = re.compile(r'[<>:"/\\|?*]')  # on any system
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)  # what Windows keeps for itself


def require_each_once(paths: Sequence[Path]) -> None:
    """Pass silently where no study is given twice, by whatever way to it.

    Raises:
        SettingsError: names the two.
    """
    seen: dict[str, Path] = {}
    for path in paths:
        before = seen.setdefault(os.path.realpath(path), path)
        if before is not path:
            also = "" if str(before) == str(path) else f", also as {before}"
            raise SettingsError(f"{path}: is given twice{also}; give each study once")


def kept_names(paths: Sequence[Path]) -> tuple[str, ...]:
    """A folder name for each study, no two alike; depends on the paths alone, and not on their order.

    The studies are different ones, as `require_each_once` sees to.

    >>> kept_names((Path("a/scan.nii.gz"), Path("b/scan.nii.gz"), Path("b/other.nii.gz")))
    ('a_scan', 'b_scan', 'other')
    """
    whole = [Path(os.path.abspath(path)) for path in paths]  # "." and ".." have names too
    levels = [0] * len(whole)
    while True:
        names = [_name(path, level) for path, level in zip(whole, levels, strict=True)]
        groups: dict[str, list[int]] = {}
        for k, name in enumerate(names):
            groups.setdefault(_seen_by_a_disk(name), []).append(k)
        meeting = [group for group in groups.values() if len(group) > 1]
        if not meeting:
            return tuple(names)
        for group in meeting:
            lowest = min(levels[k] for k in group)
            for k in group:
                levels[k] += levels[k] == lowest


def free_name(name: str, taken: Collection[str]) -> str:
    """The name, or the first of `name-2`, `name-3`, ... that is not taken.

    >>> free_name("case-1", {"case-1", "case-1-2"})
    'case-1-3'
    """
    numbered = (f"{name}-{number}" for number in count(2))
    return next(one for one in chain([name], numbered) if one not in taken)


def _name(path: Path, level: int) -> str:
    """The name at a level: 0 without and 1 with the ending, 2 and 3 with the folder before it, and so on up, at last digits."""
    above = [part for part in path.parts[:-1] if part != path.anchor]
    own = path.name if level % 2 or path.is_dir() else _without_ending(path.name)
    if level // 2 > len(above):
        return _usable(f"{own[: LONGEST // 8]}_{_digits(os.fsencode(path))}")
    return _usable("_".join([*above[len(above) - level // 2 :], own]))


def _without_ending(name: str) -> str:
    ending = next((ending for ending in ENDINGS if name.lower().endswith(ending)), "")
    return name[: len(name) - len(ending)] or name


def _usable(name: str) -> str:
    """A name that every disk takes: composed, nothing hidden, no mark that means something to a system, not too long."""
    name = unicodedata.normalize("NFC", name)
    marks = ("_" if unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp") else one for one in name)
    name = _NOT_IN_A_NAME.sub("_", "".join(marks)).lstrip(". ").rstrip(". ")
    name = f"_{name}" if _DEVICES.match(name) else name or "study"
    if len(name.encode()) <= LONGEST:
        return name
    short = name.encode()[: LONGEST - 9].decode(errors="ignore")
    return f"{short}_{_digits(name.encode())}"


def _seen_by_a_disk(name: str) -> str:
    """What two names share that one disk or another does not tell apart."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def _digits(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:8]
