"""What the pages of all runs have in common: how arms are named, and the sections that every task has."""

import json
from collections.abc import Mapping, Sequence

from medkt.about import demonstration_of_run
from medkt.report.sections import Details, Heading, Notes, PagePart, Section, Table, Text
from medkt.runs.record import FORM, RunRecord


def of_arm(what: str, arm: str) -> str:
    """A caption, with the arm that it is of, where there are two."""
    return f"{what}, {arm}" if arm else what


def by_arm(arm: str, line: str) -> str:
    """A line that an arm says, where there are two."""
    return f"{arm}: {line}" if arm else line


def demonstration_of_records(records: Sequence[RunRecord]) -> str:
    """What is said of runs of which one has a model that is a demonstration; "" where none has."""
    return next(filter(None, (demonstration_of_run(record.models) for record in records)), "")


def compared_section(arms: Sequence[str], how: str, lines: Table) -> Section:
    """Two arms compared, by their names; without parts where they are not."""
    first = f"First: {arms[0]}. Second: {arms[-1]}. {how}"
    return Section(key="compared", title="Compared", parts=(Text(text=first), lines) if lines.rows else ())


def published_section(beside: Table, stamps: Sequence[str]) -> Section:
    """Ours beside published values, and what a reader must know first; without parts where there are none."""
    parts: list[PagePart] = [beside] if beside.rows else []
    return Section(
        key="published",
        title="Published values",
        parts=(*parts, Notes(lines=tuple(stamps))) if beside.rows or stamps else (),
    )


def failures_section(failures: Mapping[str, Mapping[str, int]]) -> Section:
    """How many cases failed, by arm and kind."""
    tables = [
        Table.of(
            of_arm("Failures by kind", arm), ("kind", "cases"), [(kind, str(count)) for kind, count in kinds.items()]
        )
        for arm, kinds in failures.items()
    ]
    parts = [table if table.rows else Text(text=f"{table.caption}: none.") for table in tables]
    return Section(key="failures", title="Failures", parts=tuple(parts))


def settings_section(arms: Sequence[tuple[str, Sequence[tuple[str, str]], RunRecord]]) -> Section:
    """What the numbers depend on: of each arm its name, the first things that a reader asks, and the record whole."""
    parts: list[PagePart] = []
    for name, facts, record in arms:
        text = json.dumps(FORM.write(record), indent=2, ensure_ascii=False, allow_nan=False)
        parts += [Heading(text=name)] if name else []
        parts += [Table(caption="What the numbers depend on", rows=facts)]
        parts += [Details(summary=f"Everything that the run recorded{f' of {name}' if name else ''}", text=text)]
    return Section(key="settings", title="Settings and digests", parts=tuple(parts))
