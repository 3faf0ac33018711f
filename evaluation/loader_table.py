"""Every loader at full size: random weights under the published names, loaded from a file, compared with another assembly.

Run from a checkout: `python evaluation/loader_table.py -o evaluation/results/loader_table.md`. Models are taken one after
the other; the largest needs about 8 GB of memory and 3 GB of temporary disk.
"""

import argparse
import gc
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "models"))

import by_hand
import published

from medkt.models.records import record_of
from medkt.models.registry import build

TEXTS = ("small effusion", "chest xray of a small tumour")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table; differences are the largest over all features, in the features' own unit."""

    model: str
    layout: str
    against: str
    in_file: int
    in_module: int
    parameters: int
    image: float
    text: float | None
    size: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Case:
    """One model in one layout: how to make its file, and what it is compared with."""

    name: str
    layout: str
    against: str
    make: Callable[[], dict[str, Tensor]]
    image: Callable[[dict[str, Tensor], Tensor], Tensor]
    text: Callable[[dict[str, Tensor], Any], Tensor] | None = None
    side: int = 224


def clip_case(name: str, heads: int, text_heads: int, *, openai: bool, **size: int) -> Case:
    """A CLIP against the CLIP of transformers."""

    def make() -> dict[str, Tensor]:
        numbers = {"input_resolution": 224, "context_length": 77, "vocab_size": 49408} if openai else {}
        constants = {key: torch.tensor(value) for key, value in numbers.items()}
        return {**published.fill(published.clip_shapes(**size)), **constants}

    def features(state: dict[str, Tensor], pixels: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
        plain = {key: value for key, value in state.items() if value.is_floating_point()}
        image, text = by_hand.clip_features(plain, pixels, ids, heads=heads, text_heads=text_heads, quick_gelu=openai)
        return image, text

    return Case(
        name=name,
        layout="OpenAI" if openai else "OpenCLIP",
        against="transformers CLIPModel",
        make=make,
        image=lambda state, pixels: features(state, pixels, torch.full((1, 77), 49407))[0],
        text=lambda state, tokens: features(state, torch.zeros(1, 3, 224, 224), tokens.ids)[1],
    )


def biomedclip_case(*, converted: bool) -> Case:
    """BiomedCLIP against plain functions."""

    def make() -> dict[str, Tensor]:
        state: dict[str, Tensor] = published.biomedclip_checkpoint()
        return dict(published.hugging_face_biomedclip(state, layers=12)) if converted else state

    def reference(_: dict[str, Tensor]) -> dict[str, Tensor]:
        return dict(published.biomedclip_checkpoint())

    return Case(
        name="biomedclip",
        layout="Hugging Face conversion" if converted else "OpenCLIP",
        against="plain functions",
        make=make,
        image=lambda state, pixels: by_hand.biomedclip_image(reference(state), pixels, layers=12, heads=12),
        text=lambda state, tokens: by_hand.biomedclip_text(reference(state), tokens.ids, 12, tokens.mask),
    )


def medclip_case(name: str) -> Case:
    """MedCLIP against the Swin of transformers or torchvision's ResNet, texts against plain functions."""
    swin = name == "medclip-swin"
    shapes = published.medclip_swin_shapes() if swin else published.medclip_resnet_shapes()
    heads = (3, 6, 12, 24)

    def text(state: dict[str, Tensor], tokens: Any) -> Tensor:
        alone = [tokens.ids[row, kept][None] for row, kept in enumerate(tokens.mask)]
        return torch.cat([by_hand.medclip_text(state, ids, 12) for ids in alone])

    return Case(
        name=name,
        layout="authors', transformers 4.24 names",
        against="transformers 5 SwinModel, plain BERT" if swin else "torchvision resnet50, plain BERT",
        make=lambda: published.medclip_checkpoint(shapes),
        image=(lambda s, p: by_hand.medclip_swin_image(s, p, 96, heads)) if swin else by_hand.medclip_resnet_image,
        text=text,
    )


def sam_case(name: str, heads: int, whole: tuple[int, ...], **size: int) -> Case:
    """The image embedding of a SAM against the SAM of transformers."""
    prefix = "module." if name == "medsam" else ""

    def make() -> dict[str, Tensor]:
        state = published.fill(published.sam_shapes(heads=heads, whole=whole, **size))
        return {prefix + key: value for key, value in state.items()}

    def image(state: dict[str, Tensor], pixels: Tensor) -> Tensor:
        plain = {key.removeprefix(prefix): value for key, value in state.items()}
        embedding: Tensor = by_hand.sam_embedding(plain, pixels, heads, whole)
        return embedding

    layout = "Meta, 'module.' before every name" if prefix else "Meta"
    return Case(name=name, layout=layout, against="transformers SamModel", make=make, image=image, side=1024)


def cases() -> Iterator[Case]:
    """Every model and layout."""
    large = {"embedding": 768, "patch": 14, "width": 1024, "layers": 24, "text_width": 768}
    yield clip_case("clip-vit-b-32", 12, 8, openai=True)
    yield clip_case("clip-vit-b-16", 12, 8, openai=True, patch=16)
    yield clip_case("clip-vit-l-14", 16, 12, openai=True, **large)
    yield clip_case("openclip-vit-b-32-laion2b", 12, 8, openai=False)
    yield biomedclip_case(converted=False)
    yield biomedclip_case(converted=True)
    yield medclip_case("medclip-swin")
    yield medclip_case("medclip-resnet")
    yield sam_case("sam-vit-b", 12, (2, 5, 8, 11))
    yield sam_case("medsam", 12, (2, 5, 8, 11))
    yield sam_case("sam-vit-l", 16, (5, 11, 17, 23), width=1024, layers=24)
    yield sam_case("sam-vit-h", 16, (7, 15, 23, 31), width=1280, layers=32)
    yield clip_case("openclip-vit-b-16-laion2b", 12, 8, openai=False, patch=16)
    yield clip_case("openclip-vit-l-14-laion2b", 16, 12, openai=False, **large)


@torch.no_grad()
def measure(case: Case) -> Row:
    """Make the file, load it as a user would, and compare."""
    begun = time.perf_counter()
    pixels = torch.randn(1, 3, case.side, case.side, generator=torch.Generator().manual_seed(7))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        published.write_vocabulary(folder)
        state = case.make()
        torch.save(state, folder / "weights.bin")
        model = build(record_of(case.name), folder / "weights.bin")
    module = getattr(model, "module", model)
    encode = model.encode_image if case.text else model.image_encoder
    features = encode(pixels)
    tokens = model.tokenize(TEXTS) if case.text else None
    texts = model.encode_text(tokens) if case.text else None
    in_module, parameters = len(module.state_dict()), sum(value.numel() for value in module.parameters())
    del model, module, encode
    gc.collect()
    image = _furthest(features, case.image(state, pixels))
    text = _furthest(texts, case.text(state, tokens)) if case.text and texts is not None else None
    return Row(
        model=case.name,
        layout=case.layout,
        against=case.against,
        in_file=len(state),
        in_module=in_module,
        parameters=parameters,
        image=image,
        text=text,
        size=float(features.abs().max()),
        seconds=time.perf_counter() - begun,
    )


def _furthest(ours: Tensor, theirs: Tensor) -> float:
    if ours.shape != theirs.shape:
        raise ValueError(f"features of {tuple(ours.shape)} are compared with {tuple(theirs.shape)}")
    return float((ours - theirs).abs().max())


def line(row: Row) -> str:
    """A row of the table."""
    text = "-" if row.text is None else f"{row.text:.1e}"
    cells = (row.model, row.layout, row.against, str(row.in_file), str(row.in_module), f"{row.parameters:,}")
    return f"| {' | '.join(cells)} | {row.image:.1e} | {text} | {row.size:.2f} | {row.seconds:.0f} |"


HEADER = """\
# Loaders at full size

Random weights under the published names and shapes, written to a file, loaded from it, and compared on one random image
and two texts with the same architecture put together another way. Made by `evaluation/loader_table.py`. The published
weights themselves are not part of this: a pass says that names, shapes and arithmetic agree.

*In the file*: entries of the checkpoint. *In the module*: entries that went into the model; the rest are constants that
were checked and left out, and query, key and value that were joined. *Largest difference*: of any feature; beside it the
largest feature, to compare with. For a segmenter the feature is the image embedding.

Names and shapes at full size are also checked without memory in `tests/models/test_loaders.py`; `pytest -m full_size
tests/models` runs every row. Seconds are of machines busy with other work and not to be compared.

| model | layout | compared with | in the file | in the module | parameters | largest difference, image | text |\
 largest feature | seconds |
|---|---|---|---|---|---|---|---|---|---|
"""


def record(row: Row, path: Path) -> None:
    """Put a row into the table on disk, in the place of an earlier one of the same model and layout."""
    key = line(row).split("|")[1:3]
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    kept = [old for old in lines if old.startswith("| ") and "|---" not in old and old.split("|")[1:3] != key]
    kept = [*(old for old in kept if not old.startswith("| model |")), line(row)]
    order = [(f" {case.name} ", f" {case.layout} ") for case in cases()]
    kept.sort(key=lambda old: order.index((old.split("|")[1], old.split("|")[2])))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEADER + "\n".join(kept) + "\n", encoding="utf-8")


def main() -> int:
    """Measure and print; returns 1 if a difference is above 1e-5 of the largest feature, or of 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", default=None, help="names of models; default: all")
    parser.add_argument("-o", "--output", type=Path, help="also write the table here")
    args = parser.parse_args()
    rows = []
    for case in cases():
        if args.only is None or case.name in args.only:
            rows.append(measure(case))
            print(line(rows[-1]), flush=True)
            gc.collect()
            if args.output:  # after each, so that a run that is stopped leaves what it has
                record(rows[-1], args.output)
    bound = [1e-5 * max(row.size, 1.0) for row in rows]
    return int(any(max(row.image, row.text or 0.0) > most for row, most in zip(rows, bound, strict=True)))


if __name__ == "__main__":
    raise SystemExit(main())
