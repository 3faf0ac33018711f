"""What every saliency method is: a frozen record of settings that makes maps of (encoder, pixels, concepts) on a token grid.

One file a method, its paper cited and its settings beside it; `methods` has them all by name. A method computes with the
encoder as it is and leaves it so, bit for bit, also after a failure.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from medkt.domains.domain import SaliencyDefaults
from medkt.errors import InputError, NumericalError, SettingsError
from medkt.models.encoder import DualEncoder, TokenGrid
from medkt.models.module import frozen
from medkt.saliency.likeness import Similarity
from medkt.saliency.targets import Target

Maps = Float32[np.ndarray, "images concepts rows columns"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MapWork:
    """What one map of one concept takes, for estimates.

    Attributes:
        layer: after which the image tower is cut.
        rows, steps: states that go from there to the feature with the gradient back, and how often.
        at_once: the most of them in one pass, of all maps of a slice.
        looks: whole images to a feature, without a gradient.
        patches: whether the features of patches are made.
        relevance: whether they may be made besides, to be multiplied with the map.
    """

    layer: int
    rows: int = 1
    steps: int = 1
    at_once: int = 1
    looks: int = 0
    patches: bool = False
    relevance: bool = False


@runtime_checkable
class SaliencyMethod(Protocol):
    """A way to make maps, with its settings.

    Attributes:
        name: in `medkt.saliency.methods.METHODS`, in settings and in records.
        target: what a map is of: the "cosine" with the words, or a "margin" over what the concept is told apart from.
    """

    @property
    def name(self) -> str: ...

    @property
    def target(self) -> Similarity: ...

    def settled(self, encoder: DualEncoder, start: SaliencyDefaults) -> "SaliencyMethod":
        """The same with what it leaves open filled in, from the encoder and from where the domain starts M2IB.

        Raises:
            SettingsError: the encoder has no such layer, or cannot give what the method needs.
        """

    def maps(
        self,
        encoder: DualEncoder,
        pixels: Float[Tensor, "images 3 side side"],
        targets: Sequence[Target],
        *,
        seeds: Sequence[int] | None = None,
    ) -> Maps:
        """One map for each image and concept: 0 or more, not normalised, on the encoder's token grid.

        Args:
            encoder: comes back as it was.
            pixels: normalised as the encoder's `spec` says.
            targets: from `embed_targets`.
            seeds: one number an image, for a method that draws noise.

        Raises:
            InputError: no image or no concept.
            SettingsError: the encoder cannot give what the method needs.
            NumericalError: a state or a map is NaN or infinite.
        """

    def work(self) -> MapWork:
        """What a map takes; of settings that are `settled`."""


@contextmanager
def mapping(encoder: DualEncoder) -> Iterator[None]:
    """Gradients reach states and pixels and no weight; the encoder is as before on leaving."""
    with torch.inference_mode(False), torch.enable_grad(), frozen(encoder.module):
        yield


def require_asked(pixels: Tensor, targets: Sequence[Target], method: str) -> None:
    """Pass silently where there is an image and a concept.

    Raises:
        InputError: one of them is lacking.
    """
    if not len(pixels) or not targets:
        raise InputError(f"{method} needs an image and a concept, got {len(pixels)} images and {len(targets)} concepts")


def layer_in(encoder: DualEncoder, layer: int | None, method: str, *, own: int | None = None) -> int:
    """The layer behind which the image tower is cut; None is `own`, or else the encoder's default.

    Raises:
        SettingsError: the encoder has no such layer.
    """
    if layer is None:
        layer = encoder.spec.default_layer if own is None else own
    if layer >= encoder.spec.layers:
        raise SettingsError(
            f"{method} layer {layer} does not exist: {encoder.spec.name!r} has layers 0 to {encoder.spec.layers - 1}; "
            f"choose one with --set saliency.method.layer=N"
        )
    return layer


def states_after(
    encoder: DualEncoder, pixels: Float[Tensor, "images 3 side side"], layer: int
) -> Float[Tensor, "images tokens channels"]:
    """Hidden states in float32, one image at a time so that no image depends on its neighbours.

    Raises:
        NumericalError: a state is NaN or infinite.
    """
    with torch.no_grad():
        hidden = torch.cat([encoder.image_prefix(image[None], layer) for image in pixels]).float()
    if not torch.isfinite(hidden).all():
        raise NumericalError(f"the encoder {encoder.spec.name!r} gives NaN or infinity after layer {layer}")
    return hidden


def on_grid(
    values: Float[Tensor, "images concepts places"], grid: TokenGrid, method: str
) -> Float32[np.ndarray, "images concepts rows columns"]:
    """Numbers of places, in raster order, as maps.

    Raises:
        NumericalError: one is NaN or infinite.
    """
    maps: np.ndarray = values.detach().float().reshape(*values.shape[:2], grid.rows, grid.columns).cpu().numpy()
    if not np.isfinite(maps).all():
        raise NumericalError(f"{method} gave a map with NaN or infinity; run the encoder in float32")
    return maps
