"""How much faster two workers are than one, and what the cohort runner costs beside the pipeline itself.

    python evaluation/benchmarks/cohort_scaling.py            # print
    python evaluation/benchmarks/cohort_scaling.py --write    # and keep it in evaluation/results/cohort_scaling.md

The same phantom studies go through a bare loop (read, segment, write, nothing else), through one worker and through
two, each with one thread, in turn and several times. Time is counted from the first ended case to the last, so that
loading models counts for none. Overhead is taken in processor seconds, of the runner with all its processes against
the loop: one worker overlaps reading and writing with computing, so in seconds of the wall it may even be faster.
Needs two free cores; on a busy machine the ratio of wall times says little.
"""

import argparse
import os
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from medkt.about import __version__
from medkt.cohort.coordinator import run_cohort
from medkt.cohort.folder import RunFolder
from medkt.cohort.local import LocalEngine
from medkt.cohort.outcomes import Outcome
from medkt.cohort.plan import Plan
from medkt.cohort.progress import Silent
from medkt.cohort.studies import StudyRunnerFactory
from medkt.cohort.work import Work
from medkt.concepts import load_concept
from medkt.config import resolve
from medkt.datasets.case import Case
from medkt.datasets.phantom.study import write_study
from medkt.segmentation.slicewise import SegmentationSettings

CASES, REPEATS = 60, 3
WANTED_SPEED, WANTED_OVERHEAD = 1.8, 0.05
KINDS = (("ct", "ct_nodule"), ("cxr", "cxr_nodule"), ("mri", "mri_glioma"), ("ultrasound", "us_cyst"))
SALT = b"\x5a" * 32


class Times(Silent):
    """When each case ended."""

    def __init__(self) -> None:
        self.at: list[float] = []

    def ended(self, outcome: Outcome) -> None:
        if outcome.state != "done":
            raise SystemExit(f"a case failed: {outcome.kind}, {outcome.message}")
        self.at.append(time.perf_counter())

    @property
    def per_case(self) -> float:
        return (self.at[-1] - self.at[0]) / (len(self.at) - 1)


def draw(root: Path, count: int) -> tuple[Case, ...]:
    cases = []
    for number in range(count):
        domain, finding = KINDS[number % len(KINDS)]
        options: Any = {"domain": domain, "finding": finding, "seed": number, "format": "dicom"}
        study = write_study(root / str(number), shape=(6, 96, 96), spacing_mm=(16.0, 3.6, 3.6), side=160, **options)
        cases.append(Case(case_id=str(number), image=study, concept=finding, modality=domain))
    return tuple(cases)


def factory_for(run: RunFolder) -> StudyRunnerFactory:
    settings = resolve(SegmentationSettings, sets=("map.max_slices=3",))
    return StudyRunnerFactory(
        run=run, concepts={finding: load_concept(finding) for _, finding in KINDS}, settings=settings, device="cpu"
    )  # fmt: skip


def bare(cases: tuple[Case, ...], folder: Path) -> tuple[float, float]:
    """Seconds and processor seconds a case, of the loop."""
    run = RunFolder(folder)
    run.make()
    runner = factory_for(run)()
    marks = []
    for number, case in enumerate(cases, start=1):
        work = Work(key=f"case-{number}", number=number, case=case, concepts=(case.concept,))
        runner.write(work, runner.compute(work, runner.read(work)))
        marks.append((time.perf_counter(), time.process_time()))
    return tuple((last - first) / (len(cases) - 1) for first, last in zip(marks[0], marks[-1], strict=True))  # type: ignore[return-value]


def through(cases: tuple[Case, ...], folder: Path, workers: int) -> tuple[float, float]:
    """Seconds a case, and all processor seconds of the run with its children."""
    run = RunFolder(folder)
    run.make()
    run.claim({"workers": workers})
    ids = {finding: finding for _, finding in KINDS}
    plan = Plan(cases=lambda: cases, digest="", concepts=ids, asked=())
    times, before = Times(), _processor()
    engine = LocalEngine(factory_for(run), run.workers, workers=workers, threads=1)
    run_cohort(run, plan, engine, salt=SALT, watcher=times)
    return times.per_case, _processor() - before


def _processor() -> float:
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=CASES)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--write", action="store_true", help="keep it in evaluation/results/cohort_scaling.md")
    arguments = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    loops, ones, twos, processor = [], [], [], []
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        cases = draw(root / "studies", arguments.cases)
        for repeat in range(arguments.repeats):
            wall, cpu = bare(cases, root / f"bare-{repeat}")
            one, all_of_one = through(cases, root / f"one-{repeat}", 1)
            two, _ = through(cases, root / f"two-{repeat}", 2)
            # loading the models is of the start, not of a case: a run of four cases is taken off
            _, start = through(cases[:4], root / f"start-{repeat}", 1)
            loops.append(wall)
            ones.append(one)
            twos.append(two)
            processor.append((all_of_one - start) / (len(cases) - 4) / cpu - 1)
    speed, overhead = statistics.median(a / b for a, b in zip(ones, twos, strict=True)), statistics.median(processor)
    lines = [
        "# The cohort runner beside the bare pipeline",
        "",
        f"medkt {__version__}, `python evaluation/benchmarks/cohort_scaling.py --write`; {arguments.cases} phantom "
        f"studies, DICOM, models small, CPU, one thread a worker, median of {arguments.repeats}.",
        "",
        "| what | measured | wanted |",
        "|---|---|---|",
        f"| seconds a case, bare loop | {statistics.median(loops):.2f} | |",
        f"| seconds a case, one worker | {statistics.median(ones):.2f} | |",
        f"| seconds a case, two workers | {statistics.median(twos):.2f} | |",
        f"| speed of two workers over one | {speed:.2f} | at least {WANTED_SPEED} |",
        f"| overhead of the runner, processor seconds | {overhead:.1%} | at most {WANTED_OVERHEAD:.0%} |",
    ]
    table = "\n".join(lines) + "\n"
    print(table, end="")
    if arguments.write:
        (Path(__file__).resolve().parents[1] / "results" / "cohort_scaling.md").write_text(table, encoding="utf-8")
    return 0 if speed >= WANTED_SPEED and overhead <= WANTED_OVERHEAD else 1


if __name__ == "__main__":
    sys.exit(main())
