"""Which files are of one patient, where masks come as two folders and no manifest says it: a table, or a pattern of the name.

Files of one patient are not independent: an interval over them must be over patients, or it is too narrow.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medkt.datasets.folder import PICTURES, VOLUMES, listed, stem_of
from medkt.errors import InputError, SettingsError
from medkt.io.table import read_rows

FILE_COLUMNS = ("file", "case", "case_id", "name")
PATIENT_COLUMNS = ("patient", "patient_id")
_ENDINGS = (*VOLUMES, *PICTURES, ".dcm")  # of a name with a dot nothing else is cut off


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOwners:
    """What says whose files are; neither, where nobody says it.

    Attributes:
        table: CSV or Parquet with a column `file` (or `case`) and a column `patient`; other rows may be in it.
        pattern: a regular expression found in the name: its group `patient`, else its first group, else all of it.
    """

    table: Path | None = None
    pattern: str | None = None

    def __post_init__(self) -> None:
        if self.table is not None and self.pattern is not None:
            raise SettingsError("--patients and --patient-pattern both say whose the files are; give one of the two")

    @property
    def said(self) -> bool:
        """Whether anything says it."""
        return self.table is not None or self.pattern is not None

    def of(self, names: Sequence[str]) -> dict[str, str]:
        """The patient of each name (a file's name without its ending); nothing where nobody says it.

        Raises:
            SettingsError: the pattern is none. InputError: a name has no patient; lists those.
        """
        if not self.said:
            return {}
        found = _of_table(names, self.table) if self.table is not None else _of_pattern(names, self.pattern or "")
        lacking = [name for name in names if not found.get(name)]
        if lacking:
            where = str(self.table) if self.table is not None else f"--patient-pattern {self.pattern}"
            raise InputError(
                f"{where}: no patient for {listed(lacking)} ({len(lacking)} of {len(names)} files); add them"
            )
        return found


def _of_table(names: Sequence[str], table: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    held = set(names)
    for row, values in read_rows(table):
        file = _column(values, FILE_COLUMNS, table)
        patient = _column(values, PATIENT_COLUMNS, table)
        name = unicodedata.normalize("NFC", values[file])
        stem = name if name in held else _stem(Path(name))
        if found.setdefault(stem, values[patient]) != values[patient]:
            raise InputError(
                f"{table}, row {row}, column {file}: {values[file]!r} is of two patients; keep one row of it"
            )
    return found


def _stem(file: Path) -> str:
    return stem_of(file) if file.name.lower().endswith(_ENDINGS) else file.name


def _column(values: dict[str, str], known: Sequence[str], table: Path) -> str:
    held = [name for name in known if name in values]
    if not held:
        raise InputError(
            f"{table}, row 1: no column {known[0]!r} (or {', '.join(known[1:])}); there are {list(values)}"
        )
    return held[0]


def _of_pattern(names: Sequence[str], pattern: str) -> dict[str, str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise SettingsError(f"--patient-pattern {pattern}: is no regular expression ({error})") from error
    group = "patient" if "patient" in compiled.groupindex else 1 if compiled.groups else 0
    matches = {name: compiled.search(name) for name in names}
    return {name: match[group] or "" for name, match in matches.items() if match is not None}
