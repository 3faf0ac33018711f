"""Published numbers as data, so that a report can draw ours beside theirs. Values are as printed, nothing is computed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from medkt.errors import InputError, UnknownNameError
from medkt.io.table import TextRow, read_rows
from medkt.resources import data_file

COLUMNS = (
    "source", "table", "dataset", "model", "target", "condition", "metric", "value", "unit", "sd", "label_tuned", "note",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedValue:
    """One number of one table.

    Attributes:
        source: which publication.
        table: which table there.
        dataset: what it was measured on.
        model: the model.
        target: the class or finding.
        condition: "base", or what was done: "lr 2e-5".
        metric: "dsc", "iou", "nsd_slab" (never "nsd": see `evaluation/published/README.md`), "accuracy", ...
        value: as printed, in `unit`.
        unit: "%", or "" for scores.
        sd: the standard deviation where printed.
        label_tuned: what was chosen with the labels of the data; "" where nothing is known to have been.
        note: what a reader should know.
    """

    source: str
    table: str
    dataset: str
    model: str
    target: str
    condition: str
    metric: str
    value: float
    unit: str
    sd: float | None
    label_tuned: str
    note: str


@cache
def published_tables() -> Mapping[str, tuple[PublishedValue, ...]]:
    """Every table that ships with medkt, by file name."""
    folder = data_file("configs/published")
    return MappingProxyType({path.stem: tuple(read_published(path)) for path in sorted(folder.glob("*.csv"))})


def published_table(name: str) -> tuple[PublishedValue, ...]:
    """The table of that name.

    Raises:
        UnknownNameError: lists those there are.
    """
    known = published_tables()
    if name not in known:
        raise UnknownNameError(f"no published table {name!r}; known: {', '.join(known)}")
    return known[name]


def read_published(path: Path) -> Iterator[PublishedValue]:
    """The values of a file with the columns of `COLUMNS`.

    Raises:
        InputError: a column is missing or a value is no number; with file and row.
    """
    for row, values in read_rows(path, required=COLUMNS):
        yield _value(values, f"{path}, row {row}")


def _value(values: TextRow, where: str) -> PublishedValue:
    words = {name: values[name] for name in COLUMNS if name not in ("value", "sd")}
    try:
        number, sd = float(values["value"]), float(values["sd"]) if values["sd"] else None
    except ValueError as error:
        raise InputError(
            f"{where}, columns value and sd: expected numbers, got {values['value']!r}, {values['sd']!r}"
        ) from error
    return PublishedValue(value=number, sd=sd, **words)
