"""The statistics of a run once more, plainly: from a table of rows, one a case, where medkt has columns. An oracle.

Nothing is dropped on the way in. A case that failed or whose prediction is missing keeps its row, so that a mean can say
of how many cases it speaks. A patient may have several cases; intervals and tests count patients.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64, Shaped

from medkt.errors import InputError
from medkt.metrics import LesionMatch, lesion_scores
from medkt.statistics import (
    BlandAltman,
    BootstrapSettings,
    Comparison,
    Froc,
    bland_altman,
    bootstrap_interval,
    bootstrap_intervals,
    flip_signs,
    froc,
    hodges_lehmann,
    mean_of,
    median_of,
    patient_differences,
    rank_biserial,
    signed_rank_p,
)
from medkt.tasks.masks.evaluation import CaseCounts, MetricSummary

LISTED = 10
Status = Literal["ok", "missing", "failed"]
NOT_STATED = "(not stated)"
Values = Float64[np.ndarray, " cases"]
Patients = Shaped[np.ndarray, " cases"]  # texts or numbers, equal for one patient


@runtime_checkable
class Scored(Protocol):
    """What a case result has to offer; `medkt.metrics.CaseResult` does."""

    @property
    def case_id(self) -> str: ...
    @property
    def numbers(self) -> Mapping[str, float]: ...
    @property
    def missing(self) -> Mapping[str, str]: ...
    @property
    def outcome(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRow:
    """One case of one run.

    Attributes:
        case_id: unique in a table.
        patient_id: cases of one patient are not independent; by default each case is a patient of its own.
        numbers: by metric; NaN where missing.
        missing: for each NaN, why.
        outcome: "normal", "both empty", "reference empty" or "prediction empty".
        status: "missing" where there is no prediction, "failed" where it broke; then there are no numbers.
        groups: what subgroups are made of ("sex": "F").
    """

    case_id: str
    patient_id: str = ""
    numbers: Mapping[str, float] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    outcome: str = "normal"
    status: Status = "ok"
    groups: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, result: Scored, *, patient_id: str = "", groups: Mapping[str, str] | None = None) -> "CaseRow":
        """The row of a case result."""
        return cls(
            case_id=result.case_id, patient_id=patient_id, numbers=result.numbers, missing=result.missing,
            outcome=result.outcome, groups=groups or {},
        )  # fmt: skip

    @property
    def patient(self) -> str:
        """The patient, or the case where none is stated."""
        return self.patient_id or f"case:{self.case_id}"

    def value(self, metric: str) -> float:
        """The number; NaN where it is missing."""
        return self.numbers.get(metric, float("nan"))


@dataclass(frozen=True, slots=True)
class CaseTable:
    """The rows of one run.

    Raises:
        InputError: a case id stands twice.
    """

    rows: tuple[CaseRow, ...]

    def __post_init__(self) -> None:
        times = Counter(row.case_id for row in self.rows)
        twice = sorted(case for case, number in times.items() if number > 1)
        if twice:
            raise InputError(
                f"{len(twice)} case ids stand twice in a table ({', '.join(twice[:10])}); make them unique"
            )

    @classmethod
    def of(cls, rows: Iterable[CaseRow]) -> "CaseTable":
        """A table of rows."""
        return cls(tuple(rows))

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of all numbers, in the order in which they first stand."""
        return tuple(dict.fromkeys(name for row in self.rows for name in row.numbers))

    @property
    def positives(self) -> "CaseTable":
        """The cases whose reference shows the finding. Missing and failed ones stay on both sides, without a number."""
        return self.where(lambda row: row.status != "ok" or row.outcome in ("normal", "prediction empty"))

    @property
    def negatives(self) -> "CaseTable":
        """The cases whose reference is empty, and the missing and failed ones."""
        return self.where(lambda row: row.status != "ok" or row.outcome in ("both empty", "reference empty"))

    def where(self, keep: Callable[[CaseRow], bool]) -> "CaseTable":
        """The rows for which `keep` holds."""
        return CaseTable(tuple(row for row in self.rows if keep(row)))

    def by(self, group: str) -> dict[str, "CaseTable"]:
        """One table a value of the group, by value in order; rows that do not state it stand under "(not stated)".

        Raises:
            InputError: no row has the group; the message lists those that are there.
        """
        known = sorted({name for row in self.rows for name in row.groups})
        if group not in known:
            raise InputError(f"no case has a group {group!r}; the table has: {', '.join(known) or 'none'}")
        parts: dict[str, list[CaseRow]] = {}
        for row in self.rows:
            parts.setdefault(row.groups.get(group, "") or NOT_STATED, []).append(row)
        return {value: CaseTable(tuple(parts[value])) for value in sorted(parts)}

    def column(self, metric: str) -> Values:
        """One number a row, NaN where missing.

        Raises:
            InputError: no row has the metric; the message lists those that are there.
        """
        self.require(metric)
        return np.array([row.value(metric) for row in self.rows], dtype=np.float64)

    def patients(self) -> Patients:
        """The patient of each row."""
        return np.array([row.patient for row in self.rows], dtype=np.str_)

    def require(self, metric: str) -> None:
        """Pass silently where some row has the metric.

        Raises:
            InputError: none has; the message lists those that are there.
        """
        if not any(metric in row.numbers for row in self.rows):
            raise InputError(f"no case has the metric {metric!r}; the table has: {', '.join(self.metrics) or 'none'}")


def summarise(table: CaseTable, metric: str, settings: BootstrapSettings | None = None) -> MetricSummary:
    """CaseCounts, mean, median, spread and intervals of one metric.

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
    return MetricSummary(
        metric=metric,
        counts=count(table, metric),
        mean=mean,
        median=median,
        sd=float(values.std(ddof=1)) if len(values) > 1 and finite else float("nan"),
        quartiles=(float(quartiles[0]), float(quartiles[1])),
    )


def summarise_by(
    table: CaseTable, metric: str, group: str, settings: BootstrapSettings | None = None
) -> dict[str, MetricSummary]:
    """The summary of each subgroup that has the metric, by the group's value.

    Raises:
        InputError: no case has the metric, or the group.
    """
    table.require(metric)
    parts = table.by(group)
    return {value: summarise(part, metric, settings) for value, part in parts.items() if metric in part.metrics}


def count(table: CaseTable, metric: str) -> CaseCounts:
    """Of how many cases the metric speaks, and why not of the others."""
    held = [row for row in table.rows if not np.isnan(row.value(metric))]
    without = [row for row in table.rows if row.status == "ok" and np.isnan(row.value(metric))]
    reasons = [row.missing.get(metric, "no number was computed") for row in without]
    outcomes = [row.outcome for row in table.rows if row.status == "ok"]
    statuses = [row.status for row in table.rows if np.isnan(row.value(metric))]
    return CaseCounts(
        cases=len(table.rows), used=len(held), patients=len({row.patient for row in held}), no_number=len(without),
        missing=statuses.count("missing"), failed=statuses.count("failed"),
        infinite=sum(bool(np.isinf(row.value(metric))) for row in held),
        both_empty=outcomes.count("both empty"), reference_empty=outcomes.count("reference empty"),
        prediction_empty=outcomes.count("prediction empty"),
        why={reason: reasons.count(reason) for reason in dict.fromkeys(reasons)},
    )  # fmt: skip


def bland_altman_of_volumes(table: CaseTable, settings: BootstrapSettings | None = None) -> BlandAltman:
    """Volumes in mL of a table whose cases were evaluated with the metric `volume`.

    Raises:
        InputError: no case has volumes.
    """
    columns = [table.column(f"volume_{mask}_ml") for mask in ("reference", "prediction")]
    return bland_altman(reference=columns[0], prediction=columns[1], patients=table.patients(), settings=settings)


def compare(
    *, first: CaseTable, second: CaseTable, metric: str, settings: BootstrapSettings | None = None
) -> Comparison:
    """Two runs compared on one metric.

    Raises:
        InputError: the tables hold other cases or other patients, or no case has the metric.
    """
    settings = settings or BootstrapSettings()
    _require_same_cases(first, second)
    one, patients = first.column(metric), first.patients()
    other_rows = {row.case_id: row for row in second.rows}
    second.require(metric)
    other = np.array([other_rows[row.case_id].value(metric) for row in first.rows], dtype=np.float64)
    there = np.isfinite(one), np.isfinite(other)
    used = there[0] & there[1]
    differences = patient_differences(one[used], other[used], patients[used])
    return Comparison(
        metric=metric, cases=int(used.sum()), patients=len(differences), left_out=int((~used).sum()),
        only_first=int((there[0] & ~there[1]).sum()), only_second=int((there[1] & ~there[0]).sum()),
        mean=bootstrap_interval(differences, np.arange(len(differences)).astype(str), mean_of, settings),
        shift=hodges_lehmann(differences, level=settings.level), wilcoxon_p=signed_rank_p(differences),
        permutation=flip_signs(differences, seed=settings.seed), rank_biserial=rank_biserial(differences),
    )  # fmt: skip


def _require_same_cases(first: CaseTable, second: CaseTable) -> None:
    own, others = ({row.case_id: row.patient for row in table.rows} for table in (first, second))
    lacking = [f"{case} (first only)" for case in own if case not in others]
    lacking += [f"{case} (second only)" for case in others if case not in own]
    if lacking:
        more = f" and {len(lacking) - LISTED} more" if len(lacking) > LISTED else ""
        raise InputError(
            f"two runs are compared over the same cases; {len(lacking)} stand in one only: "
            f"{', '.join(lacking[:LISTED])}{more}; run both over one manifest"
        )
    moved = [case for case, patient in own.items() if others[case] != patient]
    if moved:
        raise InputError(
            f"case {moved[0]} belongs to two patients in the two runs ({len(moved)} in all); correct a table"
        )


def froc_of(studies: Sequence[LesionMatch]) -> Froc:
    """The curve of a set of studies whose predicted lesions have scores (`match_lesions(..., scores=...)`).

    Raises:
        InputError: no study has a reference lesion, or a predicted lesion has no score.
    """
    if any(lesion.score is None for study in studies for lesion in study.prediction):
        raise InputError("FROC needs a score for each predicted lesion; give match_lesions the scores")
    scored = [lesion_scores(study) for study in studies]
    return froc(
        found=[score for found, _ in scored for score in found], false_alarms=[score for _, false in scored for score in false],
        lesions=sum(len(study.reference) for study in studies), studies=len(studies),
    )  # fmt: skip
