"""From a manifest to the cases of a run: pseudonyms, the shard, what is asked of each."""

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from medkt.about import __version__
from medkt.bounds import read_note
from medkt.cohort.folder import SUM, sum_of
from medkt.cohort.inputs import fingerprint, joined, of_files, of_row, paths_of
from medkt.cohort.work import Shard, Work, pseudonym
from medkt.datasets.case import Case
from medkt.datasets.manifest import MissingFiles, iterate_files, iterate_manifest
from medkt.datasets.prompts import PromptFile
from medkt.errors import SettingsError
from medkt.io.atomic import write_atomically
from medkt.models.digest import sha256_of, sha256_of_json
from medkt.report.run.columns import kept, twins

KNOWN_COLUMNS = ("split", "class_name", "present")  # of the manifest's own, those that may go into the table


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Which cases a run has, and under which names.

    Attributes:
        cases: gives the cases anew each time it is called, in the same order.
        digest: of the manifest, SHA-256.
        concepts: what a manifest calls a concept -> its id; what the run asks where a case names none is `asked`.
        asked: ids of the concepts that are asked of every case.
        shard: which part of the manifest.
        keep_ids: the manifest's ids are pseudonyms already.
        columns: of the manifest, which go into the result table, under names of their own (`kept`).
        own_columns: of the manifest's, those that are results under the same name, such as the true class.
        patients_stated: somebody said which cases are of one patient; else each case counts as one.
        notes: what looks wrong, said before the work begins; kept with the run, so it names no path.
        strict: files are known by their bytes, and not by size and time.
        of_masks: the cases are two folders of masks, whose owner looks at the terminal.
        prompts: sentences of single images, asked beside the concept; None for none.
        files: gives the files of each case in the same order, in less time than `cases`; None where they take as long.
    """

    cases: Callable[[], Iterable[Case]]
    digest: str
    concepts: Mapping[str, str]
    asked: tuple[str, ...]
    shard: Shard = field(default_factory=Shard)
    keep_ids: bool = False
    columns: tuple[str, ...] = ()
    own_columns: tuple[str, ...] = ()
    patients_stated: bool = True
    notes: tuple[str, ...] = ()
    of_masks: bool = False
    strict: bool = False
    files: Callable[[], Iterable[tuple[str, ...]]] | None = None
    prompts: PromptFile | None = None

    def __post_init__(self) -> None:
        if alike := twins(self.columns):
            raise SettingsError(
                f"the columns {alike[0]!r} and {alike[1]!r} differ in upper and lower case only, which SQL takes for one; rename one "
                "in the manifest, or keep one"
            )

    def with_prompts(self, prompts: PromptFile) -> "Plan":
        """The same cases, each asked in the sentence of its image too.

        Raises:
            InputError: images without a sentence, unless they are allowed; one name that fits several images.
            SettingsError: a case asks for several concepts.
        """
        without = prompts.require(case.image for _, case in self._cases())
        for number, case in self._cases():
            prompts.asked(case.image, self._concepts(case, number))
        note = (
            f"{without} images have no sentence in the file of prompts and are asked in the concept's own words alone"
        )
        return replace(self, prompts=prompts, notes=(*self.notes, *((note,) if without else ())))

    def numbered(self, wanted: Collection[int]) -> Iterator[tuple[int, Case]]:
        """The cases of these numbers, as the manifest has them."""
        return ((number, case) for number, case in self._cases() if number in wanted)

    def names(self, salt: bytes) -> Iterator[tuple[int, str]]:
        """Number and key of every case."""
        for number, case in self._cases():
            yield number, self._key(case, salt)

    def rows_digest(self, salt: bytes) -> str:
        """SHA-256 of all that the digits of the rows depend on; "" where the cases come from no file."""
        if self.files is None:
            return ""
        names = {"asked": self.asked, "columns": self.columns, "own": self.own_columns, "shard": str(self.shard)}
        settings = {**names, "concepts": sorted(self.concepts.items()), "keep_ids": self.keep_ids, "medkt": __version__}
        return sha256_of_json({**settings, "manifest": self.digest, "salt": hashlib.sha256(salt).hexdigest()})

    def present(self, salt: bytes, *, look: bool) -> Iterator[tuple[int, str, str, str]]:
        """Number, key and digits of the row of every case, and with `look` its inputs as they are now (else "")."""
        for number, case in self._cases():
            row = of_row(case, self._asked(case, number, salt), salt)
            inputs = joined(row, of_files(paths_of(case), salt, strict=self.strict)) if look else ""
            yield number, self._key(case, salt), row, inputs

    def changed(self, ended: Iterable[tuple[int, str, str, str]], salt: bytes) -> Iterator[tuple[str, str]]:
        """Key and inputs as they are now of each of these cases whose inputs were others; looks at files alone.

        Args:
            ended: number, key, digits of the row and earlier inputs of cases, by number; of rows as they are now.
            salt: of the run.
        """
        files, at = iter(self.files() if self.files is not None else ()), 0
        for number, key, row, before in ended:
            paths = next(islice(files, number - at - 1, None), None)
            if paths is None:  # the manifest was cut in this moment
                return
            at = number
            now = joined(row, of_files(paths, salt, strict=self.strict))
            if now != before:
                yield key, now

    def works(self, salt: bytes, wanted: Mapping[int, tuple[int, int]]) -> Iterator[Work]:
        """The cases whose number is wanted, with the round they are in.

        Raises:
            SettingsError: a case asks for nothing, or has a reference and several concepts.
        """
        for number, case in self._cases():
            if number in wanted:
                asked = self._concepts(case, number)
                worded = self.prompts.asked(case.image, asked) if self.prompts else None
                yield Work(
                    key=self._key(case, salt), number=number, case=case, concepts=(*asked, *(worded or {})),
                    columns=self._columns(case, salt), round=wanted[number][0], inputs=self._inputs(case, number, salt),
                    worded=worded,
                )  # fmt: skip

    def _inputs(self, case: Case, number: int, salt: bytes) -> str:
        return fingerprint(case, self._asked(case, number, salt), salt, strict=self.strict)

    def _asked(self, case: Case, number: int, salt: bytes) -> list[Any]:
        return [self._concepts(case, number), self._columns(case, salt)]

    def _cases(self) -> Iterator[tuple[int, Case]]:
        return ((n, case) for n, case in enumerate(self.cases(), start=1) if self.shard.holds(case.case_id))

    def _key(self, case: Case, salt: bytes) -> str:
        return case.case_id if self.keep_ids else pseudonym(case.case_id, salt)

    def _concepts(self, case: Case, number: int) -> tuple[str, ...]:
        asked = (self.concepts[case.concept],) if case.concept else self.asked
        if not asked:
            raise SettingsError(
                f"case {number} of the manifest names no concept and neither does the run: say -c CONCEPT"
            )
        if case.has_mask and len(asked) != 1:
            raise SettingsError(
                f"case {number} of the manifest has a reference and the run asks for {len(asked)} concepts; say in the "
                "manifest's column concept which of them it outlines, or ask for one"
            )
        return asked

    def _columns(self, case: Case, salt: bytes) -> Mapping[str, str]:
        own = {"split": case.split, "class_name": case.class_name}
        own["present"] = "" if case.present is None else str(int(case.present))
        patient = case.patient_id if self.keep_ids else pseudonym(case.patient_id, salt, kind="patient")
        said = {name: own.get(name) or case.columns.get(name, "") for name in (*self.own_columns, *self.columns)}
        named = {name: said[name] for name in self.own_columns}
        return {"patient": patient, **named, **{kept(name): said[name] for name in self.columns}}


def plan_of(
    manifest: Path,
    *,
    concepts: Callable[[str], str],
    asked: Sequence[str],
    shard: Shard | None = None,
    keep_ids: bool = False,
    columns: Sequence[str] = (),
    cache: Path | None = None,
) -> Plan:
    """The plan of a manifest file.

    Its rows are gone through once; `concepts` gives the id of what a row calls a concept, and is called once a name.
    With `cache`, a file in the run's folder, a run that goes on need not go through them again: it holds the
    manifest's digest, the names of its concepts, digests of those of its columns, and notes. Some files that do not
    exist are failures of their cases, and a note; where no case has all of its files, the run is refused.

    Raises:
        InputError: the manifest is unusable, or none of its files exist; says the row and the column.
        SettingsError: a column that shall be kept is not there.
    """
    digest = sha256_of(manifest) if manifest.is_file() else ""
    found, new = _survey_of(manifest, cache, digest, columns)
    seen = {name: concepts(name) for name in found["concepts"]}  # none of which is a word that medkt does not know
    if cache is not None and new is not None:
        write_atomically(cache, lambda path: _write_json(path, new))
    return Plan(
        cases=lambda: iterate_manifest(manifest, check_files=False), digest=digest, concepts=seen,
        asked=tuple(asked), shard=shard or Shard(), keep_ids=keep_ids, columns=tuple(columns),
        patients_stated=found["patients"], notes=tuple(found["notes"]), files=lambda: iterate_files(manifest),
    )  # fmt: skip


def _survey_of(
    manifest: Path, cache: Path | None, digest: str, columns: Sequence[str]
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """What a survey of the manifest found, and what of it is to be cached; nothing where it was.

    Raises:
        InputError: `plan_of`'s. SettingsError: a column of `columns` is not there.
    """
    cached = _surveyed(cache, digest)
    if cached is not None and {_digest(name) for name in columns} <= {*cached["columns"], *map(_digest, KNOWN_COLUMNS)}:
        return cached, None
    found = _survey(manifest)
    known = {*KNOWN_COLUMNS, *found["columns"]}
    missing = [column for column in columns if column not in known]
    if missing:
        raise SettingsError(
            f"--keep-column {missing[0]}: the manifest has no such column; it has {', '.join(sorted(known))}"
        )
    lasting = {name: found[name] for name in ("concepts", "patients", "notes")}
    noted = {"digest": digest, **lasting, "columns": [_digest(name) for name in found["columns"]]}
    return found, {**noted, SUM: sum_of(noted)}


def _digest(name: str) -> str:
    """What a column's name is known by in a file: of a table without a head it is what a patient's row says."""
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def _survey(manifest: Path) -> dict[str, Any]:
    names: dict[str, None] = {}
    columns: dict[str, None] = {}
    patients, missing = False, MissingFiles(manifest)
    for case in missing.watched():
        columns.update(dict.fromkeys(case.columns))
        patients = patients or case.patient_id != case.case_id
        if case.concept:
            names[case.concept] = None
    return {
        "concepts": list(names), "columns": list(columns), "patients": patients,
        "notes": missing.notes(),
    }  # fmt: skip


def _surveyed(cache: Path | None, digest: str) -> dict[str, Any] | None:
    """What an earlier survey of the same manifest found; None where there is none, or it is damaged."""
    found = None if cache is None else read_note(cache)
    if found is None or found.get("digest") != digest:
        return None
    try:
        sound = found.pop(SUM, None) == sum_of(found)
    except (ValueError, RecursionError):  # NaN, which nobody has written here
        return None
    return found if sound else None


def _write_json(path: Path, values: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(values, ensure_ascii=False, allow_nan=False), encoding="utf-8")
