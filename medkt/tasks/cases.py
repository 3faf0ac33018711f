"""The cases of a run: pseudonyms, the shard, what is asked of each, and what each was made from."""

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from medkt.about import __version__
from medkt.concepts import Concept
from medkt.datasets.case import Case
from medkt.datasets.prompts import PromptFile, prompt_source
from medkt.errors import SettingsError
from medkt.io.sha256 import sha256_of_json
from medkt.records import as_plain
from medkt.runs.columns import kept, twins
from medkt.runs.inputs import joined, of_files, of_row
from medkt.runs.work import Row, Shard, Work, pseudonym

KNOWN_COLUMNS = ("split", "class_name", "present")  # of the manifest's own, those that may go into the table


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseWork(Work):
    """A case of a manifest, with what is asked of it.

    Attributes:
        case: the row of the manifest.
        concepts: ids of what is looked for; one where there is a reference.
        worded: id -> (a concept's id, the sentence of this image), of concepts that are asked in other words too.
    """

    case: Case = field(repr=False)
    concepts: tuple[str, ...] = ()
    worded: Mapping[str, tuple[str, str]] | None = field(default=None, repr=False)

    @property
    def heads(self) -> Sequence[Row]:
        """A row a concept."""
        return tuple({**self.said_of(concept), "concept": concept} for concept in self.concepts)

    def said_of(self, concept: str) -> dict[str, str | bool]:
        """What the result table says of a row's words; nothing where there are no sentences of single images."""
        return {} if self.worded is None else prompt_source(concept, self.worded)


@dataclass(frozen=True, slots=True, kw_only=True)
class CasePlan:
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
        read_columns: of the manifest's, those that the runner reads; they go into no table.
        patients_stated: somebody said which cases are of one patient; else each case counts as one.
        unstated: how many cases of the manifest name no patient but their own id.
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
    read_columns: tuple[str, ...] = ()
    patients_stated: bool = True
    unstated: int = 0
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

    def with_prompts(self, prompts: PromptFile) -> "CasePlan":
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
        names |= {"read": self.read_columns} if self.read_columns else {}
        settings = {**names, "concepts": sorted(self.concepts.items()), "keep_ids": self.keep_ids, "medkt": __version__}
        return sha256_of_json({**settings, "manifest": self.digest, "salt": hashlib.sha256(salt).hexdigest()})

    def present(self, salt: bytes, *, look: bool) -> Iterator[tuple[int, str, str, str]]:
        """Number, key and digits of the row of every case, and with `look` its inputs as they are now (else "")."""
        for number, case in self._cases():
            row = of_row(said_by(case, self._asked(case, number, salt)), salt)
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

    def works(self, salt: bytes, wanted: Mapping[int, tuple[int, int]]) -> Iterator[CaseWork]:
        """The cases whose number is wanted, with the round they are in.

        Raises:
            SettingsError: a case asks for nothing, or has a reference and several concepts.
        """
        for number, case in self._cases():
            if number in wanted:
                asked = self._concepts(case, number)
                worded = self.prompts.asked(case.image, asked) if self.prompts else None
                inputs = fingerprint(case, self._asked(case, number, salt), salt, strict=self.strict)
                yield CaseWork(
                    key=self._key(case, salt), number=number, case=case, concepts=(*asked, *(worded or {})),
                    columns=self._columns(case, salt), round=wanted[number][0], inputs=inputs,
                    worded=worded,
                )  # fmt: skip

    def _asked(self, case: Case, number: int, salt: bytes) -> list[Any]:
        read = [[case.columns.get(name, "") for name in self.read_columns]] if self.read_columns else []
        return [self._concepts(case, number), self._columns(case, salt), *read]

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


def fingerprint(case: Case, asked: Any, salt: bytes, *, strict: bool = False) -> str:
    """48 hexadecimal digits over what the row of a case says and its files; `ABSENT` where a file is not there.

    Args:
        case: of the manifest.
        asked: what else the outcome depends on: concepts and columns; as JSON takes it.
        salt: of the run.
        strict: over the bytes of the files; else over sizes and times.
    """
    return joined(of_row(said_by(case, asked), salt), of_files(paths_of(case), salt, strict=strict))


def paths_of(case: Case) -> tuple[str, ...]:
    """What is read of a case: its image and its references."""
    return (str(case.image), *map(str, case.references))


def said_by(case: Case, asked: Any) -> Any:
    """What the row of a case says, but for where its files are, and what else its outcome depends on."""
    return (
        case.series, case.volume, case.slice_index, case.image_kind, case.reference_kind, case.reference_key, case.modality,
        asked,
    )  # fmt: skip


def concept_digest(concept: Concept) -> str:
    """SHA-256 of a concept's words, free text or from a file."""
    return concept.digest or sha256_of_json(as_plain(concept))
