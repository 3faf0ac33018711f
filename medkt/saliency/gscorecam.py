"""gScoreCAM: of the channels that the score is most sensitive to, each weighted by what the image scores behind it.

Chen et al., "gScoreCAM: What Objects Is CLIP Looking At?" (ACCV 2022), after Wang et al., "Score-CAM" (CVPRW 2020); MedCLIP-SAM
(Koleilat et al., MICCAI 2024) made its maps so. Per concept:

1. the k channels with the largest mean gradient over the places are taken; published is the top tenth, 300 of 3072;
2. each, brought onto the image and stretched to [0, 1], is multiplied with the image, which the encoder scores anew;
3. softmax of these scores at the logit scale weighs the channels; the map is their weighted sum where it is positive.

What a channel hides becomes the value that normalised pixels have their zero at, a grey.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from medkt.errors import SettingsError
from medkt.models.encoder import DualEncoder
from medkt.saliency.channels import ChannelMaps, sensitive_channels, weighted
from medkt.saliency.likeness import Contrast, Likeness, Similarity, require_known
from medkt.saliency.method import MapWork

_SHARE = 10  # of the channels one in so many, as published
_PUBLISHED = 77  # a tenth of the channels of a ViT-B, for an estimate
_FLAT = 1e-6  # range of a channel below which it shows nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class GScoreCAMSettings(ChannelMaps):
    """How many channels, of which layer, and what they are scored by."""

    TITLE: ClassVar[str] = "gScoreCAM"

    name: Literal["gscorecam"] = "gscorecam"
    """Which method this is."""

    layer: int | None = None
    """Whose channels are taken (0 is the first); None is the last one whose places reach the feature."""

    channels: int | None = None
    """How many: each is one more look of the encoder at the image. None is a tenth of the layer's, as published; all are
    Score-CAM."""

    target: Similarity = "margin"
    """"cosine" with the concept's direction, as published; "margin": the cosine less that of the contrast texts, for a
    concept that has some."""

    contrast: Contrast = "mean"
    """How a margin joins several contrast texts: their "mean" cosine, or "logsumexp" at the encoder's logit scale."""

    at_once: int = 40
    """The most images that are scored in one pass: the bound on memory."""

    def __post_init__(self) -> None:
        if (self.layer is not None and self.layer < 0) or (self.channels is not None and self.channels < 1):
            raise SettingsError(
                f"{self.TITLE}: layer is 0 or more and channels at least 1, got {self.layer} and {self.channels}"
            )
        require_known(self.target, self.contrast, self.TITLE)
        if self.at_once < 1:
            raise SettingsError(f"{self.TITLE}: at_once is at least 1, got {self.at_once}")

    def work(self) -> MapWork:
        """One state to the feature and back, and a look at the image behind each channel."""
        return MapWork(layer=self.layer or 0, looks=self.channels or _PUBLISHED)

    def map_of(
        self,
        encoder: DualEncoder,
        image: Float[Tensor, "3 side side"],
        state: Float[Tensor, "tokens channels"],
        layer: int,
        likeness: Likeness,
    ) -> Float[Tensor, "concepts places"]:
        """The most sensitive channels, each weighted by what the image scores behind it."""
        grid = encoder.grid(layer)
        places, sensitive = sensitive_channels(encoder, state, layer, likeness)
        count = min(self.channels or -(-places.shape[1] // _SHARE), places.shape[1])
        chosen = sensitive.topk(count, dim=1).indices  # (concepts, count)
        looked, index = torch.unique(chosen, return_inverse=True)  # concepts share what their channels are scored with
        channels = places[:, looked].T.reshape(-1, grid.rows, grid.columns)
        scores = self._scores(encoder, image, channels, likeness).T.gather(1, index)  # (concepts, count)
        weights = torch.zeros_like(sensitive).scatter(1, chosen, torch.softmax(encoder.logit_scale * scores, dim=1))
        return weighted(places, weights)

    @torch.no_grad()
    def _scores(
        self,
        encoder: DualEncoder,
        image: Float[Tensor, "3 side side"],
        channels: Float[Tensor, "looked rows columns"],
        likeness: Likeness,
    ) -> Float[Tensor, "looked concepts"]:
        """What the image scores for each concept behind each channel."""
        found = []
        for some in torch.split(channels, self.at_once):
            masks = _on_image(some, image.shape[-1])
            found.append(likeness.of_each(encoder.encode_image(image * masks[:, None]).float()))
        return torch.cat(found)


def _on_image(channels: Float[Tensor, "looked rows columns"], side: int) -> Float[Tensor, "looked side side"]:
    """Each channel over the image, stretched to [0, 1]; a constant one hides everything."""
    large = functional.interpolate(channels[:, None], (side, side), mode="bilinear", align_corners=False)[:, 0]
    low, high = large.amin(dim=(1, 2), keepdim=True), large.amax(dim=(1, 2), keepdim=True)
    return (large - low) / (high - low).clamp_min(_FLAT)
