"""What a concept is learned from: images made from words by the base model, and where they start."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from medkt.errors import SettingsError
from medkt.inversion import InversionSettings, InvertedImages, invert_cached
from medkt.inversion.noise import stream
from medkt.models.encoder import DualEncoder
from medkt.phantom.drawers import draw_normal
from medkt.phantom.finding import DomainName
from medkt.progress import Progress
from medkt.transfer.learn_settings import LearnSettings
from medkt.transfer.study_planes import NOTHING_GIVEN, StudyPlanes
from medkt.transfer.vocabulary import Vocabulary

log = logging.getLogger(__name__)
VALIDATION = 1_000_003  # added to a seed, so that validation images have none of the seeds that training uses
WARM = 2_000_003  # the same for images that start from a drawn study
REHEARSAL = 17  # one seed for the rehearsal images of every concept and run, so that a base model makes them once


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Material:
    """What is learned from. Images are float32 in [0, 1], (images, 3, side, side), before normalisation.

    Attributes:
        vocabulary: the words.
        inverted: of the concept's captions that are learned from; None where images of the user's are.
        left_out: captions that the model cannot picture (`LearnSettings.pictured`).
        images: that are learned from.
        caption_of: for each of them the caption in `vocabulary.described` that it was made from.
        rehearsal, validation, known_validation: images of known findings, and those that the choice is made with;
            None where the settings ask for none.
        known_of: what each equal part of `known_validation` shows; () where it is the images of `vocabulary.rehearsed`.
        strangers: images that the new name shall not fit; None for none.
        rivals: lesions of captions with one word altered, each of which is taught as a concept of its own; None for none.
        known_inverted: local inversions of the known findings' captions; None where the images are whole ones.
        studies: the user's own that took part.
        seconds: that making them took; what came from the cache took none.
    """

    vocabulary: Vocabulary
    inverted: InvertedImages | None
    images: Tensor
    rehearsal: Tensor | None
    validation: Tensor | None
    known_validation: Tensor | None
    seconds: float
    left_out: tuple[str, ...] = ()
    caption_of: tuple[int, ...] = ()
    known_of: tuple[str, ...] = ()
    strangers: Tensor | None = None
    rivals: InvertedImages | None = None
    known_inverted: InvertedImages | None = None
    studies: StudyPlanes = NOTHING_GIVEN


def gather(
    encoder: DualEncoder,
    vocabulary: Vocabulary,
    settings: LearnSettings,
    *,
    seed: int,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Material:
    """Invert what the settings ask for, or take it from the cache.

    Raises:
        SettingsError: they are of lesions inside normal studies; `gathering.gather_as` makes those too.
    """
    if settings.how != "images":
        raise SettingsError(f'whole images are made where how is "images", not {settings.how!r}; use gather_as')
    began = time.perf_counter()
    maker = _Maker(encoder=encoder, settings=settings, drawn=vocabulary.drawn, cache=cache, progress=progress)
    rehearsal = validation = known_validation = None
    if settings.rehearsal_images:
        stage = "images of known findings"
        count, how = settings.rehearsal_images, settings.rehearsed_with
        rehearsal = _flat(maker.partly_warm(stage, vocabulary.rehearsed, count, REHEARSAL, how))
    stage, described, how = "images of the concept", vocabulary.described, settings.inversion
    inverted = maker.partly_warm(stage, described, _each(settings.images, described), seed, how)
    vocabulary, left_out = _pictured(vocabulary, inverted, settings)
    if left_out:
        described = vocabulary.described
        log.warning("the model cannot picture these captions, which are left out: %s", "; ".join(map(repr, left_out)))
        inverted = maker.partly_warm(stage, described, _each(settings.images, described), seed, how)
    if settings.validation_images:
        each, few = _each(settings.validation_images, described), -(-settings.validation_images // 2)
        stage = "images to judge by"
        validation = _flat(maker.make(stage, described, each, seed + VALIDATION, settings.judged_with))
        known_validation = _flat(
            maker.make(stage, vocabulary.rehearsed, few, REHEARSAL + VALIDATION, settings.rehearsed_with)
        )
    rows = _spread(inverted, settings.images)
    return Material(
        vocabulary=vocabulary.by_caption() if settings.words == "caption" else vocabulary,
        inverted=inverted, images=_flat(inverted)[rows], caption_of=tuple((rows // inverted.pixels.shape[1]).tolist()),
        rehearsal=rehearsal, validation=validation, known_validation=known_validation,
        seconds=time.perf_counter() - began, left_out=left_out,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Maker:
    """Makes images of texts, or takes them from the cache."""

    encoder: DualEncoder
    settings: LearnSettings
    drawn: DomainName | None
    cache: Path | None
    progress: Progress | None

    def make(
        self,
        stage: str,
        texts: tuple[str, ...],
        images: int,
        seed: int,
        how: InversionSettings,
        start: Tensor | None = None,
    ) -> InvertedImages:
        told = self.progress
        return invert_cached(
            self.encoder, texts, how, images=images, seed=seed, start=start, folder=self.cache,
            progress=None if told is None else lambda _, done, of: told(stage, done, of),
        )  # fmt: skip

    def partly_warm(
        self, stage: str, texts: tuple[str, ...], images: int, seed: int, how: InversionSettings
    ) -> InvertedImages:
        """As many as the settings say start from drawn studies, the others from noise; those stand first."""
        settings, drawn = self.settings, self.drawn
        warm = round(images * settings.warm) if drawn else 0
        parts = [self.make(stage, texts, images - warm, seed, how)] if warm < images else []
        if drawn and warm:
            start = drawn_starts(drawn, texts, warm, seed + WARM, side=self.encoder.spec.input_size)
            from_there = replace(how, init="normal", init_std=settings.warm_noise)
            parts.append(self.make(stage, texts, warm, seed + WARM, from_there, start))
        return _side_by_side(parts)


def drawn_starts(
    domain: DomainName, texts: Sequence[str], images: int, seed: int, *, side: int
) -> Float[Tensor, "texts images 1 side side"]:
    """Drawn normal studies to start from, each with random numbers of its own: those of its text, index and seed."""
    planes = [
        draw_normal(domain, np.random.default_rng(stream(seed, text, index, "drawn").initial_seed()), side=side)
        for text in texts
        for index in range(images)
    ]
    return torch.from_numpy(np.stack(planes)).reshape(len(texts), images, 1, side, side)


def copies_of(
    images: Float[Tensor, "images 3 side side"], settings: LearnSettings, *, seed: int
) -> Float[Tensor, "copies 3 side side"]:
    """The images, then `views - 1` changed copies of all of them: moved (edges repeated), mirrored, with noise."""
    generator = torch.Generator().manual_seed(seed)
    side = images.shape[-1]
    most = round(settings.shift * side)
    made = [images]
    for view in range(1, settings.views):
        padded = functional.pad(images, (most,) * 4, mode="replicate")
        moves = torch.randint(0, 2 * most + 1, (len(images), 2), generator=generator).tolist()
        rows = [image[:, y : y + side, x : x + side] for image, (y, x) in zip(padded, moves, strict=True)]
        copy = torch.stack(rows)
        if settings.mirror and view % 2:
            copy = copy.flip(-1)
        noise = torch.randn((len(copy), 1, side, side), generator=generator).to(copy)  # grey, as the modalities are
        made.append((copy + settings.noise * noise).clamp(0, 1))
    return torch.cat(made)


def _side_by_side(parts: Sequence[InvertedImages]) -> InvertedImages:
    """More images of the same texts as one; settings and seed are those of the first."""
    if len(parts) == 1:
        return parts[0]
    weights = [part.pixels.shape[1] for part in parts]
    curves = torch.stack([part.curves * weight for part, weight in zip(parts, weights, strict=True)]).sum(0)
    return replace(
        parts[0], pixels=torch.cat([part.pixels for part in parts], dim=1),
        similarity=torch.cat([part.similarity for part in parts], dim=1), curves=curves / sum(weights),
        seconds=sum(part.seconds for part in parts),
    )  # fmt: skip


def _pictured(
    vocabulary: Vocabulary, inverted: InvertedImages, settings: LearnSettings
) -> tuple[Vocabulary, tuple[str, ...]]:
    """The vocabulary without captions whose images stay far from them, and those captions."""
    if not settings.pictured:
        return vocabulary, ()
    near = inverted.similarity.mean(dim=1)
    best = float(near.max())
    if best <= 0:
        log.warning("the model pictures none of the captions: no image comes nearer to its text than %.2f", best)
    kept = [bool(one >= (settings.pictured * best if best > 0 else best)) for one in near]
    left_out = tuple(text for text, keep in zip(vocabulary.described, kept, strict=True) if not keep)
    gone = {text for text in vocabulary.own if any(text == one or text.endswith(f" is {one}") for one in left_out)}
    return replace(
        vocabulary,
        described=tuple(text for text in vocabulary.described if text not in left_out),
        own=tuple(text for text in vocabulary.own if text not in gone),
    ), left_out


def _flat(inverted: InvertedImages) -> Tensor:
    return inverted.pixels.flatten(0, 1)


def _each(images: int, texts: tuple[str, ...]) -> int:
    return -(-images // len(texts))


def _spread(inverted: InvertedImages, images: int) -> Tensor:
    """Rows of the first `images` images, taken from the texts in turn."""
    texts, each = inverted.pixels.shape[:2]
    rows = torch.arange(texts * each).reshape(texts, each).T.flatten()
    return rows[:images].sort().values
