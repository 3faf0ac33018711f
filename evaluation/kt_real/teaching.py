"""What is taught: a description by every way that `medkt learn` has, its controls, and labelled studies with the same rehearsal."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from classes import Task
from numpy.typing import NDArray
from studies import Study
from torch import Tensor

from medkt.asking import AskingWords, Directions, leads, settled, way_called
from medkt.asking.choice import USUAL
from medkt.audit.controls import CONTROLS, Control, Setting
from medkt.config import resolve_learning
from medkt.errors import InputError
from medkt.models.encoder import DualEncoder
from medkt.models.framing import frame_plane, normalise
from medkt.transfer.choice import Candidate
from medkt.transfer.gathering import gather_as
from medkt.transfer.learn_settings import How, LearnSettings
from medkt.transfer.learning import TransferResult, learn_from
from medkt.transfer.pool import pick
from medkt.transfer.rehearsal import image_vectors
from medkt.transfer.study_planes import StudyPlanes
from medkt.transfer.vocabulary import vocabulary_of

LABELLED = (1, 3, 10, 30)
OWN = ", own studies"
POOL, PICKED_BY = "pool", USUAL
"""The way of asking by which a pool's studies are picked, that which packages take; fixed before any was asked."""
ASKED = ("noise images", "texture blobs", "altered words", "other words")
"""Of the audit's controls: noise, a blob of random texture, altered words, another finding's words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way of teaching.

    Attributes:
        name: in rows and tables.
        settings: of it.
        own: whether real studies are rehearsed by and lesions made in real normal ones; else drawn ones.
    """

    name: str
    settings: LearnSettings
    own: bool = False

    def studies(self, encoder: DualEncoder, task: Task, shown: Sequence[Study] = ()) -> StudyPlanes:
        """What it is given: the class's others to rehearse by, normal ones among them to make lesions in, labelled ones to learn from."""
        others = task.others if self.own else ()
        normals = [one for one in others if one.label in task.normal]
        return StudyPlanes(
            rehearse=_stacked(encoder, others), normals=_stacked(encoder, normals), images=_stacked(encoder, shown)
        )


def ways_of(preset: str, sets: Sequence[str], only: Sequence[str] = ()) -> tuple[Way, ...]:
    """Every way that `medkt learn` has, and local lesions with real studies.

    Args:
        preset: of the way that makes whole images; the others have presets of their own names.
        sets: settings of all of them.
        only: names of ways; () for all.

    Raises:
        InputError: no way of that name.
    """
    made = [
        Way(
            name=how,
            settings=resolve_learning(LearnSettings, preset=preset if how == "images" else how, sets=tuple(sets)),
        )
        for how in get_args(How)
    ]
    made += [replace(way, name=f"{way.name}{OWN}", own=True) for way in made if way.name == "local"]
    if unknown := [name for name in only if name not in {way.name for way in made}]:
        raise InputError(f"no way of teaching {', '.join(unknown)}; there are {', '.join(way.name for way in made)}")
    return tuple(way for way in made if not only or way.name in only)


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
    if way.own and not task.others:
        return
    learned = _Once(lambda: _learned(base, task, way, seed, cache))
    yield Condition(name=way.name, seed=seed, make=lambda: learned().encoder)
    if not controls:
        return
    for control in (one for one in CONTROLS if one.name in ASKED):
        yield Condition(
            name=f"{way.name}: {control.name}", seed=seed, make=partial(_controlled, control, base, learned, cache)
        )
    if way.own:
        for name, hidden in ((POOL, task.given), (f"{POOL} without it", ())):
            pick_of = partial(_pooled, base, task, way, learned, hidden)
            yield Condition(name=f"{way.name}: {name}", seed=seed, make=pick_of)
    for count in (one for one in LABELLED if one <= len(task.given)):
        picked = _picked(task.given, count, seed)
        yield Condition(
            name=f"{way.name}: labelled {count}", seed=seed, make=partial(_labelled, base, task, way, learned, picked)
        )


def _controlled(
    control: Control, base: DualEncoder, learned: Callable[[], TransferResult], cache: Path | None
) -> DualEncoder | None:
    return control.make(Setting(base=base, learned=learned(), cache=cache))


def _labelled(
    base: DualEncoder, task: Task, way: Way, learned: Callable[[], TransferResult], studies: list[Study]
) -> DualEncoder:
    return labelled(base, task, way, learned(), studies)


def _pooled(
    base: DualEncoder, task: Task, way: Way, learned: Callable[[], TransferResult], hidden: Sequence[Study]
) -> DualEncoder:
    """Taught by what stands out in an unlabelled pool: every second of the others, with studies of the class among them or none.

    Raises:
        InputError: nothing stands out, as it should where the pool holds none of the class.
    """
    pool, beside = [*hidden, *task.others[::2]], task.others[1::2]
    spoken = AskingWords.of(task.concept, task.domain, task.known, task.concept.texts("inversion"))
    asked = _settled(base, way_called(PICKED_BY).directions(base, spoken), beside, task.normal)
    picked = pick(leads_of(base, pool, asked), leads_of(base, beside, asked))
    return labelled(base, task, way, learned(), [pool[place] for place in picked])


def _settled(base: DualEncoder, asked: Directions, beside: Sequence[Study], normal: Sequence[str]) -> Directions:
    """With the handicap of a package, set on the studies that the pool is compared with; as it is where none of them is normal."""
    normals = [one for one in beside if one.label in normal]
    if asked.normal is None or not normals:
        return asked
    kinds = {"normal": normals, "unlabelled": beside}
    return settled(asked, lambda to: {kind: leads_of(base, some, to) for kind, some in kinds.items()})[0]


def leads_of(encoder: DualEncoder, studies: Sequence[Study], asked: Directions) -> NDArray[np.float64]:
    """By how much the middle plane of each study leads."""
    if not studies:
        return np.zeros(0)
    pixels = torch.cat([normalise(pixels_01(encoder, study), encoder.spec) for study in studies])
    found: NDArray[np.float64] = leads(image_vectors(encoder, pixels), asked).double().cpu().numpy()
    return found


def labelled(base: DualEncoder, task: Task, way: Way, learned: TransferResult, studies: Sequence[Study]) -> DualEncoder:
    """The same rehearsal, words and fine-tuning, to its last step, on studies in place of images that the words made."""
    tuning, given = learned.settings.finetune, way.studies(base, task, studies)
    if given.images is None:
        raise InputError(f"{task.concept.id}: no study to learn from")
    end = Candidate(
        learning_rate=tuning.learning_rate, step=tuning.steps or 0, interpolation=1.0, success=0.0, margin=0.0, retention=1.0, drift=0.0,
    )  # fmt: skip
    images = given.images.to(learned.material.images)
    material = replace(learned.material, images=images, caption_of=(0,) * len(images))
    return learn_from(base, material, learned.settings, seed=learned.seed, at=end, rehearsal=learned.rehearsal).encoder


def _stacked(encoder: DualEncoder, studies: Sequence[Study]) -> Tensor | None:
    return torch.cat([pixels_01(encoder, study) for study in studies]) if studies else None


def pixels_01(encoder: DualEncoder, study: Study) -> Tensor:
    """The study's middle plane in the encoder's square, (1, 3, side, side) in [0, 1]."""
    plane = study.planes[len(study.planes) // 2]
    framing = frame_plane(plane.shape[0], plane.shape[1], encoder.spec.input_size, encoder.spec.framing)
    return framing.image(plane)


def _learned(base: DualEncoder, task: Task, way: Way, seed: int, cache: Path | None) -> TransferResult:
    words = vocabulary_of(task.concept, task.domain, known=task.known)
    material = gather_as(base, words, way.settings, seed=seed, studies=way.studies(base, task), cache=cache)
    return learn_from(base, material, way.settings, seed=seed)


def _picked(studies: tuple[Study, ...], count: int, seed: int) -> list[Study]:
    return [studies[place] for place in np.random.default_rng((seed, 43)).permutation(len(studies))[:count]]


class _Once:
    """A learning that is made when it is first asked for, and once."""

    def __init__(self, make: Callable[[], TransferResult]) -> None:
        self._make = make
        self._made: TransferResult | None = None

    def __call__(self) -> TransferResult:
        if self._made is None:
            self._made = self._make()
        return self._made
