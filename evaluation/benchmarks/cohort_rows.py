"""Does the ledger carry a hospital? Resuming, tables and questions at 1,000,000 generated rows.

    python evaluation/benchmarks/cohort_rows.py            # print
    python evaluation/benchmarks/cohort_rows.py --write    # and keep it in evaluation/results/cohort_rows.md

A manifest of 250,000 cases and the outcomes of four concepts in each are made up, as eight workers' files. Each step
runs in a process of its own, whose peak memory the system counts (`ru_maxrss`): making the ledger anew from the files,
resuming with 1 % of the cases left (until the first case could be handed out), writing the tables, five questions.
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from medkt.about import __version__
from medkt.runs.coordinator import _take_stock
from medkt.runs.folder import RunFolder
from medkt.runs.ledger import Ledger
from medkt.runs.outcomes import Outcome
from medkt.runs.progress import SilentWatcher
from medkt.runs.query import query
from medkt.runs.record import RunRecord
from medkt.runs.tables import write_tables
from medkt.runs.work import pseudonym
from medkt.tasks.cases import CasePlan
from medkt.tasks.manifest import plan_of

ROWS, CONCEPTS = 1_000_000, ("ct_nodule", "ct_effusion", "ct_mass", "ct_cyst")
LEFT_PART = 0.01
FILES = 8
SALT = b"\x5a" * 32
WANTED = {"resume": 5.0, "query": 60.0, "tables": 60.0}
WANTED_MIB = 2048
QUESTIONS = (
    "SELECT concept, status, count(*), avg(dsc), median(sum_volume_ml) FROM results GROUP BY ALL ORDER BY ALL",
    "SELECT kept_site, quantile_cont(dsc, [0.25, 0.5, 0.75]) FROM results WHERE concept = 'ct_nodule' GROUP BY 1 ORDER BY 1",
    "SELECT failure, count(*) FROM failures GROUP BY 1 ORDER BY 1",
    "SELECT case_id, dsc FROM results WHERE status = 'done' ORDER BY dsc, case_id LIMIT 20",
    "SELECT r.kept_site, avg(t.total_s) FROM results r JOIN timings t USING (case_id) GROUP BY 1 ORDER BY 1",
)


def make(folder: RunFolder, cases: int) -> None:
    """The manifest and the workers' files."""
    folder.make()
    folder.write_record(RunRecord(identity={"medkt": __version__}))
    rng = random.Random(1)
    manifest = folder.path / "manifest.csv"
    with manifest.open("w", encoding="utf-8") as file:
        file.write("case_id,image,site\n")
        file.writelines(f"c{number},studies/c{number}.nii.gz,{'ABC'[number % 3]}\n" for number in range(1, cases + 1))
    studies = folder.path / "studies"
    studies.mkdir()
    for number in range(1, cases + 1):
        os.close(os.open(studies / f"c{number}.nii.gz", os.O_CREAT | os.O_WRONLY))
    made = {number: inputs for number, _, _, inputs in _plan(folder).present(SALT, look=True)}
    files = [(folder.workers / f"worker-{index}.jsonl").open("wb") for index in range(FILES)]
    for number in range(1, cases + 1):
        if number % 100 != 50:  # those are left
            files[number % FILES].write(_outcome(number, made[number], rng).line())
    for opened in files:
        opened.close()


def _outcome(number: int, inputs: str, rng: random.Random) -> Outcome:
    key, site = pseudonym(f"c{number}", SALT), "ABC"[number % 3]
    patient = pseudonym(f"p{number // 2}", SALT, kind="patient")
    if number % 40 == 7:
        rows = tuple({"patient": patient, "kept_site": site, "concept": concept} for concept in CONCEPTS)
        return Outcome(
            key=key, number=number, round=0, state="failed", kind="unreadable", rows=rows, inputs=inputs
        )  # fmt: skip
    made = tuple(
        {
            "patient": patient, "kept_site": site, "concept": concept, "present": rng.random() > 0.5,
            "decision": "seen", "score": round(rng.random(), 6), "specificity": round(rng.random(), 4),
            "pieces_dropped": rng.randrange(4), "mask_voxels": rng.randrange(100000), "unit": "mm",
            "sum_volume_ml": rng.random() * 50, "largest_area": rng.random() * 900, "largest_long_axis": rng.random() * 60,
            "domain": "ct", "planes": 300, "planes_scored": 60, "input_digest": key * 2, "outcome": "normal",
            "dsc": round(rng.random(), 6), "iou": round(rng.random(), 6), "nsd@2mm": round(rng.random(), 6),
        }
        for concept in CONCEPTS
    )  # fmt: skip
    seconds = {"read": rng.random(), "compute": rng.random() * 9, "write": rng.random()}
    return Outcome(key=key, number=number, round=0, state="done", rows=made, seconds=seconds, inputs=inputs)


def resume(folder: RunFolder) -> None:
    """What `run_cohort` does before it can hand out the first case: every file of every case is looked at, too."""
    plan = _plan(folder)
    with folder.held(), Ledger(folder.ledger) as ledger:
        folder.sweep()
        _take_stock(folder, plan, ledger, SALT, SilentWatcher())
        next(plan.works(SALT, ledger.unfinished()))


def _plan(folder: RunFolder) -> CasePlan:
    cache = folder.path / "manifest.json"
    return plan_of(folder.path / "manifest.csv", concepts=str, asked=list(CONCEPTS), columns=["site"], cache=cache)


def tables(folder: RunFolder) -> None:
    with Ledger(folder.ledger) as ledger:
        folder.note_tables(write_tables(folder, ledger))


def ask(folder: RunFolder) -> None:
    for sql in QUESTIONS:
        query([folder.path], sql)


STEPS: dict[str, Callable[[RunFolder], None]] = {
    "ledger made anew": resume, "resume": resume, "tables": tables, "query": ask,
}  # fmt: skip


def measured(step: str, folder: RunFolder) -> dict[str, float]:
    """Seconds and peak MiB of a step, in a process of its own."""
    command = [sys.executable, str(Path(__file__).resolve()), "--step", step, "--folder", str(folder.path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    figures: dict[str, float] = json.loads(said.splitlines()[-1])
    print(step, figures, file=sys.stderr, flush=True)
    return figures


def one_step(step: str, folder: RunFolder) -> None:
    began = time.perf_counter()
    STEPS[step](folder)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "cpu": time.process_time(), "peak": peak}))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--write", action="store_true", help="keep it in evaluation/results/cohort_rows.md")
    parser.add_argument("--only", nargs="+", choices=STEPS, default=tuple(STEPS), help="these steps, in this order")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        one_step(arguments.step, RunFolder(arguments.folder))
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = RunFolder(Path(name) / "run")
        make(folder, arguments.rows // len(CONCEPTS))
        figures = {step: measured(step, folder) for step in arguments.only}
        size = folder.ledger.stat().st_size / 2**20
    lines = [
        "# A million rows",
        "",
        f"medkt {__version__}, `python evaluation/benchmarks/cohort_rows.py --write`; {arguments.rows:,} rows, "
        f"{arguments.rows // len(CONCEPTS):,} cases, ledger {size:.0f} MiB, 1 % of the cases left.",
        "",
        "| step | seconds | processor seconds, start-up included | wanted, s | peak MiB | wanted, MiB |",
        "|---|---|---|---|---|---|",
    ]
    for step, found in figures.items():
        wanted = f"at most {WANTED[step]:.0f}" if step in WANTED else ""
        lines.append(
            f"| {step} | {found['seconds']:.1f} | {found['cpu']:.1f} | {wanted} | {found['peak']:.0f} | at most {WANTED_MIB} |"
        )
    table = "\n".join(lines) + "\n"
    print(table, end="")
    if arguments.write:
        (Path(__file__).resolve().parents[1] / "results" / "cohort_rows.md").write_text(table, encoding="utf-8")
    late = [step for step, most in WANTED.items() if step in figures and figures[step]["seconds"] > most]
    return 0 if not late and all(found["peak"] <= WANTED_MIB for found in figures.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
