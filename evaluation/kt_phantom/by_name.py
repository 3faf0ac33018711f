"""One finding, judged by bare name alone, as `published.py` and earlier runs have it (`results/by_name.md`).

Accuracy is by bare name (the mean direction of the name and the domain's templates with it) among the known findings of
the domain and the new one; "known" is the accuracy on phantoms of the known findings with the new name among the choices.
DSC, NSD and IoU are of `medkt segment` on phantom images, asked by bare name with default settings; not seen counts 0.
What a name means is not seen by it: see `run.py`.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import torch
from rows import Once, Rows
from tasks import Task, Tests, tests_of, unit_texts
from torch import Tensor
from torch.nn import functional

from medkt.config import resolve_learning
from medkt.models.encoder import DualEncoder
from medkt.transfer.choice import Candidate
from medkt.transfer.learn_settings import LearnSettings
from medkt.transfer.learning import TransferResult, learn_from
from medkt.transfer.material import gather
from medkt.transfer.rehearsal import features_of, look
from medkt.transfer.trainable import frozen_layer
from medkt.transfer.vocabulary import vocabulary_of

SEGMENTED = {"base": 1, "fast": 1}
"""Of how many seeds a condition segments too."""


class Bench:
    """One finding with its test images, which all conditions share."""

    def __init__(self, encoder: DualEncoder, task: Task, arguments: argparse.Namespace) -> None:
        self.base, self.task, self.arguments = encoder, task, arguments
        self.settings = resolve_learning(LearnSettings, preset="fast")
        self.layer = frozen_layer(encoder, self.settings.finetune.trains)
        tests: Tests = tests_of(task, each=arguments.each, each_known=arguments.each_known)
        self.labels, self.pixels = tests.labels, tests.pixels
        self.hidden = look(encoder, tests.pixels, self.layer).hidden.half()
        self.names = unit_texts(encoder, task.names)

    def learned(self, seed: int) -> Once:
        def make() -> TransferResult:
            words = vocabulary_of(self.task.concept, self.task.domain, known=self.task.known)
            material = gather(self.base, words, self.settings, seed=seed)
            return learn_from(self.base, material, self.settings, seed=seed)

        return Once(make)

    def end(self) -> Candidate:
        """The end of fine-tuning, where nothing is chosen."""
        rate, steps = self.settings.finetune.learning_rate, self.settings.finetune.steps or 0
        return Candidate(
            learning_rate=rate,
            step=steps,
            interpolation=1.0,
            success=0.0,
            margin=0.0,
            retention=1.0,
            drift=0.0,
        )

    def row(
        self, rows: Rows, condition: str, seed: int, make: Callable[[], DualEncoder], *, whole: bool = False
    ) -> None:
        key: dict[str, Any] = {"finding": self.task.finding.id, "condition": condition, "seed": seed}
        named = not rows.has("accuracy", **key)
        outlined = seed < SEGMENTED.get(condition, 0) and not rows.has("segmented", **key)
        if not named and not outlined:
            return
        began = time.process_time()
        encoder = make()
        seconds = time.process_time() - began
        row: dict[str, object] = {**key, "domain": self.task.domain.name}
        if named:
            accuracy, known = self._accuracy(encoder, whole=whole)
            row |= {"accuracy": accuracy, "known": known, "seconds": seconds}
        if outlined:
            row["segmented"] = self._segmented(encoder)
        rows.add(**row)

    @torch.no_grad()
    def _accuracy(self, encoder: DualEncoder, *, whole: bool) -> tuple[float, float]:
        parts = self.pixels.split(64) if whole else self.hidden.split(64)
        layer = None if whole else self.layer
        features = torch.cat([features_of(encoder, part.float(), layer) for part in parts])
        found: Tensor = (functional.normalize(features, dim=-1) @ self.names.T).argmax(dim=1)
        new, right = len(self.task.known), found == self.labels
        mine = self.labels == new
        return float(right[mine].double().mean()), float(right[~mine].double().mean())

    def _segmented(self, encoder: DualEncoder) -> list[dict[str, float]]:
        from segment import segment_by_name

        return segment_by_name(encoder, self.task, range(self.arguments.studies))
