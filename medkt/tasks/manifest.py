"""From a manifest file to the cases of a run: gone through once, and what was found kept for a run that goes on."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from medkt.bounds import read_note
from medkt.datasets.manifest import MissingFiles, iterate_files, iterate_manifest
from medkt.errors import SettingsError
from medkt.io.atomic import write_atomically
from medkt.io.sha256 import sha256_of
from medkt.records.form import SUM
from medkt.runs.folder import sum_of
from medkt.runs.work import Shard
from medkt.tasks.base import CaseSource
from medkt.tasks.cases import KNOWN_COLUMNS, CasePlan


def plan_of(
    manifest: Path,
    *,
    concepts: Callable[[str], str],
    asked: Sequence[str],
    shard: Shard | None = None,
    keep_ids: bool = False,
    columns: Sequence[str] = (),
    cache: Path | None = None,
) -> CasePlan:
    """The plan of a manifest file.

    Its rows are gone through once; `concepts` gives the id of what a row calls a concept, and is called once a name.
    With `cache`, a file in the run's folder, a run that goes on need not go through them again: it holds the
    manifest's digest, the names of its concepts, digests of those of its columns, and notes. Some files that do not
    exist are failures of their cases, and a note; where no case has all of its files, the run is refused.

    Raises:
        InputError: the manifest is unusable, or none of its files exist; says the row and the column.
        SettingsError: a column that shall be kept is not there.
    """
    digest = sha256_of(manifest) if manifest.is_file() else ""
    found, new = _survey_of(manifest, cache, digest, columns)
    seen = {name: concepts(name) for name in found["concepts"]}  # none of which is a word that medkt does not know
    if cache is not None and new is not None:
        write_atomically(cache, lambda path: _write_json(path, new))
    return CasePlan(
        cases=lambda: iterate_manifest(manifest, check_files=False), digest=digest, concepts=seen,
        asked=tuple(asked), shard=shard or Shard(), keep_ids=keep_ids, columns=tuple(columns),
        patients_stated=found["unstated"] < found["cases"], unstated=found["unstated"], notes=tuple(found["notes"]), files=lambda: iterate_files(manifest),
    )  # fmt: skip


def plan_of_source(source: CaseSource, *, concepts: Callable[[str], str], asked: Sequence[str]) -> CasePlan:
    """The plan of what a task is given; see `plan_of`."""
    return plan_of(
        source.table, concepts=concepts, asked=asked, shard=source.shard, keep_ids=source.keep_ids,
        columns=source.columns, cache=source.cache,
    )  # fmt: skip


def _survey_of(
    manifest: Path, cache: Path | None, digest: str, columns: Sequence[str]
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """What a survey of the manifest found, and what of it is to be cached; nothing where it was.

    Raises:
        InputError: `plan_of`'s. SettingsError: a column of `columns` is not there.
    """
    cached = _surveyed(cache, digest)
    if cached is not None and {_digest(name) for name in columns} <= {*cached["columns"], *map(_digest, KNOWN_COLUMNS)}:
        return cached, None
    found = _survey(manifest)
    known = {*KNOWN_COLUMNS, *found["columns"]}
    missing = [column for column in columns if column not in known]
    if missing:
        raise SettingsError(
            f"--keep-column {missing[0]}: the manifest has no such column; it has {', '.join(sorted(known))}"
        )
    lasting = {name: found[name] for name in ("concepts", "cases", "unstated", "notes")}
    noted = {"digest": digest, **lasting, "columns": [_digest(name) for name in found["columns"]]}
    return found, {**noted, SUM: sum_of(noted)}


def _digest(name: str) -> str:
    """What a column's name is known by in a file: of a table without a head it is what a patient's row says."""
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def _survey(manifest: Path) -> dict[str, Any]:
    names: dict[str, None] = {}
    columns: dict[str, None] = {}
    missing = MissingFiles(manifest)
    for case in missing.watched():
        columns.update(dict.fromkeys(case.columns))
        if case.concept:
            names[case.concept] = None
    return {
        "concepts": list(names), "columns": list(columns), "cases": missing.cases, "unstated": missing.without_patient,
        "notes": missing.notes(),
    }  # fmt: skip


def _surveyed(cache: Path | None, digest: str) -> dict[str, Any] | None:
    """What an earlier survey of the same manifest found; None where there is none, or it is damaged."""
    found = None if cache is None else read_note(cache)
    if found is None or found.get("digest") != digest or "unstated" not in found:  # of an earlier version
        return None
    try:
        sound = found.pop(SUM, None) == sum_of(found)
    except (ValueError, RecursionError):  # NaN, which nobody has written here
        return None
    return found if sound else None


def _write_json(path: Path, values: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(values, ensure_ascii=False, allow_nan=False), encoding="utf-8")
