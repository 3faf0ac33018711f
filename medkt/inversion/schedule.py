"""Sides and learning rates, step by step."""

import math
from dataclasses import dataclass

from medkt.inversion.settings import InversionSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class InversionStage:
    """Steps `first` to `last` - 1, counted from 0, at one side; the optimiser begins anew with each.

    Attributes:
        side: of the image in pixels.
        jitter: largest circular shift in pixels.
    """

    first: int
    last: int
    side: int
    jitter: int


def stages(settings: InversionSettings, input_side: int) -> tuple[InversionStage, ...]:
    """The stages of an inversion for an encoder with this input.

    A stage is kept also where the side can no longer grow: the published code begins its optimiser anew all the same.

    >>> published = InversionSettings(parametrisation="pixels", steps=3400, side=64, upsize_at=(900, 1800), jitter=0)
    >>> [(stage.first, stage.last, stage.side) for stage in stages(published, 224)]
    [(0, 900, 64), (900, 1800, 128), (1800, 3400, 224)]
    """
    starts, ends = (0, *settings.upsize_at), (*settings.upsize_at, settings.steps)
    side = input_side if settings.side is None else min(settings.side, input_side)
    made = []
    for index, (first, last) in enumerate(zip(starts, ends, strict=True)):
        jitter = settings.jitter * 2**index
        made.append(InversionStage(first=first, last=last, side=side, jitter=min(jitter, side // 2)))
        side = min(2 * side, input_side)
    return tuple(made)


def learning_rate(settings: InversionSettings, step: int) -> float:
    """The learning rate of a step, counted from 0.

    "cosine" runs from `lr` at step 0 to 0 after the last step. "periodic" is begun at each upsize and comes back up
    after half a period, as torch's CosineAnnealingLR does beyond T_max.
    """
    if settings.annealing == "none":
        return settings.lr
    if settings.annealing == "cosine":
        return _cosine(settings.lr, step, settings.steps)
    last_upsize = settings.upsize_at[-1] + 1 if settings.upsize_at else 0  # as the published code counts, from 1
    begun = max((first for first in settings.upsize_at if first <= step), default=0)
    return _cosine(settings.lr, step - begun, max(1, (settings.steps - last_upsize) // 3))


def _cosine(lr: float, step: int, half_period: int) -> float:
    return lr * (1 + math.cos(math.pi * step / half_period)) / 2
