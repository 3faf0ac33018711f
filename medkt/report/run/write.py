"""The statistics of a run as files beside its tables: `evaluation.json` for programs, `evaluation.csv` for people.

Two arms compared are one more, `comparison.json`.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medkt.about import NOT_A_MEDICAL_DEVICE, __version__
from medkt.io.atomic import write_atomically
from medkt.io.table import write_rows
from medkt.records import as_plain
from medkt.report.run.class_comparison import ComparedClass
from medkt.report.run.class_evaluation import ClassEvaluation
from medkt.report.run.class_words import CSV_HEAD as CLASS_CSV_HEAD
from medkt.report.run.class_words import class_csv_row
from medkt.report.run.comparison import ComparedLine
from medkt.report.run.evaluation import Evaluation
from medkt.report.run.evaluation_record import evaluation_record
from medkt.report.run.words import CSV_HEAD, csv_row
from medkt.statistics import BootstrapSettings, Interval


def write_evaluation(folder: Path, evaluation: Evaluation, settings: Mapping[str, Any]) -> tuple[Path, ...]:
    """Write both files; what was there is replaced.

    Args:
        folder: the run's.
        evaluation: its statistics.
        settings: what they depend on, recorded with them.

    Raises:
        OutputError: they cannot be written.
    """
    written = _write_json(folder / "evaluation.json", evaluation_record(evaluation, settings))
    table = write_rows(folder / "evaluation.csv", CSV_HEAD, (csv_row(line) for line in evaluation.lines))
    return written, table


def write_comparison(
    folder: Path, arms: Sequence[str], lines: Sequence[ComparedLine | ComparedClass], settings: BootstrapSettings
) -> Path:
    """Write `comparison.json`: the second arm minus the first, over patients; what was there is replaced.

    Raises:
        OutputError: it cannot be written.
    """
    head = {"medkt": __version__, "notice": NOT_A_MEDICAL_DEVICE, "arms": list(arms)}
    content = {**head, "settings": as_plain(settings), "lines": as_plain(lines)}
    return _write_json(folder / "comparison.json", content)


def write_classes(folder: Path, evaluation: ClassEvaluation, settings: Mapping[str, Any]) -> tuple[Path, ...]:
    """The same two files for a run that classifies, and `confusion.csv`; what was there is replaced.

    Raises:
        OutputError: they cannot be written.
    """
    written = _write_json(folder / "evaluation.json", evaluation_record(evaluation, settings))
    table = write_rows(folder / "evaluation.csv", CLASS_CSV_HEAD, (class_csv_row(line) for line in evaluation.lines))
    cells = (
        {"true": one.truth, "predicted": one.predicted, "cases": str(one.cases)} | _ends(one.share)
        for one in evaluation.confusion
    )
    confusion = write_rows(folder / "confusion.csv", ("true", "predicted", "cases", "share", "low", "high"), cells)
    return written, table, confusion


def _ends(share: Interval) -> dict[str, str]:
    numbers = {"share": share.estimate, "low": share.low, "high": share.high}
    return {name: "" if value != value else str(value) for name, value in numbers.items()}


def _write_json(path: Path, content: Mapping[str, Any]) -> Path:
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return write_atomically(path, lambda part: part.write_text(text, encoding="utf-8"))
