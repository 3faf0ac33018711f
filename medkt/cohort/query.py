"""The tables of a run in SQL: DuckDB over the Parquet files, which it may read, and nothing else."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medkt.cohort.folder import RunFolder
from medkt.cohort.tables import TABLES
from medkt.errors import InputError, SettingsError
from medkt.report.plain import as_plain

MEMORY = "1GB"  # beyond it DuckDB says so; it may write nothing to the disk
ROWS_AT_ONCE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Columns by name, and rows; NULL is None."""

    columns: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]


def query(runs: Sequence[Path], sql: str) -> Answer:
    """Ask the tables of runs; `results`, `failures` and `timings` are tables, of several runs with a column `run`.

    DuckDB reads the runs' own files: no other file, no network, no extension, no change of its settings.

    Raises:
        InputError: a folder has no tables.
        SettingsError: the query is none that only reads, or DuckDB refuses it; says why.
    """
    import duckdb

    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise SettingsError(f"the query is no SQL that DuckDB reads: {_first_line(error)}") from error
    if len(statements) != 1 or statements[0].type not in (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN):
        raise SettingsError("a query is one SELECT; the tables are " + ", ".join(TABLES))
    with duckdb.connect(":memory:", config=_CONFIG) as database:
        _attach(database, [RunFolder(run) for run in runs])
        try:
            asked = database.execute(statements[0])
            rows = asked.fetchall()
        except duckdb.Error as error:
            raise SettingsError(f"the query cannot be answered: {_first_line(error)}") from error
        return Answer(columns=tuple(column[0] for column in asked.description or ()), rows=rows)


_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "memory_limit": MEMORY, "temp_directory": "", "autoinstall_known_extensions": False,
    "autoload_known_extensions": False, "threads": 2,
}  # fmt: skip


def _attach(database: Any, runs: Sequence[RunFolder]) -> None:
    """The tables as views, and then nothing but their files within reach."""
    files = {name: [run.table(name) for run in runs] for name in TABLES}
    for path in (path for paths in files.values() for path in paths):
        if not path.is_file():
            raise InputError(
                f"{path.parent}: has no table {path.name}; it is no run of `medkt batch`, or not ended yet"
            )
    listed = ", ".join(_quoted(path) for paths in files.values() for path in paths)
    database.execute(f"SET allowed_paths = [{listed}]")
    database.execute("SET enable_external_access = false")
    for name, paths in files.items():
        parts = [_select(run, path, several=len(runs) > 1) for run, path in zip(runs, paths, strict=True)]
        database.execute(f"CREATE VIEW {name} AS {' UNION ALL BY NAME '.join(parts)}")
    database.execute("SET lock_configuration = true")


def _select(run: RunFolder, path: Path, *, several: bool) -> str:
    name = f"{_text(run.path.resolve().name)} AS run, " if several else ""
    return f"SELECT {name}* FROM read_parquet({_quoted(path)})"


def _quoted(path: Path) -> str:
    return _text(str(path.resolve()))


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def lines_of(answer: Answer, style: str) -> Iterator[str]:
    """The answer as text: "table" for people, "csv" or "json" (a line a row; NaN and infinity are null) for programs."""
    if style == "json":
        rows = (as_plain(dict(zip(answer.columns, row, strict=True))) for row in answer.rows)
        yield from (json.dumps(row, default=str, allow_nan=False) for row in rows)
        return
    texts = [["" if cell is None else _plain(cell) for cell in row] for row in answer.rows]
    if style == "csv":
        yield from (",".join(map(_cell, row)) for row in [list(answer.columns), *texts])
        return
    widths = [max(map(len, column)) for column in zip(answer.columns, *texts, strict=True)]
    for row in [list(answer.columns), ["-" * width for width in widths], *texts]:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _plain(cell: Any) -> str:
    return f"{cell:.6g}" if isinstance(cell, float) else str(cell)


def _cell(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"\n\r') else text
