"""Why learning from a description stops where it does: what the base ranks, what is ranked after, what is called by name.

    python evaluation/kt_phantom/limits.py --write evaluation/kt_phantom/results/limits.md

For each held-out finding, and each invented one, seed 0. The rival is the known finding that the base calls most images
of it. Areas under the ROC curve are of images of the finding: against the rival's by the cosine with the description less
that with the rival's description, against those of all known findings by the cosine with the description; and, base and
learned, by the cosine with the bare name less that with the nearest known name, which is what naming an image by its
nearest name cuts at 0. "best cut" is the accuracy by
name at the cut that costs one known image in fifty; finding it needs labels, so that it is a limit and no result.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from tasks import Task, Tests, development_tasks, held_out_tasks, tests_of, unit_texts
from torch import Tensor

from medkt.config import resolve_learning
from medkt.models.encoder import DualEncoder
from medkt.models.small import load_small
from medkt.statistics import auc_of
from medkt.transfer.learn_settings import LearnSettings
from medkt.transfer.learning import learn_concept
from medkt.transfer.rehearsal import image_vectors

COST = 0.02  # share of known images that the best cut gives the new name
HEAD = (
    "| finding | rival | AUC by description, base: against rival | against all | AUC by name, base | AUC by name, learned | "
    "accuracy by name, base | learned | learned, best cut |\n|---|---|---|---|---|---|---|---|---|"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--each", type=int, default=50, help="test phantoms of the finding")
    parser.add_argument("--each-known", type=int, default=20, help="test phantoms of each known finding")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    encoder = load_small()
    parts = []
    for title, tasks in (("Held out", held_out_tasks()), ("Invented", development_tasks())):
        rows = []
        for task in tasks:
            rows.append(_row(encoder, task, tests_of(task, each=arguments.each, each_known=arguments.each_known)))
            print(rows[-1], flush=True)
        parts.append(f"## {title}\n\n{HEAD}\n" + "\n".join(rows))
    text = (
        "# Where learning from a description stops\n\n`python evaluation/kt_phantom/limits.py`; what the columns are is said "
        "there.\n\n" + "\n\n".join(parts) + "\n"
    )
    if arguments.write:
        arguments.write.write_text(text, encoding="utf-8")


def _row(encoder: DualEncoder, task: Task, tests: Tests) -> str:
    settings = resolve_learning(LearnSettings, preset="fast")
    learned = learn_concept(encoder, task.concept, task.domain, settings, seed=0, known=task.known).encoder
    names = unit_texts(encoder, task.names)
    described = unit_texts(encoder, tuple(one.texts("inversion") for one in (*task.known, task.concept)))
    mine = tests.labels == len(task.known)
    base, after = image_vectors(encoder, tests.pixels), image_vectors(learned, tests.pixels)
    rival = int((base[mine] @ names[:-1].T).argmax(dim=1).mode().values)
    both = mine | (tests.labels == rival)
    before, then = _lead(base, names), _lead(after, names)
    cut = float(np.quantile(then[~mine].numpy(), 1 - COST))
    cells = [
        _auc((base @ (described[-1] - described[rival]))[both], mine[both]),
        _auc(base @ described[-1], mine), _auc(before, mine), _auc(then, mine),
        _share(before[mine] > 0), _share(then[mine] > 0), _share(then[mine] > cut),
    ]  # fmt: skip
    return f"| {task.concept.id} | {task.known[rival].id} | " + " | ".join(f"{cell:.2f}" for cell in cells) + " |"


def _lead(features: Tensor, names: Tensor) -> Tensor:
    """Cosine with the new name, the last, less that with the nearest known one."""
    cosines = features @ names.T
    return cosines[:, -1] - cosines[:, :-1].max(dim=1).values


def _auc(scores: Tensor, mine: Tensor) -> float:
    ours, kind = scores.double().numpy(), mine.numpy()
    return auc_of(ours[~kind], ours[kind])


def _share(which: Tensor) -> float:
    return float(which.double().mean())


if __name__ == "__main__":
    main()
