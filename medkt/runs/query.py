"""The tables of a run in SQL: DuckDB over tables that it is handed; no file, read or written, is within its reach."""

import json
import math
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medkt.bounds import budget
from medkt.errors import InputError, SettingsError
from medkt.extras import require
from medkt.runs.columns import renamed, twins
from medkt.runs.folder import RunFolder
from medkt.runs.tables import TABLES

MEMORY = "1GB"  # beyond it DuckDB says so; it may write nothing to the disk
ROWS_AT_ONCE = 1000
MOST_ROWS = 2_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Columns by name, and rows; NULL is None."""

    columns: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]


def query(runs: Sequence[Path], sql: str) -> Answer:
    """Ask the tables of runs; `results`, `failures` and `timings` are tables, of several runs with a column `run`.

    A run is called as its folder; of folders of one name by as much of their paths as tells them apart, `first/base`.

    DuckDB is handed the rows of the runs' files as it asks for them: it opens no file itself, reaches no network, loads no
    extension and keeps its settings.

    Raises:
        InputError: a folder has no tables, or a damaged one.
        SettingsError: the query is no SELECT and no explanation of one, takes too long, or DuckDB refuses it; says why; or a run
            is given twice, whose rows would count twice.
    """
    require("runs", "a query")
    import duckdb

    called = _names_of(runs)
    statement = _select_of(sql)
    with duckdb.connect(":memory:", config=_CONFIG) as database:
        _attach(database, {name: RunFolder(run) for name, run in zip(called, runs, strict=True)})
        try:
            with _stopped_after(budget().query_seconds, database):
                asked = database.execute(statement)
                rows = _bounded(asked)
        except duckdb.InterruptException as error:
            raise SettingsError(
                f"the query took longer than {budget().query_seconds} s; ask for less, or set MEDKT_QUERY_SECONDS"
            ) from error
        except duckdb.Error as error:
            raise SettingsError(f"the query cannot be answered: {_first_line(error)}") from error
        return Answer(columns=tuple(column[0] for column in asked.description or ()), rows=rows)


def _names_of(runs: Sequence[Path]) -> list[str]:
    """What each run is called: the end of its path, as long as it must be for no two to be called the same."""
    paths = [run.resolve() for run in runs]
    twice = next((path for number, path in enumerate(paths) if path in paths[:number]), None)
    if twice is not None:
        raise SettingsError(f"{twice}: is given twice, and its rows would count twice; give each run once")
    for length in range(1, max((len(path.parts) for path in paths), default=0) + 1):
        names = ["/".join(path.parts[-length:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    return [str(path) for path in paths]


@contextmanager
def _stopped_after(seconds: int, database: Any) -> Iterator[None]:
    """While the block runs, the database is interrupted where that takes longer: a recursion may have no end."""
    clock = threading.Timer(seconds, database.interrupt)
    clock.daemon = True
    clock.start()
    try:
        yield
    finally:
        clock.cancel()


def _bounded(asked: Any) -> list[tuple[Any, ...]]:
    """The rows of an answer that a person or a program can hold; SQL can ask for any number of them.

    Raises:
        SettingsError: they are more than `MOST_ROWS`.
    """
    rows: list[tuple[Any, ...]] = []
    while some := asked.fetchmany(ROWS_AT_ONCE):
        rows += some
        if len(rows) > MOST_ROWS:
            raise SettingsError(f"the answer has more than {MOST_ROWS} rows; ask for sums and means, or add LIMIT")
    return rows


def _select_of(sql: str) -> Any:
    """The only statement of a query: a SELECT, or the explanation of one, which could otherwise run what it explains."""
    import duckdb

    try:
        statements = duckdb.extract_statements(sql)
        kinds = [one.type for one in statements]
        if kinds == [duckdb.StatementType.EXPLAIN]:
            kinds = [one.type for one in duckdb.extract_statements(_EXPLAIN.sub("", statements[0].query, count=1))]
    except (
        duckdb.Error,
        ValueError,
    ) as error:  # ValueError: a kind of statement that DuckDB's own Python does not know
        raise SettingsError(f"the query is no SQL that DuckDB reads: {_first_line(error)}") from error
    if kinds != [duckdb.StatementType.SELECT] or _PRAGMA.match(sql):
        raise SettingsError("a query is one SELECT; the tables are " + ", ".join(TABLES))
    return statements[0]


_BLANK = r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)*"
_EXPLAIN = re.compile(rf"^{_BLANK}EXPLAIN\b{_BLANK}(?:ANALYZE\b|\([^)]*\))?", re.IGNORECASE | re.DOTALL)
_PRAGMA = re.compile(rf"^{_BLANK}PRAGMA\b", re.IGNORECASE | re.DOTALL)
"""Some versions of DuckDB take a PRAGMA that answers with rows for a SELECT."""
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "memory_limit": MEMORY, "temp_directory": "", "autoinstall_known_extensions": False,
    "autoload_known_extensions": False, "threads": 2, "python_enable_replacements": False,
}  # fmt: skip


def _attach(database: Any, runs: Mapping[str, RunFolder]) -> None:
    """The tables of all runs by their names, with a column `run` where there are several."""
    import pyarrow as pa
    from pyarrow.dataset import ParquetFileFormat, ParquetFragmentScanOptions, dataset

    checked = ParquetFileFormat(
        default_fragment_scan_options=ParquetFragmentScanOptions(page_checksum_verification=True)
    )
    for name in TABLES:
        held: list[tuple[str, Any, Mapping[str, str]]] = []
        for number, (called, run) in enumerate(runs.items()):
            path = run.require_table(name)
            try:
                rows = dataset(path, format=checked)
                database.register(f"{name}_{number}", rows)
            except (pa.ArrowException, OSError) as error:
                raise InputError(f"{path}: is damaged; write the tables anew by going on with the run") from error
            if not all(rows.schema.names):
                raise InputError(
                    f"{path}: is damaged, a column has no name; write the tables anew by going on with the run"
                )
            if alike := twins(rows.schema.names):
                raise InputError(
                    f"{path}: SQL takes the columns {alike[0]!r} and {alike[1]!r} for one; read them from the CSV, or run again with one"
                )
            columns = renamed(path, rows.schema.names)
            held.append((called if len(runs) > 1 else "", rows, columns))
        known = _known_kinds(held)
        parts = [
            _select(called, f"{name}_{number}", columns, _without_cells(rows, columns, known))
            for number, (called, rows, columns) in enumerate(held)
        ]
        database.execute(f"CREATE VIEW {name} AS {' UNION ALL BY NAME '.join(parts)}")
    database.execute("SET enable_external_access = false")
    database.execute("SET lock_configuration = true")


def _known_kinds(held: Sequence[tuple[str, Any, Mapping[str, str]]]) -> set[str]:
    """The columns that are no text in one run at least."""
    from pyarrow import types as kinds

    return {
        new
        for _, rows, columns in held
        for new, old in columns.items()
        if not kinds.is_string(rows.schema.field(old).type)
    }


def _without_cells(rows: Any, columns: Mapping[str, str], known: set[str]) -> set[str]:
    """Of the columns that are numbers elsewhere those without a cell here, which are stored as text.

    In a union they would make text of the numbers, and 9.5 would be more than 100.2.
    """
    from pyarrow import ArrowException
    from pyarrow import types as kinds
    from pyarrow.dataset import field

    texts = {new: old for new, old in columns.items() if new in known and kinds.is_string(rows.schema.field(old).type)}
    try:
        return {new for new, old in texts.items() if not rows.count_rows(filter=field(old).is_valid())}
    except (ArrowException, OSError):  # of damaged tables the query itself says so
        return set()


def _select(called: str, table: str, columns: Mapping[str, str], empty: set[str]) -> str:
    """All columns under today's names, those of earlier versions were called otherwise; and what the run is called, if anything."""
    name = f"{_text(called)} AS run, " if called else ""
    cells = (f"{'NULL' if new in empty else _name(old)} AS {_name(new)}" for new, old in columns.items())
    return f"SELECT {name}{', '.join(cells)} FROM {table}"


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def lines_of(answer: Answer, style: str) -> Iterator[str]:
    """The answer as text: "table" for people, "csv" or "json" (a line a row; NaN and infinity are null) for programs."""
    if style == "json":
        rows = (_finite(dict(zip(answer.columns, row, strict=True))) for row in answer.rows)
        yield from (json.dumps(row, default=str, allow_nan=False) for row in rows)
        return
    texts = [["" if cell is None else _plain(cell) for cell in row] for row in answer.rows]
    if style == "csv":
        yield from (",".join(map(_cell, row)) for row in [list(answer.columns), *texts])
        return
    widths = [max(map(len, column)) for column in zip(answer.columns, *texts, strict=True)]
    for row in [list(answer.columns), ["-" * width for width in widths], *texts]:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _finite(value: Any) -> Any:
    """The same without NaN and infinity, which JSON has not."""
    if isinstance(value, dict):
        return {str(key): _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _plain(cell: Any) -> str:
    return f"{cell:.6g}" if isinstance(cell, float) else str(cell)


def _cell(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"\n\r') else text
