"""What does a name mean, asked in every way, before and after learning? On findings that the small model never met.

    python evaluation/kt_phantom/run.py --findings held,invented --teach base --seeds 5
    python evaluation/kt_phantom/run.py --findings held --teach local --seeds 5
    python evaluation/kt_phantom/run.py --findings held --teach controls,labelled-1,labelled-3,labelled-10,labelled-30,fast --seeds 2
    python evaluation/kt_phantom/tables.py --readme README.md           # results/tables.md and README's figures; plots.py plots

One JSON line a (finding, condition, seed, way of asking) goes to `rows.jsonl` as soon as it is there; a second run goes on where the
first ended, and a way that is new is asked of what was kept of the encoders. Conditions come in the order that is given, seeds
inside them, findings inside those, so that a run cut short is complete for the first ones.

What is taught: "base": nothing; "local", "fast": `medkt learn` with the preset of that name; "local without rivals": without lesions of
altered captions beside the finding's; "labelled-N": N phantoms of the finding in
place of the images made from words, all else as "local", the rehearsal too; "controls": those of `CONTROLS` below, as `medkt.audit.controls`
makes them of "local", whole. What is measured stands in `medkt/audit/meaning.py`, on the pictures of `pictures.py`: AUC of the
lead against others (the modality's other held-out and invented findings) and against normals; accuracy by that way of asking; known
findings that keep their name; others and normals that take it. Each is [estimate, low, high], intervals over pictures. "bias": the
same shares where a picture is called by the name above a lead that was set on drawn known findings and normals (`medkt.asking`), each seed's are others. The way "the package's" is whichever the rule of a package picks.
DSC is of `medkt segment` as `segment.py` has it, for those that --segment names. "seconds" are of the processor, of all that a
condition had to make that was not in the cache yet.
"""

import argparse
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import torch
from pictures import Gallery, Numbers
from rows import Rows
from tasks import HERE, SETS, Task, tasks_of
from teach import PACKAGED, TAUGHT, Bench, conditions, digest_of

from medkt.asking import WAYS, way_called
from medkt.audit.meaning import Meaning
from medkt.models.encoder import DualEncoder
from medkt.models.small import load_small
from medkt.phantom.finding import DOMAINS
from medkt.saliency.targets import texts_kept
from medkt.transfer.trainable import TrainableParts, frozen_layer

RANKED = ("auc_others", "auc_normals")
CUT = ("accuracy", "known_kept", "others_taken", "normals_taken")
"""Measures that a bias changes."""


def main(argv: Sequence[str] | None = None) -> None:
    arguments = _arguments(argv)
    torch.set_num_threads(arguments.threads)
    encoder, rows = load_small(), Rows(arguments.out)
    ways = tuple(arguments.ways.split(",")) if arguments.ways else (*(way.name for way in WAYS), PACKAGED)
    with texts_kept():  # no learning changes the text tower
        run(encoder, rows, arguments, ways)


def run(encoder: DualEncoder, rows: Rows, arguments: argparse.Namespace, ways: Sequence[str]) -> None:
    """The rows that are missing."""
    numbers = Numbers(finding=arguments.each, known=arguments.each_known, normal=arguments.normals)
    layer = frozen_layer(encoder, TrainableParts())
    wanted = [
        (name, task) for name in arguments.findings.split(",") for task in in_turn(tasks_of(name))[: arguments.most]
    ]
    galleries: dict[tuple[str, ...], Gallery] = {}
    benches = []
    for name, task in wanted:
        beside = beside_of(name, task)
        key = tuple(one.finding.id for one in beside)
        gallery = galleries.setdefault(key, Gallery(encoder, beside, layer, numbers))
        benches.append(Bench(encoder, task, gallery, name))
    for condition in conditions(arguments.teach):
        for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
            for bench in benches:
                measure(bench, condition, seed, rows, ways)


def in_turn(tasks: Sequence[Task]) -> list[Task]:
    """One finding of each modality, then the next of each, so that a run cut short has some of all."""
    by_modality = [[task for task in tasks if task.domain.name == name] for name in DOMAINS]
    return [task for turn in zip_longest(*by_modality) for task in turn if task is not None]


def beside_of(name: str, task: Task) -> tuple[Task, ...]:
    """The findings of the modality whose pictures are shown: those of its own set and of the sets before it."""
    upto = SETS[: max(2, SETS.index(name) + 1)]  # held-out and invented ones are others to each other
    return tuple(one for some in upto for one in tasks_of(some) if one.domain.name == task.domain.name)


def measure(bench: Bench, condition: str, seed: int, rows: Rows, ways: Sequence[str]) -> None:
    """One condition and seed, asked in every way that has no row yet."""
    key: dict[str, Any] = {"finding": bench.task.finding.id, "condition": condition, "seed": seed}
    missing = [way for way in ways if not rows.has("auc_others", way=way, **key)]
    if not missing:
        return
    answered = bench.answered(condition, seed)
    if answered is None:
        return
    for way in missing:
        name = answered.packaged() if way == PACKAGED else way
        asked, bias = bench.set_on(seed).settled(answered.set_on, bench.asked(way_called(name)))
        found = plain(bench.gallery.measure(answered.vectors, bench.task, asked))
        biased = plain(bench.gallery.measure(answered.vectors, bench.task, asked, bias=bias))
        rows.add(
            **key, settings=digest_of(condition), way=way, asked=name, set=bench.set, domain=bench.task.domain.name, **found,
            bias={"lead": round(bias, 4), **{name: biased[name] for name in CUT}}, seconds=answered.seconds,
        )  # fmt: skip


def plain(found: Meaning) -> dict[str, list[float | None]]:
    """Each measure as [estimate, low, high]."""
    return {
        name: [None if value is None else round(value, 4) for value in held.values()]
        for name, held in found.as_json().items()
    }


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "rows.jsonl")
    parser.add_argument("--findings", default="held,invented", help=f"of {', '.join(SETS)}")
    parser.add_argument("--teach", default="base", help=f"of {', '.join(TAUGHT)}, in the order that they are run")
    parser.add_argument("--ways", default="", help="of asking; all where nothing is said")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--most", type=int, help="findings of each set; the modalities come in turn")
    parser.add_argument("--each", type=int, default=50, help="test phantoms of a finding")
    parser.add_argument("--each-known", type=int, default=20, help="test phantoms of each known finding")
    parser.add_argument("--normals", type=int, default=100, help="normal studies of each modality")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
