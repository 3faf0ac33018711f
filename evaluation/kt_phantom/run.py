"""Does a description teach? Base, learning, controls and real images, on findings that the small model never met.

    python evaluation/kt_phantom/run.py --out evaluation/kt_phantom/results            # the eight held-out findings
    python evaluation/kt_phantom/run.py --out /tmp/dev --development --seeds 1         # the invented ones

One JSON line a (finding, condition, seed) goes to `rows.jsonl` as soon as it is done; a second run goes on where the
first ended, and `tables.py` makes tables and plots of it. Split the work with --part 1/2 and --part 2/2.

Conditions: "base"; "base, by description": asked by the description itself, without learning; "fast" (medkt's default,
its place chosen without labels); the audit's controls; "noise starts": fast with every inversion started from noise;
"whole way": the fine-tuned weights after the last step, whatever the choice; "packaged": fast as a `.medkt` file keeps
it, at low rank; "real N": the same fine-tuning, to its last step, on N phantom images of the finding instead of inverted
ones (an upper bound: they need N labelled images). "seconds" are of the processor and of all that the condition had to make:
begin with an empty cache (MEDKT_CACHE) to compare them. The paper's own way stands in `published.py`.

Accuracy is by bare name (the mean direction of the name and the domain's templates with it) among the known findings of
the domain and the new one; "known" is the accuracy on phantoms of the known findings with the new name among the choices.
DSC, NSD and IoU are of `medkt segment` on phantom images, asked by bare name with default settings; not seen counts 0.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rows import Once, Rows
from tasks import Task, Tests, development_tasks, held_out_tasks, real_images, tests_of, unit_texts
from torch import Tensor
from torch.nn import functional

from medkt.audit.controls import CONTROLS, Setting
from medkt.config import resolve_learning
from medkt.models.encoder import DualEncoder
from medkt.models.small import load_small
from medkt.transfer.choose import Candidate
from medkt.transfer.delta import apply, make_delta
from medkt.transfer.learn import Learned, learn_from
from medkt.transfer.learn_settings import LearnSettings
from medkt.transfer.material import Material, gather
from medkt.transfer.rehearsal import features_of, look
from medkt.transfer.trainable import frozen_layer
from medkt.transfer.vocabulary import vocabulary_of

REAL = (1, 3, 10, 30, 100)
DESCRIBED = "base, by description"
SEGMENTED = {"base": 1, "fast": 5, "noise images": 1, "normal studies": 1, "other words": 1, "real 100": 1}
"""Of how many seeds a condition segments too."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of rows.jsonl")
    parser.add_argument("--development", action="store_true", help="the invented findings instead of the held-out ones")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--control-seeds", type=int, default=3, help="of the controls but noise, and of real images")
    parser.add_argument("--each", type=int, default=50, help="test phantoms of the finding")
    parser.add_argument("--each-known", type=int, default=20, help="test phantoms of each known finding")
    parser.add_argument("--studies", type=int, default=6, help="phantoms of a finding that are segmented")
    parser.add_argument("--part", default="1/1", help="which of the findings: 1/2 takes every other one")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    index, of = map(int, arguments.part.split("/"))
    tasks = (development_tasks() if arguments.development else held_out_tasks())[index - 1 :: of]
    rows = Rows(arguments.out / f"rows_{index}.jsonl")
    encoder = load_small()
    benches = [Bench(encoder, task, arguments) for task in tasks]
    for seed in range(arguments.seeds):  # seeds outside, so that a run cut short is complete for the first ones
        for bench in benches:
            bench.run(seed, rows)


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
        self.described = unit_texts(encoder, (*task.names[:-1], task.concept.texts("inversion")))

    def run(self, seed: int, rows: Rows) -> None:
        """Every condition of one seed."""
        self.row(rows, "base", seed, lambda: self.base)
        learned = self.learned(seed)
        self.row(rows, "fast", seed, learned)
        if not seed:
            self.row(rows, DESCRIBED, seed, lambda: self.base)
        for control in CONTROLS:
            if control.name == "noise images" or seed < self.arguments.control_seeds:
                make = control.make
                self.row(
                    rows,
                    control.name,
                    seed,
                    lambda make=make: make(Setting(base=self.base, learned=learned.kept(), cache=None)),
                )
        if seed < self.arguments.control_seeds:
            self.row(rows, "whole way", seed, lambda: self._further(learned.kept()))
            self.row(rows, "packaged", seed, lambda: self._packaged(learned.kept()))
            self.row(rows, "noise starts", seed, lambda: self._from_noise(seed))
            for count in REAL:
                self.row(rows, f"real {count}", seed, lambda count=count: self._real(learned.kept(), count))

    def learned(self, seed: int) -> Once:
        def make() -> Learned:
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

    def _further(self, learned: Learned) -> DualEncoder:
        return self._again(learned, learned.material)

    def _packaged(self, learned: Learned) -> DualEncoder:
        return apply(self.base, make_delta(self.base, learned.encoder))

    def _from_noise(self, seed: int) -> DualEncoder:
        settings = replace(self.settings, warm=0.0)
        words = vocabulary_of(self.task.concept, self.task.domain, known=self.task.known)
        return learn_from(self.base, gather(self.base, words, settings, seed=seed), settings, seed=seed).encoder

    def _real(self, learned: Learned, count: int) -> DualEncoder:
        images = real_images(self.task, count, learned.seed)
        return self._again(learned, replace(learned.material, images=images))

    def _again(self, learned: Learned, material: Material) -> DualEncoder:
        """The same fine-tuning to its last step; what the base knows of the rehearsal images is there already."""
        return learn_from(
            self.base, material, self.settings, seed=learned.seed, at=self.end(), rehearsal=learned.rehearsal
        ).encoder

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
            texts = self.described if condition == DESCRIBED else self.names
            accuracy, known = self._accuracy(encoder, texts, whole=whole)
            row |= {"accuracy": accuracy, "known": known, "seconds": seconds}
        if outlined:
            row["segmented"] = self._segmented(encoder)
        rows.add(**row)

    @torch.no_grad()
    def _accuracy(self, encoder: DualEncoder, texts: Tensor, *, whole: bool) -> tuple[float, float]:
        parts = self.pixels.split(64) if whole else self.hidden.split(64)
        layer = None if whole else self.layer
        features = torch.cat([features_of(encoder, part.float(), layer) for part in parts])
        found: Tensor = (functional.normalize(features, dim=-1) @ texts.T).argmax(dim=1)
        new, right = len(self.task.known), found == self.labels
        mine = self.labels == new
        return float(right[mine].double().mean()), float(right[~mine].double().mean())

    def _segmented(self, encoder: DualEncoder) -> list[dict[str, float]]:
        from segment import segment_by_name

        return segment_by_name(encoder, self.task, range(self.arguments.studies))


if __name__ == "__main__":
    main()
