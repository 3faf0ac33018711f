"""A result table read back as columns: a million rows as NumPy arrays, never as Python objects."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int64
from numpy.typing import NDArray

from medkt.bounds import read_note
from medkt.errors import InputError, SettingsError, UnreadableError
from medkt.extras import require
from medkt.io.sha256 import sha256_of
from medkt.runs.columns import CASE, asked_column, renamed
from medkt.runs.folder import RunFolder

NOT_STATED = "(not stated)"
Rows = Bool[np.ndarray, " rows"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CodedColumn:
    """A column of words: a number a row, and the word of each number.

    Attributes:
        codes: (rows,), an index into `words`.
        words: each once.
    """

    codes: Int64[np.ndarray, " rows"]
    words: tuple[str, ...]

    def are(self, word: str) -> Rows:
        """Which rows hold the word."""
        if word not in self.words:
            return np.zeros(len(self.codes), dtype=bool)
        held: Rows = self.codes == self.words.index(word)
        return held


def open_table(
    table: Path, *, needed: Sequence[str], by: Sequence[str], kept: Callable[[str], bool] | None = None
) -> Any:
    """A result table as Arrow holds it, with the columns `needed` and `by`, and others where `kept` says so.

    Raises:
        InputError: there is no such table, or it has no row. UnreadableError: it is damaged, was changed since the run wrote
            it, or is no table of medkt. SettingsError: a column of `by` is not there; lists those that are.
    """
    require("runs", "the table of a run")
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    if not table.is_file():
        raise InputError(
            f"{table.parent}: has no table {table.name}; it is no run of `medkt batch` or `medkt evaluate`, or not ended yet"
        )
    require_as_written(table)
    try:
        file = ParquetFile(table, page_checksum_verification=True)
        stored = renamed(table, file.schema_arrow.names)
        names = list(stored)
        _require_columns(table, names, needed, by)
        asked = [asked_column(names, name) for name in by]
        wanted = dict.fromkeys([*needed, *asked, *(name for name in names if kept is None or kept(name))])
        held = file.read(columns=[stored[name] for name in wanted])
        now = {old: name for name, old in stored.items()}
        held = held.rename_columns([now[old] for old in held.column_names])
    except (pa.ArrowException, OSError) as error:
        raise UnreadableError(f"{table}: cannot be read; it is damaged or no Parquet file") from error
    if not held.num_rows:
        raise InputError(f"{table}: holds no row; no case has ended yet")
    _require_plain(table, held)
    return held


def require_as_written(table: Path) -> None:
    """That a table has the digest that the record of its run states, where it states one.

    Raises:
        UnreadableError: it has another, or the record is damaged.
    """
    beside = table.parent / "run.json"
    record = read_note(beside) if beside.exists() else {}
    tables = {} if record is None else record.get("tables", {})  # none of a run of an earlier version
    if record is None or not isinstance(tables, dict):
        raise UnreadableError(f"{beside}: cannot be read; it is damaged or no file of medkt")
    told = tables.get(table.name)
    if told is not None and told != sha256_of(table):
        raise UnreadableError(
            f"{table}: is not as the run wrote it (its digest is another): changed, damaged, or the run was ended while it wrote; "
            "going on with the run writes it anew"
        )


def _require_plain(table: Path, held: Any) -> None:
    """That columns are words, numbers and yes or no.

    Raises:
        UnreadableError: one is of another kind, or its words are no text.
    """
    import pyarrow as pa
    from pyarrow import types as kinds

    known = (kinds.is_string, kinds.is_boolean, kinds.is_integer, kinds.is_floating, kinds.is_null)
    odd = [one.name for one in held.schema if not any(is_kind(one.type) for is_kind in known)]
    if odd:
        raise UnreadableError(f"{table}: column {odd[0]} is of a kind that no result table of medkt has")
    try:
        held.validate(full=True)
    except pa.ArrowException as error:
        raise UnreadableError(f"{table}: holds words that are no text; it is damaged") from error


def _require_columns(table: Path, names: Sequence[str], needed: Sequence[str], by: Sequence[str]) -> None:
    lacking = [name for name in needed if name not in names]
    if lacking:
        raise UnreadableError(f"{table}: has no column {lacking[0]}; it is no result table of medkt")
    unknown = [name for name in by if not asked_column(names, name)]
    if unknown:
        raise SettingsError(
            f"--by {unknown[0]}: the result table has no such column; it has {', '.join(names)} (`--keep-column` and "
            "`--by` put columns of the manifest into it when the run begins)"
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DoneCases:
    """The cases of a run that were done, where a case has one row.

    Attributes:
        names: of their folders, in the table's order.
        patients: a number a case.
        failed: how many cases were not done.
        rows: the columns that were asked for, as Arrow holds them.
    """

    names: tuple[str, ...]
    patients: Int64[np.ndarray, " cases"]
    failed: int
    rows: Any

    @property
    def patient_count(self) -> int:
        """How many patients they are of."""
        return len(np.unique(self.patients))


def done_cases(run: RunFolder, *, needed: Sequence[str] = (), by: Sequence[str] = ()) -> DoneCases:
    """The cases of a run that were done, with the columns `needed`.

    Raises:
        InputError: none was. SettingsError, UnreadableError: as `open_table`.
    """
    held = open_table(
        run.require_table("results"), needed=(CASE, "status", *needed), by=by, kept=lambda name: name == "patient"
    )
    done = coded(held, "status").are("done")
    rows = held.filter(done)
    if not rows.num_rows:
        raise InputError(f"{run.path}: no case was done; see failures.csv")
    names = tuple(rows.column(CASE).to_pylist())
    patients = coded(rows, "patient", otherwise=CASE).codes
    return DoneCases(names=names, patients=patients, failed=int((~done).sum()), rows=rows)


def groups_of(table: Any, by: Sequence[str]) -> dict[str, CodedColumn]:
    """What subgroups are made of, under the names by which they were asked for."""
    return {name: coded(table, asked_column(table.column_names, name), empty=NOT_STATED) for name in by}


def coded(table: Any, name: str, *, otherwise: str = "", empty: str = "") -> CodedColumn:
    """A column of words; rows without one take `empty`, or the column `otherwise`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if name not in table.column_names:
        if otherwise:
            return coded(table, otherwise)
        return CodedColumn(codes=np.zeros(table.num_rows, dtype=np.int64), words=(empty,))
    words = table.column(name).cast(pa.string())
    words = pc.coalesce(words, table.column(otherwise).cast(pa.string())) if otherwise else pc.fill_null(words, empty)
    if empty:
        words = pc.if_else(pc.equal(words, ""), empty, words)
    packed = words.combine_chunks().dictionary_encode()
    return CodedColumn(
        codes=packed.indices.to_numpy(zero_copy_only=False).astype(np.int64), words=tuple(packed.dictionary.to_pylist())
    )


def numbers(table: Any, name: str) -> NDArray[np.float64]:
    """A column of numbers, NaN where there is none.

    Raises:
        UnreadableError: it holds words.
    """
    import pyarrow as pa

    if name not in table.column_names:
        return np.full(table.num_rows, np.nan)
    try:
        values: NDArray[np.float64] = table.column(name).cast(pa.float64()).to_numpy()
    except pa.ArrowException as error:
        raise UnreadableError(f"the column {name} of a result table holds words, not numbers; it is damaged") from error
    return values
