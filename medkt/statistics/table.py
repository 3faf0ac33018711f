"""The per-case table that every statistic starts from: one row a case, complete, with what is missing and why.

Nothing is dropped on the way in. A case that failed or whose prediction is missing keeps its row, so that a mean can say
of how many cases it speaks. A patient may have several cases; intervals and tests count patients.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64, Shaped

from medkt.errors import InputError

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
