"""How much faster two workers are than one, and what the cohort runner costs beside the pipeline itself.

    python evaluation/benchmarks/cohort_scaling.py            # print
    python evaluation/benchmarks/cohort_scaling.py --write    # and keep it in evaluation/results/cohort_scaling.md

The same phantom studies go through a bare loop (read, segment, write, nothing else), through one worker and through
two, each with one thread, in turn and several times. Seconds of the clock and of the processor are both counted from
the eighth ended case to the last, of all processes together, so that loading models and libraries counts for none.
Overhead is taken in processor seconds, of the runner with all its processes against the loop: one worker overlaps
reading and writing with computing, so in seconds of the clock it may even be faster. Two bare loops side by side, in
two processes that know nothing of each other, say how much of twice the speed the machine itself gives.
Needs two free cores; on a busy machine the ratio of seconds of the clock says little.
"""

import argparse
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

os.environ.setdefault("OMP_NUM_THREADS", "1")

from medkt.about import __version__
from medkt.concepts import load_concept
from medkt.config import resolve
from medkt.datasets.case import Case
from medkt.phantom.study import write_study
from medkt.runs.coordinator import run_cohort
from medkt.runs.folder import RunFolder
from medkt.runs.local import LocalEngine
from medkt.runs.outcomes import Outcome
from medkt.runs.progress import SilentWatcher
from medkt.segmentation.slicewise import SegmentationSettings
from medkt.tasks.cases import CasePlan, CaseWork
from medkt.tasks.segment.studies import StudyRunnerFactory

CASES, REPEATS = 32, 6
WARM = 8  # cases that end before counting begins: libraries are imported and words embedded on the first of a kind
WANTED_SPEED, WANTED_OVERHEAD = 1.8, 0.05
KINDS = (("ct", "ct_nodule"), ("cxr", "cxr_nodule"), ("mri", "mri_glioma"), ("ultrasound", "us_cyst"))
SALT = b"\x5a" * 32


class Times(SilentWatcher):
    """When each case ended, and the processor seconds that all processes had used by then."""

    def __init__(self) -> None:
        self.at: list[tuple[float, float]] = []

    def ended(self, outcome: Outcome, words: str = "") -> None:
        if outcome.state != "done":
            raise SystemExit(f"a case failed: {outcome.kind}, {outcome.message}")
        self.mark()

    def mark(self) -> None:
        self.at.append((time.perf_counter(), _processor()))

    @property
    def per_case(self) -> tuple[float, float]:
        """Seconds and processor seconds a case, from the last warm one to the last of all."""
        (clock, processor), (clock_last, processor_last) = self.at[WARM - 1], self.at[-1]
        count = len(self.at) - WARM
        return (clock_last - clock) / count, (processor_last - processor) / count


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


def bare(cases: tuple[Case, ...], folder: Path) -> Times:
    """The loop: read, compute, write, one case after the other."""
    run = RunFolder(folder)
    run.make()
    runner = factory_for(run)()
    times = Times()
    for number, case in enumerate(cases, start=1):
        work = CaseWork(key=f"case-{number}", number=number, case=case, concepts=(case.concept,))
        runner.write(work, runner.compute(work, runner.read(work)))
        times.mark()
    return times


def side_by_side(cases: tuple[Case, ...], folder: Path) -> float:
    """Seconds a case of two bare loops at once, each over all cases, in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        both = pool.starmap(bare, [(cases, folder / str(part)) for part in (0, 1)], chunksize=1)
    # both loops together: their rates add up
    return 1 / sum(1 / times.per_case[0] for times in both)


def through(cases: tuple[Case, ...], folder: Path, workers: int) -> Times:
    """The cohort runner."""
    run = RunFolder(folder)
    run.make()
    run.claim({"workers": workers})
    ids = {finding: finding for _, finding in KINDS}
    plan = CasePlan(cases=lambda: cases, digest="", concepts=ids, asked=())
    times = Times()
    engine = LocalEngine(factory_for(run), run.workers, workers=workers, threads=1)
    run_cohort(run, plan, engine, salt=SALT, watcher=times)
    return times


def _processor() -> float:
    """Processor seconds of this process and those that it started and that still run."""
    own = psutil.Process()
    return sum(sum(each.cpu_times()[:2]) for each in (own, *own.children(recursive=True)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=CASES)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--write", action="store_true", help="keep it in evaluation/results/cohort_scaling.md")
    arguments = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    loops, ones, twos, sides, processor = [], [], [], [], []
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        cases = draw(root / "studies", arguments.cases)
        for repeat in range(arguments.repeats):
            wall, cpu = bare(cases, root / f"bare-{repeat}").per_case
            one, one_cpu = through(cases, root / f"one-{repeat}", 1).per_case
            two, _ = through(cases, root / f"two-{repeat}", 2).per_case
            loops.append(wall)
            ones.append(one)
            twos.append(two)
            sides.append(side_by_side(cases, root / f"side-{repeat}"))
            processor.append(one_cpu / cpu - 1)
            print(f"{wall=:.3f} {cpu=:.3f} {one=:.3f} {one_cpu=:.3f} {two=:.3f} side={sides[-1]:.3f}", file=sys.stderr)
    speeds = [a / b for a, b in zip(ones, twos, strict=True)]
    machine = [a / b for a, b in zip(loops, sides, strict=True)]
    lines = [
        "# The cohort runner beside the bare pipeline",
        "",
        f"medkt {__version__}, `python evaluation/benchmarks/cohort_scaling.py --write`; {arguments.cases} phantom "
        f"studies, DICOM, models small, CPU, one thread a worker, medians of {arguments.repeats} rounds, each with all "
        "of these in turn; in brackets the least and the most of a round.",
        "",
        "| what | measured | wanted |",
        "|---|---|---|",
        f"| seconds a case, bare loop | {_spread(loops)} | |",
        f"| seconds a case, one worker | {_spread(ones)} | |",
        f"| seconds a case, two bare loops side by side | {_spread(sides)} | |",
        f"| seconds a case, two workers | {_spread(twos)} | |",
        f"| speed of two bare loops over one: what the machine gives | {_spread(machine)} | |",
        f"| speed of two workers over one | {_spread(speeds)} | at least {WANTED_SPEED} |",
        f"| overhead of the runner, processor seconds, percent | {_spread([100 * one for one in processor], 1)} "
        f"| at most {WANTED_OVERHEAD:.0%} |",
    ]
    table = "\n".join(lines) + "\n"
    print(table, end="")
    if arguments.write:
        (Path(__file__).resolve().parents[1] / "results" / "cohort_scaling.md").write_text(table, encoding="utf-8")
    good = statistics.median(speeds) >= WANTED_SPEED and statistics.median(processor) <= WANTED_OVERHEAD
    return 0 if good else 1


def _spread(values: list[float], digits: int = 2) -> str:
    low, high = min(values), max(values)
    return f"{statistics.median(values):.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


if __name__ == "__main__":
    sys.exit(main())
