"""Is it worth changing labelled images before they are learned from? The same few, in no, three and twenty changed copies each.

    python evaluation/kt_phantom/augmented.py --most 4 --seeds 2       # results/augmented.jsonl, then results/augmented.md

Labelled phantoms of a held-out finding are learned from as `medkt learn --images` does with the preset `local`, rehearsal of drawn
studies beside them; without lesions made from words, so that what is rehearsed is drawn once a finding and all else is the same.
"0 copies" are the four moved and mirrored views that are learned from without `augment.copies`. Asked by the bare name, on the pictures
of `pictures.py` (fewer than in `run.py`); measures as there. A second run goes on where the first ended.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from pictures import Gallery, Numbers
from rows import Rows
from run import beside_of, in_turn
from tasks import HERE, Task, real_images, tasks_of

from medkt.asking import AskingWords, way_called
from medkt.config import resolve_learning
from medkt.models.encoder import DualEncoder
from medkt.models.small import load_small
from medkt.transfer.augment import AugmentSettings
from medkt.transfer.gathering import gather_as
from medkt.transfer.learn_settings import LearnSettings
from medkt.transfer.learning import learn_from
from medkt.transfer.rehearsal import Rehearsal
from medkt.transfer.study_planes import StudyPlanes
from medkt.transfer.trainable import TrainableParts, frozen_layer
from medkt.transfer.vocabulary import vocabulary_of

LABELLED, COPIES = (1, 3, 10), (0, 3, 20)
SHOWN = Numbers(finding=30, known=10, normal=50)
MEASURES = ("auc_others", "auc_normals", "known_kept", "normals_taken")


def main(argv: Sequence[str] | None = None) -> None:
    arguments = _arguments(argv)
    torch.set_num_threads(1)
    encoder, rows = load_small(), Rows(arguments.out)
    for task in in_turn(tasks_of("held"))[: arguments.most]:
        measure(encoder, task, rows, arguments.seeds)
        arguments.out.with_suffix(".md").write_text(table(rows) + "\n", encoding="utf-8")


def measure(encoder: DualEncoder, task: Task, rows: Rows, seeds: int) -> None:
    """The rows of one finding that are missing."""
    settings = settings_for(task)
    gallery = Gallery(encoder, beside_of("held", task), frozen_layer(encoder, TrainableParts()), SHOWN)
    asked = way_called("name").directions(
        encoder, AskingWords.of(task.concept, task.domain, task.known, task.concept.texts("inversion"))
    )
    words = vocabulary_of(task.concept, task.domain, known=task.known)
    rehearsal: Rehearsal | None = None
    drawn = gather_as(encoder, words, settings, seed=0, studies=StudyPlanes(images=real_images(task, 1, 0)))
    for seed in range(seeds):
        for labelled in LABELLED:
            studies = StudyPlanes(images=real_images(task, labelled, seed))
            material = replace(drawn, images=studies.images, studies=studies, caption_of=(0,) * labelled)
            for copies in COPIES:
                key = {"finding": task.finding.id, "condition": f"{labelled} labelled, {copies} copies", "seed": seed}
                if rows.has("auc_others", **key):
                    continue
                how = replace(settings, augment=AugmentSettings(copies=copies).of(task.domain, task.concept))
                learned = learn_from(encoder, material, how, seed=seed, rehearsal=rehearsal)
                rehearsal = learned.rehearsal  # the same for all of a finding
                found = gallery.measure(gallery.vectors(learned.encoder), task, asked).as_json()
                rows.add(
                    **key, labelled=labelled, copies=copies, **{name: list(found[name].values()) for name in MEASURES}
                )


def settings_for(task: Task) -> LearnSettings:
    """Of the preset "local", without lesions made from words."""
    found = resolve_learning(LearnSettings, preset="local", sets=["finetune.loss=prompts", "finetune.batch=10"])
    teaching = replace(found.teaching, rivals=0, known=0)
    return replace(found, teaching=teaching, validation_images=0)


def table(rows: Rows) -> str:
    """Means over findings and seeds that have all conditions; beside 0 copies the differences, and how many rose."""
    there = list(rows.read())
    conditions = [(n, c) for n in LABELLED for c in COPIES]
    complete = {
        (row["finding"], row["seed"]) for row in there
        if all(any(_is(one, row["finding"], row["seed"], *at) for one in there) for at in conditions)
    }  # fmt: skip
    lines = [
        f"{len({finding for finding, _ in complete})} held-out findings, {len(complete)} pairs of finding and seed; in brackets the pairs that rose and fell beside 0 copies.", "",
        "| labelled | copies of each | AUC, others | AUC, normals | known kept | normals taken |", "|---|---|---|---|---|---|",
    ]  # fmt: skip
    for labelled, copies in conditions:
        cells = []
        for name in MEASURES:
            values, before = (
                np.array([_value(there, finding, seed, labelled, c, name) for finding, seed in sorted(complete)]) for c in (copies, 0)
            )  # fmt: skip
            moved = f" ({(values > before).sum()}, {(values < before).sum()})" if copies else ""
            cells.append(f"{values.mean():.3f}{moved}" if len(values) else "-")
        lines.append(f"| {labelled} | {copies} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _is(row: dict[str, object], finding: object, seed: object, labelled: int, copies: int) -> bool:
    return (row["finding"], row["seed"], row["labelled"], row["copies"]) == (finding, seed, labelled, copies)


def _value(
    rows: list[dict[str, object]], finding: object, seed: object, labelled: int, copies: int, name: str
) -> float:
    (row,) = (one for one in rows if _is(one, finding, seed, labelled, copies))
    estimate, *_ = row[name]  # type: ignore[misc]
    return float(estimate)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "augmented.jsonl")
    parser.add_argument("--most", type=int, default=4, help="findings; the modalities come in turn")
    parser.add_argument("--seeds", type=int, default=1)
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
