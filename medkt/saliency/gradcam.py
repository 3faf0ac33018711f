"""Grad-CAM: the channels of a layer, each weighted by how much it raises the score, where their sum is positive.

Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization" (ICCV 2017). With A the
state of a layer, one vector of channels a place, and s the score,

    weight of a channel = mean over the places of ds/dA       map = max(0, sum over channels of weight * A)

For a network of convolutions the layer is the last one. Behind the last block of a vision transformer only the CLS token
reaches the feature, so there it is what goes into that block, as its first layer norm gives it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from medkt.domains.domain import SaliencyDefaults
from medkt.errors import SettingsError
from medkt.models.encoder import DualEncoder
from medkt.saliency.likeness import Contrast, Likeness, Similarity, require_known
from medkt.saliency.method import (
    Maps,
    MapWork,
    last_of_places,
    layer_in,
    mapping,
    on_grid,
    require_asked,
    sensitive_channels,
    states_after,
)
from medkt.saliency.targets import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class GradCAMSettings:
    """Where the channels are taken from, and what raises them."""

    name: Literal["gradcam"] = "gradcam"
    """Which method this is."""

    layer: int | None = None
    """Whose channels are weighted (0 is the first); None is the last one whose places reach the feature."""

    target: Similarity = "margin"
    """"cosine" with the concept's direction, as published; "margin": the cosine less that of the contrast texts, for a
    concept that has some."""

    contrast: Contrast = "mean"
    """How a margin joins several contrast texts: their "mean" cosine, or "logsumexp" at the encoder's logit scale."""

    def __post_init__(self) -> None:
        if self.layer is not None and self.layer < 0:
            raise SettingsError(f"Grad-CAM: layer is 0 or more, got {self.layer}")
        require_known(self.target, self.contrast, "Grad-CAM")

    def settled(self, encoder: DualEncoder, start: SaliencyDefaults) -> "GradCAMSettings":
        """With the encoder's layer; where a domain starts M2IB says nothing here."""
        return replace(self, layer=layer_in(encoder, self.layer, "Grad-CAM", own=last_of_places(encoder)))

    def maps(
        self,
        encoder: DualEncoder,
        pixels: Float[Tensor, "images 3 side side"],
        targets: Sequence[Target],
        *,
        seeds: Sequence[int] | None = None,
    ) -> Maps:
        """See `SaliencyMethod.maps`; nothing is drawn."""
        require_asked(pixels, targets, "Grad-CAM")
        layer = layer_in(encoder, self.layer, "Grad-CAM", own=last_of_places(encoder))
        likeness = Likeness.to(targets, self.target, self.contrast, encoder.logit_scale)
        with mapping(encoder):
            found = [
                weighted(*sensitive_channels(encoder, state, layer, likeness))
                for state in states_after(encoder, pixels, layer)
            ]
        return on_grid(torch.stack(found), encoder.grid(layer), "Grad-CAM")

    def work(self) -> MapWork:
        """One state to the feature and back."""
        return MapWork(layer=self.layer or 0)


def weighted(
    places: Float[Tensor, "places channels"], weights: Float[Tensor, "concepts channels"]
) -> Float[Tensor, "concepts places"]:
    """The channels' weighted sum in each place; 0 where negative."""
    return (weights @ places.T).clamp_min(0)
