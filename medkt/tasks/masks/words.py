"""The statistics of a run as rows of words: for a terminal, a CSV file and the page alike."""

import math
from collections.abc import Iterator, Sequence

from medkt.io.table import harmless
from medkt.statistics import Interval
from medkt.tasks.masks.abstention import headlines
from medkt.tasks.masks.evaluation import Evaluation, Line
from medkt.tasks.masks.presence import Decisions
from medkt.tasks.masks.provisos import rule_lines

SUMMARY_HEAD = (
    "concept", "subgroup", "cases", "metric", "mean (95 %)", "median (95 %)", "SD", "used", "no number", "failed",
    "infinite", "patients",
)  # fmt: skip
DECISION_HEAD = (
    "concept", "subgroup", "seen where it is (95 %)", "of", "not seen where it is not (95 %)", "of", "of these no claim",
    "no decision",
    "AUC of the score (95 %)",
)  # fmt: skip
CSV_HEAD = (
    "concept", "group", "value", "part", "metric", "cases", "used", "patients", "no_number", "failed", "no_claim", "infinite",
    "both_empty", "reference_empty", "prediction_empty", "mean", "mean_low", "mean_high", "mean_method", "median",
    "median_low", "median_high", "median_method", "sd", "quartile_1", "quartile_3", "note",
)  # fmt: skip
NOTHING = "–"


def figure(value: float, digits: int = 3) -> str:
    """A number with so many digits after the point; a dash where there is none.

    >>> figure(0.12345), figure(float("nan")), figure(float("inf"))
    ('0.123', '–', 'infinite')
    """
    if math.isnan(value):
        return NOTHING
    return f"{value:.{digits}f}" if math.isfinite(value) else "infinite"


def interval_text(interval: Interval, digits: int = 3) -> str:
    """A number and its interval: "0.512 (0.480 to 0.544)"; without an interval the number alone."""
    if math.isnan(interval.low) or math.isnan(interval.estimate):
        return figure(interval.estimate, digits)
    return f"{figure(interval.estimate, digits)} ({figure(interval.low, digits)} to {figure(interval.high, digits)})"


def interval_cells(name: str, interval: Interval) -> dict[str, str]:
    """A number and the ends of its interval as cells of a CSV file, empty where there is none."""
    numbers = {name: interval.estimate, "low": interval.low, "high": interval.high}
    return {what: "" if math.isnan(value) else str(value) for what, value in numbers.items()}


def p_text(value: float) -> str:
    """A p value.

    >>> p_text(0.00001), p_text(0.0321)
    ('< 0.001', '0.032')
    """
    return NOTHING if math.isnan(value) else "< 0.001" if value < 0.001 else f"{value:.3f}"


def summary_row(line: Line) -> tuple[str, ...]:
    """A line under `SUMMARY_HEAD`."""
    summary, counts = line.summary, line.summary.counts
    numbers = (counts.used, counts.no_number, counts.failed, counts.infinite, counts.patients)
    return (
        line.concept, subgroup_text(line.group, line.value), line.part, summary.metric, interval_text(summary.mean),
        interval_text(summary.median), figure(summary.sd), *map(str, numbers),
    )  # fmt: skip


def decision_row(decisions: Decisions) -> tuple[str, ...]:
    """Decisions under `DECISION_HEAD`."""
    return (
        decisions.concept, subgroup_text(decisions.group, decisions.value), interval_text(decisions.sensitivity),
        str(decisions.positives), interval_text(decisions.specificity), str(decisions.negatives), str(decisions.no_claim),
        str(decisions.undecided), interval_text(decisions.auc),
    )  # fmt: skip


def csv_row(line: Line) -> dict[str, str]:
    """A line under `CSV_HEAD`; numbers in full, empty where there is none."""
    summary, counts = line.summary, line.summary.counts
    notes = dict.fromkeys(note for note in (summary.mean.note, summary.median.note, *counts.why) if note)
    row: dict[str, str | int | float] = {
        "concept": line.concept, "group": line.group, "value": line.value, "part": line.part, "metric": summary.metric,
        "cases": counts.cases, "used": counts.used, "patients": counts.patients, "no_number": counts.no_number,
        "failed": counts.failed, "no_claim": line.no_claim, "infinite": counts.infinite, "both_empty": counts.both_empty,
        "reference_empty": counts.reference_empty, "prediction_empty": counts.prediction_empty, "sd": summary.sd,
        "quartile_1": summary.quartiles[0], "quartile_3": summary.quartiles[1], "note": "; ".join(notes),
    }  # fmt: skip
    for name, interval in (("mean", summary.mean), ("median", summary.median)):
        row |= {name: interval.estimate, f"{name}_low": interval.low, f"{name}_high": interval.high}
        row |= {f"{name}_method": interval.method}
    return {name: _cell(row[name]) for name in CSV_HEAD}


def _cell(value: str | int | float) -> str:
    return "" if isinstance(value, float) and math.isnan(value) else harmless(str(value))


def subgroup_text(group: str, value: str) -> str:
    """A subgroup in words: "sex: F"; "all" where it is none."""
    return f"{group}: {value}" if group else "all"


def text_lines(evaluation: Evaluation) -> Iterator[str]:
    """The statistics for a terminal."""
    for counts in evaluation.counts:
        yield f"{counts.concept}: {counts.done} of {counts.rows} cases done, {counts.failed} failed, {counts.scored} scored"
    yield from headlines(evaluation.unclaimed)
    for kind, number in evaluation.failures.items():
        yield f"failed, {kind}: {number}"
    if evaluation.decisions:
        yield ""
        yield from aligned(DECISION_HEAD, [decision_row(one) for one in evaluation.decisions])
    if evaluation.lines:
        yield ""
        yield from aligned(SUMMARY_HEAD, [summary_row(one) for one in evaluation.lines])
    reasons = {why: None for line in evaluation.lines for why in line.summary.counts.why}
    notes = {line.summary.mean.note: None for line in evaluation.lines if line.summary.mean.note}
    yield from (f"no number: {why}" for why in reasons)
    yield from rule_lines(evaluation.rules)
    yield from (f"note: {note}" for note in (*notes, *evaluation.provisos))


def aligned(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns of equal width."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
