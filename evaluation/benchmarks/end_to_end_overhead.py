"""What does the pipeline cost beside the networks? Seconds from study to masks against the bare forwards it needs.

    python evaluation/benchmarks/end_to_end_overhead.py            # print
    python evaluation/benchmarks/end_to_end_overhead.py --write    # and keep it in evaluation/results/

While a study goes through `Pipeline.segment`, every call of the networks is counted with the shape of its input: image
prefix and suffix (with or without a gradient, for a map needs one), texts, the segmenter's image encoder and its
decoder. Then the same calls are made again on random tensors of the same shapes, with nothing around them, and timed
in the same process, alternating. Times are processor seconds of one thread, so that what else runs on the machine
counts little. Wanted: the whole line takes at most 1.5 times as long.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from medkt.about import __version__
from medkt.concepts import concept_from_text, load_concept
from medkt.config import resolve
from medkt.io import read_image
from medkt.phantom.study import write_study
from medkt.pipeline import Pipeline
from medkt.segmentation.slicewise import SegmentationSettings

WANTED = 1.5
STUDIES = (("cxr", "cxr_nodule"), ("ultrasound", "us_cyst"), ("ct", "ct_nodule"), ("mri", "mri_glioma"))

# (which call, shape of its input, layer, whether a gradient is taken)
Call = tuple[str, tuple[int, ...], int, bool]


class Counted:
    """An encoder that counts what is asked of it; in all else the encoder itself."""

    def __init__(self, encoder: Any, calls: Counter[Call]) -> None:
        self._encoder, self._calls = encoder, calls

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)

    def image_prefix(self, pixels: torch.Tensor, layer: int) -> torch.Tensor:
        self._calls["prefix", tuple(pixels.shape), layer, False] += 1
        return self._encoder.image_prefix(pixels, layer)

    def image_suffix(self, hidden: torch.Tensor, layer: int) -> torch.Tensor:
        self._calls["suffix", tuple(hidden.shape), layer, hidden.requires_grad and torch.is_grad_enabled()] += 1
        return self._encoder.image_suffix(hidden, layer)

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        self._calls["image", tuple(pixels.shape), 0, False] += 1
        return self._encoder.encode_image(pixels)

    def encode_text(self, tokens: Any) -> torch.Tensor:
        self._calls["text", tuple(tokens.ids.shape), 0, False] += 1
        return self._encoder.encode_text(tokens)


@contextmanager
def counted_segmenter(sam: Any, calls: Counter[Call]) -> Any:
    """Count the passes of a SAM's image encoder and decoder while the block runs."""
    hooks = [
        sam.image_encoder.register_forward_pre_hook(
            lambda module, given: calls.update([("sam image", tuple(given[0].shape), 0, False)])
        ),
        sam.mask_decoder.register_forward_pre_hook(
            lambda module, args, kwargs: calls.update(
                [("sam decoder", tuple(kwargs["sparse_prompt_embeddings"].shape), 0, False)]
            ),
            with_kwargs=True,
        ),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def bare(pipeline: Pipeline, sam: Any, calls: Counter[Call]) -> float:
    """Seconds for the same calls on random tensors."""
    encoder: Any = pipeline.encoder
    tokens = encoder.tokenize(["a text of some length, as a caption has it"])
    runs = []
    for (what, shape, layer, gradient), count in calls.items():
        runs += [(_call(encoder, sam, tokens, what, shape, layer, gradient), count)]
    for run, _ in runs:  # once outside the clock, as the pipeline was warmed up too
        run()
    began = time.process_time()
    for run, count in runs:
        for _ in range(count):
            run()
    return time.process_time() - began


def _call(
    encoder: Any, sam: Any, tokens: Any, what: str, shape: tuple[int, ...], layer: int, gradient: bool
) -> Callable[[], None]:
    given = torch.rand(shape)
    size = sam.prompt_encoder.image_embedding_size
    features = torch.rand(1, sam.prompt_encoder.embed_dim, *size)

    def suffix() -> None:
        hidden = given.clone().requires_grad_(gradient)
        with torch.set_grad_enabled(gradient):
            out = encoder.image_suffix(hidden, layer)
        if gradient:
            torch.autograd.grad(out.sum(), hidden)

    def text() -> None:
        ids = tokens.ids[:, :1].expand(shape).contiguous()
        encoder.encode_text(type(tokens)(ids=ids, mask=torch.ones(shape, dtype=torch.bool), truncated=()))

    def decoder() -> None:
        sam.mask_decoder(
            image_embeddings=features,
            image_pe=sam.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=given,
            dense_prompt_embeddings=sam.prompt_encoder.no_mask_embed.weight.reshape(1, -1, 1, 1).expand(1, -1, *size),
            multimask_output=True,
        )

    made: dict[str, Callable[[], Any]] = {
        "prefix": lambda: encoder.image_prefix(given, layer),
        "image": lambda: encoder.encode_image(given),
        "sam image": lambda: sam.image_encoder(given),
        "text": text,
        "sam decoder": decoder,
    }
    if what == "suffix":
        return suffix

    def run() -> None:
        with torch.no_grad():
            made[what]()

    return run


def measure(domain: str, finding: str, folder: Path, repeats: int) -> dict[str, float]:
    """Medians over `repeats` of the whole line and of its bare calls, alternating."""
    settings = resolve(SegmentationSettings, sets=("presence.gate=false", "map.max_slices=4"))
    pipeline = Pipeline.load("small", device="cpu", settings=settings)
    study = write_study(folder, domain=domain, finding=finding, seed=1, format="dicom", shape=(6, 128, 128))  # type: ignore[arg-type]
    image, concepts = read_image(study), [load_concept(finding), concept_from_text("a bright round spot")]
    calls: Counter[Call] = Counter()
    sam: Any = pipeline.segmenter._sam  # type: ignore[attr-defined]
    watched = Pipeline(
        encoder=Counted(pipeline.encoder, calls),  # type: ignore[arg-type]
        segmenter=pipeline.segmenter,
        segmenter_facts=pipeline.segmenter_facts,
        settings=settings,
    )
    with counted_segmenter(sam, calls):
        watched.segment(image, concepts)
    for parameter in pipeline.encoder.module.parameters():  # as it is while maps are made
        parameter.requires_grad_(False)
    whole, alone = [], []
    for _ in range(repeats):
        began = time.process_time()
        pipeline.segment(image, concepts)
        whole.append(time.process_time() - began)
        alone.append(bare(pipeline, sam, calls))
    ratios = [a / b for a, b in zip(whole, alone, strict=True)]
    return {
        "calls": float(sum(calls.values())),
        "whole": statistics.median(whole),
        "bare": statistics.median(alone),
        "ratio": statistics.median(ratios),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="keep it in evaluation/results/end_to_end_overhead.md")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        rows = [(d, measure(d, f, Path(name) / d, arguments.repeats)) for d, f in STUDIES]
    lines = [
        "# The whole line beside its networks",
        "",
        f"medkt {__version__}, `python evaluation/benchmarks/end_to_end_overhead.py --write`; models small, CPU, one "
        f"thread (processor seconds), two concepts, gate off, median of {arguments.repeats}. `bare` are the same calls of the networks on "
        "random tensors of the same shapes, gradients where maps take them.",
        "",
        "| study | calls of networks | whole line, s | bare, s | ratio | wanted |",
        "|---|---|---|---|---|---|",
        *(
            f"| {d} | {r['calls']:.0f} | {r['whole']:.2f} | {r['bare']:.2f} | {r['ratio']:.2f} | at most {WANTED} |"
            for d, r in rows
        ),
    ]
    table = "\n".join(lines) + "\n"
    print(table, end="")
    if arguments.write:
        (Path(__file__).resolve().parents[1] / "results" / "end_to_end_overhead.md").write_text(table, encoding="utf-8")
    return 0 if all(r["ratio"] <= WANTED for _, r in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
