"""Runs with known numbers for tests: the ledger and tables that a cohort writes, without models and workers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from medkt.runs.folder import RunFolder
from medkt.runs.ledger import Ledger
from medkt.runs.outcomes import Outcome
from medkt.runs.tables import write_tables
from medkt.runs.work import Value

SCORING = {"metrics": {"metrics": ["dsc"], "empty": "standard"}, "tolerance": 2.0, "unit": "auto"}
IDENTITY: Mapping[str, Any] = {
    "medkt": "0", "manifest": "0" * 64, "concepts": {"cyst": "1" * 64}, "preset": "default", "scoring": SCORING,
}  # fmt: skip


def row(concept: str = "cyst", **columns: Value) -> dict[str, Value]:
    """A row of a case that was scored: the finding is there and was seen."""
    return {"concept": concept, "present": True, "score": 0.7, "outcome": "normal", **columns}


def make_outcomes(rows: Sequence[Mapping[str, Value]], *, patients: int | None = None) -> list[Outcome]:
    """An outcome a row; case `case-000` and so on; a row with `kind` is a failure of that kind."""
    outcomes = []
    for number, one in enumerate(rows):
        kind = str(one.get("kind", ""))
        patient = f"patient-{number % (patients or len(rows)):03d}"
        held = {"patient": patient, **{name: value for name, value in one.items() if name != "kind"}}
        outcome = Outcome(key=f"case-{number:03d}", number=number + 1, round=0, state="done", rows=(held,))
        outcomes.append(replace(outcome, state="failed", kind=kind, code="timeout") if kind else outcome)
    return outcomes


def write_run(
    path: Path, outcomes: Sequence[Outcome], *, models: Mapping[str, Any] | None = None, **identity: Any
) -> Path:
    """A run's folder with record, ledger and tables."""
    folder = RunFolder(path)
    folder.make()
    folder.claim({**IDENTITY, **identity})
    folder.claim_models(models or {"encoder": {"name": "small", "digest": "2" * 64}})
    with Ledger(folder.ledger) as ledger:
        ledger.add([(one.number, one.key) for one in outcomes])
        ledger.record(outcomes, {})
        write_tables(folder, ledger)
    return path
