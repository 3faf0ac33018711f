"""Folders of files: what is in them, by stem, and which belong together. Pairing is complete, or an error."""

import hashlib
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from medkt.datasets.case import LONGEST_ID
from medkt.errors import InputError

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
VOLUMES = (".nii.gz", ".nii", ".nrrd", ".mha", ".nhdr", ".mhd")
_LISTED = 5


def require_folder(*parts: str | Path, what: str = "the data set") -> Path:
    """The folder, which must be there.

    Raises:
        InputError: it is not, or is a file; the message lists what stands beside it.
    """
    folder = Path(*parts)
    if folder.is_dir():
        return folder
    if folder.exists():
        raise InputError(f"{folder}: is a file; give the folder of {what}")
    beside = sorted(path.name for path in folder.parent.iterdir())[:10] if folder.parent.is_dir() else []
    raise InputError(f"{folder}: there is no such folder for {what}; beside it: {', '.join(beside) or 'nothing'}")


def stem_of(path: Path) -> str:
    """The name without `.png`, `.nii.gz`, `.seg.nrrd` and the like.

    >>> stem_of(Path("a/case_1.nii.gz"))
    'case_1'
    """
    name = path.name[:-3] if path.name.lower().endswith(".nii.gz") else path.name
    return Path(name[:-9] + ".nrrd" if name.lower().endswith(".seg.nrrd") else name).stem


def files_in(folder: Path, suffixes: Sequence[str], *, what: str) -> dict[str, Path]:
    """Files of a folder by stem, sorted; hidden files (`._x`, `.DS_Store`) are passed over.

    Raises:
        InputError: there is none, or two have one stem.
    """
    found = _by_stem(sorted(path for path in folder.iterdir() if path.is_file()), suffixes)
    if not found:
        held = sorted({path.suffix or "no suffix" for path in folder.iterdir() if path.is_file()})
        raise InputError(
            f"{folder}: no {what} ({', '.join(suffixes)}); it holds {', '.join(held) or 'no file'}. Is it the right folder?"
        )
    return found


def files_below(folder: Path, suffixes: Sequence[str]) -> dict[str, Path]:
    """Files at any depth by stem, sorted by path; may be none.

    Raises:
        InputError: two have one stem.
    """
    found = (Path(base) / name for base, _, names in os.walk(folder) for name in names)
    return _by_stem(sorted(found), suffixes)


def require_pairs(
    first: Mapping[str, Path], second: Mapping[str, Path], *, names: tuple[str, str], folders: tuple[Path, Path]
) -> None:
    """Pass silently where both have the same stems.

    Raises:
        InputError: lists those that only one has.
    """
    for have, lack, what, folder in ((first, second, names[1], folders[1]), (second, first, names[0], folders[0])):
        alone = [stem for stem in have if stem not in lack]
        if alone:
            raise InputError(
                f"{folder}: no {what} for {listed(alone)} ({len(alone)} of {len(have)}); add them, or remove their "
                "counterparts"
            )


def listed(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def id_from(name: str) -> str:
    """A name as a case id: every run of other characters becomes one `-`.

    A name in another script, or one that is too long, ends in a digest of it, so that names that differ stay different.

    >>> id_from("benign (12)")
    'benign-12'
    >>> id_from("病人一") == id_from("病人二")
    False
    """
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "case"
    return plain if name.isascii() and len(plain) <= LONGEST_ID else _with_digest(plain, name)


def ids_from(names: Sequence[str]) -> dict[str, str]:
    """A case id for each name; of names whose ids would be the same, each ends in a digest of the name."""
    plain = {name: id_from(name) for name in names}
    counts = Counter(plain.values())
    return {name: one if counts[one] == 1 else _with_digest(one, name) for name, one in plain.items()}


def _with_digest(plain: str, name: str) -> str:
    digest = hashlib.sha256(unicodedata.normalize("NFC", name).encode()).hexdigest()[:10]
    return f"{plain[: LONGEST_ID - len(digest) - 1]}-{digest}"


def _by_stem(paths: Sequence[Path], suffixes: Sequence[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in paths:
        if path.name.startswith(".") or not path.name.lower().endswith(tuple(suffixes)):
            continue
        stem = unicodedata.normalize("NFC", stem_of(path))  # macOS writes letters and their accents apart
        if stem in found:
            raise InputError(f"{path}: {found[stem].name} has the same name; keep one of the two")
        found[stem] = path
    return found
