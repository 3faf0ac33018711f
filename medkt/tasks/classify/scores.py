"""The result table of a run that classifies, as columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64

from medkt.errors import UnreadableError
from medkt.runs.columns import CASE
from medkt.tasks.table import CodedColumn, coded, groups_of, numbers, open_table

NOT_DONE = -1
UNCLAIMED = -2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassScores:
    """What the statistics of a classification need; a row a case.

    Attributes:
        classes: their names, in the order of the columns below.
        concepts: the concept of each.
        case: each row's pseudonym.
        patient: the patient's; the case's where the table names none.
        failure: why a case failed, "" where it did not.
        truth: (rows,) the place of the true class in `classes`.
        predicted: (rows,) that of the class with the highest share; -1 where the case failed, -2 where nothing was claimed.
        rank: (rows,) of the true class, from 1; NaN where the case failed.
        shares: (rows, classes) from 0 to 1; NaN where the case failed.
        groups: what subgroups are made of.
    """

    classes: tuple[str, ...]
    concepts: tuple[str, ...]
    case: CodedColumn
    patient: CodedColumn
    failure: CodedColumn
    truth: Int64[np.ndarray, " rows"]
    predicted: Int64[np.ndarray, " rows"]
    rank: Float64[np.ndarray, " rows"]
    shares: Float64[np.ndarray, "rows classes"]
    groups: Mapping[str, CodedColumn] = field(default_factory=dict)

    @property
    def done(self) -> Bool[np.ndarray, " rows"]:
        """Which rows were answered, also by no claim."""
        held: Bool[np.ndarray, " rows"] = self.predicted != NOT_DONE
        return held

    @property
    def hit(self) -> Bool[np.ndarray, " rows"]:
        """Which rows are predicted right, without a tie."""
        held: Bool[np.ndarray, " rows"] = self.rank == 1
        return held


def read_class_scores(table: Path, identity: Mapping[str, Any], *, by: Sequence[str] = ()) -> ClassScores:
    """The columns of `results.parquet` that the statistics of a classification need.

    Args:
        table: written by `medkt evaluate`.
        identity: of the run's record.
        by: further columns to make subgroups of.

    Raises:
        InputError: there is no such table, or it has no row. UnreadableError: it is damaged, or not of the classes that the
            run records. SettingsError: a column of `by` is not there; lists those that are.
    """
    classes = identity["classes"]
    columns = {one["name"]: f"probability_{one['concept']}" for one in classes}
    held = open_table(table, needed=(CASE, "class_name", "status"), by=by)
    done = coded(held, "status").are("done")
    lacking = [name for name in ("predicted", "rank", *columns.values()) if name not in held.column_names]
    if lacking and done.any():
        raise UnreadableError(f"{table}: has no column {lacking[0]}; it is no result table of this run")
    predicted, reasons = _places(coded(held, "predicted"), columns, table), coded(held, "no_claim")
    silent = np.array([bool(word) for word in reasons.words])[reasons.codes]
    return ClassScores(
        classes=tuple(columns), concepts=tuple(one["concept"] for one in classes), case=coded(held, CASE),
        patient=coded(held, "patient", otherwise=CASE), failure=coded(held, "failure"),
        truth=_places(coded(held, "class_name"), columns, table),
        predicted=np.where(done, np.where(silent, UNCLAIMED, predicted), NOT_DONE), rank=numbers(held, "rank"),
        shares=np.stack([numbers(held, name) for name in columns.values()], axis=1),
        groups=groups_of(held, by),
    )  # fmt: skip


def _places(column: CodedColumn, classes: Mapping[str, str], table: Path) -> Int64[np.ndarray, " rows"]:
    """The place of each row's word among the classes; -1 for no word."""
    names = list(classes)
    other = [word for word in column.words if word and word not in classes]
    if other:
        raise UnreadableError(f"{table}: holds a class {other[0]!r}, which the run's record does not; it was changed")
    places = np.array([names.index(word) if word else NOT_DONE for word in column.words], dtype=np.int64)
    found: Int64[np.ndarray, " rows"] = places[column.codes]
    return found
