"""What is shown to the encoder in one step: copies of each image, moved, resized, tinted and made noisy at random.

The order is that of Kazemi et al.'s published code: circular shift, affine map with border padding, bicubic resize to
the encoder's input, change of colour; then noise. Draws come from each image's own generator (`noise`).
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from medkt.inversion.noise import normal, uniform
from medkt.inversion.settings import InversionSettings


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Draws:
    """The random choices of one step, on the device of the images.

    Attributes:
        moved: whether a copy goes through the affine map at all.
        angle: radians. shift_xy: parts of the side, columns first. scale: above 1 shows the image larger.
        roll: circular shift in pixels, rows first.
        mean, std: a channel becomes (x - mean) / std.
    """

    moved: Bool[Tensor, "images views"]
    angle: Float[Tensor, "images views"]
    shift_xy: Float[Tensor, "images views 2"]
    scale: Float[Tensor, "images views"]
    roll: Int[Tensor, "images 2"]
    mean: Float[Tensor, "images views 3"]
    std: Float[Tensor, "images views 3"]

    def to(self, device: torch.device) -> "Draws":
        """The same on another device."""
        return Draws(**{name: getattr(self, name).to(device) for name in self.__slots__})

    def __getitem__(self, rows: slice) -> "Draws":
        return Draws(**{name: getattr(self, name)[rows] for name in self.__slots__})


def draw(generators: list[torch.Generator], settings: InversionSettings, jitter: int) -> Draws:
    """The choices of one step; each image's come from its own generator, always the same number of them."""
    s = settings
    u = uniform(generators, s.views, 5)
    both_ways = 2 * u - 1
    low, high = s.scale
    tint = 2 * uniform(generators, s.views, 2, 3) - 1
    roll = uniform(generators, 2)
    return Draws(
        moved=u[..., 0] < s.affine_p,
        angle=both_ways[..., 1] * math.radians(s.rotation),
        shift_xy=both_ways[..., 2:4] * s.translation,
        scale=low + (high - low) * u[..., 4],
        roll=(roll * (2 * jitter + 1)).floor().long() - jitter,
        mean=tint[:, :, 0] * s.colour_mean,
        std=torch.exp(tint[:, :, 1] * s.colour_std),
    )


def views_of(
    images: Float[Tensor, "images channels rows columns"],
    draws: Draws,
    settings: InversionSettings,
    input_side: int,
    noise: list[torch.Generator],
) -> Float[Tensor, "images_views 3 side side"]:
    """The copies of every image, one image after another, not yet normalised.

    Args:
        images: grey ones are repeated to three channels.
        draws: of this step.
        settings: which of the changes are made.
        input_side: of the encoder.
        noise: a generator an image, on the images' device; only drawn from where `settings.noise` is not 0.
    """
    x = rolled(images, draws.roll) if settings.jitter else images
    x = x.repeat_interleave(settings.views, dim=0)
    if settings.affine_p:
        warped = warp(x, draws.angle.flatten(), draws.shift_xy.flatten(0, 1), draws.scale.flatten())
        x = torch.where(draws.moved.flatten()[:, None, None, None], warped, x)
    x = resized(x, input_side).expand(-1, 3, -1, -1)
    if settings.colour_mean or settings.colour_std:
        x = (x - draws.mean.flatten(0, 1)[..., None, None]) / draws.std.flatten(0, 1)[..., None, None]
    if settings.noise:
        x = x + settings.noise * normal(noise, settings.views, 3, input_side, input_side).flatten(0, 1)
    return x


def warp(
    images: Float[Tensor, "images channels side side"],
    angle: Float[Tensor, "images"],
    shift_xy: Float[Tensor, "images 2"],
    scale: Float[Tensor, "images"],
) -> Float[Tensor, "images channels side side"]:
    """Scaled and rotated about the centre, then moved; bilinear, what lies outside is the border's value.

    Args:
        images: square.
        angle: radians, from the columns' axis towards the rows' (clockwise as shown).
        shift_xy: parts of the side, columns first.
        scale: above 1 shows the image larger.
    """
    # a place p of the result shows the place R(-angle) (p - shift) / scale of the image, in units of half a side
    cos, sin = torch.cos(angle) / scale, torch.sin(angle) / scale
    back = torch.stack([torch.stack([cos, sin], dim=-1), torch.stack([-sin, cos], dim=-1)], dim=-2)
    offset = -back @ (2 * shift_xy)[..., None]
    grid = functional.affine_grid(torch.cat([back, offset], dim=-1), list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def rolled(
    images: Float[Tensor, "images channels rows columns"], roll: Int[Tensor, "images 2"]
) -> Float[Tensor, "images channels rows columns"]:
    """Each image shifted by its own (rows, columns); what leaves on one side comes in on the other."""
    rows, columns = images.shape[-2:]
    from_row = (torch.arange(rows, device=roll.device) - roll[:, :1]) % rows
    from_column = (torch.arange(columns, device=roll.device) - roll[:, 1:]) % columns
    x = images.gather(2, from_row[:, None, :, None].expand_as(images))
    return x.gather(3, from_column[:, None, None, :].expand_as(images))


def resized(
    images: Float[Tensor, "images channels rows columns"], side: int
) -> Float[Tensor, "images channels side side"]:
    """To a square of this side, bicubic; an image that has it already is returned as it is."""
    if images.shape[-2:] == (side, side):
        return images
    return functional.interpolate(images, size=(side, side), mode="bicubic", align_corners=False)
