"""The plain similarity of each patch with the words: no gradient, no bottleneck.

Each token behind the last layer is put through the encoder's head by itself, and its cosine with the text says whether the
text fits there; where an encoder has features of patches that it was trained with (`PatchEncoder`), these are taken. Zhou et
al., "Extract Free Dense Labels from CLIP" (ECCV 2022), read CLIP in such a way; Li et al., "CLIP Surgery" (2023), found that a
CLIP whose patches were never told what they show often prefers the background, and so may this.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from medkt.domains.domain import SaliencyDefaults
from medkt.errors import NumericalError, SettingsError
from medkt.models.encoder import DualEncoder
from medkt.saliency.likeness import Similarity
from medkt.saliency.method import Maps, MapWork, mapping, require_asked, states_after
from medkt.saliency.relevance import PatchEncoder, RelevanceSettings, relevance
from medkt.saliency.targets import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchTextSettings:
    """What a patch is held against."""

    name: Literal["patches"] = "patches"
    """Which method this is."""

    target: Similarity = "margin"
    """"cosine" with the concept's direction; "margin": less a share of the contrast texts' mean cosine."""

    share: float = 0.5
    """Of a margin, how much of the contrast texts' mean cosine is taken off: 0 nothing, 1 all of it."""

    def __post_init__(self) -> None:
        if self.target not in get_args(Similarity) or self.share < 0:
            raise SettingsError(f"patches: unknown target {self.target!r}, or a share below 0: {self.share}")

    def settled(self, encoder: DualEncoder, start: SaliencyDefaults) -> "PatchTextSettings":
        """As it is: nothing is left open."""
        return self

    def maps(
        self,
        encoder: DualEncoder,
        pixels: Float[Tensor, "images 3 side side"],
        targets: Sequence[Target],
        *,
        seeds: Sequence[int] | None = None,
    ) -> Maps:
        """See `SaliencyMethod.maps`; nothing is drawn."""
        require_asked(pixels, targets, "the patches' similarity")
        share = self.share if self.target == "margin" else 0.0
        with mapping(encoder), torch.no_grad():
            features = features_of_patches(encoder, pixels)
            return relevance(features, targets, RelevanceSettings(contrast=share))

    def work(self) -> MapWork:
        """The patches of one image, whatever is asked."""
        return MapWork(layer=0, rows=0, patches=True)


def features_of_patches(
    encoder: DualEncoder, pixels: Float[Tensor, "images 3 side side"]
) -> Float[Tensor, "images rows columns width"]:
    """Unit feature of each patch: the encoder's own, or each last token through the head by itself.

    Raises:
        NumericalError: a feature is NaN or infinite.
    """
    if isinstance(encoder, PatchEncoder):
        features = encoder.dense(pixels).float()
    else:
        last = encoder.spec.layers - 1
        grid = encoder.grid(last)
        tokens = states_after(encoder, pixels, last)[:, grid.leading :]
        alone = tokens.flatten(0, 1)[:, None]  # each as an image of one token
        features = encoder.image_suffix(alone, last).float().reshape(len(pixels), grid.rows, grid.columns, -1)
    if not torch.isfinite(features).all():
        raise NumericalError(f"the encoder {encoder.spec.name!r} gives NaN or infinity for a patch")
    return functional.normalize(features, dim=-1)
