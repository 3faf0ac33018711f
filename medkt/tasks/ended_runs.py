"""Runs that have ended, of whichever task: their statistics beside their tables, and two of them over the same cases."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medkt.io.atomic import write_atomically
from medkt.io.table import write_rows
from medkt.records import as_plain
from medkt.runs.folder import RunFolder
from medkt.statistics import BootstrapSettings
from medkt.tasks.base import EvaluatedRun, RunComparison, Task
from medkt.tasks.evaluation_record import comparison_record


def evaluated(
    task: Task, path: Path, *, by: Sequence[str], settings: BootstrapSettings, write: bool = False
) -> EvaluatedRun:
    """The statistics of a run; with `write` also beside its tables, where `evaluation.json` says the same as they.

    Raises:
        MedktError: `Task.evaluate`'s. OutputError: they cannot be written.
    """
    run = RunFolder(path)
    found = EvaluatedRun(path=path, record=run.read(), evaluation=task.evaluate(run, by=by, settings=settings))
    if write:
        used = {"by": list(by), "statistics": as_plain(settings), **task.used(found.record)}
        _write_json(path / "evaluation.json", task.record(found.evaluation, used))
        for name, (head, rows) in task.tables(found.evaluation).items():
            write_rows(path / name, head, [dict(row) for row in rows])
    return found


def compared(task: Task, first: Path, second: Path, settings: BootstrapSettings) -> RunComparison:
    """The second run minus the first.

    Raises:
        InputError: `Task.compare`'s.
    """
    return task.compare(RunFolder(first), RunFolder(second), settings)


def write_comparison(folder: Path, arms: Sequence[str], found: RunComparison, settings: BootstrapSettings) -> Path:
    """Write `comparison.json` beside two arms: the second minus the first; what was there is replaced.

    Raises:
        OutputError: it cannot be written.
    """
    return _write_json(folder / "comparison.json", comparison_record(arms, found.lines, settings, found.form))


def _write_json(path: Path, content: Mapping[str, Any]) -> Path:
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return write_atomically(path, lambda part: part.write_text(text, encoding="utf-8"))
