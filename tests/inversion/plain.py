"""The published inversions written plainly, one image after another, as an oracle.

Nothing of medkt's loop, optimiser, schedule, warp or total variation is used: torch's own Adam, scheduler and gradient
clipping run as in the published codes, and the affine map is sampled pixel by pixel. A step takes the gradient of the
image as it is, beyond [0, 1] too, clips its norm, clips the image, and lets the optimiser go on from there. Only the
random numbers are medkt's, so that both see the same noise.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from medkt.inversion.noise import stream


def affine_by_pixel(image: Tensor, angle: float, move_xy: tuple[float, float], scale: float) -> Tensor:
    """(channels, side, side) turned, scaled about its middle and moved; bilinear, the border goes on outside."""
    side = image.shape[-1]
    middle = (side - 1) / 2
    y, x = torch.meshgrid(torch.arange(side) - middle, torch.arange(side) - middle, indexing="ij")
    x, y = x - move_xy[0] * side, y - move_xy[1] * side
    from_x = ((math.cos(angle) * x + math.sin(angle) * y) / scale + middle).clamp(0, side - 1)
    from_y = ((-math.sin(angle) * x + math.cos(angle) * y) / scale + middle).clamp(0, side - 1)
    left, top = from_x.long().clamp(max=side - 2), from_y.long().clamp(max=side - 2)
    a, b = from_x - left, from_y - top
    return (
        (1 - a) * (1 - b) * image[:, top, left]
        + a * (1 - b) * image[:, top, left + 1]
        + (1 - a) * b * image[:, top + 1, left]
        + a * b * image[:, top + 1, left + 1]
    )


def variation(images: Tensor) -> Tensor:
    """The published total variation of a batch: for four neighbours the norm of each map, averaged, and summed."""
    total = torch.zeros(())
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        rows, columns = images.shape[-2] - down, images.shape[-1] - abs(right)
        left = max(0, -right)
        here = images[:, :, :rows, left : left + columns]
        there = images[:, :, down : down + rows, left + right : left + right + columns]
        norms = [
            (there[i, c] - here[i, c]).pow(2).sum().sqrt() for i in range(len(images)) for c in range(images.shape[1])
        ]
        total = total + sum(norms) / len(norms)
    return total


def published(
    encode: Callable[[Tensor], Tensor],
    wanted: Tensor,
    *,
    text: str,
    images: int,
    views: int,
    steps: int,
    told: tuple[int, ...],
    counted_from: int,
    side: int,
    input_side: int,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    unit_norm: bool,
    scale: tuple[float, float],
    periodic: bool,
    optimiser: str = "adam",
    seed: int = 0,
) -> Tensor:
    """The optimised images, (images, 3, side, side), before they are clipped or stretched.

    One script counts its steps from 0 and the other from 1; both double before the steps that they are `told`.
    """
    starts = [stream(seed, text, index, "start") for index in range(images)]
    draws = [stream(seed, text, index, "views") for index in range(images)]
    x = torch.stack([torch.rand(3, side, side, generator=g) for g in starts]).requires_grad_()
    half_period = max(1, (steps - max(told, default=0)) // 3)

    def begun(x: Tensor) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
        made = torch.optim.Adam([x], lr=0.1) if optimiser == "adam" else torch.optim.LBFGS([x], lr=0.1)
        return made, torch.optim.lr_scheduler.CosineAnnealingLR(made, half_period)

    optimise, scheduler = begun(x)
    for step in range(counted_from, steps + counted_from):
        if step in told:
            side = min(2 * side, input_side)
            x = torch.nn.functional.interpolate(x.detach(), size=(side, side), mode="bicubic").requires_grad_()
            optimise, scheduler = begun(x)

        def closure(x: Tensor = x, side: int = side, optimise: torch.optim.Optimizer = optimise) -> Tensor:
            optimise.zero_grad()
            batch = _copies(x, draws, views, scale)
            if side != input_side:
                batch = torch.nn.functional.interpolate(batch, size=(input_side, input_side), mode="bicubic")
            features = encode((batch - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None])
            target = wanted
            if unit_norm:
                features, target = features / features.norm(dim=1, keepdim=True), target / target.norm()
            loss = (features - target).norm(dim=1).mean() + 0.005 * variation(x)
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_([x], 1.0)
            x.data.clamp_(0, 1)  # after the gradient, before the step
            return loss

        optimise.step(closure)
        if periodic:
            scheduler.step()
    return x.detach()


def _copies(x: Tensor, draws: list[torch.Generator], views: int, scale: tuple[float, float]) -> Tensor:
    copies = []
    for image, generator in zip(x, draws, strict=True):
        numbers = torch.rand(views, 5, generator=generator)
        torch.rand(views, 2, 3, generator=generator)  # of the colour change, which is off
        torch.rand(2, generator=generator)  # of the circular shift, which is off
        for p, turn, move_x, move_y, size in numbers.tolist():
            copy = image
            if p < 0.5:
                angle, grow = (2 * turn - 1) * math.pi / 6, scale[0] + (scale[1] - scale[0]) * size
                copy = affine_by_pixel(copy, angle, ((2 * move_x - 1) * 0.1, (2 * move_y - 1) * 0.1), grow)
            copies.append(copy)
    return torch.stack(copies)
