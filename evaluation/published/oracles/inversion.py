"""Inversion, 45 steps, with the recorded start and random choices: presets `kazemi` and `kt-code`.

The tolerances come from the public code itself, run again with its start moved by 1e-7: the descent amplifies rounding.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from medkt.config import resolve
from medkt.inversion import InversionSettings, invert
from medkt.inversion.descent import DescentResult
from medkt.inversion.schedule import InversionStage, learning_rate
from medkt.inversion.views import Draws
from medkt.models.encoder import DualEncoder
from oracles import models
from oracles.difference import Difference

_MODULE = sys.modules[invert.__module__]


class _EnoughError(Exception):
    """So many steps were asked for, and they are done."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trace:
    """What an inversion went through: images before each step, before each doubling, and the last; nothing is clipped."""

    losses: np.ndarray
    rates: np.ndarray
    images: list[Tensor]
    small: list[Tensor]
    final: Tensor | None


def replayed(
    encoder: DualEncoder, oracle: Mapping[str, Any], settings: InversionSettings, *, steps: int | None = None
) -> Trace:
    """Medkt's inversion with the recorded start and random choices in the place of its own.

    Args:
        encoder: the one that the numbers were made with.
        oracle: the recorded file.
        settings: for all steps.
        steps: stop after so many; None does all.
    """
    losses: list[float] = []
    images: list[Tensor] = []
    small: list[Tensor] = []
    final: list[Tensor] = []

    class Recorded(_MODULE._Pixels):  # type: ignore[misc, name-defined]
        def evaluate(self, parameters: list[Tensor], runs: list[int], stage: InversionStage) -> tuple[Tensor, Tensor]:
            images.append(parameters[0].detach().clone())
            if steps is not None and len(losses) == steps:
                raise _EnoughError
            loss, similarity = super().evaluate(parameters, runs, stage)
            losses.append(float(loss.detach().sum()))
            return loss, similarity

        def enlarge(self, parameters: list[Tensor], stage: InversionStage) -> list[Tensor]:
            small.append(parameters[0].clone())
            return super().enlarge(parameters, stage)

        def images(self, outcome: DescentResult) -> Tensor:
            final.append(super().images(outcome))
            return final[0]

    def recorded(*_: object) -> Draws:
        return _draws(oracle, len(images) - 1)

    start = torch.from_numpy(oracle["start"])
    with (
        patch.object(_MODULE, "_Pixels", Recorded),
        patch.object(_MODULE, "draw", recorded),
        patch.object(_MODULE, "first_noise", lambda *_: start.clone()),
        suppress(_EnoughError),
    ):
        invert(encoder, [str(oracle["text"])], settings, images=len(start))
    rates = np.array([learning_rate(settings, step) for step in range(settings.steps)])
    return Trace(losses=np.array(losses), rates=rates, images=images, small=small, final=final[0] if final else None)


@cache
def of_clip(folder: Path, *, steps: int | None = None) -> tuple[Trace, Mapping[str, Any]]:
    """`kazemi` on the small CLIP, one image of 13 views; and what the public code gave."""
    oracle = np.load(folder / "inversion_clip.npz", allow_pickle=False)
    return replayed(models.clip(folder), oracle, _short("kazemi", upsize_at=(15, 30)), steps=steps), oracle


@cache
def of_biomedclip(folder: Path, *, steps: int | None = None) -> tuple[Trace, Mapping[str, Any]]:
    """`kt-code` on the small BiomedCLIP, two images of one view; and what the public code gave."""
    oracle = np.load(folder / "inversion_biomedclip.npz", allow_pickle=False)
    with models.biomedclip(folder) as encoder:
        return replayed(encoder, oracle, _short("kt-code", upsize_at=(14, 29)), steps=steps), oracle


def inversion_clip(folder: Path) -> Iterator[Difference]:
    """`kazemi`, all 45 steps."""
    yield from _whole(*of_clip(folder), losses=(5e-5, 3e-3, 0.2), final=0.995)


def inversion_clip_begun(folder: Path) -> Iterator[Difference]:
    """`kazemi`, five steps: where the order of a step is seen most sharply."""
    yield from _begun(*of_clip(folder, steps=5))


def inversion_biomedclip(folder: Path) -> Iterator[Difference]:
    """`kt-code`, all 45 steps."""
    yield from _whole(*of_biomedclip(folder), losses=(1e-4, 1e-3, 2e-2), final=0.9995)


def inversion_biomedclip_begun(folder: Path) -> Iterator[Difference]:
    """`kt-code`, eighteen steps: past its first doubling."""
    yield from _begun(*of_biomedclip(folder, steps=18))


def _short(preset: str, *, upsize_at: tuple[int, ...]) -> InversionSettings:
    settings = resolve(InversionSettings, preset=preset, folder="inversion")
    return replace(settings, steps=45, upsize_at=upsize_at, output="float")


def _draws(oracle: Mapping[str, Any], step: int) -> Draws:
    moved = torch.from_numpy(oracle["moved"][step])
    images, views = moved.shape
    return Draws(
        moved=moved,
        angle=torch.from_numpy(np.radians(oracle["angle_deg"][step])).float(),
        shift_xy=torch.from_numpy(oracle["move_px_xy"][step] / oracle["sides"][step]).float(),
        scale=torch.from_numpy(oracle["scale"][step]).float(),
        roll=torch.zeros(images, 2, dtype=torch.int64),
        mean=torch.zeros(images, views, 3),
        std=torch.ones(images, views, 3),
    )


def _begun(trace: Trace, oracle: Mapping[str, Any]) -> Iterator[Difference]:
    apart = np.abs(trace.losses - oracle["loss"][: len(trace.losses)])
    yield Difference(compared="loss, steps 2 to 5", found=float(apart[1:5].max()), asked=2e-5)
    if len(apart) > 5:
        yield Difference(compared=f"loss, steps 6 to {len(apart)}", found=float(apart[5:].max()), asked=1e-3)
    yield Difference(compared="rate of every step", found=float(np.abs(trace.rates - oracle["lr"]).max()), asked=1e-12)
    for step in (1, 2):
        pixels = np.abs(trace.images[step].numpy() - oracle[f"after_step_{step}"])
        yield Difference(compared=f"image after step {step}, largest pixel", found=float(pixels.max()), asked=3e-3)


def _whole(
    trace: Trace, oracle: Mapping[str, Any], *, losses: tuple[float, float, float], final: float
) -> Iterator[Difference]:
    apart = np.abs(trace.losses - oracle["loss"])
    yield Difference(compared="loss, steps 2 to 5", found=float(apart[1:5].max()), asked=2e-5)
    for first, asked in zip((0, 15, 30), losses, strict=True):
        found = float(apart[first : first + 15].max())
        yield Difference(compared=f"loss, steps {first + 1} to {first + 15}", found=found, asked=asked)
    yield Difference(compared="rate of every step", found=float(np.abs(trace.rates - oracle["lr"]).max()), asked=1e-12)
    for step in (1, 2):
        apart = np.abs(trace.images[step].numpy() - oracle[f"after_step_{step}"])
        yield Difference(compared=f"image after step {step}, largest pixel", found=float(apart.max()), asked=3e-3)
    for side, image, asked in zip((64, 128), trace.small, (0.99999, 0.9999), strict=True):
        yield _alike(f"image before it grows from {side}", image, oracle[f"before_upsize_{side}"], asked)
    assert trace.final is not None
    yield _alike("last image", trace.final, oracle["final"], final)


def _alike(what: str, image: Tensor, expected: np.ndarray, asked: float) -> Difference:
    found = np.corrcoef(image.numpy().ravel().astype(float), expected.ravel().astype(float))[0, 1]
    return Difference(compared=f"{what}, correlation", found=float(found), asked=asked, kind="least")
