"""What a page shows of runs, where a task says nothing else: its tables, what differs, and what the numbers depend on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from medkt.about import __version__
from medkt.report.render import render_page
from medkt.report.run.common import (
    by_arm,
    compared_section,
    demonstration_of_records,
    of_arm,
    settings_section,
)
from medkt.report.sections import HtmlPage, Section, Table, Text
from medkt.runs.folder import RunFolder
from medkt.runs.record import RunRecord
from medkt.statistics import BootstrapSettings
from medkt.tasks.base import EvaluatedRun, RunComparison, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRun:
    """One run of a page: what it is called ("" by itself), its folder, its statistics, its `run.json`."""

    name: str
    path: Path
    evaluation: Any
    record: RunRecord


@runtime_checkable
class PageArm(Protocol):
    """A run of a page, whatever else a task says of it."""

    @property
    def name(self) -> str: ...

    @property
    def record(self) -> RunRecord: ...


@runtime_checkable
class Page(Protocol):
    """What every page has; `viewer` is the address of the script beside it that shows volumes, "" for none."""

    @property
    def title(self) -> str: ...

    @property
    def arms(self) -> Sequence[PageArm]: ...

    @property
    def viewer(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRuns:
    """A page of one run, or of two over the same cases, and what differs between them."""

    title: str
    arms: tuple[ShownRun, ...]
    compared: RunComparison | None = None
    viewer: str = ""


def shown_runs(
    task: Task,
    runs: Mapping[str, Path],
    compared: RunComparison | None,
    *,
    by: Sequence[str],
    settings: BootstrapSettings,
) -> ShownRuns:
    """The statistics of each run."""
    arms = []
    for name, path in runs.items():
        run = RunFolder(path)
        found = task.evaluate(run, by=by, settings=settings)
        arms.append(ShownRun(name=name, path=path, evaluation=found, record=run.read()))
    title = f"{arms[0].name} and {arms[1].name} compared" if compared else "Report of a run"
    return ShownRuns(title=title, arms=tuple(arms), compared=compared)


def sections_of_tables(task: Task, page: ShownRuns) -> list[Section]:
    """What the task says of each run, its tables, what differs, what the numbers depend on."""
    said, tables = list[Text](), list[Table]()
    for arm in page.arms:
        run = EvaluatedRun(path=arm.path, record=arm.record, evaluation=arm.evaluation)
        said.append(Text(text=by_arm(arm.name, next(iter(task.say(run)))), style="headline"))
        for file, (head, rows) in task.tables(arm.evaluation).items():
            cells = [[row[column] for column in head] for row in rows]
            tables.append(Table.of(of_arm(file.removesuffix(".csv").capitalize(), arm.name), head, cells))
    found = page.compared
    lines = Table.of("Second run minus first", found.head, found.rows) if found else Table(caption="")
    return [
        Section(key="summary", title="Summary", parts=(*said, *tables)),
        compared_section([arm.name for arm in page.arms], "", lines),
        settings_section([(arm.name, facts_of(arm.record), arm.record) for arm in page.arms]),
    ]


def facts_of(record: RunRecord) -> list[tuple[str, str]]:
    """The first things that a reader asks of any run: version, model, cases."""
    identity, encoder = record.identity, (record.models or {}).get("encoder", {})
    return [
        ("medkt", str(identity.get("medkt", ""))),
        ("encoder", f"{encoder.get('name')}, SHA-256 {encoder.get('digest') or 'none'}"),
        ("digest of the cases", f"SHA-256 {identity.get('manifest')}"),
    ]


def render(task: Task, page: Page) -> str:
    """The page as HTML."""
    demonstration = demonstration_of_records([arm.record for arm in page.arms])
    shown = HtmlPage(
        title=page.title, sections=task.sections(page), byline=f"medkt {__version__}", demonstration=demonstration,
        script=page.viewer,
    )  # fmt: skip
    return render_page(shown)
