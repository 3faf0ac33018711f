"""Knowledge transfer from end to end: from a description to an encoder that knows the finding by its name.

1. Images are inverted from the description and, as rehearsal, from one caption of each known finding (`inversion`).
2. The image tower is fine-tuned on them: images of the concept against its captions and name (Eq. 2 of the paper),
   images of known findings held where the base model sees them (`finetune`).
3. How far to go is chosen on images of other seeds, without a label and without a real image (`choose`).

Every image is made from words by the base model itself; no patient's data take part.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from medkt.concepts import Concept
from medkt.datasets.phantom.drawers import draw_normal
from medkt.datasets.phantom.finding import DomainName
from medkt.domains import Domain
from medkt.errors import InputError, SettingsError
from medkt.inversion import InversionSettings, Inverted, invert_cached, normalised
from medkt.inversion.noise import stream
from medkt.models.encoder import DualEncoder
from medkt.transfer.choose import Candidate, Choice, ChoiceSettings, Validation, choose
from medkt.transfer.copies import interpolate
from medkt.transfer.finetune import Captions, FinetuneSettings, Progress, finetune
from medkt.transfer.rehearsal import Rehearsal
from medkt.transfer.vocabulary import Vocabulary, vocabulary_of

log = logging.getLogger(__name__)
Ticker = Callable[[str, int, int], None]
_VALIDATION = 1_000_003  # added to a seed, so that validation images have none of the seeds that training uses
_WARM = 2_000_003  # the same for images that start from a drawn study
_REHEARSAL = 17  # one seed for the rehearsal images of every concept and run, so that a base model makes them once


FAST = InversionSettings(dtype="bfloat16", channels_last=True)
"""The preset `fast` of inversion (`configs/inversion/fast.yaml`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnSettings:
    """How a concept is learned. The defaults are medkt's own preset `fast`; presets stand in `configs/learn`."""

    inversion: InversionSettings = FAST
    """How images are made from words."""

    images: int = 10
    """Images of the concept, shared out over its captions."""

    rehearsal_images: int = 4
    """Images of each known finding's caption, of each one's name, and of a normal study; 0 for none, as published."""

    warm: float = 0.5
    """Part of the images of each text, concept's and known ones', that start from a drawn normal study of the domain with
    a little noise, rather than from noise: they show the finding in a body. 0 for none, as published; no effect where
    medkt draws no such part of the body."""

    warm_noise: float = 0.05
    """Standard deviation of that noise, before squashing."""

    validation_images: int = 4
    """Images of the concept, and half as many of each known finding, that choice and audit ask about; 0 for none."""

    judged_with: InversionSettings = FAST
    """How those are made: as the preset `fast` also where another preset makes the images that are learned from."""

    pictured: float = 0.5
    """A caption whose images come less near to it than this part of the best caption's is left out: the model cannot
    picture it, and its images show nothing. 0 keeps all."""

    views: int = 4
    """Copies of each image for fine-tuning: the image itself, and others moved, mirrored and with noise."""

    shift: float = 0.05
    """Largest move of a copy, as a part of the side."""

    noise: float = 0.03
    """Standard deviation of a copy's noise."""

    mirror: bool = True
    """Whether every second copy is mirrored left to right. Switch off for findings that belong to one side."""

    finetune: FinetuneSettings = field(default_factory=lambda: FinetuneSettings(dtype="bfloat16"))
    """How the image tower is trained."""

    choose: bool = True
    """Whether learning rate, steps and interpolation are chosen without labels; else the last step is kept."""

    choice: ChoiceSettings = field(default_factory=ChoiceSettings)
    """The candidates and the rule."""

    def __post_init__(self) -> None:
        checks = {
            "images": self.images >= 1,
            "rehearsal_images": self.rehearsal_images >= 0,
            "warm": 0 <= self.warm <= 1,
            "warm_noise": self.warm_noise >= 0,
            "validation_images": self.validation_images >= 0,
            "pictured": 0 <= self.pictured < 1,
            "views": self.views >= 1,
            "shift": 0 <= self.shift < 0.5,
            "noise": self.noise >= 0,
        }
        for name, good in checks.items():
            if not good:
                raise SettingsError(f"learning setting {name} cannot be {getattr(self, name)!r}")
        if self.choose and not self.validation_images:
            raise SettingsError("learning: the choice needs images to ask about; set validation_images above 0")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Material:
    """What is learned from. Images are float32 in [0, 1], (images, 3, side, side), before normalisation.

    Attributes:
        vocabulary: the words.
        inverted: of the concept's captions that are learned from.
        left_out: captions that the model cannot picture (`LearnSettings.pictured`).
        images: that are learned from.
        rehearsal, validation, known_validation: images of known findings, and those that the choice is made with;
            None where the settings ask for none.
        seconds: that making them took; what came from the cache took none.
    """

    vocabulary: Vocabulary
    inverted: Inverted
    images: Tensor
    rehearsal: Tensor | None
    validation: Tensor | None
    known_validation: Tensor | None
    seconds: float
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Learned:
    """An adapted encoder, and how it came to be.

    Attributes:
        encoder: the adapted one; the base is as it was.
        material: what it learned from.
        settings, seed: as used.
        chosen: the place on the way that was kept; None without a choice.
        candidates: all that were asked.
        losses: of each step of the run that was kept.
        seconds: "inversion" and "fine-tuning".
    """

    encoder: DualEncoder
    material: Material
    settings: LearnSettings
    seed: int
    chosen: Candidate | None
    candidates: tuple[Candidate, ...]
    losses: tuple[float, ...]
    seconds: Mapping[str, float]


def learn_concept(
    encoder: DualEncoder,
    concept: Concept,
    domain: Domain,
    settings: LearnSettings | None = None,
    *,
    seed: int = 0,
    known: Sequence[Concept] | None = None,
    cache: Path | None = None,
    progress: Ticker | None = None,
) -> Learned:
    """Teach a copy of the encoder a concept from its description.

    Args:
        encoder: the base; comes back as it was, bit for bit.
        concept: with captions for inversion.
        domain: whose words and known findings take part.
        settings: None is the preset `fast`.
        seed: of noise, augmentation and order.
        known: what the model is taken to know; None takes the domain's findings that are not this one.
        cache: folder of inverted images; None is `medkt.inversion.cache_folder()`.
        progress: told (stage, steps done, steps in all).

    Raises:
        InputError: the concept has no caption for inversion, or there is nothing to tell it apart from.
        MedktError: from inverting and fine-tuning.
    """
    settings = settings or LearnSettings()
    vocabulary = vocabulary_of(concept, domain, known=known)
    material = gather(encoder, vocabulary, settings, seed=seed, cache=cache, progress=progress)
    return learn_from(encoder, material, settings, seed=seed, progress=progress)


def gather(
    encoder: DualEncoder,
    vocabulary: Vocabulary,
    settings: LearnSettings,
    *,
    seed: int,
    cache: Path | None = None,
    progress: Ticker | None = None,
) -> Material:
    """Invert what the settings ask for, or take it from the cache."""
    began = time.perf_counter()

    def make(
        stage: str,
        texts: tuple[str, ...],
        images: int,
        with_seed: int,
        how: InversionSettings,
        start: Tensor | None = None,
    ) -> Inverted:
        return invert_cached(
            encoder, texts, how, images=images, seed=with_seed, start=start, folder=cache,
            progress=None if progress is None else lambda _, done, of: progress(stage, done, of),
        )  # fmt: skip

    def partly_warm(stage: str, texts: tuple[str, ...], images: int, with_seed: int) -> Inverted:
        warm = round(images * settings.warm) if vocabulary.drawn else 0
        parts = []
        if warm < images:
            parts.append(make(stage, texts, images - warm, with_seed, settings.inversion))
        if warm and vocabulary.drawn:
            start = drawn_starts(vocabulary.drawn, texts, warm, with_seed + _WARM, side=encoder.spec.input_size)
            how = replace(settings.inversion, init="normal", init_std=settings.warm_noise)
            parts.append(make(stage, texts, warm, with_seed + _WARM, how, start))
        return _side_by_side(parts)

    rehearsal = validation = known_validation = None
    if settings.rehearsal_images:
        found = partly_warm("images of known findings", vocabulary.rehearsed, settings.rehearsal_images, _REHEARSAL)
        rehearsal = _flat(found)
    stage, described = "images of the concept", vocabulary.described
    inverted = partly_warm(stage, described, _each(settings.images, described), seed)
    vocabulary, left_out = _pictured(vocabulary, inverted, settings)
    if left_out:
        described = vocabulary.described
        log.warning("the model cannot picture these captions, which are left out: %s", "; ".join(map(repr, left_out)))
        inverted = partly_warm(stage, described, _each(settings.images, described), seed)
    if settings.validation_images:
        each, few = _each(settings.validation_images, described), -(-settings.validation_images // 2)
        stage, how = "images to judge by", settings.judged_with
        validation = _flat(make(stage, described, each, seed + _VALIDATION, how))
        known_validation = _flat(make(stage, vocabulary.rehearsed, few, _REHEARSAL + _VALIDATION, how))
    return Material(
        vocabulary=vocabulary, inverted=inverted, images=_flat(inverted)[_spread(inverted, settings.images)],
        rehearsal=rehearsal, validation=validation, known_validation=known_validation,
        seconds=time.perf_counter() - began, left_out=left_out,
    )  # fmt: skip


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


def _side_by_side(parts: Sequence[Inverted]) -> Inverted:
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
    vocabulary: Vocabulary, inverted: Inverted, settings: LearnSettings
) -> tuple[Vocabulary, tuple[str, ...]]:
    """The vocabulary without captions whose images stay far from them, and those captions."""
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


def learn_from(
    encoder: DualEncoder,
    material: Material,
    settings: LearnSettings,
    *,
    seed: int,
    at: Candidate | None = None,
    progress: Ticker | None = None,
) -> Learned:
    """Fine-tune on images that are there.

    Args:
        encoder: the base.
        material: from `gather`; controls put other images or words into it.
        settings: as for `gather`.
        seed: of augmentation and order.
        at: learning rate, steps and interpolation that another run chose, to be used here without choosing again.
        progress: told (stage, steps done, steps in all).
    """
    began = time.perf_counter()
    finetuning = replace(settings.finetune, seed=seed)
    images = _shown(encoder, material.images, settings, seed)
    held = material.rehearsal
    rehearsal = None
    if held is not None:
        views = _shown(encoder, held, settings, seed + 1)
        rehearsal = Rehearsal.of(encoder, views, material.vocabulary.others)
    captions = Captions(own=(material.vocabulary.own,), others=material.vocabulary.others)
    losses: list[float] = []
    choice: Choice | None = None
    if settings.choose and at is None:
        asked = _asked(encoder, material)
        choice = choose(
            encoder, images, captions, asked, finetuning, settings.choice, rehearsal=rehearsal,
            on_candidate=_counted(progress, finetuning, settings, len(images)),
        )  # fmt: skip
        adapted = choice.encoder
    else:
        adapted = _as_far(encoder, images, captions, finetuning, rehearsal, at, losses, progress)
    return Learned(
        encoder=adapted, material=material, settings=settings, seed=seed,
        chosen=choice.chosen if choice else at, candidates=choice.candidates if choice else (), losses=tuple(losses),
        seconds={"inversion": material.seconds, "fine-tuning": time.perf_counter() - began},
    )  # fmt: skip


def _as_far(
    encoder: DualEncoder,
    images: Tensor,
    captions: Captions,
    settings: FinetuneSettings,
    rehearsal: Rehearsal | None,
    at: Candidate | None,
    losses: list[float],
    progress: Ticker | None,
) -> DualEncoder:
    """Fine-tuned for all steps, or to the place that `at` names."""
    if at is not None and not at.step:
        return encoder
    settings = settings if at is None else replace(settings, learning_rate=at.learning_rate)

    def after(step: Progress) -> bool:
        losses.append(step.loss)
        if progress is not None:
            progress("fine-tuning", step.step, step.steps)
        return at is not None and step.step >= at.step

    made = finetune(encoder, images, captions, settings, rehearsal=rehearsal, on_step=after)
    return made if at is None or at.interpolation == 1 else interpolate(encoder, made, at.interpolation)


def _asked(encoder: DualEncoder, material: Material) -> Validation:
    if material.validation is None or material.known_validation is None:
        raise InputError("the choice needs validation images; gather them with the same settings")
    return Validation(
        images=normalised(encoder.spec, material.validation), name=material.vocabulary.prompt,
        known_images=normalised(encoder.spec, material.known_validation), known=material.vocabulary.known_prompts,
    )  # fmt: skip


def _counted(
    progress: Ticker | None, settings: FinetuneSettings, learning: LearnSettings, images: int
) -> Callable[[Candidate], None] | None:
    if progress is None:
        return None
    steps = settings.steps or -(-images // settings.batch) * settings.epochs
    looks = (-(-steps // learning.choice.every)) * len(learning.choice.interpolations)
    total, done = looks * len(learning.choice.learning_rates) + 1, 0

    def count(_: Candidate) -> None:
        nonlocal done
        done += 1
        progress("fine-tuning", min(done, total), total)

    return count


def _shown(encoder: DualEncoder, images: Tensor, settings: LearnSettings, seed: int) -> Tensor:
    """The copies of all images, normalised; the images themselves come first."""
    return normalised(encoder.spec, copies_of(images, settings, seed=seed))


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


def _flat(inverted: Inverted) -> Tensor:
    return inverted.pixels.flatten(0, 1)


def _each(images: int, texts: tuple[str, ...]) -> int:
    return -(-images // len(texts))


def _spread(inverted: Inverted, images: int) -> Tensor:
    """Rows of the first `images` images, taken from the texts in turn."""
    texts, each = inverted.pixels.shape[:2]
    rows = torch.arange(texts * each).reshape(texts, each).T.flatten()
    return rows[:images].sort().values
