"""Time of one fine-tuning step and size of the learned file at the published size of BiomedCLIP (ViT-B/16).

The weights are random: time and size do not depend on what was learned. Timed are the steps as `finetune` takes them,
on one batch of concept and rehearsal images, for each choice of what trains; the first step is left out. Layers that do
not train are run once before the first step, which is not counted. The low-rank file is made from weights that were moved by steps of
Adam, so its ranks are realistic only as sizes: what is kept of a gain is measured on the small model.

    python evaluation/benchmarks/learn_full_size.py --write      # records evaluation/results/learn_full_size.md
"""

import argparse
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from medkt.models.biomedclip import BiomedClip, BiomedClipEncoder, BiomedClipSize
from medkt.models.dual import spec_of
from medkt.models.encoder import DualEncoder, Tokens
from medkt.models.records import record_of
from medkt.transfer.copies import copy_encoder, mark_adapted
from medkt.transfer.delta import DeltaSettings, make_delta, to_bytes
from medkt.transfer.finetune import Captions, FinetuneSettings, FinetuneStep, finetune
from medkt.transfer.rehearsal import Rehearsal
from medkt.transfer.trainable import TrainableParts

RESULT = Path(__file__).resolve().parents[1] / "results" / "learn_full_size.md"
CHOICES = {
    "projection": TrainableParts(what="projection"),
    "last 2 blocks and projection": TrainableParts(what="last-blocks", blocks=2),
    "visual+projection": TrainableParts(what="visual+projection"),
    "LoRA of rank 8": TrainableParts(what="lora", rank=8),
}
SHORT = ("projection", "last 2 blocks and projection")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One choice of what trains; seconds on the wall, bytes of files."""

    what: str
    step: float
    low_rank: int
    error: float


def ids(texts: Sequence[str], device: torch.device) -> Tokens:
    """Some ids for each text: a tokenizer's files are not part of medkt, and what the words are does not matter."""
    rows = torch.tensor([[2, *(5 + ord(letter) % 1000 for letter in text[:30].ljust(30)), 3] for text in texts])
    mask = torch.ones_like(rows, dtype=torch.bool)
    return Tokens(ids=rows.to(device), mask=mask.to(device), truncated=(False,) * len(texts))


def generated_encoder(device: str) -> DualEncoder:
    """BiomedCLIP's architecture with random weights."""
    torch.manual_seed(0)
    record = record_of("biomedclip")
    module = BiomedClip(BiomedClipSize(), record.input_size).eval().to(device)
    return BiomedClipEncoder(module, spec_of(record, ""), record.grid, ids)  # type: ignore[arg-type]


def measure(encoder: DualEncoder, what: str, images: Tensor, rehearsal: Rehearsal, steps: int) -> Row:
    """Fine-tune for a few steps, and make the file."""
    seen: list[FinetuneStep] = []
    settings = FinetuneSettings(trains=CHOICES[what], batch=len(images), steps=steps, rehearsal_batch=16)
    words = Captions(own=(("A moonlet is a small round bright spot", "moonlet"),), others=("no finding", "effusion"))
    adapted = finetune(encoder, images, words, settings, rehearsal=rehearsal, on_step=seen.append)
    delta = make_delta(encoder, adapted, DeltaSettings())
    step = (seen[-1].seconds - seen[0].seconds) / (len(seen) - 1)
    return Row(
        what=what,
        step=step,
        low_rank=len(to_bytes(delta)),
        error=delta.error,
    )


def table(rows: list[Row], encoder: DualEncoder, images: int, device: str, copying: float) -> str:
    """As Markdown."""
    where = torch.cuda.get_device_name() if device == "cuda" else f"{torch.get_num_threads()} threads"
    lines = [
        "# Learning at full size",
        "",
        f"BiomedCLIP's architecture ({sum(p.numel() for p in encoder.module.parameters()) / 1e6:.0f} million parameters) "
        f"with random weights, float32, {where} of {platform.machine()}, torch {torch.__version__}. A step has {images} "
        "images of the concept and 16 of known concepts. Written by "
        "`python evaluation/benchmarks/learn_full_size.py --write`.",
        "",
        f"Copy and digest of the encoder: {copying:.1f} s.",
        "",
        "| trains | one step, s | low-rank file, MB | of the difference lost |",
        "|---|---|---|---|",
        *(f"| {row.what} | {row.step:.2f} | {row.low_rank / 1e6:.2f} | {row.error:.3f} |" for row in rows),
        "",
        "The weights moved by a few steps of Adam in random directions, which is the hardest case for a low rank.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and record where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=4, help="that are run; all but the first are timed, at least 2")
    parser.add_argument("--images", type=int, default=10, help="of the concept, all in one step")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--short", action="store_true", help="only the cheap choices of what trains")
    parser.add_argument("--write", action="store_true", help=f"record {RESULT.name}")
    arguments = parser.parse_args()
    encoder = generated_encoder(arguments.device)
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randn(arguments.images + 16, 3, 224, 224, generator=generator).to(arguments.device)
    rehearsal = Rehearsal.of(encoder, pixels[arguments.images :], ("no finding", "effusion", "nodule"))
    started = time.perf_counter()
    finetune_nothing(encoder)
    copying = time.perf_counter() - started
    names = SHORT if arguments.short else tuple(CHOICES)
    rows = [measure(encoder, name, pixels[: arguments.images], rehearsal, max(2, arguments.steps)) for name in names]
    text = table(rows, encoder, arguments.images, arguments.device, copying)
    print(text)
    if arguments.write:
        RESULT.write_text(text, encoding="utf-8")


def finetune_nothing(encoder: DualEncoder) -> None:
    """What `finetune` does besides its steps."""
    mark_adapted(copy_encoder(encoder))


if __name__ == "__main__":
    main()
