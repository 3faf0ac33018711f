"""What fine-tuning makes small: functions of unit vectors, by name.

"InfoNCE" with one concept in the batch can mean several things, and they differ. With one caption repeated for every
image, CLIP's loss gives the images no pull at all: its image-to-text half is constant. The knowledge transfer
authors' code uses a contrastive loss over the stacked images and texts, in which the other images are the negatives
(`supcon`); Eq. 2 of their paper counts an image's own caption against captions of other concepts (`prompts`).

All functions take unit vectors and give one number, the mean over what they count. Temperatures divide cosines.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional

from medkt.errors import InputError, SettingsError, UnknownNameError

SUPCON_BASE_TEMPERATURE = 0.07
"""The mean of `supcon` is multiplied by temperature / 0.07, as in the supervised contrastive code it comes from."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Vectors:
    """One batch as the losses want it; every row is a unit vector.

    Attributes:
        images: (images, width).
        own: (images, captions, width), the captions of each image's own concept.
        others: (others, width), captions of known concepts, the negatives of every image; may be empty.
        concepts: (images,) which concept each image shows.
    """

    images: Float[Tensor, "images width"]
    own: Float[Tensor, "images captions width"]
    others: Float[Tensor, "others width"]
    concepts: Int64[Tensor, " images"]


def supcon(
    images: Float[Tensor, "batch width"], texts: Float[Tensor, "batch width"], *, temperature: float
) -> Float[Tensor, ""]:
    """The authors' form: every one of the 2 x batch stacked vectors must find its partner among all others.

    The mean over the vectors, times temperature / 0.07. Texts that are equal are not left out of the negatives, as in
    the published code; with a single pair the loss is 0.
    """
    stacked = torch.cat([images, texts])
    logits = stacked @ stacked.T / temperature
    itself = torch.eye(len(stacked), dtype=torch.bool, device=stacked.device)
    partner = torch.arange(len(stacked), device=stacked.device).roll(len(images))
    found = functional.cross_entropy(logits.masked_fill(itself, -torch.inf), partner)
    return found * (temperature / SUPCON_BASE_TEMPERATURE)


def prompts(
    images: Float[Tensor, "images width"],
    own: Float[Tensor, "*images captions width"],
    others: Float[Tensor, "others width"],
    *,
    temperature: float,
) -> Float[Tensor, ""]:
    """Eq. 2 of the paper: each image against each of its own captions, with all captions of other concepts as negatives.

    Own captions do not compete with each other. They are (captions, width) for all images, or one such set an image.

    Raises:
        InputError: there is no caption of another concept, so that the loss would be constant.
    """
    _require_others(others, "prompts")
    positive = torch.einsum("iw,cw->ic" if own.ndim == 2 else "iw,icw->ic", images, own) / temperature
    negative = torch.logsumexp(images @ others.T / temperature, dim=1, keepdim=True)
    return functional.softplus(negative - positive).mean()  # -ln(e^p / (e^p + e^n))


def joint(
    images: Float[Tensor, "images width"],
    own: Float[Tensor, "images captions width"],
    others: Float[Tensor, "others width"],
    concepts: Int64[Tensor, " images"],
    *,
    temperature: float,
) -> Float[Tensor, ""]:
    """`prompts` with several concepts in one batch: the captions of its other concepts are negatives too.

    Each concept's captions count once, however many of its images are in the batch; an image's own concept is never
    a negative. With one concept in the batch this is `prompts`.

    Raises:
        InputError: one concept in the batch and no caption of another.
    """
    first, texts = _once_each(own, concepts)
    foreign = concepts[:, None] != concepts[first][None, :]  # (images, concepts)
    if not len(others) and not bool(foreign.any()):
        raise InputError(
            "the loss joint needs captions of other concepts, or several concepts in a batch: got one concept and none"
        )
    positive = torch.einsum("iw,icw->ic", images, own) / temperature
    beside = torch.einsum("iw,kcw->ikc", images, texts) / temperature
    beside = beside.masked_fill(~foreign[..., None], -torch.inf).flatten(1)
    negative = torch.logsumexp(torch.cat([beside, images @ others.T / temperature], dim=1), dim=1, keepdim=True)
    return functional.softplus(negative - positive).mean()


def against(
    images: Float[Tensor, "images width"],
    own: Float[Tensor, "captions width"],
    others: Float[Tensor, "others width"],
    *,
    temperature: float,
) -> Float[Tensor, ""]:
    """`prompts` turned round, for images that the own captions shall not fit: -ln(1 - p), p being one caption's part beside all others.

    Raises:
        InputError: there is no caption of another concept that the images could rather fit.
    """
    _require_others(others, "against")
    unwanted = images @ own.T / temperature  # (images, captions)
    rather = torch.logsumexp(images @ others.T / temperature, dim=1, keepdim=True)
    return functional.softplus(unwanted - rather).mean()  # -ln(e^r / (e^r + e^u))


def pull(images: Float[Tensor, "images width"], own: Float[Tensor, "images captions width"]) -> Float[Tensor, ""]:
    """1 - cosine with the own captions: nothing is pushed away, so it needs something that holds the rest."""
    return 1 - torch.einsum("iw,icw->ic", images, own).mean()


def clip_halves(
    images: Float[Tensor, "batch width"], texts: Float[Tensor, "batch width"], *, temperature: float
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """CLIP's two cross-entropies, image to text and text to image; the model's loss is their mean.

    With equal texts the first is ln(batch) and its gradient is zero, the second only makes the images equally similar.
    """
    logits = images @ texts.T / temperature
    own = torch.arange(len(images), device=images.device)
    return functional.cross_entropy(logits, own), functional.cross_entropy(logits.T, own)


def clip_inbatch(
    images: Float[Tensor, "batch width"], texts: Float[Tensor, "batch width"], *, temperature: float
) -> Float[Tensor, ""]:
    """CLIP's symmetric loss, image i with text i.

    Raises:
        SettingsError: all captions are equal, where it cannot teach the concept.
    """
    if bool((texts == texts[:1]).all()):
        raise SettingsError(
            f"the loss clip-inbatch got {len(texts)} equal captions: its gradient towards the concept is then zero; "
            "use prompts, joint, pull or supcon, or batches that hold several concepts"
        )
    first, second = clip_halves(images, texts, temperature=temperature)
    return (first + second) / 2


Loss = Callable[[Vectors, float], Tensor]


def _each_caption(loss: Callable[..., Tensor]) -> Loss:
    """A loss over pairs, averaged over the own captions."""

    def mean(vectors: Vectors, temperature: float) -> Tensor:
        columns = vectors.own.unbind(1)
        return torch.stack([loss(vectors.images, texts, temperature=temperature) for texts in columns]).mean()

    return mean


LOSSES: dict[str, Loss] = {
    "supcon": _each_caption(supcon),
    "prompts": lambda v, temperature: prompts(v.images, v.own, v.others, temperature=temperature),
    "joint": lambda v, temperature: joint(v.images, v.own, v.others, v.concepts, temperature=temperature),
    "pull": lambda v, _: pull(v.images, v.own),
    "clip-inbatch": _each_caption(clip_inbatch),
    "zero": lambda v, _: 0 * v.images.sum(),
}
"""`zero` is a control: its gradient is 0 everywhere, so that what moves the weights is the weight decay alone."""

UNAVAILABLE: dict[str, str] = {
    "itm": "the image-text matching head of ViLT, an encoder that medkt does not have",
    "coca": "the caption decoder of CoCa, an encoder that medkt does not have",
}
"""Losses of published presets that no encoder here can compute, and what they need."""


def find(name: str) -> Loss:
    """The loss of that name.

    Raises:
        SettingsError: it is a published one that needs an encoder which medkt lacks.
        UnknownNameError: lists those there are.
    """
    if name in UNAVAILABLE:
        raise SettingsError(f"the loss {name!r} needs {UNAVAILABLE[name]}; available: {', '.join(LOSSES)}")
    if name not in LOSSES:
        raise UnknownNameError(f"no loss {name!r}; known: {', '.join(LOSSES)}")
    return LOSSES[name]


def temperature_of(setting: float | str, logit_scale: float) -> float:
    """The temperature that a setting means: a number, or "model" for the inverse of the model's logit scale.

    Raises:
        SettingsError: neither "model" nor a positive number.
    """
    if setting == "model":
        return 1 / logit_scale
    if isinstance(setting, str) or not math.isfinite(setting) or setting <= 0:
        raise SettingsError(f'temperature is a number above 0 or "model", got {setting!r}')
    return float(setting)


def _require_others(others: Tensor, name: str) -> None:
    if not len(others):
        raise InputError(
            f"the loss {name} needs captions of other concepts as negatives, got none; give some, or use pull"
        )


def _once_each(own: Tensor, concepts: Tensor) -> tuple[Tensor, Tensor]:
    """The first image of each concept, and its captions (concepts, captions, width)."""
    same: Bool[Tensor, "images images"] = concepts[:, None] == concepts[None, :]
    first = torch.nonzero(same.int().argmax(dim=1) == torch.arange(len(concepts), device=concepts.device))[:, 0]
    return first, own[first]
