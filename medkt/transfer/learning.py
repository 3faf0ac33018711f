"""Knowledge transfer from end to end: from a description to an encoder that knows the finding by its name.

1. Images are inverted from the description and, as rehearsal, from one caption of each known finding (`inversion`); or
   lesions are made inside normal studies, and images with lesions are rehearsed (`lesions`).
2. The image tower is fine-tuned on them: images of the concept against its captions and name (Eq. 2 of the paper),
   images of known findings held where the base model sees them (`finetune`).
3. How far to go is chosen on images of other seeds, without a label and without a real image (`choice`).

Every image is made from words by the base model itself, unless the user gives studies; no patient's data take part else.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from medkt.concepts import Concept
from medkt.domains import Domain
from medkt.errors import InputError
from medkt.models.encoder import DualEncoder
from medkt.models.framing import normalise
from medkt.progress import Progress
from medkt.transfer.augment import augmented, says_a_side
from medkt.transfer.choice import Candidate, CandidateChoice, Validation, choose
from medkt.transfer.copies import interpolate
from medkt.transfer.finetune import Captions, FinetuneSettings, FinetuneStep, finetune
from medkt.transfer.gathering import gather_as
from medkt.transfer.learn_settings import LearnSettings
from medkt.transfer.material import Material, copies_of
from medkt.transfer.rehearsal import PrefixActivations, Rehearsal
from medkt.transfer.stop import bounded
from medkt.transfer.study_planes import NOTHING_GIVEN, StudyPlanes
from medkt.transfer.trainable import frozen_layer, require_installed
from medkt.transfer.vocabulary import vocabulary_of


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TransferResult:
    """An adapted encoder, and how it came to be.

    Attributes:
        encoder: the adapted one; the base is as it was.
        material: what it learned from.
        settings, seed: as used.
        chosen: the place on the way that was kept; None without a choice.
        candidates: all that were asked.
        losses: of each step of the run that was kept.
        seconds: "inversion" and "fine-tuning".
        rehearsal: what the base knows of `material.rehearsal`, for other runs with the same settings and seed.
        judged: `material.validation` and `material.known_validation` after the layers that do not train, as the choice
            looked at them; None without a choice.
    """

    encoder: DualEncoder
    material: Material
    settings: LearnSettings
    seed: int
    chosen: Candidate | None
    candidates: tuple[Candidate, ...]
    losses: tuple[float, ...]
    seconds: Mapping[str, float]
    rehearsal: Rehearsal | None = None
    judged: tuple[PrefixActivations, PrefixActivations] | None = None


def learn_concept(
    encoder: DualEncoder,
    concept: Concept,
    domain: Domain,
    settings: LearnSettings | None = None,
    *,
    seed: int = 0,
    known: Sequence[Concept] | None = None,
    studies: StudyPlanes = NOTHING_GIVEN,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> TransferResult:
    """Teach a copy of the encoder a concept from its description.

    Args:
        encoder: the base; comes back as it was, bit for bit.
        concept: with captions for inversion.
        domain: whose words and known findings take part.
        settings: None is the preset `fast`.
        seed: of noise, augmentation and order.
        known: what the model is taken to know; None takes the domain's findings that are not this one.
        studies: the user's own, where lesions are made inside normal studies (`LearnSettings.how` "local").
        cache: folder of inverted images; None is `medkt.inversion.cache_folder()`.
        progress: told (stage, steps done, steps in all).

    Raises:
        InputError: the concept has no caption for inversion, or there is nothing to tell it apart from.
        MissingDependencyError: LoRA without its extra; before any image is made.
        MedktError: from inverting and fine-tuning.
    """
    settings = settings or LearnSettings()
    require_installed(settings.finetune.trains)
    settings = replace(
        settings, augment=settings.augment.of(domain, concept), mirror=settings.mirror and not says_a_side(concept)
    )
    vocabulary = vocabulary_of(concept, domain, known=known)
    material = gather_as(encoder, vocabulary, settings, seed=seed, studies=studies, cache=cache, progress=progress)
    return learn_from(encoder, material, settings, seed=seed, progress=progress)


def learn_from(
    encoder: DualEncoder,
    material: Material,
    settings: LearnSettings,
    *,
    seed: int,
    at: Candidate | None = None,
    rehearsal: Rehearsal | None = None,
    progress: Progress | None = None,
) -> TransferResult:
    """Fine-tune on images that are there.

    Args:
        encoder: the base.
        material: from `gather`; controls put other images or words into it.
        settings: as for `gather`.
        seed: of augmentation and order.
        at: learning rate, steps and interpolation that another run chose, to be used here without choosing again.
        rehearsal: `TransferResult.rehearsal` of a run with the same base, rehearsal images, known words, settings and seed; None
            makes it.
        progress: told (stage, steps done, steps in all).
    """
    began = time.perf_counter()
    settings = settings.on(material.images.device)
    finetuning = replace(settings.finetune, seed=seed)
    images, captions = _taught(encoder, material, settings, seed)
    held = material.rehearsal
    if held is not None and rehearsal is None:
        local = settings.how == "local"
        views = normalise(held.to(images), encoder.spec) if local else _shown(encoder, held, settings, seed + 1)
        layer = frozen_layer(encoder, finetuning.trains)
        rehearsal = Rehearsal.of(encoder, views, material.vocabulary.others, layer=layer, precision=finetuning.dtype)
    losses: list[float] = []
    choice: CandidateChoice | None = None
    if settings.choose and at is None:
        asked = _asked(encoder, material)
        choice = choose(
            encoder, images, captions, asked, finetuning, settings.choice, rehearsal=rehearsal,
            on_candidate=_counted(progress, finetuning, settings, len(images)),
        )  # fmt: skip
        adapted = choice.encoder
    else:
        odd = material.strangers
        against = None if odd is None else normalise(odd.to(images), encoder.spec)
        adapted = _as_far(encoder, images, captions, finetuning, rehearsal, against, at, losses, progress)
        if settings.how == "local" and settings.teaching.stop == "bounded" and at is None:
            adapted, at = _bounded(encoder, adapted, material, settings)
    return TransferResult(
        encoder=adapted, material=material, settings=settings, seed=seed,
        chosen=choice.chosen if choice else at, candidates=choice.candidates if choice else (), losses=tuple(losses),
        seconds={"inversion": material.seconds, "fine-tuning": time.perf_counter() - began}, rehearsal=rehearsal,
        judged=choice.judged if choice else None,
    )  # fmt: skip


def _taught(encoder: DualEncoder, material: Material, settings: LearnSettings, seed: int) -> tuple[Tensor, Captions]:
    """The images to be matched, normalised, and what with: the concept's, and each altered caption's with that caption."""
    words, rivals = material.vocabulary, material.rivals
    if settings.augment.copies and material.studies.images is not None:
        return _taught_augmented(encoder, material, settings, seed)
    if rivals is None:
        caption_of = material.caption_of * settings.views if settings.words == "caption" else ()
        captions = Captions(own=(words.own,), others=words.others, caption_of_image=caption_of)
        return _shown(encoder, material.images, settings, seed), captions
    each = rivals.pixels.shape[1]
    pixels = torch.cat([material.images, rivals.pixels.flatten(0, 1).to(material.images)])
    of = (*(0,) * len(material.images), *(1 + text for text in range(len(rivals.texts)) for _ in range(each)))
    captions = Captions(own=_told_apart(material), others=words.others, of_image=of * settings.views)
    return _shown(encoder, pixels, settings, seed), captions


def _taught_augmented(
    encoder: DualEncoder, material: Material, settings: LearnSettings, seed: int
) -> tuple[Tensor, Captions]:
    """As `_taught` of labelled studies: their changed copies, then the copies of the lesions of altered captions."""
    pixels, rivals = augmented(material.images, settings.augment, seed=seed), material.rivals
    of = (0,) * len(pixels)
    if rivals is not None:
        each, lesions = rivals.pixels.shape[1], rivals.pixels.flatten(0, 1).to(pixels)
        pixels = torch.cat([pixels, copies_of(lesions, settings, seed=seed)])
        of += tuple(1 + text for text in range(len(rivals.texts)) for _ in range(each)) * settings.views
    alone = settings.words == "caption" and rivals is None
    captions = Captions(
        own=_told_apart(material), others=material.vocabulary.others, of_image=of,
        caption_of_image=material.caption_of * (1 + settings.augment.copies) if alone else (),
    )  # fmt: skip
    return normalise(pixels, encoder.spec), captions


def _told_apart(material: Material) -> tuple[tuple[str, ...], ...]:
    """The concept's texts, then each altered caption; equally many for all, as a batch needs."""
    own, rivals = material.vocabulary.own, material.rivals
    return (own, *((text,) * len(own) for text in (() if rivals is None else rivals.texts)))


def _as_far(
    encoder: DualEncoder,
    images: Tensor,
    captions: Captions,
    settings: FinetuneSettings,
    rehearsal: Rehearsal | None,
    against: Tensor | None,
    at: Candidate | None,
    losses: list[float],
    progress: Progress | None,
) -> DualEncoder:
    """Fine-tuned for all steps, or to the place that `at` names."""
    if at is not None and not at.step:
        return encoder
    settings = settings if at is None else replace(settings, learning_rate=at.learning_rate)

    def after(step: FinetuneStep) -> bool:
        losses.append(step.loss)
        if progress is not None:
            progress("fine-tuning", step.step, step.steps)
        return at is not None and step.step >= at.step

    made = finetune(encoder, images, captions, settings, rehearsal=rehearsal, against=against, on_step=after)
    return made if at is None or at.interpolation == 1 else interpolate(encoder, made, at.interpolation)


def _bounded(
    base: DualEncoder, learned: DualEncoder, material: Material, settings: LearnSettings
) -> tuple[DualEncoder, Candidate]:
    held, words, tune = material.known_validation, material.vocabulary, settings.finetune
    if held is None:
        raise InputError("the bounded stop needs studies that are held back; set validation_images above 0")
    return bounded(
        base, learned, normalise(held.to(material.images), base.spec), name=words.prompt, known=words.known_prompts, trains=tune.trains,
        most_taken=settings.teaching.most_taken, learning_rate=tune.learning_rate, steps=tune.steps or 0,
    )  # fmt: skip


def _asked(encoder: DualEncoder, material: Material) -> Validation:
    if material.validation is None or material.known_validation is None:
        raise InputError("the choice needs validation images; gather them with the same settings")
    return Validation(
        images=normalise(material.validation, encoder.spec), name=material.vocabulary.prompt,
        known_images=normalise(material.known_validation, encoder.spec), known=material.vocabulary.known_prompts,
    )  # fmt: skip


def _counted(
    progress: Progress | None, settings: FinetuneSettings, learning: LearnSettings, images: int
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
    return normalise(copies_of(images, settings, seed=seed), encoder.spec)
