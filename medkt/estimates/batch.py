"""What `medkt batch` would do: some cases are read, and the others taken to be like them."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from medkt.codes import told
from medkt.errors import MedktError
from medkt.estimates.machine import cores, free_memory, measured_rates
from medkt.estimates.models import ModelPlan
from medkt.estimates.segment import LOADED_A_SECOND, StudyPlan, costs_of, plan_study
from medkt.estimates.words import PlanSection, Seconds, duration, output_lines, rounded, size
from medkt.pipeline import Pipeline, Study, resolve_device
from medkt.tasks.cases import CasePlan, CaseWork
from medkt.transfer.packages import AdaptedEncoder

SAMPLE = 12  # cases that are read, at even distances through the manifest
ANY_SALT = b"medkt dry run, of which nothing is kept"
WRITTEN_A_VOXEL = 5  # bytes of a finding before they are packed: the mask, and the map in float32


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstStudy:
    """Asked in a worker that has read its first study: seconds that one like it adds to the run, at least and at most.

    Attributes:
        workers, threads, device: of the run.
    """

    workers: int
    threads: int
    device: str

    def __call__(self, study: Study, pipeline: Pipeline) -> tuple[float, float] | None:
        """None where the cost of a model is not known."""
        timer = partial(measured_rates, device=str(resolve_device(self.device)), threads=self.threads)
        costs = costs_of(pipeline.encoder.spec.name, pipeline.segmenter_facts.name, timer)
        taught = pipeline.taught or AdaptedEncoder.of(pipeline.encoder)
        total = plan_study(study, taught, costs).total
        if total is None:
            return None
        side_by_side = at_once(self.workers, self.threads)
        return float(total.least / side_by_side), float(total.most / side_by_side)


def at_once(workers: int, threads: int) -> float:
    """Cases that are computed side by side: workers, as far as there are cores for their threads."""
    return max(1.0, float(min(workers, cores() / threads)))


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPlan:
    """What one run of `medkt batch` would do.

    Attributes:
        cases: of the manifest, or of the shard.
        ended: of them in an earlier run of the same folder.
        read: how many were read for this, and the plans of those that could be.
        refused: number in the manifest and why, of those that could not; no path.
        models: that each worker loads once.
        workers, threads: of the run.
        started: seconds that this process took so far.
        output, output_state: the run's folder, and whether it is there; None where nobody named one.
        notes: of the manifest.
    """

    cases: int
    ended: int
    read: int
    studies: tuple[StudyPlan, ...]
    refused: Mapping[int, str]
    models: tuple[ModelPlan, ...]
    workers: int
    threads: int
    started: float | int
    output: str | None
    output_state: str
    notes: tuple[str, ...] = ()

    @property
    def each(self) -> Seconds | None:
        """A case, of those that were read; None where the cost of a model is not known, or none could be read."""
        totals = [one.total for one in self.studies if one.total is not None]
        if not totals:
            return None
        return sum(totals, Seconds(least=0, most=0)).times(1 / len(totals))

    @property
    def loading(self) -> float:
        """Seconds until a worker is ready: it imports what this process has imported, and loads the models."""
        return self.started + sum(one.bytes for one in self.models) / LOADED_A_SECOND

    @property
    def at_once(self) -> float:
        """See the function of this name."""
        return at_once(self.workers, self.threads)

    @property
    def total(self) -> Seconds | None:
        """The whole run."""
        if self.each is None:
            return None
        left = (self.cases - self.ended) * (1 - len(self.refused) / max(self.read, 1))
        return self.each.times(left / self.at_once) + Seconds(least=self.loading, most=self.loading)

    @property
    def memory(self) -> float | int:
        """Bytes of one worker at most."""
        return max((one.memory or 0 for one in self.studies), default=0)

    @property
    def disk(self) -> float:
        """Bytes of the results at most: masks and maps before they are packed."""
        voxels = [len(one.findings) * float(_product(one.shape)) for one in self.studies]
        return WRITTEN_A_VOXEL * sum(voxels) / max(len(voxels), 1) * (self.cases - self.ended)

    def warnings(self) -> tuple[str, ...]:
        """Where this machine has not enough of something."""
        free = free_memory()
        room = None if self.output is None else shutil.disk_usage(_existing(Path(self.output))).free
        needed, found = self.memory * self.workers, []
        if free is not None and needed > free:
            found.append(
                f"{self.workers} workers need about {size(needed)} of memory and {size(free)} are free: take fewer"
            )
        if self.workers * self.threads > cores():
            found.append(
                f"{self.workers} workers of {self.threads} thread(s) share {cores()} cores: more than that many compute no faster"
            )
        if room is not None and self.disk > room:
            found.append(f"the results may take {size(self.disk)} before they are packed and {size(room)} are free")
        return tuple(found)

    def sections(self) -> tuple[PlanSection, ...]:
        """What is printed."""
        sound = len(self.studies)
        lines = [("in all", f"{self.cases}" + (f", of which {self.ended} have ended" if self.ended else ""))]
        lines += [
            ("read now", f"{self.read} at even distances: {sound} can be looked at, {len(self.refused)} would fail")
        ]
        lines += [(f"case {number}", why) for number, why in self.refused.items()]
        lines += [("note", note) for note in self.notes]
        if sound:
            one = self.studies[0]
            planes = [study.looked_at for study in self.studies]
            lines.append(("planes", f"{min(planes)} to {max(planes)} looked at in a case; {one.map_rule}"))
        each = "not known" if self.each is None else str(self.each)
        total = (
            "not known"
            if self.total is None
            else f"{self.total}; {duration(self.loading)} of it until the workers are ready"
        )
        whole = [
            ("a case", each), ("workers", f"{self.workers}, {self.at_once:g} side by side on {cores()} cores"), ("time", total),
            ("memory", f"{size(self.memory)} a worker, {size(self.memory * self.workers)} in all, at most"),
            ("disk", f"at most {size(self.disk)} before packing"), *output_lines(self.output, self.output_state),
            *(("note", note) for note in self.warnings()),
        ]  # fmt: skip
        models = PlanSection(
            title=f"models, loaded once in each of {self.workers} worker(s)",
            lines=tuple((one.kind, str(one)) for one in self.models),
        )
        return (
            PlanSection(title="cases", lines=tuple(lines)),
            models,
            PlanSection(title="the whole run (nothing is written by --dry-run)", lines=tuple(whole)),
        )

    def as_json(self) -> dict[str, Any]:
        """Numbers for a machine."""
        return {
            "cases": self.cases, "ended": self.ended, "read": self.read, "readable": len(self.studies),
            "refused": {str(number): why for number, why in self.refused.items()},
            "models": [asdict(one) for one in self.models], "workers": self.workers, "threads": self.threads,
            "seconds_a_case": None if self.each is None else rounded(asdict(self.each)),
            "seconds_start": round(self.loading, 2), "seconds": None if self.total is None else rounded(asdict(self.total)),
            "memory_bytes_a_worker": round(self.memory), "memory_bytes": round(self.memory * self.workers),
            "disk_bytes": round(self.disk), "output": self.output, "output_state": self.output_state,
            "notes": [*self.notes, *self.warnings()],
        }  # fmt: skip


def sampled(
    plan: CasePlan, look: Callable[[CaseWork], StudyPlan], *, most: int = SAMPLE
) -> tuple[int, int, tuple[StudyPlan, ...], dict[int, str]]:
    """How many cases there are, how many were looked at, their plans, and why others would fail, by number.

    Args:
        plan: the cases.
        look: reads one and plans it.
        most: how many are read.

    Raises:
        SettingsError: a case asks for nothing, or has a reference and several concepts.
    """
    numbers = [number for number, _ in plan.names(ANY_SALT)]
    wanted = _spread(numbers, most)
    studies: list[StudyPlan] = []
    refused: dict[int, str] = {}
    for work in plan.works(ANY_SALT, dict.fromkeys(wanted, (0, 0))):
        try:
            studies.append(look(work))
        except MedktError as error:
            said = told(error)
            refused[work.number] = str(said["message"] or said["error"])
    return len(numbers), len(wanted), tuple(studies), refused


def _spread(numbers: Sequence[int], most: int) -> tuple[int, ...]:
    if len(numbers) <= most:
        return tuple(numbers)
    return tuple(numbers[round(k * (len(numbers) - 1) / (most - 1))] for k in range(most))


def _existing(path: Path) -> Path:
    return next(one for one in (path, *path.absolute().parents) if one.exists())


def _product(shape: Sequence[int]) -> int:
    product = 1
    for one in shape:
        product *= one
    return product
