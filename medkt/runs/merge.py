"""Shards to one run, equal to the run that was never cut up."""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from medkt.errors import InputError, OutputError, SettingsError
from medkt.extras import require
from medkt.runs.folder import RunFolder, require_same, require_schema
from medkt.runs.ledger import AT_ONCE, Ledger
from medkt.runs.progress import RunStatus
from medkt.runs.record import RunRecord
from medkt.runs.tables import write_tables
from medkt.runs.work import Shard

SHARD_FOLDERS = "shard-*-of-*"
WHOLE = str(Shard())


def shard_folder(run: Path, shard: Shard) -> Path:
    """Where the run of one shard lies: below the whole run's folder, where there are several."""
    return run if shard.count == 1 else run / f"shard-{shard.index}-of-{shard.count}"


def shards_below(run: Path) -> tuple[Path, ...]:
    """The folders of shards in a run's folder, sorted."""
    return tuple(sorted(run.glob(SHARD_FOLDERS)))


def merge_runs(
    parts: Sequence[Path], target: Path, *, partial: bool = False, accept_versions: bool = False
) -> RunStatus:
    """Join the runs of all shards: ledger, tables, and the cases' folders (hard links where the disk allows).

    Args:
        parts: folders of shards.
        target: folder of the whole run; what was merged there before is replaced.
        partial: join what there is, though shards or cases are missing.
        accept_versions: also of shards that were made with other versions or weights; each row says with which.

    Raises:
        SettingsError: the shards are not of one run, or one is given twice.
        InputError: a shard is missing, or has cases that have not ended.
        OutputError: the target is itself a run that was not merged.
    """
    require("runs", "merging runs")
    runs = [RunFolder(part) for part in parts]
    identity, models = _same_run(runs, accept_versions=accept_versions)
    _require_all_shards(runs, partial=partial)
    whole = RunFolder(target)
    whole.make()
    if whole.record.exists() and not whole.read().merged:
        raise OutputError(f"{target}: holds a run that is no merger of shards; choose another folder with -o")
    made = {digits: what for run in runs for digits, what in run.read().made_with.items()}
    record = RunRecord(
        identity={**identity, "shard": WHOLE}, software=runs[0].read().software or {}, models=models, merged=True,
        made_with=made,
    )  # fmt: skip
    whole.write_record(record)
    _same_salt(runs, whole)
    with whole.held():
        for old in target.glob(f"{whole.ledger.name}*"):
            old.unlink()
        with Ledger(whole.ledger) as ledger:
            ledger.add(sorted(_cases(runs, partial=partial)))
            for run in runs:
                with Ledger(run.ledger, read_only=True) as part:
                    outcomes = part.outcomes()
                    while batch := list(islice(outcomes, AT_ONCE)):
                        ledger.record(batch, {})
                _link_cases(run, whole)
            whole.note_tables(write_tables(whole, ledger))
            return ledger.summary()


def _same_run(
    runs: Sequence[RunFolder], *, accept_versions: bool
) -> tuple[Mapping[str, Any], Mapping[str, Any] | None]:
    if not runs:
        raise InputError("there is no shard to merge; give the folders of shards, or the folder that holds them")
    first, *others = [run.read() for run in runs]
    for run, record in zip(runs, (first, *others), strict=True):
        require_schema(record, where=run.path)
    for run, record in zip(runs[1:], others, strict=True):
        for part in ("identity",) if accept_versions else ("identity", "software"):
            had, has = getattr(first, part) or {}, getattr(record, part) or {}
            require_same({**had, "shard": ""}, {**has, "shard": ""}, where=run.path)
    models = next((record.models for record in (first, *others) if record.models), None)
    for run, record in zip(runs, (first, *others), strict=True):
        if models and record.models and not accept_versions:  # a shard without a case of its own has loaded none
            require_same(models, record.models, where=run.path)
    return first.identity, models


def _require_all_shards(runs: Sequence[RunFolder], *, partial: bool) -> None:
    shards = [Shard.parse(run.read().identity["shard"]) for run in runs]
    counts = {shard.count for shard in shards}
    if len(counts) > 1 or len(set(shards)) < len(shards):
        raise SettingsError(f"the shards {', '.join(map(str, shards))} are no parts of one whole; give each once")
    missing = sorted(set(range(1, counts.pop() + 1)) - {shard.index for shard in shards})
    if missing and not partial:
        raise InputError(
            f"shard {', '.join(map(str, missing))} of {shards[0].count} is missing; run it, or say --partial"
        )


def _cases(runs: Sequence[RunFolder], *, partial: bool) -> Iterator[tuple[int, str]]:
    for run in runs:
        with Ledger(run.ledger, read_only=True) as part:
            left = sum(part.counts()[state] for state in ("pending", "running"))
            if left and not partial:
                raise InputError(f"{run.path}: {left} cases have not ended; run it again, or say --partial")
            yield from part.names()


def _same_salt(runs: Sequence[RunFolder], whole: RunFolder) -> None:
    """Pseudonyms agree only where the salt does."""
    salts = {run.salt() for run in runs}
    if len(salts) > 1:
        raise SettingsError(
            "the shards have several salts, so their case names do not belong together; start shards with the same -o, "
            "or give each --salt"
        )
    whole.salt(runs[0].path / "salt")


def _link_cases(run: RunFolder, whole: RunFolder) -> None:
    for folder in run.cases.iterdir():
        if folder.name.startswith(".") or folder == whole.cases / folder.name:
            continue
        target = whole.clear_case(folder.name)
        try:
            shutil.copytree(folder, target, copy_function=_link)
        except OSError as error:
            raise OutputError(f"{target}: cannot be written ({error.strerror}); check space and permission") from error


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk, or one that has no links
        shutil.copy2(source, target)
