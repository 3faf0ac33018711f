"""Changed copies of labelled studies, by MONAI's transforms: as far as the modality allows, and no word of the concept forbids."""

import math
import re
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from medkt.concepts import Concept
from medkt.domains import Domain
from medkt.domains.augmentation import Augmentation, NoiseKind
from medkt.errors import SettingsError
from medkt.inversion.noise import stream

_SIDED = re.compile(r"\b(?:left|right(?! angles?\b))\b", re.IGNORECASE)
_FILLED = ("mirror", "rotation_deg", "zoom", "shift", "gamma", "noise", "noise_kind", "bias_field")
_COLUMNS = 1  # the second spatial axis of (1, rows, columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentSettings:
    """How studies of `--images` and `--pool` are changed before they are learned from. What is None is the modality's."""

    copies: int = 0
    """Changed copies of each, in place of the moved and mirrored ones of `views`; 0 for none, and those of `views`."""

    mirror: bool | None = None
    """Whether a copy may be mirrored left to right. None: where the part of the body is alike on both sides, and no word of
    the concept says a side."""

    rotation_deg: float | None = None
    """Largest rotation in the plane, to either side."""

    zoom: float | None = None
    """Largest change of size, as a part of it."""

    shift: float | None = None
    """Largest move, as a part of the side."""

    gamma: float | None = None
    """The exponent of the grey levels lies between 1 / (1 + gamma) and 1 + gamma."""

    noise: float | None = None
    """Largest standard deviation of noise, of grey levels from 0 to 1; one copy in two has some."""

    noise_kind: NoiseKind | None = None
    """"gaussian", added; or "rician", of the magnitude of a complex signal."""

    bias_field: float | None = None
    """Largest coefficient of a smooth field that the grey levels are multiplied by; one copy in two has one."""

    def __post_init__(self) -> None:
        checks = {
            "copies": self.copies >= 0,
            "rotation_deg": self.rotation_deg is None or 0 <= self.rotation_deg <= 180,
            "zoom": self.zoom is None or 0 <= self.zoom < 1,
            "shift": self.shift is None or 0 <= self.shift < 0.5,
            "gamma": self.gamma is None or (self.gamma >= 0 and math.isfinite(self.gamma)),
            "noise": self.noise is None or 0 <= self.noise <= 1,
            "bias_field": self.bias_field is None or 0 <= self.bias_field <= 1,
        }
        for name, good in checks.items():
            if not good:
                raise SettingsError(f"augmentation setting {name} cannot be {getattr(self, name)!r}")

    def of(self, domain: Domain, concept: Concept) -> "AugmentSettings":
        """The same with the modality's values where there were none; as they are where nothing is changed."""
        if not self.copies:
            return self
        allowed = domain.augmentation
        body = concept.body if concept.body in domain.words else domain.default_body
        values = {name: getattr(allowed, name) for name in _FILLED if name != "mirror"}
        values["mirror"] = allowed.mirrors(body) and not says_a_side(concept)
        return replace(self, **{name: value for name, value in values.items() if getattr(self, name) is None})


def says_a_side(concept: Concept) -> bool:
    """Whether a name or caption says left or right."""
    texts = (*concept.names, *(caption.text for caption in concept.captions))
    return any(_SIDED.search(text) for text in texts)


def augmented(
    images: Float[Tensor, "images 3 side side"], settings: AugmentSettings, *, seed: int
) -> Float[Tensor, "copies 3 side side"]:
    """The images, then `copies` changed copies of all of them, in [0, 1].

    Each copy has random numbers of its own, from the seed, its image's place and its number, so that it is the same
    whatever else is learned from. Copies are grey, as the modalities are.

    Args:
        images: in [0, 1].
        settings: with the modality's values filled in (`AugmentSettings.of`).
        seed: of the learning.

    Raises:
        SettingsError: a value is not filled in.
    """
    transform = _transform(settings, images.shape[-1])
    grey = images.mean(dim=1, keepdim=True)
    made = [images]
    for copy in range(settings.copies):
        rows = [_changed(transform, one, stream(seed, "", place, f"augment {copy}")) for place, one in enumerate(grey)]
        made.append(torch.stack(rows).to(images).expand(-1, 3, -1, -1))
    return torch.cat(made)


def _changed(transform: Any, image: Tensor, own: torch.Generator) -> Tensor:
    from monai.utils import convert_to_tensor

    transform.set_random_state(seed=own.initial_seed() % 2**32)
    changed: Tensor = convert_to_tensor(transform(image.cpu()), track_meta=False)
    return changed.clamp(0, 1)


def _transform(settings: AugmentSettings, side: int) -> Any:
    """MONAI's transforms, one after another, of (1, rows, columns).

    Raises:
        SettingsError: a value is not filled in.
    """
    from monai import transforms

    values = {name: getattr(settings, name) for name in _FILLED}
    if lacking := [name for name, value in values.items() if value is None]:
        raise SettingsError(
            f"augmentation: {', '.join(lacking)} must be filled in by the modality; use settings.of(domain, concept)"
        )
    mirror, change = values.pop("mirror"), Augmentation(**values)
    most, less, grow = change.shift * side, 1 - change.zoom, 1 + change.gamma
    turn = (math.radians(change.rotation_deg),)
    steps = [
        transforms.RandAffine(prob=1, rotate_range=turn, translate_range=(most, most), padding_mode="border"),
        transforms.RandZoom(prob=1, min_zoom=less, max_zoom=1 + change.zoom, mode="bilinear", padding_mode="edge"),
    ]
    if mirror:
        steps.append(transforms.RandFlip(prob=0.5, spatial_axis=_COLUMNS))
    if change.bias_field:
        steps.append(transforms.RandBiasField(prob=0.5, coeff_range=(-change.bias_field, change.bias_field)))
    if change.gamma:
        steps.append(transforms.RandAdjustContrast(prob=1, gamma=(1 / grow, grow)))
    if change.noise:
        kinds = {"gaussian": transforms.RandGaussianNoise, "rician": transforms.RandRicianNoise}
        steps.append(kinds[change.noise_kind](prob=0.5, std=change.noise))
    return transforms.Compose(steps)
