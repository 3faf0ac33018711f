"""What a task is: all that somebody writes to add one, and nothing of engines, processes, commands or pages."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from medkt.about import NOT_A_MEDICAL_DEVICE, __version__
from medkt.errors import SettingsError
from medkt.records import RecordForm, as_plain
from medkt.runs.engine import RunnerFactory
from medkt.runs.folder import RunFolder
from medkt.runs.record import RunRecord
from medkt.runs.work import Shard
from medkt.statistics import BootstrapSettings
from medkt.tasks.cases import CasePlan

if TYPE_CHECKING:
    from medkt.datasets.protocol import Protocol as PublishedProtocol
    from medkt.report.sections import Section

CellKind = Literal["text", "number", "whole", "yes or no"]
_PLACE = re.compile(r"\\\{([\w/]+)\\\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a result table.

    Attributes:
        name: as it stands there; `{...}` is for what differs from run to run, as in `nsd@{tolerance}`, and `{mm/px}` for one of these.
        kind: of its cells; any may be empty.
        unit: of a number; "" where it has none, or where the name says it.
        meaning: in a line.
    """

    name: str
    kind: CellKind
    meaning: str
    unit: str = ""

    def describes(self, name: str) -> bool:
        """Whether a table's column of this name is meant.

        >>> Column(name="nsd@{tolerance}", kind="number", meaning="").describes("nsd@2mm")
        True
        >>> Column(name="hd_{mm/px}", kind="number", meaning="").describes("hd_percent")
        False
        """
        return re.fullmatch(_PLACE.sub(_anything_or_one_of, re.escape(self.name)), name) is not None


def _anything_or_one_of(place: re.Match[str]) -> str:
    return f"({place[1].replace('/', '|')})" if "/" in place[1] else ".+"


EACH_CASE = "each case counts as one"  # what `run.json` says of patients where nobody said which cases are of one
PARTLY = "stated, but for"  # and where somebody did of others

COMMON = (
    Column(name="case_id", kind="text", meaning="the case's pseudonym, or the manifest's id with --keep-ids"),
    Column(name="patient", kind="text", meaning="the patient's pseudonym; cases of one count as one in every interval"),
    Column(name="status", kind="text", meaning="done or failed"),
    Column(name="failure", kind="text", meaning="why a case failed, in a word"),
    Column(name="made_with", kind="text", meaning="versions and weights of the row; run.json says which"),
    Column(name="kept_{name}", kind="text", meaning="a column of the manifest that was kept"),
)
"""Columns of every task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseSource:
    """Where the cases of a run are from: a manifest, or a published data set that lies on the disk.

    Attributes:
        manifest: CSV or Parquet; None where there is a protocol.
        protocol, data: the data set, and its folder.
        shard: which part of the cases.
        keep_ids: the ids are pseudonyms already.
        columns: what goes into the result table beside the numbers.
        cache: a file of the run's folder that keeps what was found in the manifest.
    """

    manifest: Path | None = None
    protocol: "PublishedProtocol | None" = None
    data: Path = Path()
    shard: Shard = field(default_factory=Shard)
    keep_ids: bool = False
    columns: tuple[str, ...] = ()
    cache: Path | None = None

    @property
    def table(self) -> Path:
        """The manifest.

        Raises:
            SettingsError: there is none.
        """
        if self.manifest is None:
            raise SettingsError("say which cases: a manifest, or a protocol with its data")
        return self.manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class RunComparison:
    """Two runs over the same cases, the second minus the first.

    Attributes:
        lines: what differs, of a type of the task's own.
        ahead: of "first" and "second", what must be known of the run before its numbers are read.
        head, rows: the lines as words.
        pairing: what counts as a pair, shortly, for a sentence that begins with "second minus first".
        explained: the same where there is room for it.
        form: of the lines in `comparison.json`; None for a task that has none of its own.
    """

    lines: Sequence[Any]
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    pairing: str
    explained: str
    ahead: Mapping[str, Sequence[str]] = field(default_factory=dict)
    form: RecordForm[Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedRun:
    """The statistics of a run that has ended.

    Attributes:
        path: its folder.
        record: its `run.json`.
        evaluation: of a type of the task's own.
    """

    path: Path
    record: RunRecord
    evaluation: Any


TextTable = tuple[Sequence[str], Sequence[Mapping[str, str]]]  # columns, and a mapping of texts a row


@runtime_checkable
class Task(Protocol):
    """One thing that can be done with each of many cases; a task is a subclass, made once.

    Attributes:
        name: as in the registry; what a run's record says in `identity.task` unless `registry` knows better.
        does: what a run of it does, for a sentence: "segments".
        columns: of its result table, beside `COMMON`.
        makes_masks: whether a page of its runs shows masks on images.
    """

    name: str
    does: str
    columns: tuple[Column, ...]
    makes_masks: bool = False

    def plan(self, asked: Any) -> CasePlan:
        """The cases, each with the files that it reads.

        Raises:
            InputError: they are not as they should be. SettingsError: what is asked does not fit them.
        """

    def runner(self, asked: Any, run: RunFolder) -> RunnerFactory:
        """What each worker makes its runner of, after `plan`; picklable, and without models."""

    def identity(self, asked: Any, plan: CasePlan, work: Mapping[str, Any]) -> dict[str, Any]:
        """All that the results depend on, as `run.json` keeps it; the workers tell which models. `work` is of the engine."""

    def today(self, identity: Mapping[str, Any]) -> Mapping[str, Any]:
        """An identity that an earlier version wrote, with what it calls otherwise under today's names; nothing is filled in."""
        return identity

    def evaluate(self, run: RunFolder, *, by: Sequence[str], settings: BootstrapSettings) -> Any:
        """The statistics of a run that has ended, as a dataclass.

        Raises:
            InputError, UnreadableError, SettingsError: there is no such table, it is damaged, or lacks a column of `by`.
        """

    def used(self, record: RunRecord) -> Mapping[str, Any]:
        """What else of the run's record the statistics depend on; kept with them. Nothing, unless a task says so."""
        return {}

    def record(self, evaluation: Any, settings: Mapping[str, Any]) -> dict[str, Any]:
        """What `evaluation.json` holds: the statistics, and the settings that they depend on."""
        return {"medkt": __version__, "notice": NOT_A_MEDICAL_DEVICE, "settings": settings, **as_plain(evaluation)}

    def tables(self, evaluation: Any) -> Mapping[str, TextTable]:
        """The statistics as tables by the name of their file, `evaluation.csv` the first."""

    def say(self, run: EvaluatedRun) -> Iterator[str]:
        """The statistics for a terminal."""

    def compare(self, first: RunFolder, second: RunFolder, settings: BootstrapSettings) -> RunComparison:
        """Two runs of the task over the same cases.

        Raises:
            InputError: they hold other cases, or nothing in common.
        """

    def page(
        self,
        runs: Mapping[str, Path],
        compared: RunComparison | None,
        *,
        by: Sequence[str],
        settings: BootstrapSettings,
        cases: int,
    ) -> Any:
        """What a page shows of a run, whose name is "", or of two by their names, as a dataclass.

        Args:
            runs: their folders.
            compared: the second minus the first, where there are two.
            by: columns to make subgroups of.
            settings: level, seed and resamples.
            cases: how many of the best and of the worst are shown, where a task shows any.
        """
        from medkt.tasks.page import shown_runs  # with all that draws

        return shown_runs(self, runs, compared, by=by, settings=settings)

    def sections(self, page: Any) -> "list[Section]":
        """What the page says, from top to bottom; a section without parts is not shown."""
        from medkt.tasks.page import sections_of_tables

        return sections_of_tables(self, page)

    def say_published(
        self, arms: Mapping[str, EvaluatedRun], protocol: "PublishedProtocol | None", *, label_tuned: bool
    ) -> Iterator[str]:
        """Ours beside published values, for a terminal; nothing where none were published.

        Args:
            arms: "base" and "kt", or a run by itself under "".
            protocol: whose cases these are, where somebody said so just now.
            label_tuned: whether our settings were tuned on labels of such data.
        """
        yield from ()


def patients_word(plan: CasePlan) -> str:
    """What the record of a run says of patients."""
    if not plan.patients_stated:
        return EACH_CASE
    if not plan.unstated:
        return "stated"
    return f"{PARTLY} {plan.unstated} case{'s' if plan.unstated > 1 else ''} that named none but the own id"


def ids_word(plan: CasePlan) -> str:
    """What the record of a run says of the names of its cases."""
    return "the manifest's" if plan.keep_ids else "pseudonyms"
