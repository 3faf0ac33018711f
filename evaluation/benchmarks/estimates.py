"""What a run is said to take beforehand and after its first slice, against what it then takes.

Processor seconds throughout, of one thread: what else the machine does while this is measured does not count, in the speed
that is measured first as in the work. `before` is the least and the most that is said before a model has seen the study;
the gate is off where a line says so, and then the two are one. `after the first` adds what had passed to what was said to
be left once the first slice (of a learning: a twentieth of its first stage) was done. Of the large encoder one slice and a
few steps are run, with random weights: time does not depend on them. Of a batch the time before is that of its dry run, and
after its first case that of the worker until it was ready and as many times that of this case.

    python evaluation/benchmarks/estimates.py --write      # records evaluation/results/estimates.md
    python evaluation/benchmarks/estimates.py --only cxr
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
import torch
from batch_cost import draw, revision_of
from learn_full_size import generated_encoder

from medkt.cli.main import main as medkt
from medkt.concepts import load_concept
from medkt.config import resolve, resolve_learning
from medkt.domains import domain
from medkt.estimates.learn import Learning, plan_learn
from medkt.estimates.machine import measured_rates, used_memory
from medkt.estimates.models import ModelPlan
from medkt.estimates.pace import StagePace
from medkt.estimates.passes import encoder_passes
from medkt.estimates.segment import costs_of, plan_study
from medkt.learning import learn
from medkt.models.encoder import DualEncoder
from medkt.models.registry import load_encoder
from medkt.models.sam_parts import sam_model_registry
from medkt.phantom.study import write_study
from medkt.pipeline import ModelFacts, Pipeline, Study
from medkt.report.formats import Formats
from medkt.report.study_folder import write_result
from medkt.requests import work
from medkt.runs.engine import CaseFinished, Event, WorkerReady
from medkt.runs.local import LocalEngine
from medkt.saliency import texts_kept
from medkt.segmentation.sam import SamSegmenter
from medkt.segmentation.slicewise import SegmentationSettings
from medkt.transfer.learn_settings import LearnSettings
from medkt.transfer.packages import AdaptedEncoder
from medkt.transfer.trainable import frozen_layer
from medkt.transfer.vocabulary import vocabulary_of

ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "evaluation" / "results" / "estimates.md"
TIMER = partial(measured_rates, threads=1, clock=time.process_time)
CLOCK = time.process_time


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One run: seconds and bytes."""

    what: str
    least: float
    most: float
    after_first: float
    took: float
    memory: float
    held: float


def segmented(what: str, pipeline: Pipeline, study: Path, modality: str, concept: str, folder: Path) -> Row:
    """Segment and write one study, and hold what was said against it."""
    said: dict[str, float] = {}
    pace = StagePace(clock=CLOCK)

    def before(asked: Study) -> None:
        taught = AdaptedEncoder.of(pipeline.encoder)
        costs = costs_of(pipeline.encoder.spec.name, pipeline.segmenter_facts.name, TIMER)
        plan = plan_study(asked, taught, costs)
        assert plan.total is not None
        said.update(least=float(plan.total.least), most=float(plan.total.most), memory=float(plan.memory or 0))
        steps = {name: float(one.most) for name, one in plan.seconds.items()}
        pace.expected = {"maps": steps["maps"] + steps["segmenter"], "measure and write": steps["measure and write"]}
        said["began"] = CLOCK()
        pace.begin()

    def tick(stage: str, done: int, total: int) -> None:
        left = pace.left(stage, done, total)
        if stage == "maps" and done == 1:
            said["first"] = CLOCK() - said["began"] + left

    with texts_kept():
        result = pipeline.segment_file(study, [concept], before=before, progress=tick)
    write_result(result, folder, formats=Formats.parse("nifti,png"), name="case")
    took = CLOCK() - said["began"]
    return Row(
        what=what, least=said["least"], most=said["most"], after_first=said.get("first", float("nan")), took=took,
        memory=said["memory"], held=used_memory(),
    )  # fmt: skip


def learned(what: str, encoder: DualEncoder, settings: LearnSettings, folder: Path, *, known: int) -> Row:
    """Learn one concept, told apart from so many known ones, with a quick audit."""
    concept, kind = load_concept("us_phyllodes"), domain("ultrasound")
    others = kind.others(concept)[:known]
    learning = Learning(
        vocabulary=vocabulary_of(concept, kind, known=others), settings=settings, seeds=(0,), level="quick",
        layer=frozen_layer(encoder, settings.finetune.trains),
    )  # fmt: skip
    here = ModelPlan(kind="encoder", name=encoder.spec.name, source="", bytes=0)
    plan = plan_learn(learning, here, encoder_passes(encoder.spec.name), TIMER, concept=concept.id, output="", cache="")
    pace, first, began = StagePace(plan.expected, CLOCK), float("nan"), CLOCK()
    pace.begin()

    def tick(stage: str, done: int, total: int) -> None:
        nonlocal first
        left = pace.left(stage, done, total)
        if first != first and done >= 0.05 * total:
            first = CLOCK() - began + left

    learn(encoder, concept, kind, settings, level="quick", known=others, cache=folder, progress=tick)
    took = CLOCK() - began
    assert plan.total is not None
    return Row(
        what=what, least=float(plan.total.least), most=float(plan.total.most), after_first=first, took=took,
        memory=float(plan.memory or 0), held=used_memory(),
    )  # fmt: skip


BEFORE = """
import json, sys, time
from functools import partial
from medkt.cli.main import main
from medkt.estimates.machine import measured_rates
from medkt.requests import plans
plans.timer_of = lambda device, threads: partial(measured_rates, threads=threads, clock=time.process_time)
main(json.loads(sys.argv[1]))
"""


class Observed(LocalEngine):
    """Its only worker's processor seconds when it was ready and after its first case, and the most memory that it held."""

    last: "Observed"

    def start(self) -> None:
        Observed.last, self.ready, self.first, self.held = self, 0.0, 0.0, 0
        super().start()

    def poll(self, seconds: float) -> Sequence[Event]:
        events = super().poll(seconds)
        for event in events:
            if isinstance(event, WorkerReady | CaseFinished) and self.processes:
                used = psutil.Process(self.processes[0]).cpu_times()
                self.ready = used.user + used.system if isinstance(event, WorkerReady) else self.ready
                self.first = self.first or (used.user + used.system if isinstance(event, CaseFinished) else 0.0)
                self.held = max(self.held, psutil.Process(self.processes[0]).memory_info().rss)
        return events


def batched(what: str, cases: int, folder: Path) -> Row:
    """A run of `medkt batch` over grey pictures, one worker of one thread."""
    folder.mkdir()
    manifest = draw(folder, cases, 1) / "0.csv"
    words = ["batch", "--manifest", str(manifest), "-o", str(folder / "run"), "-d", "cpu", "--threads", "1", "-q"]
    asked = json.dumps([*words, "--dry-run", "--json"])
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    plan = json.loads(
        subprocess.run(
            [sys.executable, "-c", BEFORE, asked], env=env, capture_output=True, text=True, check=True
        ).stdout
    )
    before, made = _used(), work.engine_of
    work.engine_of = lambda request, factory, run: Observed(factory, run.workers.resolve(), workers=1, threads=1)  # type: ignore[assignment]
    try:
        assert medkt(words) == 0
    finally:
        work.engine_of = made
    seen = Observed.last
    return Row(
        what=what, least=plan["seconds"]["least"], most=plan["seconds"]["most"],
        after_first=seen.ready + cases * (seen.first - seen.ready), took=_used() - before,
        memory=plan["memory_bytes_a_worker"], held=seen.held,
    )  # fmt: skip


def _used() -> float:
    own = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + time.process_time()


def small(*sets: str) -> Pipeline:
    """The shipped models."""
    return Pipeline.load("small", device="cpu", settings=resolve(SegmentationSettings, preset="default", sets=sets))


def full_size(*sets: str) -> Pipeline:
    """BiomedCLIP's architecture and SAM's ViT-B with random weights."""
    facts = ModelFacts(name="sam-vit-b", digest="", licence="")
    torch.manual_seed(0)
    return Pipeline(
        encoder=generated_encoder("cpu"), segmenter=SamSegmenter(sam_model_registry["vit_b"](checkpoint=None)),
        segmenter_facts=facts, settings=resolve(SegmentationSettings, preset="default", sets=["presence.gate=false", *sets]),
    )  # fmt: skip


def rows(folder: Path, only: str) -> Iterator[Row]:
    """The runs, the cheap ones first."""
    films: dict[str, Callable[[], Row]] = {}
    for name, kind, finding in (
        ("cxr", "cxr", "cxr_nodule"),
        ("ultrasound", "ultrasound", "us_cyst"),
        ("ct", "ct", "ct_nodule"),
    ):

        def run(name: str = name, kind: str = kind, finding: str = finding) -> Row:
            study = write_study(folder / name, domain=kind, finding=finding, seed=11, format="dicom")  # type: ignore[arg-type]
            return segmented(f"small, {name}", small(), study, kind, finding, folder / f"{name}-out")

        films[name] = run
    films["full-size cxr"] = lambda: segmented(
        "BiomedCLIP's and SAM ViT-B's size, one film, gate off, 3 steps of M2IB", full_size("m2ib.steps=3"),
        write_study(folder / "cxr2", domain="cxr", finding="cxr_nodule", seed=4, format="dicom"), "cxr", "cxr_nodule", folder / "o3",
    )  # fmt: skip
    plain = ("pictured=0.0", "choice.max_forgetting=1.0", "choice.drift_weight=0.0")
    in_float = tuple(f"{name}.dtype=float32" for name in ("inversion", "judged_with", "rehearsed_with", "finetune"))
    short = ("inversion.steps=3", "judged_with.steps=3", "rehearsed_with.steps=3", "finetune.steps=6", "choice.every=3")
    settings = resolve_learning(LearnSettings, preset="quick", sets=[*plain, *in_float, *short])
    films["learn"] = lambda: learned("small, learn, preset quick with a quarter of the steps, 3 known findings, float32", load_encoder("small"), settings, folder / "cache", known=3)  # fmt: skip
    few = ("images=2", "rehearsal_images=1", "validation_images=1", "views=1", "inversion.steps=1", "judged_with.steps=1", "rehearsed_with.steps=1", "finetune.steps=2", "choice.every=1")  # fmt: skip
    films["full-size learn"] = lambda: learned(
        "BiomedCLIP's size, learn, one step of inversion and two of fine-tuning, 2 known findings, float32", generated_encoder("cpu"),
        resolve_learning(LearnSettings, preset="quick", sets=[*plain, *in_float, *few]), folder / "cache2", known=2,
    )  # fmt: skip
    films["ct, gate off"] = lambda: segmented(
        "small, CT, gate off", small("presence.gate=false"),
        write_study(folder / "ct2", domain="ct", finding="ct_nodule", seed=12, format="dicom"), "ct", "ct_nodule", folder / "o2",
    )  # fmt: skip
    films["batch"] = lambda: batched("small, batch of 20 pictures, one worker", 20, folder / "cohort")
    for name, make in films.items():
        if not only or name == only:
            yield make()


def line(row: Row) -> str:
    """Of the table."""
    before = f"{row.least:.1f} to {row.most:.1f}" if row.most > 1.05 * row.least else f"{row.most:.1f}"
    ratio = row.after_first / row.took
    return (
        f"| {row.what} | {before} | {row.after_first:.1f} | {row.took:.1f} | {row.most / row.took:.2f} | {ratio:.2f} | "
        f"{row.memory / 1e6:.0f} | {row.held / 1e6:.0f} |"
    )


HEAD = """# Estimates against what it then took

Processor seconds of one thread of {machine}, torch {torch}; commit {commit}. Written by `python evaluation/benchmarks/estimates.py --write`,
which says how. Ratios are of what was said to what it took; wanted is 0.5 to 2 after the first slice.

| run | said before, s | said after the first, s | took, s | ratio before | ratio after | said at most, MB | held, MB |
|---|---|---|---|---|---|---|---|
"""


def main() -> None:
    """Measure, print, and record where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="one of the runs")
    parser.add_argument("--write", action="store_true", help=f"record {RESULT.name}")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    lines: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        for row in rows(Path(name), arguments.only):
            lines.append(line(row))
            print(lines[-1], flush=True)
            if arguments.write:
                head = HEAD.format(machine=platform.machine(), torch=torch.__version__, commit=revision_of(ROOT))
                RESULT.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
