"""Whether a run is whole: every outcome, the ledger, the tables and the folders of cases against what the run wrote down.

Nothing of the run is changed. What a case was made from is not looked at: going on with the run does that.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from medkt.errors import MedktError
from medkt.extras import require
from medkt.io.scratch import scratch_folder
from medkt.io.sha256 import sha256_of
from medkt.runs.folder import RunFolder
from medkt.runs.ledger import Ledger
from medkt.runs.outcomes import Outcome, read_outcomes
from medkt.runs.provenance import digest_of_folder
from medkt.runs.tables import write_tables


@dataclass(slots=True)
class Soundness:
    """What was looked at in a run, and what is wrong; the words name files of the run and pseudonyms only."""

    run: Path
    checked: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        return not self.problems

    def plain(self) -> dict[str, Any]:
        return {"run": self.run.name, "sound": self.sound, "checked": self.checked, "problems": self.problems}


def verify_run(path: Path) -> Soundness:
    """Look at everything that a run has written.

    Raises:
        InputError: there is no run. UnreadableError: its record is damaged.
    """
    require("runs", "checking a run")
    run, found = RunFolder(path), Soundness(run=path)
    record = run.read()
    found.checked["outcomes"], best = _outcomes(run, found)
    try:
        with Ledger(run.ledger, read_only=True) as ledger:
            ledger.require_sound()
            _compare_ledger(ledger, best, found, merged=record.merged)
            _compare_tables(run, ledger, record.tables or {}, found)
            _compare_folders(run, ledger, found)
    except MedktError as error:
        found.problems.append(_inside(str(error), path))
    return found


def _outcomes(run: RunFolder, found: Soundness) -> tuple[int, dict[str, Outcome]]:
    """How many outcomes stand in the workers' files, and the last round's of each case, without its rows."""
    count, best = 0, dict[str, Outcome]()
    for file in run.outcome_files():
        try:
            for outcome, _ in read_outcomes(file):
                count += 1
                if outcome.key not in best or outcome.round > best[outcome.key].round:
                    best[outcome.key] = replace(outcome, rows=(), seconds={})
        except (MedktError, OSError) as error:
            found.problems.append(_inside(str(error), run.path))
    return count, best


def _compare_ledger(ledger: Ledger, best: dict[str, Outcome], found: Soundness, *, merged: bool) -> None:
    count = 0
    for outcome in ledger.outcomes():
        count += 1
        said = best.get(outcome.key)
        if merged:
            continue
        if said is None:
            found.problems.append(f"{outcome.key}: the ledger has an outcome that stands in no worker's file")
        elif replace(outcome, rows=(), seconds={}, number=said.number) != said:
            found.problems.append(f"{outcome.key}: the ledger has another outcome than its worker wrote")
    found.checked["cases"] = count


def _compare_tables(run: RunFolder, ledger: Ledger, told: Mapping[str, str], found: Soundness) -> None:
    """The tables against their digests, and against what the outcomes make now."""
    unfinished = not told
    with scratch_folder() as folder:
        try:
            anew = {file.name: file for file in write_tables(RunFolder(folder), ledger)}
        except MedktError as error:
            found.problems.append(_inside(str(error), run.path))
            return
        for name, made in sorted(anew.items()):
            file = run.path / name
            if not file.is_file():
                if not unfinished:
                    found.problems.append(f"{name}: the table is not there")
                continue
            found.checked["tables"] = found.checked.get("tables", 0) + 1
            digest = sha256_of(file)
            if told.get(name, digest) != digest:
                found.problems.append(f"{name}: the table was changed since the run wrote it, or is damaged")
            elif digest != sha256_of(made) and not _same_rows(file, made):
                found.problems.append(
                    f"{name}: the table says something else than the outcomes; going on writes it anew"
                )


def _same_rows(file: Path, made: Path) -> bool:
    """Whether two tables hold the same, though another version of a library wrote them in other bytes."""
    if file.suffix != ".parquet":
        return False
    from pyarrow import ArrowException
    from pyarrow.parquet import read_table

    try:
        return bool(read_table(file, page_checksum_verification=True).equals(read_table(made)))
    except (ArrowException, OSError):
        return False


def _compare_folders(run: RunFolder, ledger: Ledger, found: Soundness) -> None:
    known = {key for key, _ in ledger.gone()}
    for outcome in ledger.outcomes():
        known.add(outcome.key)
        if not outcome.result:
            continue
        found.checked["folders"] = found.checked.get("folders", 0) + 1
        digest = _digest(run.cases / outcome.key)
        if digest != outcome.result:
            what = "is not there" if digest == "" else "was changed since the run wrote it, or is damaged"
            found.problems.append(f"cases/{outcome.key}: the case's folder {what}")
    unfinished = ledger.total() > found.checked.get("cases", 0)
    for name in _folders(run) if not unfinished else ():
        if name not in known:
            found.problems.append(f"cases/{name}: no outcome knows of this folder")


def _digest(folder: Path) -> str:
    try:
        return digest_of_folder(folder)
    except OSError:
        return "unreadable"


def _folders(run: RunFolder) -> Iterator[str]:
    if run.cases.is_dir():
        yield from sorted(one.name for one in run.cases.iterdir() if not one.name.startswith("."))


def _inside(text: str, run: Path) -> str:
    """The words of an error with the run's own files by their names."""
    return text.replace(f"{run}/", "")
