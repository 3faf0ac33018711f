"""What is taught: a description by every way that `medkt learn` has, its controls, and labelled studies with the same rehearsal."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from classes import Task
from studies import Study
from torch import Tensor

from medkt.audit.controls import CONTROLS, Control, Setting
from medkt.models.encoder import DualEncoder
from medkt.models.framing import frame_plane
from medkt.transfer.choose import Candidate
from medkt.transfer.learn import Learned, learn_from
from medkt.transfer.learn_settings import LearnSettings
from medkt.transfer.material import gather
from medkt.transfer.vocabulary import vocabulary_of

LABELLED = (1, 3, 10, 30)
ASKED = ("noise images", "texture blobs", "altered words", "other words")
"""Of the audit's controls: noise, a blob of random texture, altered words, another finding's words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way of teaching.

    Attributes:
        name: in rows and tables.
        settings: of it.
    """

    name: str
    settings: LearnSettings


def ways_of(settings: LearnSettings) -> tuple[Way, ...]:
    """Every way that `medkt learn` has, with these settings."""
    return (Way(name="taught", settings=settings),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """An encoder that was taught something.

    Attributes:
        name, seed: its row.
        make: gives it, or None where it cannot be made of this class.
    """

    name: str
    seed: int
    make: Callable[[], DualEncoder | None]


def conditions(
    base: DualEncoder, task: Task, way: Way, seed: int, cache: Path | None, *, controls: bool
) -> Iterator[Condition]:
    """The description first, then what it is compared with; all share one learning, which is made when it is first needed.

    Args:
        base: the encoder before it learns.
        task: the class.
        way: of teaching.
        seed: of the learning.
        cache: of inverted images.
        controls: whether controls and labelled studies are wanted, too.
    """
    learned = _Once(lambda: _learned(base, task, way, seed, cache))
    yield Condition(name=way.name, seed=seed, make=lambda: learned().encoder)
    if not controls:
        return
    for control in (one for one in CONTROLS if one.name in ASKED):
        yield Condition(
            name=f"{way.name}: {control.name}", seed=seed, make=partial(_controlled, control, base, learned, cache)
        )
    for count in (one for one in LABELLED if one <= len(task.given)):
        picked = _picked(task.given, count, seed)
        yield Condition(name=f"{way.name}: labelled {count}", seed=seed, make=partial(_labelled, base, learned, picked))


def _controlled(
    control: Control, base: DualEncoder, learned: Callable[[], Learned], cache: Path | None
) -> DualEncoder | None:
    return control.make(Setting(base=base, learned=learned(), cache=cache))


def _labelled(base: DualEncoder, learned: Callable[[], Learned], studies: list[Study]) -> DualEncoder:
    return labelled(base, learned(), studies)


def labelled(base: DualEncoder, learned: Learned, studies: list[Study]) -> DualEncoder:
    """The same rehearsal, words and fine-tuning, to its last step, on studies in place of images that the words made."""
    tuning = learned.settings.finetune
    images = torch.cat([pixels_01(base, study) for study in studies])
    end = Candidate(
        learning_rate=tuning.learning_rate, step=tuning.steps or 0, interpolation=1.0, success=0.0, margin=0.0, retention=1.0, drift=0.0,
    )  # fmt: skip
    material = replace(learned.material, images=images.to(learned.material.images), caption_of=(0,) * len(images))
    return learn_from(base, material, learned.settings, seed=learned.seed, at=end, rehearsal=learned.rehearsal).encoder


def pixels_01(encoder: DualEncoder, study: Study) -> Tensor:
    """The study's middle plane in the encoder's square, (1, 3, side, side) in [0, 1]."""
    plane = study.planes[len(study.planes) // 2]
    framing = frame_plane(plane.shape[0], plane.shape[1], encoder.spec.input_size, encoder.spec.framing)
    return framing.image(plane)


def _learned(base: DualEncoder, task: Task, way: Way, seed: int, cache: Path | None) -> Learned:
    words = vocabulary_of(task.concept, task.domain, known=task.known)
    material = gather(base, words, way.settings, seed=seed, cache=cache)
    return learn_from(base, material, way.settings, seed=seed)


def _picked(studies: tuple[Study, ...], count: int, seed: int) -> list[Study]:
    return [studies[place] for place in np.random.default_rng((seed, 43)).permutation(len(studies))[:count]]


class _Once:
    """A learning that is made when it is first asked for, and once."""

    def __init__(self, make: Callable[[], Learned]) -> None:
        self._make = make
        self._made: Learned | None = None

    def __call__(self) -> Learned:
        if self._made is None:
            self._made = self._make()
        return self._made
