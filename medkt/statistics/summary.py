"""One metric of one run in a line: of how many cases it speaks, mean, median, spread, intervals over patients."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from medkt.statistics.bootstrap import BootstrapSettings, Interval, bootstrap_intervals, mean_of, median_of
from medkt.statistics.table import CaseTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
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
class Summary:
    """One metric of one table.

    Attributes:
        metric: its name, with unit.
        counts: of how many cases it speaks.
        mean, median: with their intervals over patients.
        sd: standard deviation of the cases, NaN for fewer than two or infinite values.
        quartiles: the 25th and 75th percentiles of the cases; NaN where there is none.
    """

    metric: str
    counts: Counts
    mean: Interval
    median: Interval
    sd: float
    quartiles: tuple[float, float]


def summarise(table: CaseTable, metric: str, settings: BootstrapSettings | None = None) -> Summary:
    """Counts, mean, median, spread and intervals of one metric.

    Raises:
        InputError: no case has the metric.
    """
    values, patients = table.column(metric), table.patients()
    used = ~np.isnan(values)
    values, patients = values[used], patients[used]
    finite = bool(np.isfinite(values).all())
    # an order statistic, so that infinite values do not turn into NaN between two of them
    quartiles = (
        np.quantile(values, [0.25, 0.75], method="linear" if finite else "higher") if len(values) else [np.nan] * 2
    )
    mean, median = bootstrap_intervals(values, patients, (mean_of, median_of), settings)
    return Summary(
        metric=metric,
        counts=count(table, metric),
        mean=mean,
        median=median,
        sd=float(values.std(ddof=1)) if len(values) > 1 and finite else float("nan"),
        quartiles=(float(quartiles[0]), float(quartiles[1])),
    )


def summarise_by(
    table: CaseTable, metric: str, group: str, settings: BootstrapSettings | None = None
) -> dict[str, Summary]:
    """The summary of each subgroup that has the metric, by the group's value.

    Raises:
        InputError: no case has the metric, or the group.
    """
    table.require(metric)
    parts = table.by(group)
    return {value: summarise(part, metric, settings) for value, part in parts.items() if metric in part.metrics}


def count(table: CaseTable, metric: str) -> Counts:
    """Of how many cases the metric speaks, and why not of the others."""
    held = [row for row in table.rows if not np.isnan(row.value(metric))]
    without = [row for row in table.rows if row.status == "ok" and np.isnan(row.value(metric))]
    reasons = [row.missing.get(metric, "no number was computed") for row in without]
    outcomes = [row.outcome for row in table.rows if row.status == "ok"]
    statuses = [row.status for row in table.rows if np.isnan(row.value(metric))]
    return Counts(
        cases=len(table.rows), used=len(held), patients=len({row.patient for row in held}), no_number=len(without),
        missing=statuses.count("missing"), failed=statuses.count("failed"),
        infinite=sum(bool(np.isinf(row.value(metric))) for row in held),
        both_empty=outcomes.count("both empty"), reference_empty=outcomes.count("reference empty"),
        prediction_empty=outcomes.count("prediction empty"),
        why={reason: reasons.count(reason) for reason in dict.fromkeys(reasons)},
    )  # fmt: skip
