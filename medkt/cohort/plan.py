"""From a manifest to the cases of a run: pseudonyms, the shard, what is asked of each."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from medkt.cohort.work import Shard, Work, pseudonym
from medkt.datasets.case import Case
from medkt.datasets.manifest import iterate_manifest
from medkt.errors import SettingsError

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
        columns: of the manifest, which go into the result table.
    """

    cases: Callable[[], Iterable[Case]]
    digest: str
    concepts: Mapping[str, str]
    asked: tuple[str, ...]
    shard: Shard = field(default_factory=Shard)
    keep_ids: bool = False
    columns: tuple[str, ...] = ()

    def names(self, salt: bytes) -> Iterator[tuple[int, str]]:
        """Number and key of every case, for the ledger."""
        for number, case in self._cases():
            yield number, self._key(case, salt)

    def works(self, salt: bytes, wanted: Mapping[int, tuple[int, int]]) -> Iterator[Work]:
        """The cases whose number is wanted, with the round they are in.

        Raises:
            SettingsError: a case asks for nothing, or has a reference and several concepts.
        """
        for number, case in self._cases():
            if number in wanted:
                yield Work(
                    key=self._key(case, salt), number=number, case=case, concepts=self._concepts(case, number),
                    columns=self._columns(case, salt), round=wanted[number][0],
                )  # fmt: skip

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
        kept = {name: own.get(name) or case.columns.get(name, "") for name in self.columns}
        return {"patient": patient, **kept}


def plan_of(
    manifest: Path,
    *,
    concepts: Callable[[str], str],
    asked: Sequence[str],
    shard: Shard | None = None,
    keep_ids: bool = False,
    columns: Sequence[str] = (),
) -> Plan:
    """The plan of a manifest file.

    Its rows are gone through once; `concepts` gives the id of what a row calls a concept, and is called once a name.
    Files that do not exist are failures of their cases, not of the run.

    Raises:
        InputError: the manifest is unusable; says the row and the column.
        SettingsError: a column that shall be kept is not there.
    """
    seen: dict[str, str] = {}
    known: set[str] = set(KNOWN_COLUMNS)
    for case in iterate_manifest(manifest, check_files=False):
        known.update(case.columns)
        if case.concept and case.concept not in seen:
            seen[case.concept] = concepts(case.concept)
    missing = [column for column in columns if column not in known]
    if missing:
        raise SettingsError(
            f"--keep-column {missing[0]}: the manifest has no such column; it has {', '.join(sorted(known))}"
        )
    return Plan(
        cases=lambda: iterate_manifest(manifest, check_files=False), digest=file_digest(manifest), concepts=seen,
        asked=tuple(asked), shard=shard or Shard(), keep_ids=keep_ids, columns=tuple(columns),
    )  # fmt: skip


def file_digest(path: Path) -> str:
    """SHA-256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
