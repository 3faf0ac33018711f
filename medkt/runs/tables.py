"""The outcomes as tables: Parquet for programs, CSV for people, the same bytes whenever the outcomes are the same.

    results     a row a case and concept, sorted by both; no times, no paths
    failures    a row a failed case: kind, code and its sentence, place in the manifest
    timings     a row a case: seconds by step; the only one that differs from run to run

What comes from the manifest stands under `kept_NAME` (`medkt.runs.columns`), so it takes the place of no result.
Rows pass through in batches, so a million of them take little memory. Which columns there are, and of which type, is
found in a first pass over the outcomes.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from medkt.io.atomic import write_atomically
from medkt.io.table import harmless
from medkt.runs.columns import CASE, SCHEMA, SCHEMA_KEY
from medkt.runs.folder import RunFolder
from medkt.runs.ledger import Ledger
from medkt.runs.outcomes import Outcome
from medkt.runs.work import Row

AT_ONCE = 20_000
TABLES = ("results", "failures", "timings")
# these come first, in this order; the others follow by name
FIRST = (
    CASE,
    "patient",
    "concept",
    "status",
    "failure",
    "predicted",
    "hit",
    "rank",
    "present",
    "score",
    "dsc",
    "iou",
)

ColumnKind = Literal["", "bool", "int", "float", "text"]
_KINDS: Mapping[type, ColumnKind] = {bool: "bool", int: "int", float: "float", str: "text"}
_FIXED: Mapping[str, Mapping[str, ColumnKind]] = {
    "results": {CASE: "text", "concept": "text", "status": "text", "failure": "text"},
    "failures": {CASE: "text", "number": "int", "failure": "text", "code": "text", "message": "text"},
    "timings": {CASE: "text", "total_s": "float"},
}


def write_tables(run: RunFolder, ledger: Ledger) -> tuple[Path, ...]:
    """Write every table anew from the ledger; each file is replaced whole.

    Raises:
        OutputError: no space, no permission.
    """
    rows: Mapping[str, Callable[[Outcome], Iterable[Row]]] = {
        "results": result_rows, "failures": _failure_rows, "timings": _timing_rows,
    }  # fmt: skip
    columns: dict[str, dict[str, ColumnKind]] = {name: dict(_FIXED[name]) for name in TABLES}
    for outcome in ledger.outcomes():
        for name in TABLES:
            for row in rows[name](outcome):
                _widen(columns[name], row)
    written = []
    for name in TABLES:
        made, ordered = rows[name], _ordered(columns[name])

        def write(parquet: Path, csv: Path, made: Any = made, ordered: Any = ordered) -> None:
            _write((row for outcome in ledger.outcomes() for row in made(outcome)), ordered, parquet, csv)

        written += _both(run.table(name), run.table(name, "csv"), write)
    return tuple(written)


def write_gone(run: RunFolder, ledger: Ledger) -> None:
    """`gone.csv`: cases whose row left the manifest, which count no more, and those that are kept without their files.

    Raises:
        OutputError: no space, no permission.
    """
    target = run.table("gone", "csv")
    lines = [f"{key},{what}\n" for key, what in ledger.gone()]
    if not lines:
        target.unlink(missing_ok=True)
        return
    write_atomically(target, lambda path: path.write_text("".join(["case_id,gone\n", *lines]), encoding="utf-8"))


def result_rows(outcome: Outcome) -> list[Row]:
    """The rows of one case in the result table, sorted by concept."""
    head = {CASE: outcome.key, "status": outcome.state, "failure": outcome.kind or None}
    head |= {"made_with": outcome.made} if outcome.made else {}
    return [{**head, **row} for row in sorted(outcome.rows, key=lambda row: str(row.get("concept")))]


def _failure_rows(outcome: Outcome) -> list[Row]:
    if outcome.state != "failed":
        return []
    why = {"failure": outcome.kind, "code": outcome.code, "message": outcome.message}
    return [{CASE: outcome.key, "number": outcome.number, **why}]


def _timing_rows(outcome: Outcome) -> list[Row]:
    steps = {f"{step.replace(' ', '_')}_s": float(seconds) for step, seconds in outcome.seconds.items()}
    return [{CASE: outcome.key, "total_s": round(sum(steps.values()), 4), **steps}]


def _widen(columns: dict[str, ColumnKind], row: Row) -> None:
    """Let the columns' types hold this row too; in whatever order rows come, the outcome is the same."""
    for name, value in row.items():
        kind = "" if value is None else _KINDS[type(value)]
        had = columns.setdefault(name, kind)
        if had == kind or not kind:
            continue
        numbers = {had, kind} == {"int", "float"}
        columns[name] = kind if not had else "float" if numbers else "text"


def _ordered(columns: Mapping[str, ColumnKind]) -> dict[str, ColumnKind]:
    first = [name for name in FIRST if name in columns]
    return {name: columns[name] for name in [*first, *sorted(set(columns) - set(first))]}


def _both(parquet: Path, csv: Path, write: Callable[[Path, Path], None]) -> list[Path]:
    """Both files from one pass over the rows, each under its name only when both are whole."""
    return [
        write_atomically(parquet, lambda first: write_atomically(csv, lambda second: write(first, second))),
        csv,
    ]


def _write(rows: Iterator[Row], columns: Mapping[str, ColumnKind], parquet: Path, csv: Path) -> None:
    import pyarrow as pa
    from pyarrow.csv import CSVWriter
    from pyarrow.parquet import ParquetWriter

    types = {"": pa.string(), "bool": pa.bool_(), "int": pa.int64(), "float": pa.float64(), "text": pa.string()}
    schema = pa.schema([(name, types[kind]) for name, kind in columns.items()], metadata={SCHEMA_KEY: str(SCHEMA)})
    with (
        parquet.open("wb") as first,
        csv.open("wb") as second,
        ParquetWriter(first, schema, compression="zstd", write_page_checksum=True) as packed,
        CSVWriter(second, schema) as plain,
    ):
        while batch := list(islice(rows, AT_ONCE)):
            table = pa.Table.from_arrays(
                [pa.array(_column(batch, name, kind), types[kind]) for name, kind in columns.items()], schema=schema
            )
            packed.write_table(table)
            plain.write_table(_harmless(table))


def _harmless(table: Any) -> Any:
    """The same for people: no cell of text is a formula to a spreadsheet. The Parquet table keeps the words as they are."""
    import pyarrow as pa

    for index, column in enumerate(table.schema):
        if pa.types.is_string(column.type):
            cells = [None if cell is None else harmless(cell) for cell in table.column(index).to_pylist()]
            table = table.set_column(index, column, pa.array(cells, pa.string()))
    return table


def _column(rows: Sequence[Row], name: str, kind: ColumnKind) -> list[Any]:
    values = [row.get(name) for row in rows]
    if kind == "float":
        return [None if value is None else float(value) for value in values]
    if kind == "text":
        return [None if value is None else str(value) for value in values]
    return values
