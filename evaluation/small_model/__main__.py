"""The embedded small model: train it from nothing, measure it, or learn anew what its guard and its presence rule know.

python evaluation/small_model train --data FOLDER       # 40,000 planes, encoder and segmenter; hours, about 1 GB
python evaluation/small_model evaluate --data FOLDER    # tables.json and tables.md
python evaluation/small_model guard --data FOLDER       # guard.safetensors, beside the weights
python evaluation/small_model normals                   # normals.safetensors, beside the weights
"""

import argparse
import math
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from medkt.guard import default as shipped_guard
from medkt.guard.known_images import write_known
from medkt.models.small import load_small, load_small_segmenter
from medkt.models.small.dual_encoder import WEIGHTS
from medkt.presence import normals as shipped_normals
from medkt.presence.normals import Normals, write_normals
from small_model.build import Recipe, build
from small_model.covered import limits_of
from small_model.evaluate import evaluate
from small_model.guard import known_of
from small_model.normals import normals_of


def main() -> int:
    """Train, print the tables, or write what the guard or the presence rule knows."""
    actions = {"train": _train, "evaluate": _evaluate, "guard": _guard, "normals": _normals}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=tuple(actions))
    parser.add_argument(
        "--out",
        type=Path,
        help="folder to write to (train: small-model/, evaluate: evaluation/small_model/, guard, normals: beside the weights)",
    )
    parser.add_argument("--work", type=Path, help="folder for the training set and checkpoints (about 1 GB)")
    parser.add_argument("--weights", type=Path, help="the model of this folder instead of the shipped one")
    parser.add_argument(
        "--data", type=Path, help="folder of real images with its manifest.tsv; phantoms alone without it"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--part", choices=("both", "encoder", "segmenter"), default="both", help="what to train")
    parser.add_argument("--images", type=int, default=40_000, help="planes of the training set")
    parser.add_argument("--steps", type=int, help="steps of the encoder; those of the shipped model by default")
    parser.add_argument("--minutes", type=float, default=math.inf, help="end the encoder's training after this time")
    parser.add_argument("--segmenter-steps", type=int, help="steps of the segmenter")
    parser.add_argument("--segmenter-minutes", type=float, default=math.inf)
    parser.add_argument("--each", type=int, default=40, help="evaluation phantoms of each finding")
    arguments = parser.parse_args()
    return actions[arguments.action](arguments)


def _train(arguments: argparse.Namespace) -> int:
    out = arguments.out or Path("small-model")
    recipe = Recipe.of(
        seed=arguments.seed, planes=arguments.images, steps=arguments.steps, minutes=arguments.minutes,
        segmenter_steps=arguments.segmenter_steps, segmenter_minutes=arguments.segmenter_minutes,
    )  # fmt: skip
    build(recipe, out=out, work=arguments.work or out / "work", data=arguments.data, part=arguments.part)
    print(out)
    return 0


def _evaluate(arguments: argparse.Namespace) -> int:
    folder = arguments.weights or WEIGHTS
    sam = load_small_segmenter(folder=folder) if (folder / "segmenter.json").exists() else None
    out = arguments.out or Path("evaluation/small_model")
    print(evaluate(load_small(folder=folder), sam, each=arguments.each, data=arguments.data, out=out))
    return 0


def _guard(arguments: argparse.Namespace) -> int:
    folder = arguments.weights or WEIGHTS
    known = known_of(load_small(folder=folder), data=arguments.data, seed=arguments.seed)
    out = (arguments.out or folder) / shipped_guard.NAME
    out.parent.mkdir(parents=True, exist_ok=True)
    write_known(known, out)
    for kind in known.kinds:
        print(
            f"{kind.name}: {kind.images} images, limit {kind.limit:.3g}, at most {kind.contrast:.3g} of the way to another kind"
        )
    print(out)
    return 0


def _normals(arguments: argparse.Namespace) -> int:
    folder = arguments.weights or WEIGHTS
    encoder = load_small(folder=folder)
    groups = []
    for group in normals_of(encoder):
        print(f"{group.name}: {group.studies[-1] + 1} studies, {len(group.places)} planes", flush=True)
        groups.append(group)
    out = (arguments.out or folder) / shipped_normals.NAME
    out.parent.mkdir(parents=True, exist_ok=True)
    covered = limits_of()
    for key, most in covered.items():
        print(f"{key}: an answer covers at most {most:.0%} of the body")
    write_normals(Normals(encoder=encoder.spec.digest, groups=tuple(groups), covered=covered), out)
    print(out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
