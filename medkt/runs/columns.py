"""How the columns of a run's tables are called, now and in runs of earlier versions.

What comes from the manifest stands under `kept_NAME`, so that no column of it takes the place of a result. Tables of
the first schema had `case` for `case_id`, a word of SQL, and the manifest's columns under their own names.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from medkt.bounds import read_note

SCHEMA = 2  # of the tables; stands in `run.json` and in the metadata of each Parquet file
SCHEMA_KEY = "medkt_schema"
CASE = "case_id"
KEPT = "kept_"
_FIRST_CASE = "case"


def kept(name: str) -> str:
    """The table's name of a column of the manifest.

    >>> kept("dsc")
    'kept_dsc'
    """
    return f"{KEPT}{name}"


def twins(names: Iterable[str]) -> tuple[str, str] | None:
    """Two names that differ in upper and lower case only, which SQL takes for one column; None where there are none."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name.casefold(), name)
        if other != name:
            return other, name
    return None


def renamed(table: Path, names: Sequence[str]) -> dict[str, str]:
    """Today's name -> the name in the file, of every column of a table, in the file's order.

    Args:
        table: the Parquet file; of one of the first schema the run's record beside it says which columns were kept.
        names: its columns.
    """
    if CASE in names or _FIRST_CASE not in names:
        return {name: name for name in names}
    moved = set(_kept_by(table.parent / "run.json"))
    return {CASE if name == _FIRST_CASE else kept(name) if name in moved else name: name for name in names}


def asked_column(names: Sequence[str], name: str) -> str:
    """The column that a name of `--by` means: the manifest's, where it was kept, else a result's own; "" for neither."""
    return next((one for one in (kept(name), name) if one in names), "")


def _kept_by(record: Path) -> Sequence[str]:
    try:
        identity = (read_note(record) or {})["identity"]
        own = {"class_name"} if identity.get("task") == "classification" else set()
        return [str(name) for name in identity.get("columns", ()) if name not in own | _OF_RESULTS]
    except (KeyError, TypeError, AttributeError):
        return ()


# a kept column of one of these names is lost in tables of the first schema: the result stood in its place, where there was one
_OF_RESULTS = {
    "case", "patient", "concept", "status", "failure", "outcome", "predicted", "hit", "rank", "present", "score", "dsc", "iou",
    "decision", "domain", "unit", "probability", "p_value", "infinite", "no_number", "warnings", "incomplete",
}  # fmt: skip
