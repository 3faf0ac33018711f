"""One metric of one run in a line: of how many cases it speaks, mean, median, spread, intervals over patients."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medkt.statistics import BootstrapSettings, Interval, summary_of
from medkt.tasks.masks.scores import Scores
from medkt.tasks.table import CodedColumn, Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseCounts:
    """Of how many cases a number speaks; `cases` = used + no_number + missing + failed.

    Attributes:
        cases: rows of the table.
        used: with a number that enters mean and median.
        patients: whose cases are used.
        no_number: evaluated, but without this number (both masks empty, no spacing); the reasons stand in `why`.
        missing: without a prediction.
        failed: broke.
        infinite: of the used, how many are infinite (a distance to an empty mask); the mean is then infinite too.
        both_empty, reference_empty, prediction_empty: cases by outcome, used or not.
        why: for the cases without a number, how many for each reason.
    """

    cases: int
    used: int
    patients: int
    no_number: int
    missing: int
    failed: int
    infinite: int
    both_empty: int
    reference_empty: int
    prediction_empty: int
    why: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSummary:
    """One metric of one table.

    Attributes:
        metric: its name, with unit.
        counts: of how many cases it speaks.
        mean, median: with their intervals over patients.
        sd: standard deviation of the cases, NaN for fewer than two or infinite values.
        quartiles: the 25th and 75th percentiles of the cases; NaN where there is none.
    """

    metric: str
    counts: CaseCounts
    mean: Interval
    median: Interval
    sd: float
    quartiles: tuple[float, float]


def summarise_rows(scores: Scores, rows: Rows, metric: str, settings: BootstrapSettings) -> MetricSummary:
    """One metric over some of the rows."""
    column = scores.numbers[metric][rows]
    used = ~np.isnan(column)
    values, patients = column[used], scores.patient.codes[rows][used]
    found = summary_of(values, patients, settings)
    return MetricSummary(
        metric=metric, counts=_count(scores, rows, column), mean=found.mean, median=found.median, sd=found.sd,
        quartiles=found.quartiles,
    )  # fmt: skip


def _count(scores: Scores, rows: Rows, column: NDArray[np.float64]) -> CaseCounts:
    """Of how many cases the metric speaks, and why not of the others."""
    empty, failed = np.isnan(column), scores.status.are("failed")[rows]
    without = rows.copy()
    without[rows] = empty & ~failed
    outcomes = {word: int(scores.outcome.are(word)[rows].sum()) for word in scores.outcome.words}
    return CaseCounts(
        cases=len(column), used=int((~empty).sum()), patients=len(np.unique(scores.patient.codes[rows][~empty])),
        no_number=int(without.sum()), missing=0, failed=int((failed & empty).sum()),
        infinite=int(np.isinf(column).sum()), both_empty=outcomes.get("both empty", 0),
        reference_empty=outcomes.get("reference empty", 0), prediction_empty=outcomes.get("prediction empty", 0),
        why={why or "no number was computed": count for why, count in tally(scores.why, without).items()},
    )  # fmt: skip


def tally(column: CodedColumn, rows: Rows) -> dict[str, int]:
    """How often each word stands in the rows, by word in order."""
    numbers = np.bincount(column.codes[rows], minlength=len(column.words))
    return {word: int(number) for word, number in sorted(zip(column.words, numbers, strict=True)) if number}
