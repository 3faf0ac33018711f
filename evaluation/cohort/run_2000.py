"""2,000 phantom studies through `medkt batch`, with 3 % of them broken in ten ways, and everything killed that can be.

    python evaluation/cohort/run_2000.py --work /scratch/cohort            # print
    python evaluation/cohort/run_2000.py --work /scratch/cohort --write    # and keep it in evaluation/results/
    python evaluation/cohort/run_2000.py --work /tmp/c --studies 40 --kills 2 --stages straight kills

Stages: `straight` (one run with two workers: throughput, memory, failures by kind against those planted), `kills` (the
coordinator and all its workers are killed at random moments, then the run is finished), `workers` (single workers are
killed), `shards` (four runs of a quarter, merged), `ray` (a cluster of three nodes on this machine, one killed in the
middle). After each, results and failures must be the bytes of `straight`. Studies that are there already are not drawn
again; a stage's run folder is begun anew.
"""

import argparse
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from broken import WAYS, copy_study

from medkt.about import __version__
from medkt.datasets.case import Case
from medkt.datasets.manifest import write_manifest
from medkt.phantom.study import reference_path, write_study

STUDIES = 2000
BROKEN_PART = 0.03
KILLS = 10
STAGES = ("straight", "kills", "workers", "shards", "ray")
KINDS = (
    ("ct", "ct_nodule", "dicom"), ("mri", "mri_glioma", "nifti"), ("cxr", "cxr_nodule", "dicom"),
    ("ultrasound", "us_cyst", "nifti"), ("ct", "ct_nodule", "nifti"), ("mri", "mri_glioma", "dicom"),
)  # fmt: skip
SIZE: dict[str, Any] = {"shape": (6, 72, 64), "spacing_mm": (16.0, 4.8, 5.4), "side": 128}
CHEAP = ("--set", "m2ib.steps=3", "--set", "m2ib.samples=2", "--set", "map.max_slices=2")
TABLES = ("results.parquet", "results.csv", "failures.parquet", "failures.csv")


@dataclass
class Memory:
    """Resident memory of a process and its children, MiB, sampled while a block runs."""

    process: int
    samples: list[tuple[float, float, float]] = field(default_factory=list)  # seconds, coordinator, workers together
    _ended: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Memory":
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()

    def _watch(self) -> None:
        began = time.monotonic()
        while not self._ended.wait(1.0):
            try:
                parent = psutil.Process(self.process)
                children = sum(_resident(child) for child in parent.children(recursive=True))
                self.samples.append((time.monotonic() - began, _resident(parent), children))
            except psutil.Error:
                return


def _resident(process: psutil.Process) -> float:
    try:
        return float(process.memory_info().rss) / 2**20
    except psutil.Error:
        return 0.0


def draw_cohort(root: Path, studies: int, broken: int) -> tuple[Path, Counter[str]]:
    """The manifest of a cohort on the disk, and how many failures of each kind were planted."""
    planted: Counter[str] = Counter()
    names = list(WAYS)
    spoilt = {round((index + 0.5) * studies / broken): names[index % len(names)] for index in range(broken)}
    cases = []
    for number in range(studies):
        way = spoilt.get(number)
        kind = _kind_for(number, way)
        study = _draw(root / f"{number:05}", number, kind)
        reference = reference_path(study)
        if way is not None:
            planted[WAYS[way][2]] += 1
            study = _spoil(root / f"{number:05}-broken", study, way)
        cases.append(
            Case(
                case_id=f"study-{number:05}", patient_id=f"patient-{number // 3:05}", image=study, modality=kind[0],
                references=(reference,), reference_kind="mask", concept=kind[1], columns={"site": "ABC"[number % 3]},
            )
        )  # fmt: skip
    manifest = root / "cohort.csv"
    write_manifest(cases, manifest)
    return manifest, planted


def _kind_for(number: int, way: str | None) -> tuple[str, str, str]:
    if way is None:
        return KINDS[number % len(KINDS)]
    return ("ct", "ct_nodule", "dicom") if WAYS[way][0] == "dicom" else ("mri", "mri_glioma", "nifti")


def _draw(folder: Path, number: int, kind: tuple[str, str, str]) -> Path:
    """A study with its finding, each other one without."""
    domain, finding, form = kind
    marker = folder / "study.txt"
    if marker.exists():
        return folder / marker.read_text(encoding="utf-8")
    options: Any = {"domain": domain, "finding": finding if number % 2 else "", "format": form}
    study = write_study(folder, seed=number, **options, **SIZE)
    marker.write_text(study.name, encoding="utf-8")
    return study


def _spoil(folder: Path, study: Path, way: str) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    return WAYS[way][1](copy_study(study, folder))


class Bench:
    """Runs of one cohort."""

    def __init__(self, work: Path, manifest: Path, *, workers: int) -> None:
        self.work, self.manifest, self.workers = work, manifest, workers
        self.salt = work / "salt"
        if not self.salt.exists():
            self.salt.write_text("5a" * 32, encoding="ascii")

    def command(self, run: Path, *more: str) -> list[str]:
        words = ["--manifest", str(self.manifest), "-o", str(run), "--salt", str(self.salt), "--keep-column", "site"]
        words += ["--workers", str(self.workers), "--threads", "1", "--timeout", "600", "--json", "-q", *CHEAP, *more]
        return [sys.executable, "-m", "medkt", "batch", *words]

    def fresh(self, name: str) -> Path:
        run = self.work / "runs" / name
        shutil.rmtree(run, ignore_errors=True)
        return run

    def start(self, run: Path, *more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(self.command(run, *more), stdout=subprocess.PIPE, text=True)

    def finish(self, run: Path, *more: str) -> None:
        """Run to the end; 4 says that some cases failed, as planted."""
        code = subprocess.run(self.command(run, *more), stdout=subprocess.DEVNULL, check=False).returncode
        if code != 4:
            raise SystemExit(f"{run.name}: exit code {code}, expected 4")


def ended_cases(process: subprocess.Popen[str]) -> Iterator[int]:
    """How many cases have ended, after each one."""
    count = 0
    for line in process.stdout or ():
        if json.loads(line)["event"] == "case":
            count += 1
            yield count


def tables(run: Path) -> dict[str, bytes]:
    return {name: (run / name).read_bytes() for name in TABLES}


def straight(bench: Bench, planted: Counter[str], studies: int) -> list[str]:
    """Throughput, memory, failures."""
    run = bench.fresh("straight")
    began = time.monotonic()
    process = bench.start(run)
    first = 0.0
    with Memory(process.pid) as memory:
        for count in ended_cases(process):
            first = first or time.monotonic() - began
            if count % 100 == 0:
                print(f"  {count} cases, {time.monotonic() - began:.0f} s", file=sys.stderr)
        process.wait()
    seconds = time.monotonic() - began
    failed = Counter(_column(run / "failures.csv", "failure"))
    if failed != planted:
        raise SystemExit(f"failures {dict(failed)}, planted {dict(planted)}")
    lines = [
        f"- straight: {studies} studies in {seconds:.0f} s with {bench.workers} workers, "
        f"{(studies - 1) / (seconds - first) * 60:.0f} a minute after the first at {first:.1f} s",
        f"- failures by kind, equal to those planted: {', '.join(f'{n} {kind}' for kind, n in sorted(failed.items()))}",
    ]
    return lines + memory_lines(memory)


def memory_lines(memory: Memory) -> list[str]:
    """The curve by tenths of the run."""
    lines = ["", "| part of the run | coordinator, MiB | workers together, MiB |", "|---|---|---|"]
    step = max(1, len(memory.samples) // 10)
    for start in range(0, len(memory.samples), step):
        part = memory.samples[start : start + step]
        own, others = (statistics.median(sample[k] for sample in part) for k in (1, 2))
        lines.append(f"| {part[0][0]:.0f} to {part[-1][0]:.0f} s | {own:.0f} | {others:.0f} |")
    return [*lines, ""]


def _column(path: Path, name: str) -> list[str]:
    import csv

    with path.open(newline="", encoding="utf-8") as file:
        return [row[name] for row in csv.DictReader(file)]


def kills(bench: Bench, number: int, studies: int) -> list[str]:
    """The coordinator is killed (-9) when a random number of further cases has ended."""
    run, rng = bench.fresh("kills"), random.Random(7)
    for _ in range(number):
        process = bench.start(run)
        wanted = rng.randrange(0, max(1, studies // (number + 2)))
        for count in ended_cases(process):
            if count >= wanted:
                break
        time.sleep(rng.uniform(0.0, 0.5))
        process.kill()
        process.wait()
    bench.finish(run)
    return [f"- coordinator killed (-9) at {number} random moments, then finished: tables identical"]


def workers(bench: Bench, number: int, studies: int) -> list[str]:
    """A worker is killed (-9), now and then, while the run goes on."""
    run, rng = bench.fresh("workers"), random.Random(8)
    process = bench.start(run)
    killed = 0
    for count in ended_cases(process):
        if killed < number and count % max(1, studies // (number + 2)) == 0:
            children = [c for c in psutil.Process(process.pid).children() if "spawn_main" in " ".join(c.cmdline())]
            if children:
                os.kill(rng.choice(children).pid, signal.SIGKILL)
                killed += 1
    process.wait()
    return [f"- {killed} workers killed (-9) while the run went on: tables identical"]


def shards(bench: Bench) -> list[str]:
    """Four quarters, merged."""
    run = bench.fresh("shards")
    for index in range(1, 5):
        bench.finish(run, "--shard", f"{index}/4")
    subprocess.run([sys.executable, "-m", "medkt", "batch", "merge", str(run)], check=True, stdout=subprocess.DEVNULL)
    return ["- four shards merged: tables identical to the single run"]


def ray(bench: Bench, studies: int) -> list[str]:
    """Three nodes of one processor, one of them removed without warning when a third of the cases has ended."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(3)]
    run = bench.fresh("ray")
    try:
        options = ["--engine", "ray", "--ray-address", cluster.address, "--workers", "3"]
        process = bench.start(run, *options)
        began = time.monotonic()
        for count in ended_cases(process):
            if count == studies // 3:
                cluster.remove_node(nodes[0], allow_graceful=False)
        process.wait()
    finally:
        cluster.shutdown()
    return [
        f"- Ray, three nodes, one killed after {studies // 3} cases, {time.monotonic() - began:.0f} s: tables identical"
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="where studies and runs go")
    parser.add_argument("--studies", type=int, default=STUDIES)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES)
    parser.add_argument("--write", action="store_true", help="keep it in evaluation/results/cohort_2000.md")
    arguments = parser.parse_args()
    broken = max(len(WAYS), round(arguments.studies * BROKEN_PART))
    manifest, planted = draw_cohort(arguments.work / "studies", arguments.studies, broken)
    bench = Bench(arguments.work, manifest, workers=arguments.workers)
    lines = [
        "# A cohort of phantom studies",
        "",
        f"medkt {__version__}, `python evaluation/cohort/run_2000.py --work DIR --write`; {arguments.studies} studies, "
        f"DICOM and NIfTI, {broken} broken in {len(WAYS)} ways; models small, CPU, settings `{' '.join(CHEAP)}`.",
        "",
    ]
    stages = {
        "straight": lambda: straight(bench, planted, arguments.studies),
        "kills": lambda: kills(bench, arguments.kills, arguments.studies),
        "workers": lambda: workers(bench, arguments.kills, arguments.studies),
        "shards": lambda: shards(bench),
        "ray": lambda: ray(bench, arguments.studies),
    }
    for name in arguments.stages:
        print(f"{name} ...", file=sys.stderr)
        said = stages[name]()
        if name != "straight" and tables(bench.work / "runs" / name) != tables(bench.work / "runs" / "straight"):
            raise SystemExit(f"{name}: the tables differ from those of straight")
        lines += said
        print("\n".join(said))
    if arguments.write:
        target = Path(__file__).resolve().parents[1] / "results" / "cohort_2000.md"
        target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
