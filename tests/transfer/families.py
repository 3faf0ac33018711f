"""Encoders of every published family with generated weights, small ones and of the published size."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from medkt.models.biomedclip import BiomedClip, BiomedClipEncoder, BiomedClipSize
from medkt.models.clip import SIZES, ClipEncoder, ClipSize, build_clip
from medkt.models.dual import spec_of
from medkt.models.encoder import DualEncoder
from medkt.models.medclip import MedClipEncoder, MedClipSize, build_medclip
from medkt.models.records import record_of
from medkt.models.swin import SwinSize
from medkt.models.wordpiece import read_word_pieces

WORDS = ("chest", "x", "##ray", "of", "a", "small", "effusion", "tumour", "no", "finding", "moon", "##let")
TEXT = {"embedding": 20, "text_width": 24, "text_layers": 4, "vocabulary": 40}
SMALL_CLIP = ClipSize(
    embedding=12, patch=56, width=32, layers=3, text_width=24, text_heads=3, text_layers=2, head_width=8
)
SMALL_BIOMED = BiomedClipSize(width=24, heads=3, layers=3, embedding=16, vocabulary=40, patch=56)
SMALL_MEDCLIP = MedClipSize(swin=SwinSize(width=8, heads=(1, 2, 4, 8)), text_heads=3, **TEXT)  # type: ignore[arg-type]


def clip(folder: Path, size: ClipSize | None = None, name: str = "clip-vit-b-32") -> DualEncoder:
    record = record_of(name)
    module = build_clip(size or SIZES[record.architecture], record.input_size, record.text_length)
    return ClipEncoder(generated(module), spec_of(record, ""), record.grid)


def biomedclip(folder: Path, size: BiomedClipSize | None = None) -> DualEncoder:
    record, size = record_of("biomedclip"), size or BiomedClipSize()
    module = generated(BiomedClip(size, record.input_size))
    words = read_word_pieces(vocabulary(folder), record.text_length, size.vocabulary)
    return BiomedClipEncoder(module, spec_of(record, ""), record.grid, words)


def medclip(folder: Path, size: MedClipSize | None = None, variant: str = "swin") -> DualEncoder:
    record, size = record_of(f"medclip-{variant}"), size or MedClipSize()
    module = generated(build_medclip(record.family, size))
    words = read_word_pieces(vocabulary(folder), record.text_length, size.vocabulary)
    return MedClipEncoder(module, spec_of(record, ""), record.grid, words)


def vocabulary(folder: Path) -> Path:
    words = "\n".join(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS)) + "\n"
    (folder / "vocab.txt").write_text(words, encoding="utf-8")
    return folder


def generated(module: Any) -> Any:
    """Random weights that keep activations near one, and batch statistics that are not those of a fresh module."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, value in module.state_dict().items():
            _fill(name, value, generator)
    return module.eval()


def _fill(name: str, value: Tensor, generator: torch.Generator) -> None:
    if not value.is_floating_point() or name == "logit_scale":
        return
    noise = torch.randn(value.shape, generator=generator)
    if name.endswith("running_var"):
        value.copy_(1 + 0.1 * noise.abs())
    elif value.ndim < 2:
        value.copy_(0.1 * noise + (1.0 if name.endswith("weight") else 0.0))
    else:
        value.copy_(noise * (0.8 * value[0].numel() ** -0.5))


SMALL: dict[str, Callable[[Path], DualEncoder]] = {
    "clip": lambda folder: clip(folder, SMALL_CLIP),
    "biomedclip": lambda folder: biomedclip(folder, SMALL_BIOMED),
    "medclip-swin": lambda folder: medclip(folder, SMALL_MEDCLIP),
    "medclip-resnet": lambda folder: medclip(folder, SMALL_MEDCLIP, "resnet"),
}
FULL: dict[str, Callable[[Path], DualEncoder]] = {
    "clip-vit-b-32": clip,
    "clip-vit-l-14": lambda folder: clip(folder, name="clip-vit-l-14"),
    "biomedclip": biomedclip,
    "medclip-swin": medclip,
    "medclip-resnet": lambda folder: medclip(folder, variant="resnet"),
}


@contextmanager
def watched(module: nn.Module) -> Iterator[list[str]]:
    """The names of all parts that were in training mode when they ran."""
    seen: list[str] = []

    def note(name: str) -> Callable[[nn.Module, object], None]:
        return lambda part, _: seen.append(name) if part.training else None

    handles = [part.register_forward_pre_hook(note(name)) for name, part in module.named_modules()]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()
