"""Tables of text, row by row: CSV in UTF-8, or Parquet. Every message has the file, the row and the column."""

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TextIO

from medkt.bounds import require_regular
from medkt.errors import InputError, UnreadableError
from medkt.extras import require
from medkt.io.atomic import write_atomically

SUFFIXES = (".csv", ".parquet")
MOST_COLUMNS = 2_000
BATCH = 10_000  # rows held at a time
TextRow = dict[str, str]
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?([eE][-+]?\d+)?")


def read_rows(
    path: Path, *, required: Sequence[str] = (), check_name: Callable[[str], str | None] | None = None
) -> Iterator[tuple[int, TextRow]]:
    """(row number, {column: text}); rows are counted as a spreadsheet does, the header being row 1.

    Args:
        path: ends in `.csv` or `.parquet`.
        required: columns that must be there.
        check_name: says what the name of a column was probably meant to be, None where it may stay.

    Raises:
        InputError: no such file, a missing, doubled or nameless column, a row of another length.
        UnreadableError: damaged, or no UTF-8.
    """
    require_regular(path)
    if not path.is_file():
        raise InputError(f"{path}: there is no such table; give a {' or '.join(SUFFIXES)} file")
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path}: a table ends in {' or '.join(SUFFIXES)}; save it as one of them")
    rows = _parquet(path) if path.suffix.lower() == ".parquet" else _csv(path)
    _, header = next(rows, (1, []))
    names = _names(header, str(path), required, check_name)
    for number, cells in rows:
        if len(cells) != len(names):
            raise InputError(
                f"{path}, row {number}: {len(cells)} cells, the header has {len(names)}; quote cells that hold a comma"
            )
        yield number, dict(zip(names, cells, strict=True))


def write_rows(path: Path, header: Sequence[str], rows: Iterable[TextRow]) -> Path:
    """Write a table whole or not at all; the suffix says which kind.

    Raises:
        OutputError: it cannot be written.
    """
    write = _write_parquet if path.suffix.lower() == ".parquet" else _write_csv
    return write_atomically(path, lambda temporary: write(temporary, header, rows))


def _names(
    cells: Sequence[str], shown: str, required: Sequence[str], check_name: Callable[[str], str | None] | None
) -> list[str]:
    names = list(cells)
    if len(names) > MOST_COLUMNS:
        raise InputError(f"{shown}, row 1: {len(names)} columns, more than {MOST_COLUMNS}; remove those not needed")
    counts = Counter(names)
    if len(names) == 1 and any(mark in names[0] for mark in ";\t"):
        raise InputError(f"{shown}, row 1: one column only; the file is separated by ; or tabs, save it with commas")
    for needed in required:
        if needed not in names:
            raise InputError(f"{shown}, row 1: no column {needed!r}; there are {names[:20]}")
    for number, name in enumerate(names, start=1):
        if counts[name] > 1:
            raise InputError(f"{shown}, row 1: column {name!r} stands there twice; keep one")
        meant = check_name(name) if check_name is not None else None
        if meant is not None:
            raise InputError(
                f"{shown}, row 1: column {name!r} is none of medkt's; did you mean {meant}? Else rename it"
            )
        if check_name is not None and not name:
            raise InputError(f"{shown}, row 1: column {number} has no name; name it or remove it")
    return names


def _csv(path: Path) -> Iterator[tuple[int, list[str]]]:
    number = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as opened:
            for number, cells in enumerate(csv.reader(opened, delimiter=_separator(opened), strict=True), start=1):
                if any(cells):  # blank lines are harmless
                    yield number, [cell.strip() for cell in cells]
    except UnicodeDecodeError as error:
        raise UnreadableError(f"{path}: is not UTF-8 text; save it as CSV in UTF-8") from error
    except csv.Error as error:
        raise UnreadableError(f"{path}, row {number + 1}: no valid CSV ({error}); save it again") from error


def _separator(opened: TextIO) -> str:
    """What a first line `sep=;` says, which Excel reads, hides and does not count as a row; a comma where there is none."""
    start = opened.tell()
    stated = re.fullmatch(r"\"?sep=(.)\"?[,;\t]?\r?\n?", opened.readline(16))
    if stated is None:
        opened.seek(start)
    return stated[1] if stated else ","


def _parquet(path: Path) -> Iterator[tuple[int, list[str]]]:
    require("runs", f"{path}: a Parquet file", ["pyarrow"])
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as opened:
            header = list(opened.schema_arrow.names)
            yield 1, header
            number = 1
            for batch in opened.iter_batches(batch_size=BATCH):
                columns = [batch.column(index).to_pylist() for index in range(len(header))]
                for cells in zip(*columns, strict=True):
                    number += 1
                    yield number, [_text(cell) for cell in cells]
    except (ArrowException, OSError, UnicodeDecodeError) as error:
        raise UnreadableError(f"{path}: is no Parquet file, or is damaged; write it again") from error


def _text(cell: object) -> str:
    if cell is None or cell != cell:
        return ""  # nothing, or NaN
    if isinstance(cell, bool) or (isinstance(cell, float) and cell.is_integer()):
        return str(int(cell))  # pandas makes floats of whole numbers beside empty cells
    return str(cell).strip()


def harmless(cell: str) -> str:
    """The cell so that no spreadsheet runs it as a formula: one that begins like one gets a ' in front; numbers stay.

    >>> harmless("=1+1"), harmless("-1.5"), harmless("F")
    ("'=1+1", '-1.5', 'F')
    """
    return f"'{cell}" if cell.startswith(_FORMULA) and not _NUMBER.fullmatch(cell) else cell


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[TextRow]) -> None:
    with path.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.DictWriter(opened, header, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _write_parquet(path: Path, header: Sequence[str], rows: Iterable[TextRow]) -> None:
    require("runs", f"{path}: a Parquet file", ["pyarrow"])
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    schema = pa.schema([(name, pa.string()) for name in header])
    incoming = iter(rows)
    with path.open("wb") as opened, ParquetWriter(opened, schema, compression="zstd") as writer:
        while batch := list(islice(incoming, BATCH)):
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))
