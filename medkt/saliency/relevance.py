"""How well each patch, by itself, fits a text: cosine of the patch's feature with the words, less a part of that with others.

A bottleneck says which places an image needs to go on matching a text. It also keeps what is merely salient to the
encoder (an edge, a bright organ), whatever the text. Some encoders give each patch a feature of its own in the joint
space (Zhou et al., "Extract Free Dense Labels from CLIP", ECCV 2022, read CLIP that way); for them the two are
multiplied: a place must matter to the match and look like the words.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor
from torch.nn import functional

from medkt.errors import NumericalError, SettingsError
from medkt.models.encoder import DualEncoder
from medkt.models.module import frozen
from medkt.saliency.targets import Target

RelevanceUse = Literal["patches", "none"]


@runtime_checkable
class PatchEncoder(Protocol):
    """A dual encoder that can also place each patch in the joint space."""

    def dense(self, pixels: Tensor) -> Tensor:
        """(images, 3, side, side) normalised pixels to (images, rows, columns, width) features, not normalised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelevanceSettings:
    """Whether and how the bottleneck's map is multiplied with the patches' fit."""

    use: RelevanceUse = "patches"
    """"patches": where the encoder has features of patches, and nothing where it has not; "none": never."""

    contrast: float = 0.5
    """How much of the contrast texts' mean cosine is taken off the words' own: 0 nothing, 1 all of it."""

    power: float = 1.0
    """The stretched map of the bottleneck is raised to this before it is multiplied: below 1 it weighs less, at 0 the patches'
    fit stands alone."""

    def __post_init__(self) -> None:
        if self.use not in get_args(RelevanceUse):
            raise SettingsError(f"unknown relevance {self.use!r}; known: {', '.join(get_args(RelevanceUse))}")
        if self.contrast < 0:
            raise SettingsError(f"relevance: contrast is 0 or more, got {self.contrast}")
        if self.power < 0:
            raise SettingsError(f"relevance: power is 0 or more, got {self.power}")


def patch_features(
    encoder: DualEncoder, pixels: Float[Tensor, "images 3 side side"], settings: RelevanceSettings
) -> Float[Tensor, "images rows columns width"] | None:
    """Unit feature of each patch; None where the settings or the encoder do without.

    Raises:
        NumericalError: a feature is NaN or infinite.
    """
    if settings.use == "none" or not isinstance(encoder, PatchEncoder):
        return None
    with torch.no_grad(), frozen(encoder.module):
        features = functional.normalize(encoder.dense(pixels).float(), dim=-1)
    if not torch.isfinite(features).all():
        raise NumericalError(f"the encoder {encoder.spec.name!r} gives NaN or infinity for a patch")
    return features


def relevance(
    features: Float[Tensor, "images rows columns width"], targets: Sequence[Target], settings: RelevanceSettings
) -> Float32[np.ndarray, "images concepts rows columns"]:
    """Cosine of each patch with the concept less a part of the mean cosine with its contrasts; 0 where negative."""
    maps = []
    for target in targets:
        fit = features @ target.wanted.to(features)
        if len(target.contrasts):
            fit = fit - settings.contrast * (features @ target.contrasts.to(features).T).mean(dim=-1)
        maps.append(fit.clamp_min(0))
    return torch.stack(maps, dim=1).cpu().numpy()


def combined(
    capacity: Float32[np.ndarray, "rows columns"],
    fit: Float32[np.ndarray, "patch_rows patch_columns"],
    settings: RelevanceSettings,
) -> Float32[np.ndarray, "rows columns"]:
    """Both stretched to [0, 1] and multiplied, on the bottleneck's grid; no unit. At power 0 the fit alone."""
    if fit.shape != capacity.shape:
        resized = functional.interpolate(
            torch.from_numpy(fit)[None, None], capacity.shape, mode="bilinear", align_corners=False, antialias=True
        )
        fit = resized[0, 0].numpy()
    product: np.ndarray = stretched(capacity) ** np.float32(settings.power) * stretched(fit)
    return product


def stretched(values: Float32[np.ndarray, "rows columns"]) -> Float32[np.ndarray, "rows columns"]:
    """(v - min) / (max - min); zeros where the map is constant, for nothing in it stands out."""
    low, high = float(values.min()), float(values.max())
    if high - low <= 1e-6 * max(1.0, abs(high)):
        return np.zeros_like(values)
    return (values - np.float32(low)) / np.float32(high - low)
