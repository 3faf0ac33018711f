"""Does a description teach on real images? Base, learning, controls and real images to learn from, on four classes.

    python evaluation/kt_real/run.py --data ../shared/data --cache /tmp/kt_cache_real --out evaluation/kt_real/results

Which classes, how new each is to the small model, and why these: `classes.py`. One JSON line a (finding, condition, seed)
goes to `rows.jsonl` as soon as it is done; a second run goes on where the first ended; `tables.py` makes the tables.

Conditions: "base"; "base, described" (the description in place of the name, nothing learned); "fast" (medkt's default,
its place chosen without labels and without a real image); four of the audit's controls; "real N": the same fine-tuning,
to its last step, on N real images of the role `train` in place of inverted ones (fewer where there are fewer). No image
that is asked about was trained on or chose anything.

Of each image that is asked about: the cosine with the bare name (the mean direction of the name and the domain's
templates with it), whether the nearest of all names of the domain is right, and whether it is the new one. "phantoms" is
the accuracy on phantoms of the findings that the model was trained on, with the new name among the choices. Where there
are masks, `medkt segment` is asked by the bare name with default settings, gate on; not seen counts 0; NSD at 2 pixels.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

sys.path.append(str(Path(__file__).resolve().parents[1] / "kt_phantom"))

from classes import RealTask, pixels_01, read_classes, tasks
from rows import Once, Rows
from segment import scores_by_name
from tasks import TEST_SEED, draw, pixels_of, unit_texts

from medkt.audit.controls import CONTROLS, Setting
from medkt.config import resolve_learning
from medkt.io import read_image
from medkt.models.encoder import DualEncoder
from medkt.models.small import load_small
from medkt.pipeline import View
from medkt.recipe.batches import normalise
from medkt.recipe.real_images import RealImage
from medkt.spatial import Image, Mask
from medkt.transfer.choose import Candidate
from medkt.transfer.learn import Learned, learn_from
from medkt.transfer.learn_settings import LearnSettings
from medkt.transfer.material import gather
from medkt.transfer.rehearsal import features_of, look
from medkt.transfer.trainable import frozen_layer
from medkt.transfer.vocabulary import vocabulary_of

REAL = (1, 3, 10)
ASKED = ("noise images", "zero loss", "other words", "shuffled words")
SEGMENTED = ("base", "fast", "noise images", "real 10")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of manifest.tsv")
    parser.add_argument("--out", type=Path, required=True, help="folder of rows.jsonl")
    parser.add_argument("--cache", type=Path, help="folder of inverted images")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--control-seeds", type=int, default=2, help="of controls and of real images")
    parser.add_argument("--phantoms", type=int, default=10, help="of each known finding")
    parser.add_argument("--studies", type=int, default=12, help="images of a class that are segmented, at most")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    encoder, rows = load_small(), Rows(arguments.out / "rows.jsonl")
    asked, given = read_classes(arguments.data, "validate"), read_classes(arguments.data, "train")
    benches = [Bench(encoder, task, given, arguments) for task in tasks(asked)]
    for seed in range(arguments.seeds):  # seeds outside, so that a run cut short is complete for the first ones
        for bench in benches:
            bench.run(seed, rows)


class Bench:
    """One class with its images, which all conditions share."""

    def __init__(
        self, encoder: DualEncoder, task: RealTask, given: list[RealImage], arguments: argparse.Namespace
    ) -> None:
        self.base, self.task, self.arguments = encoder, task, arguments
        self.given = [image for image in given if image.label == task.chosen.label]
        self.settings = resolve_learning(LearnSettings, preset="fast")
        self.layer = frozen_layer(encoder, self.settings.finetune.trains)
        self.hidden = look(encoder, normalise(pixels_01(task.images)[:, 0]), self.layer).hidden
        planes = [p for k in task.known for p in draw(k.id, task.domain.name, range(arguments.phantoms), TEST_SEED)]
        self.phantoms = look(encoder, pixels_of(planes), self.layer).hidden
        self.drawn = torch.arange(len(task.known)).repeat_interleave(arguments.phantoms)  # answers begin with the known
        self.names = unit_texts(encoder, task.texts)
        self.studies = studies_of(task, arguments.data, arguments.studies)

    def run(self, seed: int, rows: Rows) -> None:
        """Every condition of one seed."""
        if seed == 0:
            self._row(rows, "base", 0, lambda: self.base)
            self._row(rows, "base, described", 0, lambda: self.base, texts=self.task.concept.texts("inversion"))
        learned = Once(lambda: self._learned(seed))
        self._row(rows, "fast", seed, learned)
        if seed >= self.arguments.control_seeds:
            return
        for control in (one for one in CONTROLS if one.name in ASKED):
            make = control.make
            self._row(rows, control.name, seed, lambda make=make: make(self._setting(learned)))
        for count in REAL:
            self._row(rows, f"real {count}", seed, lambda count=count: self._real(learned.kept(), count))

    def _setting(self, learned: Once) -> Setting:
        return Setting(base=self.base, learned=learned.kept(), cache=self.arguments.cache)

    def _learned(self, seed: int) -> Learned:
        words = vocabulary_of(self.task.concept, self.task.domain, known=self.task.known)
        material = gather(self.base, words, self.settings, seed=seed, cache=self.arguments.cache)
        return learn_from(self.base, material, self.settings, seed=seed)

    def _real(self, learned: Learned, count: int) -> DualEncoder:
        picked = np.random.default_rng((learned.seed, 43)).permutation(len(self.given))[:count]
        images = pixels_01([self.given[i] for i in picked]).expand(-1, 3, -1, -1).contiguous()
        finetuning = self.settings.finetune
        end = Candidate(
            learning_rate=finetuning.learning_rate, step=finetuning.steps or 0, interpolation=1.0, success=0.0,
            margin=0.0, retention=1.0, drift=0.0,
        )  # fmt: skip
        material = replace(learned.material, images=images)
        return learn_from(self.base, material, self.settings, seed=learned.seed, at=end).encoder

    def _row(
        self, rows: Rows, condition: str, seed: int, make: Callable[[], DualEncoder], texts: tuple[str, ...] = ()
    ) -> None:
        key = {"finding": self.task.concept.id, "condition": condition, "seed": seed}
        if rows.has("accuracy", **key):
            return
        began = time.process_time()
        encoder = make()
        seconds = time.process_time() - began
        row: dict[str, object] = {**key, **self._asked(encoder, texts), "seconds": round(seconds, 1)}
        if seed == 0 and condition in SEGMENTED and self.studies:
            row["segmented"] = self._segmented(encoder)
        rows.add(**row)

    def _asked(self, encoder: DualEncoder, texts: tuple[str, ...]) -> dict[str, object]:
        names = unit_texts(encoder, (*self.task.texts[:-1], texts)) if texts else self.names
        cosines, mine = self._cosines(encoder, self.hidden, names), self.task.mine
        found = cosines.argmax(dim=1)
        right = torch.tensor(self.task.right(found))
        drawn = self._cosines(encoder, self.phantoms, names).argmax(dim=1) == self.drawn
        called_new = found == len(self.task.answers) - 1
        return {
            "accuracy": float(right[mine].double().mean()),
            "known": float(right[~mine].double().mean()),
            "phantoms": float(drawn.double().mean()),
            "images": [image.path for image in self.task.images],
            "labels": [image.label for image in self.task.images],
            "cosine": [round(one, 5) for one in cosines[:, -1].tolist()],
            "right": right.int().tolist(),
            "called_new": called_new.int().tolist(),
            "answers": [self.task.answers[int(one)] for one in found],
        }

    @torch.no_grad()
    def _cosines(self, encoder: DualEncoder, hidden: Tensor, names: Tensor) -> Tensor:
        features = torch.cat([features_of(encoder, part, self.layer) for part in hidden.split(64)])
        return functional.normalize(features, dim=-1) @ names.T

    def _segmented(self, encoder: DualEncoder) -> list[dict[str, float]]:
        view = View(modality=self.task.domain.name)
        return scores_by_name(encoder, self.task.concept, self.task.domain, self.studies, view, tolerance_px=2.0)


def studies_of(task: RealTask, data: Path, most: int) -> list[tuple[Image, Mask]]:
    """The first images of the class that have a mask, as `medkt segment` reads them."""
    mine = [i for i in task.images if i.label == task.chosen.label and i.mask is not None][:most]
    read = [(read_image(data / image.path), image.mask) for image in mine]
    return [(image, Mask(values=mask[None], geometry=image.geometry)) for image, mask in read if mask is not None]


if __name__ == "__main__":
    main()
