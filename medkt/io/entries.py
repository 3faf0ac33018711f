"""What lies in a folder or an archive: every entry is DICOM, is passed over for a reason, or is lost.

An entry is lost where it should have been read and cannot be: empty, cut, a link to nothing, no permission. A stack that
ends early because its last files are lost looks sound in all else, so nothing of the kind may be passed over in silence.
"""

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from medkt.io.dicom_start import looks_like_dicom

SYSTEM_NAMES = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "$recycle.bin", "system volume information"}
SYSTEM_FOLDERS = {"__macosx", "@eadir", "$recycle.bin", "system volume information", "lost+found"}
DICOM_SUFFIXES = {".dcm", ".dicom", ".dic", ".ima"}
KNOWN_TEXTS = re.compile(
    r"_?(read_?me|licen[sc]e|copying|changes|changelog|notes?|version|index|done|success|lockfile)_?"
)
HIDDEN = "hidden or left by the system"
NOT_DICOM = "not DICOM"
FOLLOWED = "a link to a folder that is read anyway"

EMPTY = "empty, 0 bytes"
DANGLING = "a link to nothing"
FORBIDDEN = "without permission to read"
NOT_FOLLOWED = "a link to a folder, which is not followed"
CUT = "cut or damaged, not DICOM though named so"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file: where it lies, and its name with folders as the user knows it."""

    path: Path
    name: str

    @property
    def folder(self) -> str:
        return str(PurePosixPath(self.name).parent)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadEntry:
    """An entry that should have been read and cannot be; the reason holds no name. `count` where one stands for several."""

    name: str
    reason: str
    count: int = 1

    @property
    def folder(self) -> str:
        return str(PurePosixPath(self.name).parent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The entries of a folder or an archive: those to look at, those passed over by reason, those lost."""

    files: Sequence[Entry]
    passed: Counter[str] = field(default_factory=Counter)
    lost: Sequence[UnreadEntry] = ()

    @property
    def count(self) -> int:
        """How many entries there are in all."""
        return len(self.files) + self.passed.total() + len(self.lost)


def is_of_the_system(name: str) -> bool:
    """Whether a file or folder is hidden or was left by an operating system; `name` without its folders."""
    return name.startswith(".") or name.lower() in SYSTEM_NAMES | SYSTEM_FOLDERS


def listing_of(folder: Path) -> Listing:
    """Everything in a folder and in all folders below; links to folders are not followed, for they may form a circle."""
    files: list[Entry] = []
    passed: Counter[str] = Counter()
    lost: list[UnreadEntry] = []

    def closed(error: OSError) -> None:
        lost.append(UnreadEntry(name=_relative(Path(str(error.filename)), folder), reason=f"a folder {FORBIDDEN}"))

    for root, folders, names in os.walk(folder, onerror=closed):
        kept = sorted(name for name in folders if not is_of_the_system(name))
        passed[HIDDEN] += len(folders) - len(kept)
        links = [name for name in kept if Path(root, name).is_symlink()]
        for name in links:
            if Path(root, name).resolve().is_relative_to(folder.resolve()):
                passed[FOLLOWED] += 1
            else:
                lost.append(UnreadEntry(name=_relative(Path(root, name), folder), reason=NOT_FOLLOWED))
        folders[:] = [name for name in kept if name not in links]
        files += [Entry(path=Path(root, name), name=_relative(Path(root, name), folder)) for name in sorted(names)]
    return Listing(files=files, passed=+passed, lost=lost)


def dicom_of(listing: Listing) -> Listing:
    """Only the entries that begin like DICOM; each of the others is passed over or lost."""
    seen = [entry for entry in listing.files if not is_of_the_system(PurePosixPath(entry.name).name)]
    passed = listing.passed + Counter({HIDDEN: len(listing.files) - len(seen)})
    dicom = [entry for entry in seen if entry.path.is_file() and looks_like_dicom(entry.path)]
    taken = {entry.name for entry in dicom}
    shapes = {shape_of(entry.name) for entry in dicom}
    lost = list(listing.lost)
    for entry in seen:
        if entry.name not in taken:
            reason = _reason(entry, shapes)
            if reason is None:
                passed[NOT_DICOM] += 1
            else:
                lost.append(UnreadEntry(name=entry.name, reason=reason))
    return Listing(files=dicom, passed=+passed, lost=lost)


def shape_of(name: str) -> str:
    """The name without its folders, runs of digits as one sign: IM0009.dcm and IM10.DCM have one shape."""
    return re.sub(r"\d+", "#", PurePosixPath(name).name.lower())


def said(lost: Iterable[UnreadEntry], most: int = 4) -> str:
    """A few of the lost by name, for a message on the terminal."""
    listed = list(lost)
    named = ", ".join(f"{one.name} ({one.reason})" for one in listed[:most])
    more = sum(one.count for one in listed[most:])
    return named + (f" and {more} more" if more else "")


def _relative(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _reason(entry: Entry, shapes: set[str]) -> str | None:
    """Why an entry that does not begin like DICOM counts as lost; None where it never was DICOM."""
    named = _named_like_dicom(entry.name, shapes)
    if entry.path.is_symlink() and not entry.path.exists():
        return DANGLING if named or _could_be(entry.name) else None
    if not entry.path.is_file():
        return None
    try:
        with entry.path.open("rb") as file:
            start = file.read(132)
    except OSError:
        return FORBIDDEN if named or _could_be(entry.name) else None
    if not start:
        return EMPTY if named or _could_be(entry.name) else None
    hollow = not any(start) and _could_be(
        entry.name
    )  # zeros only: the preamble of a file that was cut, or never filled
    return CUT if named or hollow else None


def _named_like_dicom(name: str, shapes: set[str]) -> bool:
    suffixes = {suffix.lower() for suffix in PurePosixPath(name).suffixes}  # .dcm.part is half a DICOM file, too
    return bool(suffixes & DICOM_SUFFIXES) or shape_of(name) in shapes


def _could_be(name: str) -> bool:
    """Whether nothing in the name says that it is something else: no suffix but a number, no text that discs carry."""
    last = PurePosixPath(name)
    plain = not last.suffix or last.suffix[1:].isdigit()
    return plain and KNOWN_TEXTS.fullmatch(last.stem.lower()) is None
