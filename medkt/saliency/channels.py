"""Maps made of a layer's channels: which layer, which channels the score is sensitive to, and their sum; what weighs them is the method's own."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from medkt.domains.domain import SaliencyDefaults
from medkt.errors import SettingsError
from medkt.models.encoder import DualEncoder
from medkt.saliency.inside import normed_kept
from medkt.saliency.likeness import Contrast, Likeness, Similarity
from medkt.saliency.method import Maps, layer_in, mapping, on_grid, require_asked, states_after
from medkt.saliency.targets import Target

OwnT = TypeVar("OwnT", bound="ChannelMaps")


class ChannelMaps(ABC):
    """What Grad-CAM and gScoreCAM share of a `SaliencyMethod`; the settings are a subclass's fields."""

    __slots__ = ()
    TITLE: ClassVar[str]
    layer: int | None
    target: Similarity
    contrast: Contrast

    @abstractmethod
    def map_of(
        self,
        encoder: DualEncoder,
        image: Float[Tensor, "3 side side"],
        state: Float[Tensor, "tokens channels"],
        layer: int,
        likeness: Likeness,
    ) -> Float[Tensor, "concepts places"]:
        """The maps of one image from its state after the layer."""

    def settled(self: OwnT, encoder: DualEncoder, start: SaliencyDefaults) -> OwnT:
        """With the encoder's layer; where a domain starts M2IB says nothing here."""
        return replace(self, layer=self._layer(encoder))  # type: ignore[type-var]  # a subclass is a dataclass

    def maps(
        self,
        encoder: DualEncoder,
        pixels: Float[Tensor, "images 3 side side"],
        targets: Sequence[Target],
        *,
        seeds: Sequence[int] | None = None,
    ) -> Maps:
        """See `SaliencyMethod.maps`; nothing is drawn."""
        require_asked(pixels, targets, self.TITLE)
        layer = self._layer(encoder)
        likeness = Likeness.to(targets, self.target, self.contrast, encoder.logit_scale)
        with mapping(encoder):
            states = states_after(encoder, pixels, layer)
            found = [self.map_of(encoder, *one, layer, likeness) for one in zip(pixels, states, strict=True)]
        return on_grid(torch.stack(found), encoder.grid(layer), self.TITLE)

    def _layer(self, encoder: DualEncoder) -> int:
        return layer_in(encoder, self.layer, self.TITLE, own=last_of_places(encoder))


def last_of_places(encoder: DualEncoder) -> int:
    """The last layer whose places still reach the feature.

    Behind the last block a vision transformer reads its CLS token alone, and no place has a gradient there.
    """
    last = encoder.spec.layers - 1
    return max(0, last - 1) if encoder.grid(last).leading else last


def sensitive_channels(
    encoder: DualEncoder, state: Float[Tensor, "tokens channels"], layer: int, likeness: Likeness
) -> tuple[Float[Tensor, "places channels"], Float[Tensor, "concepts channels"]]:
    """The channels of one image's places at its state after a layer, and the mean gradient of each concept's score at them.

    One pass forward, one back a concept. Where what follows begins with a layer norm, the channels are those that leave it, as
    is usual for vision transformers: a layer norm does not see a state's length, so that before it a place's gradient is
    perpendicular to the place's own state, and a product of both says nothing.

    Raises:
        SettingsError: the places behind this layer do not reach the feature, only leading tokens do.
    """
    state = state[None].detach().requires_grad_(True)
    with normed_kept(state) as normed:
        (scores,) = likeness.of_each(encoder.image_suffix(state, layer).float())
    channels = normed[0] if normed else state
    found = torch.stack([torch.autograd.grad(score, channels, retain_graph=True)[0][0] for score in scores])
    leading = encoder.grid(layer).leading
    if found[:, :leading].any() and not found[:, leading:].any():
        raise SettingsError(
            f"the places behind layer {layer} of {encoder.spec.name!r} do not reach its feature, only the leading token does; "
            f"choose an earlier one with --set saliency.method.layer=N"
        )
    return channels[0, leading:].detach().float(), found[:, leading:].float().mean(dim=1)


def weighted(
    places: Float[Tensor, "places channels"], weights: Float[Tensor, "concepts channels"]
) -> Float[Tensor, "concepts places"]:
    """The channels' weighted sum in each place; 0 where negative."""
    return (weights @ places.T).clamp_min(0)
