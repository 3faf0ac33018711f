"""A task of one's own: how bright each image is, and the mean over all of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from medkt.about import __version__
from medkt.datasets.reference import read_case_image
from medkt.errors import InputError
from medkt.runs.engine import RunnerFactory
from medkt.runs.folder import RunFolder
from medkt.runs.work import Row
from medkt.spatial import Image
from medkt.statistics import BootstrapSettings, Interval, mean_interval
from medkt.tasks.base import CaseSource, Column, EvaluatedRun, RunComparison, Task, TextTable, ids_word, patients_word
from medkt.tasks.cases import CasePlan, CaseWork
from medkt.tasks.manifest import plan_of_source
from medkt.tasks.masks.words import interval_cells, interval_text
from medkt.tasks.table import done_cases, numbers

WHOLE = "image"  # what is asked of every case; there are no words
HEAD = ("images", "failed", "mean", "low", "high")


@dataclass(frozen=True, slots=True, kw_only=True)
class BrightnessJob:
    """A manifest of images."""

    source: CaseSource


class BrightnessRunner:
    """A `Runner` without a model."""

    def facts(self) -> Mapping[str, Any]:
        return {}

    def read(self, work: CaseWork) -> Image:
        return read_case_image(work.case)

    def compute(self, work: CaseWork, image: Image) -> float:
        return float(image.values.mean())

    def write(self, work: CaseWork, result: float) -> Sequence[Row]:
        return [{"concept": WHOLE, "mean": result}]


@dataclass(frozen=True, slots=True, kw_only=True)
class BrightnessEvaluation:
    """The mean of all images, with its interval over patients."""

    images: int
    failed: int
    mean: Interval


class BrightnessTask(Task):
    """A `Task`."""

    name = "brightness"
    does = "measures brightness"
    columns = (
        Column(name="concept", kind="text", meaning="always `image`"),
        Column(name="mean", kind="number", meaning="of the image's values"),
    )

    def plan(self, asked: BrightnessJob) -> CasePlan:
        return plan_of_source(asked.source, concepts=lambda _: WHOLE, asked=(WHOLE,))

    def runner(self, asked: BrightnessJob, run: RunFolder) -> RunnerFactory:
        return partial(BrightnessRunner)

    def identity(self, asked: BrightnessJob, plan: CasePlan, work: Mapping[str, Any]) -> dict[str, Any]:
        said = {"medkt": __version__, "task": self.name, "manifest": plan.digest, "shard": str(plan.shard)}
        return {**said, **work, "ids": ids_word(plan), "patients": patients_word(plan), "columns": list(plan.columns)}

    def evaluate(self, run: RunFolder, *, by: Sequence[str], settings: BootstrapSettings) -> BrightnessEvaluation:
        done = done_cases(run, needed=("mean",), by=by)
        found = mean_interval(numbers(done.rows, "mean"), done.patients, settings)
        return BrightnessEvaluation(images=len(done.names), failed=done.failed, mean=found)

    def tables(self, evaluation: BrightnessEvaluation) -> Mapping[str, TextTable]:
        counts = {"images": str(evaluation.images), "failed": str(evaluation.failed)}
        return {"evaluation.csv": (HEAD, [{**counts, **interval_cells("mean", evaluation.mean)}])}

    def say(self, run: EvaluatedRun) -> Iterator[str]:
        found: BrightnessEvaluation = run.evaluation
        yield f"{found.images} images, mean {interval_text(found.mean)}, {found.failed} failed"

    def compare(self, first: RunFolder, second: RunFolder, settings: BootstrapSettings) -> RunComparison:
        one, other = (done_cases(run, needed=("mean",)) for run in (first, second))
        if one.names != other.names:
            raise InputError("two runs are compared over the same images; these hold others")
        difference = numbers(other.rows, "mean") - numbers(one.rows, "mean")
        found = mean_interval(difference, one.patients, settings)
        return RunComparison(
            lines=[found], head=("number", "difference"), rows=[("mean", interval_text(found))],
            pairing=", over patients", explained=", over patients",
        )  # fmt: skip


TASK = BrightnessTask()
