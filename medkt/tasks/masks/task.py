"""Scoring masks that are there already, as a task: its cases, its runner and its record."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medkt.about import __version__
from medkt.datasets.patients import FileOwners
from medkt.records import as_plain
from medkt.runs.folder import RunFolder
from medkt.tasks.base import ids_word, patients_word
from medkt.tasks.cases import CasePlan
from medkt.tasks.masks.base import MaskScoringTask
from medkt.tasks.masks.columns import SCORED
from medkt.tasks.masks.pairs import MaskRunnerFactory, plan_of_masks


@dataclass(frozen=True, slots=True, kw_only=True)
class MasksJob:
    """Two folders of masks to compare.

    Attributes:
        references, predictions, concept, keep_ids, whose: as for `plan_of_masks`.
        look: how each pair is compared.
    """

    references: Path
    predictions: Path
    concept: str = "mask"
    keep_ids: bool = False
    whose: FileOwners | None = None
    look: MaskRunnerFactory = field(default_factory=MaskRunnerFactory)


class MasksTask(MaskScoringTask):
    """Masks that are there already, against references; a `Task`."""

    name = "masks"
    columns = SCORED

    def plan(self, asked: MasksJob) -> CasePlan:
        """As `Task.plan`."""
        return plan_of_masks(
            references=asked.references, predictions=asked.predictions, concept=asked.concept, keep_ids=asked.keep_ids,
            whose=asked.whose,
        )  # fmt: skip

    def runner(self, asked: MasksJob, run: RunFolder) -> MaskRunnerFactory:
        """As `Task.runner`."""
        return asked.look

    def identity(self, asked: MasksJob, plan: CasePlan, work: Mapping[str, Any]) -> dict[str, Any]:
        """As `Task.identity`."""
        return {
            "medkt": __version__,
            "masks": plan.digest,
            "shard": str(plan.shard),
            "scoring": as_plain(asked.look.scoring),
            "choice": {"reference": as_plain(asked.look.reference), "prediction": as_plain(asked.look.prediction)},
            "ids": ids_word(plan),
            "patients": patients_word(plan),
            **work,
        }


TASK = MasksTask()
