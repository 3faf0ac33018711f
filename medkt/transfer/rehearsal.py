"""What the base model knows, held fast while it learns: images inverted from known concepts, and what it sees in them.

No real image is needed: the images are made from the base model's own words. Held are the direction of each image's
feature and its similarities to all captions, those of the new concept included, so that a known image is not drawn to
the new name either.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from medkt.errors import InputError
from medkt.models.encoder import DualEncoder
from medkt.models.precision import Precision, arithmetic

Divergence = Literal["kl", "mse"]

_AT_ONCE = 32


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PrefixActivations:
    """Images as far as the layers go that nothing changes any more.

    Attributes:
        hidden: (images, tokens, channels) after that layer, or the pixels themselves.
        layer: which one it is; None for the pixels.
    """

    hidden: Tensor
    layer: int | None


def look(
    encoder: DualEncoder,
    pixels: Float[Tensor, "images 3 side side"],
    layer: int | None,
    *,
    precision: Precision = "float32",
) -> PrefixActivations:
    """Images after a layer in float32, computed once with arithmetic of this precision; pixels as they are if None."""
    if layer is None:
        return PrefixActivations(hidden=pixels, layer=None)
    starts = range(0, len(pixels), _AT_ONCE)
    with torch.no_grad(), arithmetic(pixels.device, precision):
        parts = [encoder.image_prefix(pixels[start : start + _AT_ONCE], layer).float() for start in starts]
    return PrefixActivations(hidden=torch.cat(parts), layer=layer)


def features_of(encoder: DualEncoder, hidden: Tensor, layer: int | None) -> Float[Tensor, "images width"]:
    """The way on from `PrefixActivations.hidden` to features in float32, not normalised."""
    return (encoder.encode_image(hidden) if layer is None else encoder.image_suffix(hidden, layer)).float()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rehearsal:
    """Images of known concepts and the base model's answers to them.

    Attributes:
        pixels: (images, 3, side, side) normalised.
        features: (images, width), unit vectors of the base model.
        texts: (captions, width), unit vectors of the known captions.
        seen: the images as far as the layers go that will not train, so that they need not be run again.
        captions: what `texts` are of; () where they were not kept.
    """

    pixels: Float[Tensor, "images 3 side side"]
    features: Float[Tensor, "images width"]
    texts: Float[Tensor, "captions width"]
    seen: PrefixActivations
    captions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not len(self.pixels) or not len(self.texts):
            raise InputError(
                f"rehearsal needs images and captions of known concepts, got {len(self.pixels)} and {len(self.texts)}"
            )

    @classmethod
    def of(
        cls,
        base: DualEncoder,
        pixels: Float[Tensor, "images 3 side side"],
        captions: tuple[str, ...],
        *,
        layer: int | None = None,
        precision: Precision = "float32",
    ) -> "Rehearsal":
        """The base model's answers to these images.

        Args:
            base: the encoder before it learns.
            pixels: normalised, inverted from known concepts.
            captions: of the known concepts: their prompts, and whatever else shall keep its place.
            layer: up to which nothing will train (`trainable.frozen_layer`); None where that is not known.
            precision: of the image tower's arithmetic, that of the fine-tuning.

        Raises:
            InputError: no image or no caption.
        """
        if not len(pixels) or not captions:
            raise InputError(
                f"rehearsal needs images and captions of known concepts, got {len(pixels)} and {len(captions)}"
            )
        seen = look(base, pixels, layer, precision=precision)
        return cls(
            pixels=pixels, features=vectors_of(base, seen, precision=precision), texts=text_vectors(base, captions),
            seen=seen, captions=captions,
        )  # fmt: skip

    def seen_to(self, encoder: DualEncoder, layer: int | None, *, precision: Precision) -> PrefixActivations:
        """The images after this layer, which the encoder shares with the base."""
        return self.seen if self.seen.layer == layer else look(encoder, self.pixels, layer, precision=precision)


def image_vectors(encoder: DualEncoder, pixels: Float[Tensor, "images 3 side side"]) -> Float[Tensor, "images width"]:
    """Unit features in float32 without a gradient, a few images at a time."""
    return vectors_of(encoder, PrefixActivations(hidden=pixels, layer=None))


def vectors_of(
    encoder: DualEncoder, seen: PrefixActivations, *, precision: Precision = "float32"
) -> Float[Tensor, "images width"]:
    """As `image_vectors`, from where the images have been looked at."""
    starts = range(0, len(seen.hidden), _AT_ONCE)
    with torch.no_grad(), arithmetic(seen.hidden.device, precision):
        parts = [features_of(encoder, seen.hidden[start : start + _AT_ONCE], seen.layer) for start in starts]
    features = torch.cat(parts)
    return functional.normalize(features, dim=-1)


def text_vectors(encoder: DualEncoder, texts: tuple[str, ...]) -> Float[Tensor, "texts width"]:
    """Unit vectors in float32 without a gradient, one row a text; each text by itself, so that none depends on others."""
    with torch.no_grad():
        rows = [encoder.encode_text(encoder.tokenize([text])).float() for text in texts]
    return functional.normalize(torch.cat(rows), dim=-1)


def feature_loss(found: Float[Tensor, "images width"], held: Float[Tensor, "images width"]) -> Float[Tensor, ""]:
    """1 - cosine between what is seen and what the base model saw; unit vectors."""
    return 1 - (found * held).sum(-1).mean()


def similarity_loss(
    found: Float[Tensor, "images width"],
    held: Float[Tensor, "images width"],
    texts: Float[Tensor, "captions width"],
    *,
    divergence: Divergence,
    temperature: float,
) -> Float[Tensor, ""]:
    """How far the similarities to all captions have moved from the base model's.

    "kl": KL(base || found) of the softmax over captions, in nats an image; "mse": mean square of the cosines' change.
    """
    before, after = held @ texts.T, found @ texts.T
    if divergence == "mse":
        return functional.mse_loss(after, before)
    target = functional.log_softmax(before / temperature, dim=-1)
    return functional.kl_div(
        functional.log_softmax(after / temperature, dim=-1), target, log_target=True, reduction="batchmean"
    )
