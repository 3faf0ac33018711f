"""The recipe from nothing to the package's files, with checkpoints on the way."""

import json
import logging
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from medkt.models.sam_parts import Sam
from small_model.corpus import Corpus, draw_corpus, read_corpus
from small_model.real_images import read_real
from small_model.tokenizer import train_tokenizer
from small_model.train_encoder import EncoderTraining, Progress, export_encoder, train_encoder
from small_model.train_segmenter import SegmenterTraining, export_segmenter, train_segmenter

log = logging.getLogger(__name__)
_BETWEEN_CHECKPOINTS = 180.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that decides the weights."""

    planes: int = 40_000
    encoder: EncoderTraining = field(default_factory=EncoderTraining)
    segmenter: SegmenterTraining = field(default_factory=SegmenterTraining)

    @classmethod
    def of(
        cls, *, seed: int = 0, planes: int = 40_000, steps: int | None = None, minutes: float = math.inf,
        segmenter_steps: int | None = None, segmenter_minutes: float = math.inf,
    ) -> "Recipe":  # fmt: skip
        """The shipped recipe with another seed, size or time."""
        return cls(
            planes=planes,
            encoder=EncoderTraining(steps=steps or EncoderTraining().steps, minutes=minutes, seed=seed),
            segmenter=SegmenterTraining(
                steps=segmenter_steps or SegmenterTraining().steps, minutes=segmenter_minutes, seed=seed
            ),
        )


def build(
    recipe: Recipe, *, out: Path, work: Path, data: Path | None, part: Literal["both", "encoder", "segmenter"] = "both"
) -> None:
    """Draw the training set into `work` unless it is there, train, and write the package's files into `out`.

    Weights so far are written to `work / "checkpoint"` every few minutes.
    """
    corpus = _corpus(recipe, work, data)
    if part != "segmenter":
        build_encoder(recipe, corpus, out=out, work=work)
    if part != "encoder":
        build_segmenter(recipe, corpus, out=out, work=work, data=data)


def build_encoder(recipe: Recipe, corpus: Corpus, *, out: Path, work: Path) -> None:
    """Train and export the encoder."""
    tokenizer, due = train_tokenizer(seed=recipe.encoder.seed), _Clock()

    def checkpoint(progress: Progress) -> None:
        if due(progress.seconds):
            export_encoder(progress.towers, tokenizer, work / "checkpoint")

    towers, history = train_encoder(corpus, tokenizer, recipe.encoder, on_report=checkpoint)
    export_encoder(towers, tokenizer, out)
    _record(out / "encoder_training.json", recipe, history)


def build_segmenter(recipe: Recipe, corpus: Corpus, *, out: Path, work: Path, data: Path | None) -> None:
    """Train and export the segmenter."""
    due = _Clock()

    def checkpoint(sam: Sam, seconds: float) -> None:
        if due(seconds):
            export_segmenter(sam, work / "checkpoint")

    reals = list(read_real(data, "train")) if data is not None else []
    sam, history = train_segmenter(corpus, reals, recipe.segmenter, on_report=checkpoint)
    export_segmenter(sam, out)
    _record(out / "segmenter_training.json", recipe, history)


def _corpus(recipe: Recipe, work: Path, data: Path | None) -> Corpus:
    folder = work / f"corpus_{recipe.planes}_{recipe.encoder.seed}"
    if not (folder / "rows.jsonl").exists():
        return draw_corpus(folder, planes=recipe.planes, seed=recipe.encoder.seed, data=data)
    return read_corpus(folder)


def _record(path: Path, recipe: Recipe, history: list[dict[str, float]]) -> None:
    settings = json.loads(json.dumps(asdict(recipe)).replace("Infinity", "null"))
    path.write_text(json.dumps({"recipe": settings, "history": history}) + "\n", encoding="utf-8")


class _Clock:
    """Says yes once every few minutes."""

    def __init__(self) -> None:
        self._last = 0.0

    def __call__(self, seconds: float) -> bool:
        due = seconds - self._last >= _BETWEEN_CHECKPOINTS
        self._last = seconds if due else self._last
        return due
