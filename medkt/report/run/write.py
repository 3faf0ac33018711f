"""The statistics of a run as files beside its tables: `evaluation.json` for programs, `evaluation.csv` for people.

Two arms compared are one more, `comparison.json`.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medkt.about import NOT_A_MEDICAL_DEVICE, __version__
from medkt.datasets.table import write_rows
from medkt.io.atomic import write_atomically
from medkt.report.plain import as_plain
from medkt.report.run.comparison import ComparedLine
from medkt.report.run.evaluation import Evaluation
from medkt.report.run.words import CSV_HEAD, csv_row
from medkt.statistics import BootstrapSettings


def write_evaluation(folder: Path, evaluation: Evaluation, settings: Mapping[str, Any]) -> tuple[Path, ...]:
    """Write both files; what was there is replaced.

    Args:
        folder: the run's.
        evaluation: its statistics.
        settings: what they depend on, recorded with them.

    Raises:
        OutputError: they cannot be written.
    """
    written = _write_json(folder / "evaluation.json", {"settings": dict(settings), **as_plain(evaluation)})
    table = write_rows(folder / "evaluation.csv", CSV_HEAD, (csv_row(line) for line in evaluation.lines))
    return written, table


def write_comparison(
    folder: Path, arms: Sequence[str], lines: Sequence[ComparedLine], settings: BootstrapSettings
) -> Path:
    """Write `comparison.json`: the second arm minus the first, over patients; what was there is replaced.

    Raises:
        OutputError: it cannot be written.
    """
    content = {"arms": list(arms), "settings": as_plain(settings), "lines": as_plain(lines)}
    return _write_json(folder / "comparison.json", content)


def _write_json(path: Path, content: Mapping[str, Any]) -> Path:
    record = {"medkt": __version__, "notice": NOT_A_MEDICAL_DEVICE, **content}
    text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return write_atomically(path, lambda part: part.write_text(text, encoding="utf-8"))
