"""Fine-tuning the image tower on images made from words: the loop.

It sees an encoder, images, captions and a loss by its name, and calls back after each step. It works on a copy: the
encoder that is given stays as it was, bit for bit, and what comes back is another encoder.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from medkt.errors import InputError, NumericalError, SettingsError
from medkt.models.encoder import DualEncoder
from medkt.models.precision import Precision, arithmetic, settled
from medkt.transfer import losses
from medkt.transfer.copies import copy_encoder, mark_adapted
from medkt.transfer.rehearsal import (
    Divergence,
    PrefixActivations,
    Rehearsal,
    feature_loss,
    features_of,
    image_vectors,
    look,
    similarity_loss,
    text_vectors,
)
from medkt.transfer.trainable import TrainableParts, frozen_layer, text_dropout, training

FinetuneOptimiser = Literal["adam", "adamw"]
Schedule = Literal["constant", "cosine"]
Distance = Literal["mse", "cosine"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FinetuneSettings:
    """How an encoder is fine-tuned. The defaults are medkt's own; presets in `configs/transfer` hold the published ones."""

    loss: str = "prompts"
    """A name of `medkt.transfer.losses.LOSSES`."""

    temperature: float | str = "model"
    """Divides the cosines; "model" is the inverse of the encoder's logit scale."""

    trains: TrainableParts = field(default_factory=TrainableParts)
    """What trains. The text tower and the logit scale never do."""

    optimiser: FinetuneOptimiser = "adamw"
    """"adam": weight decay is added to the gradient (L2), so that it moves every weight even where the loss has no
    gradient; "adamw": decay apart from the gradient."""

    learning_rate: float = 6e-4
    betas: tuple[float, float] = (0.9, 0.98)
    eps: float = 1e-6
    weight_decay: float = 0.01

    batch: int = 10
    """Images of the concept a step."""

    epochs: int = 20
    """Times that every image is seen, where `steps` is None."""

    steps: int | None = 30
    """Exactly so many steps, through as many epochs as that takes."""

    shuffle: bool = True
    drop_last: bool = False
    """Whether an epoch's last batch is left out when it is not full."""

    warm_up: int = 5
    """Steps over which the learning rate rises linearly."""

    schedule: Schedule = "cosine"
    """"cosine": the learning rate falls to zero over the steps."""

    clip_norm: float | None = None
    """The most that the gradient's norm may be."""

    text_dropout: bool = False
    """Whether the dropout after the text embeddings is active and texts are encoded anew each step, as in the authors'
    code (BiomedCLIP and MedCLIP: 0.1). The "frozen" text is then noisy. Other families have none: no effect."""

    distill: float = 0.0
    """Weight of the distance to the base's features of the concept's own images."""

    distill_by: Distance = "mse"
    """Of the unit features: "mse", their mean squared difference, as in the authors' code; "cosine": 1 - cosine."""

    rehearsal_batch: int = 20
    """Images of known concepts a step, where a `Rehearsal` is given."""

    rehearsal_feature: float = 1.0
    """Weight of 1 - cosine to the base's feature of the same known image."""

    rehearsal_similarity: float = 3.0
    """Weight of the change of a known image's similarities to all captions."""

    rehearsal_by: Divergence = "kl"
    """How that change is measured: "kl" over captions at the temperature above, or "mse" of the cosines."""

    against_batch: int = 10
    """Images a step that the concept's captions shall not fit, where some are given."""

    against: float = 1.0
    """Weight of the loss on those (`losses.against`)."""

    dtype: Precision = "float32"
    """Of the image tower's arithmetic, in layers that train and in those that do not; weights, losses and the optimiser
    stay float32. "bfloat16" is about twice as fast where the processor has instructions for it, and up to thirty times
    slower where it has not; "auto" goes by that, and the record says which it was."""

    seed: int = 0
    """Of the order of images, LoRA's start and the text dropout."""

    def __post_init__(self) -> None:
        checks = {
            "temperature": self.temperature == "model" if isinstance(self.temperature, str) else self.temperature > 0,
            "optimiser": self.optimiser in get_args(FinetuneOptimiser),
            "learning_rate": self.learning_rate >= 0 and math.isfinite(self.learning_rate),
            "betas": all(0 <= beta < 1 for beta in self.betas),
            "eps": self.eps > 0,
            "weight_decay": self.weight_decay >= 0,
            "batch": self.batch >= 1,
            "epochs": self.epochs >= 1,
            "steps": self.steps is None or self.steps >= 1,
            "warm_up": self.warm_up >= 0,
            "schedule": self.schedule in get_args(Schedule),
            "clip_norm": self.clip_norm is None or self.clip_norm > 0,
            "dtype": self.dtype in get_args(Precision),
            "distill": self.distill >= 0,
            "distill_by": self.distill_by in get_args(Distance),
            "rehearsal_batch": self.rehearsal_batch >= 1,
            "rehearsal_feature": self.rehearsal_feature >= 0,
            "rehearsal_similarity": self.rehearsal_similarity >= 0,
            "rehearsal_by": self.rehearsal_by in get_args(Divergence),
            "against_batch": self.against_batch >= 1,
            "against": self.against >= 0,
        }
        for name, good in checks.items():
            if not good:
                raise SettingsError(f"fine-tuning setting {name} cannot be {getattr(self, name)!r}")

    def on(self, device: torch.device) -> "FinetuneSettings":
        """The same with the precision that "auto" is on a device."""
        return replace(self, dtype=settled(self.dtype, device))


@dataclass(frozen=True, slots=True, kw_only=True)
class Captions:
    """The words of one fine-tuning.

    Attributes:
        own: for each concept its captions, each of which every image of it shall match; equally many for all.
        others: captions of known concepts, the negatives.
        of_image: for each image the index of its concept in `own`; empty where there is one concept.
        caption_of_image: for each image which one of its concept's captions it shall match; empty where all. (Of another
            concept in the batch, the loss `joint` then counts the caption of its first image.)
    """

    own: tuple[tuple[str, ...], ...]
    others: tuple[str, ...] = ()
    of_image: tuple[int, ...] = ()
    caption_of_image: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        counts = sorted({len(captions) for captions in self.own})
        if len(counts) != 1 or counts[0] == 0:
            raise InputError(f"every concept needs captions, equally many: got {[len(c) for c in self.own]} of them")
        if not self.of_image and len(self.own) > 1:
            raise InputError(f"{len(self.own)} concepts: `of_image` must say which concept each image shows")
        if any(not 0 <= index < len(self.own) for index in self.of_image):
            raise InputError(
                f"`of_image` names concepts outside 0 to {len(self.own) - 1}: {sorted(set(self.of_image))}"
            )
        if any(not 0 <= index < counts[0] for index in self.caption_of_image):
            raise InputError(
                f"`caption_of_image` names captions outside 0 to {counts[0] - 1}: {sorted(set(self.caption_of_image))}"
            )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FinetuneStep:
    """Where fine-tuning stands after a step; given to the callback.

    Attributes:
        step: steps done, from 1.
        steps: that there will be.
        loss: of this step, all terms with their weights.
        terms: each term by name, without its weight: "concept", and where in use "distill", "feature", "similarity", "against".
        learning_rate: of this step.
        seconds: since the start.
        encoder: as it now is, to be looked at only. With LoRA its parameters have other names until the end.
        parameters: those that train, by name.
    """

    step: int
    steps: int
    loss: float
    terms: dict[str, float]
    learning_rate: float
    seconds: float
    encoder: DualEncoder
    parameters: Mapping[str, nn.Parameter]


Callback = Callable[[FinetuneStep], bool | None]
"""Called after each step; True ends fine-tuning there."""


def finetune(
    encoder: DualEncoder,
    images: Float[Tensor, "images 3 side side"],
    captions: Captions,
    settings: FinetuneSettings | None = None,
    *,
    rehearsal: Rehearsal | None = None,
    against: Float[Tensor, "strangers 3 side side"] | None = None,
    on_step: Callback | None = None,
) -> DualEncoder:
    """A copy of the encoder, fine-tuned; it comes back in evaluation mode, asking for no gradient.

    The given encoder stays as it was, bit for bit. The same arguments give the same weights on a CPU.

    Args:
        encoder: the base.
        images: normalised as its `spec` says.
        captions: what the images show, and what they do not.
        settings: the defaults if None.
        rehearsal: what the base knows and shall keep.
        against: images that none of the concept's captions shall fit, normalised; they need captions of known concepts.
        on_step: called after each step.

    Returns:
        The adapted encoder; the digest in its `spec` says that it is adapted.

    Raises:
        InputError: no image, or captions that do not fit the images or the loss.
        SettingsError: a setting does not fit the encoder or the loss; a published loss without an encoder here.
        UnknownNameError: no such loss.
        NumericalError: the loss is NaN or infinite.
    """
    settings = (settings or FinetuneSettings()).on(images.device)
    losses.find(settings.loss)
    _check(images, captions)
    student = copy_encoder(encoder)
    generator = torch.Generator().manual_seed(settings.seed)
    with (
        torch.inference_mode(False),
        torch.enable_grad(),
        torch.random.fork_rng(devices=_cuda(images)),
    ):
        torch.manual_seed(settings.seed)
        task = _task(encoder, student, images, captions, settings, rehearsal, against)
        with training(student, settings.trains) as parameters:
            _run(task, parameters, generator, on_step)
    return mark_adapted(student)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Task:
    """All that a step needs; `own` (concepts, captions, width), `others` (others, width) and `held` are unit vectors.

    `matched` is the one caption of each image, None where an image matches all of its concept.
    """

    student: DualEncoder
    images: PrefixActivations
    known: PrefixActivations | None
    concepts: Tensor
    matched: Tensor | None
    captions: Captions
    own: Tensor
    others: Tensor
    held: Tensor | None
    rehearsal: Rehearsal | None
    strangers: PrefixActivations | None
    temperature: float
    settings: FinetuneSettings


def _task(
    base: DualEncoder,
    student: DualEncoder,
    images: Tensor,
    captions: Captions,
    settings: FinetuneSettings,
    rehearsal: Rehearsal | None,
    against: Tensor | None,
) -> _Task:
    own, others = _texts(student, captions, rehearsal)
    layer = None if _idle(settings, rehearsal, against) else frozen_layer(student, settings.trains)
    return _Task(
        student=student,
        images=look(student, images, layer, precision=settings.dtype),
        known=None if rehearsal is None else rehearsal.seen_to(student, layer, precision=settings.dtype),
        concepts=torch.tensor(captions.of_image or (0,) * len(images), device=images.device),
        matched=torch.tensor(captions.caption_of_image, device=images.device) if captions.caption_of_image else None,
        captions=captions,
        own=own,
        others=others,
        held=image_vectors(base, images) if settings.distill else None,
        rehearsal=rehearsal,
        strangers=None if against is None else look(student, against, layer, precision=settings.dtype),
        temperature=losses.temperature_of(settings.temperature, student.logit_scale),
        settings=settings,
    )


def _idle(settings: FinetuneSettings, rehearsal: Rehearsal | None, against: object) -> bool:
    """Whether no term depends on the weights, so that their gradient is 0 and no image need go through the encoder."""
    return settings.loss == "zero" and rehearsal is None and against is None and not settings.distill


def _run(task: _Task, named: Mapping[str, nn.Parameter], generator: torch.Generator, on_step: Callback | None) -> None:
    settings, parameters = task.settings, list(named.values())
    optimiser = _optimiser(parameters, settings)
    steps = _steps(len(task.images.hidden), settings)
    known = _endless(len(task.rehearsal.pixels), settings.rehearsal_batch, generator) if task.rehearsal else None
    strangers = (
        _endless(len(task.strangers.hidden), settings.against_batch, generator) if task.strangers is not None else None
    )
    started = time.monotonic()
    for step, rows in zip(range(1, steps + 1), _batches(len(task.images.hidden), settings, generator), strict=False):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(settings, step, steps)
        terms = _terms(task, rows, next(known) if known else None, next(strangers) if strangers else None)
        total = torch.stack([_weight(settings, name) * term for name, term in terms.items()]).sum()
        _require_finite(total, step, settings)
        optimiser.zero_grad(set_to_none=True)
        if total.requires_grad:
            torch.autograd.backward(total, inputs=parameters)
        else:  # weight decay moves weights without a gradient too, where the optimiser is given zeros
            for parameter in parameters:
                parameter.grad = torch.zeros_like(parameter)
        if settings.clip_norm is not None:
            nn.utils.clip_grad_norm_(parameters, settings.clip_norm)
        optimiser.step()
        if on_step is not None and on_step(
            FinetuneStep(
                step=step,
                steps=steps,
                loss=float(total.detach()),
                terms={name: float(term.detach()) for name, term in terms.items()},
                learning_rate=learning_rate(settings, step, steps),
                seconds=time.monotonic() - started,
                encoder=task.student,
                parameters=named,
            )
        ):
            break


def _terms(task: _Task, rows: Tensor, known: Tensor | None, strangers: Tensor | None) -> dict[str, Tensor]:
    """Each term of the loss; all images go through the encoder together."""
    if _idle(task.settings, task.rehearsal, task.strangers):
        return {"concept": torch.zeros((), device=task.images.hidden.device)}
    settings, hidden = task.settings, task.images.hidden[rows]
    if task.known is not None and known is not None:
        hidden = torch.cat([hidden, task.known.hidden[known]])
    seen = len(hidden)
    if task.strangers is not None and strangers is not None:
        hidden = torch.cat([hidden, task.strangers.hidden[strangers]])
    with arithmetic(hidden.device, settings.dtype):
        features = features_of(task.student, hidden, task.images.layer).float()
    unit = functional.normalize(features, dim=-1)
    own, others = _noisy_texts(task) if settings.text_dropout else (task.own, task.others)
    concepts = task.concepts[rows]
    mine = own[concepts] if task.matched is None else own[concepts, task.matched[rows]][:, None]
    vectors = losses.Vectors(images=unit[: len(rows)], own=mine, others=others, concepts=concepts)
    terms = {"concept": losses.find(settings.loss)(vectors, task.temperature)}
    if task.held is not None:
        apart = feature_loss if settings.distill_by == "cosine" else functional.mse_loss
        terms["distill"] = apart(unit[: len(rows)], task.held[rows])
    if task.rehearsal is not None and known is not None:
        held, found = task.rehearsal.features[known], unit[len(rows) : seen]
        terms["feature"] = feature_loss(found, held)
        terms["similarity"] = similarity_loss(
            found,
            held,
            torch.cat([task.rehearsal.texts, task.own.flatten(0, 1)]),
            divergence=settings.rehearsal_by,
            temperature=task.temperature,
        )
    if strangers is not None:
        texts = task.own.flatten(0, 1)
        terms["against"] = losses.against(unit[seen:], texts, task.others, temperature=task.temperature)
    return terms


def _weight(settings: FinetuneSettings, term: str) -> float:
    weights = {
        "distill": settings.distill,
        "feature": settings.rehearsal_feature,
        "similarity": settings.rehearsal_similarity,
        "against": settings.against,
    }
    return weights.get(term, 1.0)


def _texts(encoder: DualEncoder, captions: Captions, rehearsal: Rehearsal | None = None) -> tuple[Tensor, Tensor]:
    """(concepts, captions, width) own and (others, width) other captions, unit vectors; the text tower never trains, so
    those that the rehearsal holds are taken from there.
    """
    flat = tuple(text for own in captions.own for text in own)
    held = rehearsal.texts if rehearsal is not None and rehearsal.captions == captions.others else None
    vectors = text_vectors(encoder, (*flat, *captions.others) if held is None else flat)
    own = vectors[: len(flat)].reshape(len(captions.own), -1, vectors.shape[1])
    return own, vectors[len(flat) :] if held is None else held


def _noisy_texts(task: _Task) -> tuple[Tensor, Tensor]:
    dropout = text_dropout(task.student)
    if dropout is None:
        return task.own, task.others
    dropout.train()
    try:
        return _texts(task.student, task.captions)
    finally:
        dropout.eval()


def _optimiser(parameters: list[nn.Parameter], settings: FinetuneSettings) -> torch.optim.Optimizer:
    kind = torch.optim.Adam if settings.optimiser == "adam" else torch.optim.AdamW
    return kind(
        parameters,
        lr=settings.learning_rate,
        betas=settings.betas,
        eps=settings.eps,
        weight_decay=settings.weight_decay,
    )


def learning_rate(settings: FinetuneSettings, step: int, steps: int) -> float:
    """Of step 1 to `steps`: a linear rise over the warm-up, then constant or half a cosine down to zero."""
    warm = min(1.0, step / settings.warm_up) if settings.warm_up else 1.0
    if settings.schedule == "constant":
        return settings.learning_rate * warm
    return settings.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * (step - 1) / steps))


def _steps(images: int, settings: FinetuneSettings) -> int:
    an_epoch = images // settings.batch if settings.drop_last else math.ceil(images / settings.batch)
    if not an_epoch:
        raise SettingsError(
            f"drop_last leaves no batch: {images} images and a batch of {settings.batch}; give more images, or "
            "a smaller batch"
        )
    return settings.steps if settings.steps is not None else an_epoch * settings.epochs


def _batches(images: int, settings: FinetuneSettings, generator: torch.Generator) -> Iterator[Tensor]:
    """Rows of one batch after another, through epochs without end."""
    while True:
        order = torch.randperm(images, generator=generator) if settings.shuffle else torch.arange(images)
        for start in range(0, images, settings.batch):
            rows = order[start : start + settings.batch]
            if len(rows) == settings.batch or not settings.drop_last:
                yield rows


def _endless(images: int, batch: int, generator: torch.Generator) -> Iterator[Tensor]:
    settings = replace(FinetuneSettings(), batch=min(batch, images), drop_last=True)
    return _batches(images, settings, generator)


def _check(images: Tensor, captions: Captions) -> None:
    if not len(images):
        raise InputError("fine-tuning needs images, got none")
    for name in ("of_image", "caption_of_image"):
        found = len(getattr(captions, name))
        if found not in (0, len(images)):
            raise InputError(f"`{name}` has {found} entries for {len(images)} images; give one for each")


def _require_finite(total: Tensor, step: int, settings: FinetuneSettings) -> None:
    if not bool(torch.isfinite(total)):
        raise NumericalError(
            f"the loss is {float(total.detach())} at step {step} with the learning rate {settings.learning_rate}; "
            "use a smaller learning rate, or look at the images for NaN"
        )


def _cuda(images: Tensor) -> list[int]:
    return [images.device.index or 0] if images.device.type == "cuda" else []
