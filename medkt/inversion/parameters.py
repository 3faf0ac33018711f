"""What an inversion changes: the pixels themselves, or images at many sides whose sum is squashed to pixels.

Several resolutions at once are from Fort and Whitaker, "Direct Ascent Synthesis: Revealing Hidden Generative
Capabilities in Discriminative Models" (2025): coarse structure can then be reached in few steps, and high frequencies
have no advantage over it.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from medkt.inversion.noise import normal, uniform
from medkt.inversion.settings import InversionSettings, Squash

_EDGE = 0.02  # a start image is kept this far from 0 and 1, where the inverse of the squashing is infinite


def pyramid_sides(settings: InversionSettings, input_side: int) -> tuple[int, ...]:
    """The sides that are summed.

    >>> pyramid_sides(InversionSettings(), 224)
    (1, 2, 4, 8, 16, 32, 64, 128, 224)
    """
    if settings.pyramid:
        return settings.pyramid
    return (*(2**k for k in range(input_side.bit_length()) if 2**k < input_side), input_side)


def first_noise(
    generators: list[torch.Generator], settings: InversionSettings, side: int
) -> Float[Tensor, "images channels side side"]:
    """The start of one image each, drawn on the CPU whatever the device."""
    shape = (settings.channels, side, side)
    if settings.init == "uniform":
        return uniform(generators, *shape)
    return settings.init_std * normal(generators, *shape)


def compose(
    parts: list[Tensor], base: Tensor | None, squash: Squash, side: int
) -> Float[Tensor, "images channels side side"]:
    """The image that a pyramid stands for: parts brought to one side (bilinear), summed, squashed to [0, 1].

    Args:
        parts: (images, channels, s, s) each with its own s.
        base: (images, channels, side, side) added before squashing, from `unsquashed`; or None.
        squash: "tanh" is (1 + tanh x) / 2.
        side: of the result.
    """
    middle = 0.5 if squash == "none" else 0.0
    total = torch.full((), middle, device=parts[0].device) if base is None else base
    for part in parts:
        if part.shape[-1] != side:
            part = functional.interpolate(part, size=(side, side), mode="bilinear", align_corners=False)
        total = total + part
    if squash == "sigmoid":
        return torch.sigmoid(total)
    return (1 + torch.tanh(total)) / 2 if squash == "tanh" else total


def unsquashed(image: Tensor, squash: Squash) -> Tensor:
    """The sum that squashes to this image; values within 0.02 of 0 and 1 are moved there first."""
    if squash == "none":
        return image
    inside = image.clamp(_EDGE, 1 - _EDGE)
    return torch.logit(inside) * (1.0 if squash == "sigmoid" else 0.5)
