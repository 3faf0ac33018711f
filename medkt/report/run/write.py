"""The statistics of a run as files beside its tables: `evaluation.json` for programs, `evaluation.csv` for people."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medkt.about import NOT_A_MEDICAL_DEVICE, __version__
from medkt.datasets.table import write_rows
from medkt.io.atomic import write_atomically
from medkt.report.plain import as_plain
from medkt.report.run.evaluation import Evaluation
from medkt.report.run.words import CSV_HEAD, csv_row


def write_evaluation(folder: Path, evaluation: Evaluation, settings: Mapping[str, Any]) -> tuple[Path, ...]:
    """Write both files; what was there is replaced.

    Args:
        folder: the run's.
        evaluation: its statistics.
        settings: what they depend on, recorded with them.

    Raises:
        OutputError: they cannot be written.
    """
    record = {"medkt": __version__, "notice": NOT_A_MEDICAL_DEVICE, "settings": dict(settings), **as_plain(evaluation)}
    text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    written = write_atomically(folder / "evaluation.json", lambda path: (path.write_text(text, "utf-8"), None)[1])
    table = write_rows(folder / "evaluation.csv", CSV_HEAD, (csv_row(line) for line in evaluation.lines))
    return written, table
