"""What every vision-language model must offer, and the record that describes one.

M2IB, inversion and transfer ask for no more than this. An encoder is split at a layer by `image_prefix` and
`image_suffix`, so that what lies before a bottleneck is computed once; `image_suffix(image_prefix(x, k), k)` equals
`encode_image(x)`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor, nn


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenGrid:
    """How a layer's tokens lie on the image: `leading` tokens without a place (CLS), then rows x columns in raster order."""

    rows: int
    columns: int
    leading: int = 0

    @property
    def tokens(self) -> int:
        return self.leading + self.rows * self.columns


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderSpec:
    """One model, described once.

    Attributes:
        name: the registry's name ("small", "biomedclip").
        family: whose record tells how it is loaded and what of it may train (`medkt.models.family.family_of`).
        input_size: side of the square input, in pixels.
        mean, std: of each input channel, for pixels in [0, 1].
        framing: how a plane is put into the square: "letterbox" (whole image, padded), "crop" (shortest side, centre
            crop), "squash" (both sides, aspect ratio lost) or "canvas" (letterbox that never enlarges).
        text_length: the most tokens a text may have, special tokens included.
        layers: how many blocks (ViT) or stages (Swin) an image bottleneck may stand after; valid indices are 0..layers-1.
        default_layer: where the published M2IB settings put it for this model.
        licence: of the weights.
        digest: SHA-256 of the weights in use, hex; "" for generated weights.
        domains: domains the model was trained on; empty for a general model.
        segmenter: that which goes with it where none is asked for.
        drawn: whether drawn pictures are what it was made for.
    """

    name: str
    family: str
    input_size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    framing: str
    text_length: int
    layers: int
    default_layer: int
    licence: str
    digest: str = ""
    domains: tuple[str, ...] = ()
    segmenter: str = "sam-vit-b"
    drawn: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tokens:
    """Texts as numbers.

    Attributes:
        ids: (texts, length) int64.
        mask: (texts, length) bool, True where a token stands and False where padding does.
        truncated: one bool a text: whether its end was cut off to fit the model.
    """

    ids: Tensor
    mask: Tensor
    truncated: tuple[bool, ...]


@runtime_checkable
class Encoder(Protocol):
    """Any vision-language model that can say how well a text fits an image."""

    @property
    def spec(self) -> EncoderSpec: ...

    def tokenize(self, texts: Sequence[str]) -> Tokens:
        """Texts to token ids, padded to the longest or to the model's own length, on the encoder's device."""

    def score(self, pixels: Tensor, tokens: Tokens) -> Tensor:
        """(images, texts) similarity; for a dual encoder the cosine in [-1, 1]. Pixels (images, 3, side, side) normalised."""


@runtime_checkable
class DualEncoder(Encoder, Protocol):
    """An encoder with one tower for images and one for texts that meet in one space."""

    @property
    def logit_scale(self) -> float:
        """The factor that turns a cosine into a logit."""

    @property
    def module(self) -> nn.Module:
        """The torch module that holds every parameter."""

    def encode_image(self, pixels: Tensor) -> Tensor:
        """(images, 3, side, side) normalised pixels to (images, width) projected features, not normalised."""

    def encode_text(self, tokens: Tokens) -> Tensor:
        """Tokens to (texts, width) projected features, not normalised."""

    def grid(self, layer: int) -> TokenGrid:
        """How the tokens after layer `layer` lie on the input square."""

    def image_prefix(self, pixels: Tensor, layer: int) -> Tensor:
        """Hidden state (images, tokens, channels) after layer `layer`."""

    def image_suffix(self, hidden: Tensor, layer: int) -> Tensor:
        """From that hidden state to (images, width) projected features."""
