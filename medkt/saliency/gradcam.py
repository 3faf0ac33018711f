"""Grad-CAM: the channels of a layer, each weighted by how much it raises the score, where their sum is positive.

Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization" (ICCV 2017). With A the
state of a layer, one vector of channels a place, and s the score,

    weight of a channel = mean over the places of ds/dA       map = max(0, sum over channels of weight * A)

For a network of convolutions the layer is the last one. Behind the last block of a vision transformer only the CLS token
reaches the feature, so there it is what goes into that block, as its first layer norm gives it.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from jaxtyping import Float
from torch import Tensor

from medkt.errors import SettingsError
from medkt.models.encoder import DualEncoder
from medkt.saliency.channels import ChannelMaps, sensitive_channels, weighted
from medkt.saliency.likeness import Contrast, Likeness, Similarity, require_known
from medkt.saliency.method import MapWork


@dataclass(frozen=True, slots=True, kw_only=True)
class GradCAMSettings(ChannelMaps):
    """Where the channels are taken from, and what raises them."""

    TITLE: ClassVar[str] = "Grad-CAM"

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
            raise SettingsError(f"{self.TITLE}: layer is 0 or more, got {self.layer}")
        require_known(self.target, self.contrast, self.TITLE)

    def map_of(
        self,
        encoder: DualEncoder,
        image: Float[Tensor, "3 side side"],
        state: Float[Tensor, "tokens channels"],
        layer: int,
        likeness: Likeness,
    ) -> Float[Tensor, "concepts places"]:
        """The channels, each weighted by its gradient."""
        return weighted(*sensitive_channels(encoder, state, layer, likeness))

    def work(self) -> MapWork:
        """One state to the feature and back."""
        return MapWork(layer=self.layer or 0)
