"""Small runs for tests: cases, a plan, a folder, and what came of them."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from medkt.datasets.case import Case
from medkt.runs.folder import RunFolder
from medkt.runs.work import Shard
from medkt.tasks.cases import CasePlan

SALT = b"a salt of a test"


def make_cases(folder: Path, words: Iterable[str]) -> tuple[Case, ...]:
    """A case a word, with identifiers that must never show."""
    folder.mkdir(parents=True, exist_ok=True)
    cases = []
    for number, word in enumerate(words):
        image = folder / f"PLANTED^NAME-{number}.txt"
        known = image.read_text(encoding="utf-8") if image.exists() else None
        if word != "missing" and known != word:  # a file that is written anew counts as changed
            image.write_text(word, encoding="utf-8")
        cases.append(
            Case(
                case_id=f"PLANTED-ID-{number}",
                patient_id=f"PLANTED-PATIENT-{number // 2}",
                image=image,
                columns={"sex": "FM"[number % 2]},
            )
        )
    return tuple(cases)


def make_plan(cases: Sequence[Case], *, shard: Shard | None = None) -> CasePlan:
    return CasePlan(
        cases=lambda: cases, digest="of the manifest", concepts={}, asked=("nodule", "cyst"), shard=shard or Shard(),
        columns=("sex",),
    )  # fmt: skip


def make_run(path: Path, plan: CasePlan | None = None) -> RunFolder:
    """A run's folder, claimed."""
    folder = RunFolder(path)
    folder.make()
    folder.claim({"manifest": "of the manifest", "shard": str(plan.shard) if plan else "1/1"})
    return folder


def steps_in(log: Path) -> dict[str, list[str]]:
    """What was done, by case id: each step once for every time it was done."""
    done: dict[str, list[str]] = {}
    for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else []:
        step, case, _ = line.split()
        done.setdefault(case, []).append(step)
    return done


def tables_of(folder: RunFolder) -> dict[str, bytes]:
    """The bytes of the tables that must come out the same."""
    names = [f"{table}.{suffix}" for table in ("results", "failures") for suffix in ("parquet", "csv")]
    return {name: (folder.path / name).read_bytes() for name in names}
