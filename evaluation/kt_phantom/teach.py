"""How each condition of `run.py` is taught, and what its encoder sees of the pictures, kept so that it is taught once."""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import torch
from pictures import Gallery, SetOn, kept
from tasks import Task, real_images
from torch import Tensor

from medkt.asking import AskingWords, Directions, Way
from medkt.asking.choice import choose_way
from medkt.audit.controls import CONTROLS, Setting
from medkt.config import resolve_learning
from medkt.models.encoder import DualEncoder
from medkt.phantom.finding import DOMAINS
from medkt.phantom.reading import read
from medkt.records import as_plain
from medkt.transfer.copies import copy_encoder, mark_adapted
from medkt.transfer.gathering import gather_as
from medkt.transfer.learn_settings import LearnSettings
from medkt.transfer.learning import TransferResult, learn_from
from medkt.transfer.study_planes import NOTHING_GIVEN, StudyPlanes
from medkt.transfer.vocabulary import Vocabulary, vocabulary_of

LABELLED = "labelled-"
CONTROLLED = ("texture blobs", "altered words", "noise images", "other words")
"""Of `medkt.audit.controls`, in the order of their worth: shuffled words are none for a text tower that hardly sees order."""
PACKAGED = "the package's"
"""The way that a package asks by: whichever its rule picks of the encoder (`medkt.asking.choice`)."""
EARLIER = "the package's, before"
"""By which a package asked until a normal study had a lead of its own: "virtual with bank", unless another way did clearly better."""
CHOSEN = 2
"""Of that rule: raised when it picks otherwise, so that what is kept is not taken for its choice."""
NO_RIVALS = "local without rivals"
TAUGHT = ("base", "local", "fast", "controls", NO_RIVALS, f"{LABELLED}N")


def conditions(said: str) -> tuple[str, ...]:
    """The conditions that are named, in order; "controls" are all of them."""
    named = [one.strip() for one in said.split(",") if one.strip()]
    for one in named:
        labelled = one.startswith(LABELLED) and one.removeprefix(LABELLED).isdigit()
        if not labelled and one not in (*TAUGHT[:5], *CONTROLLED):
            raise SystemExit(f"--teach: no condition {one!r}; known: {', '.join((*TAUGHT, *CONTROLLED))}")
    return tuple(part for one in named for part in (CONTROLLED if one == "controls" else (one,)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answered:
    """What an encoder sees.

    Attributes:
        vectors: of the test's pictures.
        set_on: of those that a bias is set on.
        packaged: gives the way by which a package would ask it.
        seconds: of the processor, that making the encoder took.
    """

    vectors: Tensor
    set_on: Tensor
    packaged: Callable[[], str]
    seconds: float


class Bench:
    """One finding, its pictures, and the encoders that were taught it."""

    def __init__(self, base: DualEncoder, task: Task, gallery: Gallery, of: str) -> None:
        self.base, self.task, self.gallery, self.set = base, task, gallery, of
        self._asked: dict[str, Directions] = {}

    @cached_property
    def words(self) -> Vocabulary:
        """Of the learning."""
        return vocabulary_of(self.task.concept, self.task.domain, known=self.task.known)

    @cached_property
    def spoken(self) -> AskingWords:
        """Of asking."""
        task = self.task
        return AskingWords.of(task.concept, task.domain, task.known, task.concept.texts("inversion"))

    def asked(self, way: Way) -> Directions:
        """Where the finding's words lie by one way of asking; the text tower is the same before and after learning."""
        if way.name not in self._asked:
            self._asked[way.name] = way.directions(self.base, self.spoken)
        return self._asked[way.name]

    def set_on(self, seed: int) -> SetOn:
        """The pictures that a bias is set on: each seed's are its own."""
        return _set_on(self.base, self.gallery.tasks, self.gallery.layer, seed)

    def answered(self, condition: str, seed: int) -> Answered | None:
        """None where the condition cannot be made of this finding."""
        made: list[DualEncoder | None] = []

        def make() -> DualEncoder | None:
            if not made:
                made.append(self.encoder(condition, seed))
            return made[0]

        what = "base" if condition == "base" else f"{condition} {self.task.finding.id} {seed} {digest_of(condition)}"
        tested = _seen_by(self.gallery, what, make)
        set_on = _seen_by(self.set_on(seed), what, make)
        if not tested or not set_on:
            return None

        def packaged() -> str:
            path = self.gallery.folder / "ways" / f"{_named(f'{CHOSEN} {what} {self.task.finding.id}')}.pt"
            return str(kept(path, lambda: self._picked(make(), what))["way"])

        return Answered(
            vectors=tested["vectors"], set_on=set_on["vectors"], packaged=packaged, seconds=tested["seconds"]
        )

    def _picked(self, encoder: DualEncoder | None, what: str) -> dict[str, str]:
        task, modality = self.task, next(name for name in DOMAINS if name == self.task.domain.name)
        reading = read(self.spoken.described[0], modality)
        set_on = self.set_on(0)  # a package's
        vectors = _seen_by(set_on, what, lambda: encoder)["vectors"]
        found = choose_way(
            encoder or self.base, self.spoken, reading, [one.id for one in task.known],
            handicapped=lambda asked: set_on.settled(vectors, asked)[0],
        )  # fmt: skip
        return {"way": found.way.name}

    def encoder(self, condition: str, seed: int) -> DualEncoder | None:
        """The encoder of one condition, taught once; None where it cannot be made of this finding."""
        if condition == "base":
            return self.base
        there = kept(self._path(condition, seed), lambda: self._changed(self._taught(condition, seed)))
        if not there:
            return None
        found = copy_encoder(self.base)
        found.module.load_state_dict(
            {**found.module.state_dict(), **there["changed"]}
        )  # a key that it has not is an error
        return mark_adapted(found)

    def _path(self, condition: str, seed: int) -> Path:
        return (
            self.gallery.folder
            / "weights"
            / f"{condition}_{self.task.finding.id}_{seed}_{digest_of(condition)}.pt".replace(" ", "_")
        )

    def _changed(self, encoder: DualEncoder | None) -> dict[str, dict[str, Tensor]]:
        """{"changed": the weights that are not the base's}; {} of none."""
        if encoder is None:
            return {}
        before, after = self.base.module.state_dict(), encoder.module.state_dict()
        return {
            "changed": {name: value.clone() for name, value in after.items() if not torch.equal(value, before[name])}
        }

    def _taught(self, condition: str, seed: int) -> DualEncoder | None:
        settings = settings_of(condition)
        if condition in CONTROLLED:
            control = next(one for one in CONTROLS if one.name == condition)
            return control.make(Setting(base=self.base, learned=self._untaught(settings, seed), cache=None))
        studies = NOTHING_GIVEN
        if condition.startswith(LABELLED):
            studies = StudyPlanes(images=real_images(self.task, int(condition.removeprefix(LABELLED)), seed))
        material = gather_as(self.base, self.words, settings, seed=seed, studies=studies)
        return learn_from(self.base, material, settings, seed=seed).encoder

    def _untaught(self, settings: LearnSettings, seed: int) -> TransferResult:
        """What a control needs to know of "local": its material; nothing is chosen along its way, so that it need not be taught again."""
        material = gather_as(self.base, self.words, settings, seed=seed)
        if settings.choose:
            return learn_from(self.base, material, settings, seed=seed)
        return TransferResult(
            encoder=self.base, material=material, settings=settings, seed=seed, chosen=None, candidates=(), losses=(), seconds={},
        )  # fmt: skip


def settings_of(condition: str) -> LearnSettings:
    """Of medkt's preset: "fast" for itself, "local" for all others; without rivals where that is the condition."""
    found = resolve_learning(LearnSettings, preset="fast" if condition == "fast" else "local")
    if condition == NO_RIVALS:
        found = replace(
            found,
            teaching=replace(found.teaching, rivals=0),
            finetune=replace(found.finetune, loss="prompts", batch=10),
        )
    if found.choose or found.teaching.stop == "bounded":
        return found
    return replace(found, validation_images=0)  # only the audit would look at them


def digest_of(condition: str) -> str:
    """Of the settings, under which an encoder's vectors are kept; "" where nothing is taught."""
    if condition == "base":
        return ""
    said = json.dumps(as_plain(settings_of(condition)), sort_keys=True, default=str)
    return hashlib.sha256(said.encode()).hexdigest()[:8]


@cache
def _set_on(base: DualEncoder, tasks: tuple[Task, ...], layer: int | None, seed: int) -> SetOn:
    return SetOn(base, tasks, layer, seed)


def _seen_by(gallery: Gallery, what: str, make: Callable[[], DualEncoder | None]) -> dict[str, Any]:
    """{"vectors", "seconds"} of a gallery, from where they are kept or made; {} where the encoder cannot be made."""

    def see() -> dict[str, Any]:
        began = time.process_time()
        encoder = make()
        seconds = round(time.process_time() - began, 1)
        return {"vectors": gallery.vectors(encoder), "seconds": seconds} if encoder is not None else {}

    found: dict[str, Any] = kept(gallery.folder / "vectors" / f"{gallery.key}_{_named(what)}.pt", see)
    return found


def _named(what: str) -> str:
    return hashlib.sha256(what.encode()).hexdigest()[:16]
