"""How long an inversion takes: one step, `fast` against `kt-paper` in one run, and 10, 100, 1000 images with their memory.

The network is as large as ViT-B/16 and random, since time does not depend on what was learned, or the small model that
medkt ships with. This says nothing of how good the images are. Of `kt-paper` a few steps are timed at each of its sides
and counted as all of them.

    python evaluation/benchmarks/inversion_speed.py --write                       # records results/inversion_speed.md
    python evaluation/benchmarks/inversion_speed.py --images 2 --steps 1 --scaling 2 4     # a look, a minute or two
    python evaluation/benchmarks/inversion_speed.py --model small --steps 50 --write      # inversion_speed_small.md
    python evaluation/benchmarks/inversion_speed.py --device cuda --dtype bfloat16 --rows 128
"""

import argparse
import platform
import resource
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from m2ib_speed import RandomViT
from torch import Tensor, nn
from torch.nn import functional

from medkt.config import resolve
from medkt.inversion import InversionSettings, invert
from medkt.inversion.schedule import stages
from medkt.models.encoder import DualEncoder, Tokens
from medkt.models.small import load_small

RESULT = Path(__file__).resolve().parents[1] / "results" / "inversion_speed.md"
TEXTS = tuple(f"a bright round spot number {index}" for index in range(100))


class RandomTwoTowers(RandomViT):
    """The random ViT-B/16 with texts: a text's features are drawn from its letters."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(4096, 512)

    def tokenize(self, texts: Sequence[str]) -> Tokens:
        """One number for each text."""
        device = self.words.weight.device
        ids = torch.tensor([[sum(text.encode()) % 4096] for text in texts], device=device)
        return Tokens(ids=ids, mask=torch.ones_like(ids, dtype=torch.bool), truncated=(False,) * len(texts))

    def encode_text(self, tokens: Tokens) -> Tensor:
        """(texts, 512)."""
        made: Tensor = self.words(tokens.ids[:, 0])
        return made

    def score(self, pixels: Tensor, tokens: Tokens) -> Tensor:
        """(images, texts) cosines."""
        images = functional.normalize(self.encode_image(pixels), dim=-1)
        return images @ functional.normalize(self.encode_text(tokens), dim=-1).T


def seconds_of(model: DualEncoder, settings: InversionSettings, texts: int, images: int) -> float:
    """Seconds of the clock for `images` of each of `texts` texts."""
    began = time.perf_counter()
    invert(model, TEXTS[:texts], settings, images=images)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began


def extrapolated(model: DualEncoder, settings: InversionSettings, images: int, steps: int) -> tuple[float, float]:
    """Seconds of one text with all steps, from `steps` at each side; and seconds of a step at the last side."""
    total, step = 0.0, 0.0
    for stage in stages(settings, model.spec.input_size):
        at_one_side = replace(settings, side=stage.side, upsize_at=(), steps=steps)
        longer = replace(at_one_side, steps=2 * steps)
        short = seconds_of(model, at_one_side, 1, images)
        step = max(seconds_of(model, longer, 1, images) - short, 0.0) / steps  # what is done once does not count
        total += step * (stage.last - stage.first)
    return total, step


def memory_mib(device: str) -> float:
    """The most that was held so far: on the device, or by this process."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def scaling(model: DualEncoder, settings: InversionSettings, counts: Sequence[int], device: str) -> list[str]:
    """A row for each number of images, ten of a text; memory is the most until then, so flat rows need no more."""
    rows = []
    for count in counts:
        images = min(10, count)
        spent = seconds_of(model, settings, max(1, count // images), images)
        rows.append(f"| {count} | {spent:.1f} | {spent / count:.3f} | {memory_mib(device):.0f} |")
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Measure, print, and record where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="vit-b-16", choices=("vit-b-16", "small"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"), help="of `fast` and the scaling")
    parser.add_argument("--images", type=int, default=10, help="of one text, in the comparison")
    parser.add_argument("--steps", type=int, default=3, help="of kt-paper that are timed at each side")
    parser.add_argument("--scaling", type=int, nargs="*", default=[10, 100, 1000], metavar="N")
    parser.add_argument("--rows", type=int, default=None, help="rows_at_once of `fast`")
    parser.add_argument("--write", action="store_true", help=f"record {RESULT.name}")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    small = arguments.model == "small"
    model = load_small(arguments.device) if small else RandomTwoTowers().eval().to(arguments.device)
    fast = replace(resolve(InversionSettings, preset="fast", folder="inversion"), dtype=arguments.dtype)
    if arguments.rows:
        fast = replace(fast, rows_at_once=arguments.rows)
    paper = resolve(InversionSettings, preset="kt-paper", folder="inversion")
    seconds_of(model, replace(fast, steps=1), 1, 1)  # the first pass sets things up
    ours = seconds_of(model, fast, 1, arguments.images)
    theirs, step = extrapolated(model, paper, arguments.images, arguments.steps)
    name = torch.cuda.get_device_name() if arguments.device.startswith("cuda") else platform.machine()
    head = [
        "# Speed of inversion",
        "",
        f"{'The small model, 128 x 128' if small else 'ViT-B/16 with random weights, 224 x 224'}, {name}, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}, "
        f"`fast` in {arguments.dtype}; seconds of the clock. Written by `python evaluation/benchmarks/inversion_speed.py "
        f"--write`. Of `kt-paper` {arguments.steps} steps were timed at each side and counted as all {paper.steps}. The ratio "
        "is of time alone; whether the images are as good is measured elsewhere.",
        "",
        "| one text, "f"{arguments.images} images | steps | seconds | a step |",
        "|---|---|---|---|",
        f"| `fast` | {fast.steps} | {ours:.1f} | {ours / fast.steps:.3f} |",
        f"| `kt-paper`, extrapolated | {paper.steps} | {theirs:.0f} | {step:.3f} (last side) |",
        f"| ratio | | {theirs / ours:.0f} | |",
        "",
        f"`fast`, at most {fast.rows_at_once} images at once:",
        "",
        "| images | seconds | an image | peak memory, MiB |",
        "|---|---|---|---|",
    ]  # fmt: skip
    print("\n".join(head), flush=True)
    table = "\n".join([*head, *scaling(model, fast, arguments.scaling, arguments.device), ""])
    if arguments.write:
        path = RESULT.with_stem(f"{RESULT.stem}_small") if small else RESULT
        path.write_text(table, encoding="utf-8")


if __name__ == "__main__":
    main()
