"""What all encoders with two towers have in common; a family adds its towers and how to cut the image tower."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

from medkt.errors import InputError, SettingsError
from medkt.models.encoder import EncoderSpec, TokenGrid, Tokens
from medkt.models.records import ModelRecord


class TwoTowers(ABC):
    """A `DualEncoder` over one torch module.

    Attributes:
        spec: what the model is.
        module: every parameter; in evaluation mode when loaded.
    """

    def __init__(self, module: nn.Module, spec: EncoderSpec, grid_sides: tuple[int, ...]) -> None:
        self._module = module
        self._spec = spec
        self._grid_sides = grid_sides

    @property
    def spec(self) -> EncoderSpec:
        return self._spec

    @property
    def module(self) -> nn.Module:
        return self._module

    @property
    def logit_scale(self) -> float:
        """The factor that turns a cosine into a logit."""
        return float(self._module.get_parameter("logit_scale").detach().exp())

    @property
    def device(self) -> torch.device:
        """Where texts and images go; the processor, for a model without numbers (see `medkt.models.headers`)."""
        device = next(self._module.parameters()).device
        return torch.device("cpu") if device.type == "meta" else device

    def score(self, pixels: Tensor, tokens: Tokens) -> Tensor:
        """(images, texts) cosine in [-1, 1]."""
        images = functional.normalize(self.encode_image(pixels), dim=-1)
        return images @ functional.normalize(self.encode_text(tokens), dim=-1).T

    def image_prefix(self, pixels: Tensor, layer: int) -> Tensor:
        """Hidden state (images, tokens, channels) after layer `layer`, in 0..spec.layers-1."""
        self._check_layer(layer)
        self._check_pixels(pixels)
        return self._prefix(pixels, layer)

    def image_suffix(self, hidden: Tensor, layer: int) -> Tensor:
        """From that hidden state to (images, width) projected features."""
        self._check_layer(layer)
        return self._suffix(hidden, layer)

    def grid(self, layer: int) -> TokenGrid:
        """How the tokens after layer `layer` lie on the input square."""
        self._check_layer(layer)
        side = self._grid_sides[layer if len(self._grid_sides) > 1 else 0]
        return TokenGrid(rows=side, columns=side, leading=self._leading)

    @property
    def _leading(self) -> int:
        return 0

    @abstractmethod
    def encode_image(self, pixels: Tensor) -> Tensor:
        """(images, 3, side, side) normalised pixels to (images, width) projected features, not normalised."""

    @abstractmethod
    def encode_text(self, tokens: Tokens) -> Tensor:
        """Tokens to (texts, width) projected features, not normalised."""

    @abstractmethod
    def _prefix(self, pixels: Tensor, layer: int) -> Tensor: ...

    @abstractmethod
    def _suffix(self, hidden: Tensor, layer: int) -> Tensor: ...

    def _check_layer(self, layer: int) -> None:
        if not 0 <= layer < self._spec.layers:
            raise SettingsError(f"{self._spec.name} has the layers 0 to {self._spec.layers - 1}, got {layer}")

    def _check_pixels(self, pixels: Tensor) -> None:
        side = self._spec.input_size
        if pixels.ndim != 4 or pixels.shape[1:] != (3, side, side):
            raise InputError(f"{self._spec.name} takes pixels (images, 3, {side}, {side}), got {tuple(pixels.shape)}")


def spec_of(record: ModelRecord, digest: str) -> EncoderSpec:
    """The encoder's description of itself, from what the registry knows and the digest of the weights in use."""
    return EncoderSpec(
        name=record.name,
        family=record.family,
        input_size=record.input_size,
        mean=record.mean,
        std=record.std,
        framing=record.framing,
        text_length=record.text_length,
        layers=record.layers,
        default_layer=record.default_layer,
        licence=record.licence.title,
        digest=digest,
        domains=record.domains,
        segmenter=record.segmenter,
        drawn=record.drawn,
    )
