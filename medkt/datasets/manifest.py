"""A study as one table: CSV or Parquet, a row a case, checked row by row.

Columns that medkt knows are those of `COLUMNS`; every other column is kept with the case, to group by. Paths are relative
to the manifest's own folder. A million rows can be streamed: `iterate_manifest` and `write_manifest` hold one batch.
"""

import difflib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

from medkt.datasets.case import Case
from medkt.errors import InputError, OutputError
from medkt.io.table import BATCH, SUFFIXES, read_rows, write_rows
from medkt.io.volume_number import number_of

COLUMNS = (
    "case_id", "image", "patient_id", "series", "volume", "slice", "image_kind", "reference", "reference_kind",
    "reference_key", "concept", "modality", "split", "class_name", "present",
)  # fmt: skip
SEPARATOR = "|"  # between several masks of one image
_MISTAKEN = {  # names that other tools use, and ours
    "label": "reference (a mask) or class_name (a word)",
    "mask": "reference",
    "masks": "reference",
    "segmentation": "reference",
    "images": "image",
    "image_path": "image",
    "path": "image",
    "id": "case_id",
    "patient": "patient_id",
    "slice_index": "slice",
    "class": "class_name",
}
_YES_NO = {  # pandas writes 1.0 beside blanks
    "1": True, "1.0": True, "true": True, "yes": True, "0": False, "0.0": False, "false": False, "no": False, "": None,
}  # fmt: skip
_SAID = 3  # rows in a message
_KNOWN = frozenset(COLUMNS)
_PLAIN = re.compile(r"\w[^/\\]*(/\w[^/\\]*)*\Z")  # names that a folder's name and a / in front make a path of


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Cases that belong together, in a fixed order.

    Attributes:
        cases: at least one; ids are unique, and either all of them have a mask to compare with or none.
        name: what the study is called in reports.
        notes: what the builder passed over, in words.

    Raises:
        InputError: no case, two cases of one id, or masks for some cases only.
    """

    cases: tuple[Case, ...]
    name: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        checks = _Together(self.name or "the manifest", "case")
        for number, case in enumerate(self.cases, start=1):
            checks.add(case, number)
        checks.finish()

    def __len__(self) -> int:
        return len(self.cases)

    def __iter__(self) -> Iterator[Case]:
        return iter(self.cases)

    def of_split(self, split: str) -> "Manifest":
        """Only the cases of one split.

        Raises:
            InputError: no case has it; the message lists the splits there are.
        """
        chosen = tuple(case for case in self.cases if case.split == split)
        if not chosen:
            known = sorted({case.split for case in self.cases})
            raise InputError(f"{self.name or 'the manifest'}: no case of split {split!r}; there are {known}")
        return Manifest(cases=chosen, name=self.name, notes=self.notes)


def read_manifest(path: str | Path, *, check_files: bool = True) -> Manifest:
    """All cases of a CSV or Parquet file; for very many, `iterate_manifest`.

    Args:
        path: ends in `.csv` or `.parquet`.
        check_files: refuse rows whose image or reference does not exist.

    Raises:
        InputError: a column or value is wrong; the message has the file, the row as a spreadsheet counts it, and the
            column. UnreadableError: the file is damaged or no text.

    Example:
        >>> manifest = read_manifest("study/cases.csv")  # doctest: +SKIP
    """
    return Manifest(cases=tuple(iterate_manifest(path, check_files=check_files)), name=Path(path).stem)


def iterate_manifest(path: str | Path, *, check_files: bool = True) -> Iterator[Case]:
    """The cases one by one, with the checks of `read_manifest`; what is wrong with a row shows when it is reached."""
    for row, values, case in _rows(Path(path)):
        if check_files:
            _require_files(case, values, f"{path}, row {row}")
        yield case


def iterate_files(path: str | Path) -> Iterator[tuple[str, ...]]:
    """Image and references of each row, as text; for a manifest whose rows `iterate_manifest` has gone through before.

    Of a million rows this takes a fifth of the time, for nothing else of a row is looked at.
    """
    base = Path(path).parent
    front = os.path.join(base, "")
    for _, values in read_rows(Path(path), required=("case_id", "image")):
        references = values.get("reference", "")
        names = [values["image"]]
        names += [name for one in references.split(SEPARATOR) if (name := one.strip())] if references else ()
        yield tuple(front + name if _PLAIN.match(name) else str(base / name) for name in names)


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, str], Case]]:
    """Row number, cells and case, with the checks that need no file."""
    checks = _Together(str(path), "row")
    for row, values in read_rows(path, required=("case_id", "image"), check_name=_meant):
        case = _case(values, base=path.parent, where=f"{path}, row {row}")
        checks.add(case, row)
        yield row, values, case
    checks.finish()


def write_manifest(cases: Iterable[Case], path: str | Path) -> Path:
    """Write cases as CSV or Parquet, whole or not at all; paths below the manifest's folder become relative to it.

    Other columns are those of the first 10,000 cases.

    Raises:
        OutputError: neither `.csv` nor `.parquet`, or it cannot be written.
        InputError: no case, or a later case has a column that the first ones do not have.
    """
    target = Path(path)
    if target.suffix.lower() not in SUFFIXES:
        raise OutputError(f"{path}: a manifest ends in {' or '.join(SUFFIXES)}; name it so")
    head = list(islice(incoming := iter(cases), BATCH))
    if not head:
        raise InputError(f"{path}: there is no case to write")
    others = list(dict.fromkeys(name for case in head for name in case.columns))
    for name in others:
        if name in _KNOWN or _meant(name) is not None:
            raise InputError(f"{path}: column {name!r} is, or looks like, one of medkt's own; rename it")
    base = os.path.join(os.path.abspath(target.parent), "")
    rows = (_row(case, base, others) for case in chain(head, incoming))
    return write_rows(target, [*COLUMNS, *others], rows)


# ---- rows to cases and back


def _case(values: Mapping[str, str], *, base: Path, where: str) -> Case:
    if not values["image"]:
        raise InputError(f"{where}, column image: empty; give the path of the image")
    references = tuple(base / name.strip() for name in values.get("reference", "").split(SEPARATOR) if name.strip())
    others = {name: value for name, value in values.items() if name not in _KNOWN}
    try:
        return Case(
            case_id=values["case_id"],
            image=base / values["image"],
            patient_id=values.get("patient_id", ""),
            series=values.get("series", ""),
            volume=_volume(values),
            slice_index=_whole(values, "slice"),
            image_kind=values.get("image_kind", ""),
            references=references,
            reference_kind=values.get("reference_kind", "") or ("mask" if references else ""),
            reference_key=values.get("reference_key", ""),
            concept=values.get("concept", ""),
            modality=values.get("modality", ""),
            split=values.get("split", ""),
            class_name=values.get("class_name", ""),
            present=_yes_no(values),
            columns=others,
        )
    except InputError as error:
        message = str(error).removeprefix(f"case {values['case_id']!r}: ")
        raise InputError(f"{where}, column {message}") from error


def _volume(values: Mapping[str, str]) -> int | str | None:
    """A number, or the words that tell a volume of a DICOM series apart."""
    text = values.get("volume", "").strip()
    number = number_of(text)
    if text and number is None and not any(mark.isalpha() for mark in text):
        raise InputError(f"volume: expected a whole number, words such as 'echo 2', or nothing, got {text!r}")
    return (text or None) if number is None else number


def _whole(values: Mapping[str, str], column: str) -> int | None:
    text = values.get(column, "")
    if not text:
        return None
    if not text.isdecimal():
        raise InputError(f"{column}: expected a whole number or nothing, got {text!r}")
    return int(text)


def _yes_no(values: Mapping[str, str]) -> bool | None:
    text = values.get("present", "").lower()
    if text not in _YES_NO:
        raise InputError(f"present: expected 1, 0 or nothing, got {text!r}")
    return _YES_NO[text]


def _row(case: Case, base: str, others: list[str]) -> dict[str, str]:
    surplus = [name for name in case.columns if name not in others]
    if surplus:
        raise InputError(f"case {case.case_id!r}: column {surplus[0]!r} is new; give the first cases that column too")
    row = {
        "case_id": case.case_id,
        "image": _relative(case.image, base),
        "patient_id": case.patient_id,
        "series": case.series,
        "volume": "" if case.volume is None else str(case.volume),
        "slice": "" if case.slice_index is None else str(case.slice_index),
        "image_kind": case.image_kind,
        "reference": SEPARATOR.join(_relative(path, base) for path in case.references),
        "reference_kind": case.reference_kind,
        "reference_key": case.reference_key,
        "concept": case.concept,
        "modality": case.modality,
        "split": case.split,
        "class_name": case.class_name,
        "present": "" if case.present is None else str(int(case.present)),
    }
    return row | {name: case.columns.get(name, "") for name in others}


def _relative(path: Path, base: str) -> str:
    whole = os.path.abspath(path)  # a link keeps its name; text, for a million of pathlib's objects take minutes
    return (whole.removeprefix(base) if whole.startswith(base) else whole).replace(os.sep, "/")


def _require_files(case: Case, values: Mapping[str, str], where: str) -> None:
    missing = _missing_file(case, values)
    if missing is not None:
        raise InputError(f"{where}, {_told(missing, values)}; paths are relative to the manifest")


def _missing_file(case: Case, values: Mapping[str, str]) -> tuple[str, str] | None:
    """The column of a file that does not exist, and a hint; None where all are there."""
    for column, path in (("image", case.image), *(("reference", one) for one in case.references)):
        if not path.exists():
            windows = "\\" in values[column] and os.sep == "/"
            return column, " (a backslash separates nothing here: write / )" if windows else ""
    return None


def _told(missing: tuple[str, str], values: Mapping[str, str]) -> str:
    column, hint = missing
    return f"column {column}: {values[column]!r} does not exist{hint}"


@dataclass
class MissingFiles:
    """The cases of a manifest while they pass by: which files do not exist, and who names no patient; said before a night's work.

    Attributes:
        path: of the manifest.
        cases: how many have passed.
        missing: of how many a file is missing.
        without_patient: how many name no patient, or one called as the case is, which is what `write_manifest` writes for none.
        first: the first of them, by row and column; they are kept with a run, so they name no path.
    """

    path: str | Path
    cases: int = 0
    missing: int = 0
    without_patient: int = 0
    first: list[str] = field(default_factory=list)

    def watched(self) -> Iterator[Case]:
        """The cases, as `iterate_manifest` gives them.

        Raises:
            InputError: at the end, where every case lacks a file.
        """
        told = ""
        for row, values, case in _rows(Path(self.path)):
            self.cases += 1
            self.without_patient += case.patient_id == case.case_id
            missing = _missing_file(case, values)
            if missing is not None:
                self.missing += 1
                told = told or f"row {row}, {_told(missing, values)}"
                self.first += [f"row {row}, column {''.join(missing)}"] if len(self.first) < _SAID else []
            yield case
        if self.missing == self.cases:
            raise InputError(
                f"{self.path}, {told}; paths are relative to the manifest, and so it is with all {self.cases} cases"
            )

    def notes(self) -> list[str]:
        """What to say, where some files are missing, or only some cases name a patient."""
        return [*self._of_files(), *self._of_patients()]

    def _of_patients(self) -> list[str]:
        if not 0 < self.without_patient < self.cases:
            return []
        return [
            f"{self.without_patient} of {self.cases} cases of the manifest name no patient but their own id in the column patient_id; "
            "each of them counts as a patient of its own"
        ]

    def _of_files(self) -> list[str]:
        if not self.missing:
            return []
        more = f", and {self.missing - len(self.first)} more" if self.missing > len(self.first) else ""
        return [f"{self.missing} of {self.cases} cases of the manifest lack a file: {'; '.join(self.first)}{more}"]


class _Together:
    """Checks that need more than one row. Ids are kept as 64-bit hashes, so that a million of them stay small."""

    def __init__(self, shown: str, unit: str) -> None:
        self.shown, self.unit, self.count = shown, unit, 0
        self.seen: dict[int, int] = {}
        self.first: tuple[bool, int] = (False, 0)

    def add(self, case: Case, number: int) -> None:
        before = self.seen.setdefault(hash(case.case_id), number)
        if before != number:
            raise InputError(
                f"{self.shown}, {self.unit} {number}, column case_id: {case.case_id!r} stands already at {self.unit} "
                f"{before}; give each case an id of its own"
            )
        if not self.count:
            self.first = (case.has_mask, number)
        elif self.first[0] != case.has_mask:
            self._refuse_mixture(number)
        self.count += 1

    def _refuse_mixture(self, number: int) -> None:
        has_mask, first = self.first
        with_mask, without = (first, number) if has_mask else (number, first)
        raise InputError(
            f"{self.shown}, {self.unit} {without}, column reference: nothing, though {self.unit} {with_mask} has a "
            "reference; name the mask, say reference_kind empty where there is nothing to outline, or make two manifests"
        )

    def finish(self) -> None:
        if not self.count:
            raise InputError(f"{self.shown}: there is no case in it; add at least one")


def _meant(name: str) -> str | None:
    """What a column was probably meant to be, None where it may be called as it is."""
    if name in _KNOWN:
        return None
    near = difflib.get_close_matches(name.lower(), COLUMNS, n=1, cutoff=0.85)
    return _MISTAKEN.get(name.lower()) or (near[0] if near else None)
