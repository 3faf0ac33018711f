"""The columns of a result table of masks that statistics need."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray

from medkt.runs.columns import CASE
from medkt.tasks.masks.columns import NUMBERS
from medkt.tasks.table import CodedColumn, Rows, coded, groups_of, numbers, open_table

LESIONS = ("scores_found", "scores_false")
_NEEDED = (CASE, "concept", "status")
_RULES, _DIGESTS = ("reference_rule", "prediction_rule"), ("input_digest", "reference_digest", "prediction_digest")
_OUTSIDE = re.compile(r"(prediction|reference)_outside_(ml|mm2|pixels)")
_OTHERS = (
    "failure",
    "outcome",
    "patient",
    "present",
    "decision",
    "no_claim",
    "p_value",
    "score",
    "probability",
    "infinite",
    "no_number",
    *LESIONS,
    *_RULES,
    *_DIGESTS,
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scores:
    """What the statistics of a run need.

    Attributes:
        rows: how many.
        concept, status, failure, outcome: a word a row; "" where there is none.
        patient: the patient's pseudonym; the case's where the table names none.
        present: (rows,) 1 where the finding was seen, 0 where not or where nothing was claimed, NaN where nothing was decided.
        silent: (rows,) where nothing was claimed.
        unclaimed: a word a row, the codes of why nothing was claimed with semicolons between; None where the table knows no
            such state.
        score: (rows,) the presence score; NaN where the run has none.
        probability: (rows,) that the finding is there, by a calibration; NaN where there is none.
        numbers: by metric, (rows,); NaN where missing, infinite where the table says so.
        groups: what subgroups are made of.
        why: a word a row, why numbers are missing.
        lesions: the scores of the lesions that were found, and those of false alarms, words with spaces between; None where
            the run scored no lesions.
        rules: of "reference" and "prediction", by which rule voxels were taken from the file, a word a row.
        digests: of "input", "reference" and "prediction", a digest of the voxels; "" where there is none.
        outside: by column, how much a mask marks outside the other's field of view; NaN where the grids were one.
    """

    rows: int
    concept: CodedColumn
    status: CodedColumn
    failure: CodedColumn
    outcome: CodedColumn
    patient: CodedColumn
    present: Float64[np.ndarray, " rows"]
    silent: Rows
    unclaimed: CodedColumn | None = None
    score: Float64[np.ndarray, " rows"]
    probability: Float64[np.ndarray, " rows"]
    numbers: Mapping[str, Float64[np.ndarray, " rows"]]
    groups: Mapping[str, CodedColumn] = field(default_factory=dict)
    why: CodedColumn
    lesions: tuple[CodedColumn, CodedColumn] | None = None
    rules: Mapping[str, CodedColumn] = field(default_factory=dict)
    digests: Mapping[str, CodedColumn] = field(default_factory=dict)
    outside: Mapping[str, Float64[np.ndarray, " rows"]] = field(default_factory=dict)

    @property
    def positives(self) -> Rows:
        """Rows whose reference shows the finding."""
        rows: Rows = self.outcome.are("normal") | self.outcome.are("prediction empty")
        return rows

    @property
    def negatives(self) -> Rows:
        """Rows whose reference is empty."""
        rows: Rows = self.outcome.are("both empty") | self.outcome.are("reference empty")
        return rows


def read_scores(table: Path, *, by: Sequence[str] = ()) -> Scores:
    """The columns of `results.parquet` that statistics need.

    Args:
        table: written by `medkt batch` or `medkt evaluate`.
        by: what to make subgroups of, under the manifest's own names or those of results.

    Raises:
        InputError: there is no such table, or it has no row. UnreadableError: it is damaged or no table of medkt.
        SettingsError: a column of `by` is not there; lists those that are.
    """
    held = open_table(table, needed=_NEEDED, by=by, kept=_kept)
    names = held.column_names
    metrics = [name for name in names if _is_metric(name)]
    done = coded(held, "status").are(
        "done"
    )  # in tables of the first schema a failed case may have the manifest's number
    silent = _silent(held)
    return Scores(
        rows=held.num_rows, concept=coded(held, "concept"), status=coded(held, "status"),
        failure=coded(held, "failure"), outcome=coded(held, "outcome"),
        patient=coded(held, "patient", otherwise=CASE), present=np.where(silent, 0.0, numbers(held, "present")),
        silent=silent, unclaimed=coded(held, "no_claim") if silent.any() or "no_claim" in names else None,
        score=numbers(held, "score"), probability=numbers(held, "probability"),
        numbers={name: np.where(done, _with_infinite(held, name), np.nan) for name in metrics},
        groups=groups_of(held, by), why=coded(held, "no_number"),
        lesions=(coded(held, LESIONS[0]), coded(held, LESIONS[1])) if set(LESIONS) <= set(names) else None,
        rules={name.removesuffix("_rule"): coded(held, name) for name in _RULES if name in names},
        digests={name.removesuffix("_digest"): coded(held, name) for name in _DIGESTS if name in names},
        outside={name: numbers(held, name) for name in names if _OUTSIDE.fullmatch(name)},
    )  # fmt: skip


def _silent(table: Any) -> Rows:
    """Where nothing was claimed. Earlier versions said "not decided" of it, as of a gate that is off; a p value tells them apart."""
    decision = coded(table, "decision")
    earlier: Rows = decision.are("not decided") & np.isfinite(numbers(table, "p_value"))
    silent: Rows = decision.are("no claim") | earlier
    return silent


def _is_metric(name: str) -> bool:
    return any(column.describes(name) for column in NUMBERS)


def _kept(name: str) -> bool:
    return name in _OTHERS or _is_metric(name) or _OUTSIDE.fullmatch(name) is not None


def _with_infinite(table: Any, name: str) -> NDArray[np.float64]:
    import pyarrow as pa
    import pyarrow.compute as pc

    values = numbers(table, name)
    if "infinite" not in table.column_names:
        return values
    names = pc.fill_null(table.column("infinite").cast(pa.string()), "")
    listed = pc.match_substring(pc.binary_join_element_wise("", names, "", " "), f" {name} ")
    return np.where(listed.to_numpy(), np.inf, values)
