"""A saliency method of one's own: how bright each patch is, whatever is asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from medkt.domains.domain import SaliencyDefaults
from medkt.models.encoder import DualEncoder
from medkt.saliency.likeness import Similarity
from medkt.saliency.method import Maps, MapWork, require_asked
from medkt.saliency.targets import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class BrightnessSettings:
    """Its settings: none but the name."""

    name: Literal["brightness"] = "brightness"
    """Which method this is."""

    target: Similarity = "cosine"
    """Of no use: the map is the same for all words."""

    def settled(self, encoder: DualEncoder, start: SaliencyDefaults) -> "BrightnessSettings":
        """As it is."""
        return self

    def maps(
        self,
        encoder: DualEncoder,
        pixels: Float[Tensor, "images 3 side side"],
        targets: Sequence[Target],
        *,
        seeds: Sequence[int] | None = None,
    ) -> Maps:
        """One map for each image and concept, from 0 on."""
        require_asked(pixels, targets, self.name)
        grid = encoder.grid(encoder.spec.layers - 1)
        grey = functional.adaptive_avg_pool2d(pixels.mean(dim=1), (grid.rows, grid.columns))
        bright = (grey - grey.amin(dim=(1, 2), keepdim=True)).numpy().astype(np.float32)
        return np.repeat(bright[:, None], len(targets), axis=1)

    def work(self) -> MapWork:
        """Next to nothing."""
        return MapWork(layer=0, rows=0)
