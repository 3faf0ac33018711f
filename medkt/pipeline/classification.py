"""Which of several findings fits a study best, without a map."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from medkt.bounds import several_of
from medkt.concepts import Concept
from medkt.concepts.meaning import RefusalCode
from medkt.concepts.phrases import affirmed
from medkt.domains import Domain
from medkt.errors import InputError, NumericalError, SettingsError
from medkt.facts import EncoderFacts, TaughtFacts
from medkt.guard import default_guard
from medkt.io import read_image
from medkt.models.encoder import DualEncoder
from medkt.models.registry import load_encoder
from medkt.pipeline.answer import sight_of
from medkt.pipeline.load import resolve_device
from medkt.pipeline.look import PlaneSelection, View, shown_plane
from medkt.pipeline.result import encoder_facts
from medkt.pipeline.run import Pipeline
from medkt.pipeline.study import question_of
from medkt.pipeline.words import require_words, wanted_in
from medkt.presence import Guard, Reason, Sight
from medkt.progress import Progress
from medkt.saliency.targets import ConceptQuery, ConceptTexts
from medkt.segmentation.zero_shot import ClassSettings, score_planes
from medkt.spatial import Image
from medkt.transfer.packages import AdaptedEncoder, is_package


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ConceptScore:
    """How well one concept, or what is normal, fits a study's planes.

    Attributes:
        concept: None for what is normal.
        name: the concept's, "normal", or "normal (PART)" where the concepts belong to several parts of the body.
        learnt: whether the score is that of an encoder which was taught the concept, or by directions of a package.
        texts: its prompts, which were compared by the rule of the settings.
        planes: indices of those looked at.
        cosines: (planes,) float32, -1 to 1; by phrases with a denial a score in that unit, which may lie beyond.
        probabilities: (planes,) float32, its share in the softmax over what is normal and all concepts asked whose words are
            understood; of one whose words are not, among all.
        words_notes: as of `FindingResult`.
        no_claim: why its share says nothing: of the study, or of its words; () where it may be read.
    """

    concept: Concept | None
    name: str
    learnt: bool
    texts: tuple[str, ...]
    planes: tuple[int, ...]
    cosines: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    words_notes: tuple[RefusalCode, ...] = ()
    no_claim: tuple[Reason, ...] = ()

    @property
    def best(self) -> int:
        """Where in `planes` the share is highest; of equal ones the first."""
        return int(np.argmax(self.probabilities))

    @property
    def probability(self) -> float:
        """The study's: the highest of any plane."""
        return float(self.probabilities[self.best])

    @property
    def cosine(self) -> float:
        """That of the same plane."""
        return float(self.cosines[self.best])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Classification:
    """Zero-shot scores of one study: the concepts in the order asked, then what is normal; by which settings and guard."""

    image: Image
    domain: Domain
    scores: tuple[ConceptScore, ...]
    encoder: EncoderFacts
    warnings: tuple[str, ...]
    settings: ClassSettings = field(default_factory=ClassSettings)
    guard: str | None = None

    @property
    def no_claim(self) -> tuple[Reason, ...]:
        """Why nothing is claimed at all: what is against the study, or against words of which fewer than two are left to compare."""
        if sum(not score.no_claim for score in self.scores) > 1:
            return ()
        return tuple({one.code: one for score in self.scores for one in score.no_claim}.values())


def classify(
    source: str | Path | Image,
    *,
    prompts: Iterable[str] = (),
    concepts: Iterable[str | Path | Concept] = (),
    model: str | Pipeline | AdaptedEncoder = "small",
    view: View | None = None,
    normal: bool = True,
    together: bool = False,
    device: str = "auto",
    settings: ClassSettings | None = None,
    guarded: bool = True,
    guard: Guard | None = None,
    progress: Progress | None = None,
) -> Classification:
    """Say which of several findings fits a study best, without any map; the same as the command `medkt classify`.

    A finding stands for the mean direction of its prompts, each a unit vector, unless the settings have another rule; shares
    are the softmax of its cosines at the encoder's logit scale. They compare the texts that were asked with each other and are no probability of disease. A
    learnt concept has its share from the encoder that was taught it, and a finding of CT in its own window, so that shares need
    not sum to 1. What is normal is shown in the domain's own window where any finding is.

    Args:
        source: a path (see `medkt.read_image`) or an image.
        prompts: free texts.
        concepts: as for `medkt.segment`.
        model: an encoder's name or weights file, or a `Pipeline`.
        view: modality, window, axis and step, where the domain's choice is not wanted.
        normal: whether the domain's captions of a study without a finding are one of the choices.
        together: as for `Pipeline.with_packages`.
        device: see `Pipeline.load`.
        settings: how prompts and pictures become shares; None takes the defaults.
        guarded: whether anything may be held back at all.
        guard: who may; None takes that of the `Pipeline`, or the encoder's own.
        progress: told ("presence", planes done, planes in all).

    Raises:
        SettingsError: nothing to compare: no concept, or a single one without `normal`.
        MedktError: from the steps.
    """
    names, texts = several_of(concepts), several_of(prompts)
    if not names and not texts:
        raise SettingsError("say what to look for: prompts=[...] or concepts=[...]")
    packages = [one for one in names if is_package(one)]
    taught = _taught_of(model, packages, together=together, device=device)
    wanted = wanted_in(names, texts, taught=taught, modality=view.modality if view else None)
    own = model.guard if isinstance(model, Pipeline) else default_guard(taught.base)
    held = (guard or own) if guarded else None
    if isinstance(source, Image):
        return _classified(taught, source, wanted, view or View(), settings, held, normal=normal, progress=progress)
    require_words(wanted, taught.base)
    image = read_image(source)
    try:
        return _classified(taught, image, wanted, view or View(), settings, held, normal=normal, progress=progress)
    except (InputError, NumericalError) as error:
        raise type(error)(f"{source}: {error}") from error


def _taught_of(
    model: str | Pipeline | AdaptedEncoder, packages: Sequence[str | Path], *, together: bool, device: str
) -> AdaptedEncoder:
    if isinstance(model, Pipeline):
        model = model.taught or AdaptedEncoder.of(model.encoder)
    elif isinstance(model, str):
        model = AdaptedEncoder.of(load_encoder(model, device=resolve_device(device)))
    if not packages:
        return model
    return AdaptedEncoder.of(model.base, [*model.packages, *packages], together=together)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Choice:
    """One row of a classification: what it says, whose encoder it is asked of, and what else it is compared with."""

    concept: Concept | None
    name: str
    texts: ConceptTexts
    normal: ConceptTexts | None
    route: str
    window: str | None


def _classified(
    taught: AdaptedEncoder,
    image: Image,
    concepts: Sequence[Concept | str | Path],
    view: View,
    settings: ClassSettings | None,
    guard: Guard | None,
    *,
    normal: bool,
    progress: Progress | None,
) -> Classification:
    settings = settings or ClassSettings()
    found = question_of(taught, image, concepts, settings.window, view, by_phrases=settings.rule == "phrases")
    kind, asked, looks = found.kind, found.asked, found.looks
    if len(asked) < 2 and not normal:
        raise SettingsError(
            "one text alone has nothing to be compared with; ask for another, or let normal be a choice"
        )
    choices = _choices(taught, kind, asked, normal=normal, by_direction=settings.rule == "direction")
    groups: list[_Group] = []
    facts: list[TaughtFacts] = []
    for route in dict.fromkeys(choice.route for choice in choices):
        with taught.encoder(route) as encoder:
            of_route = [choice for choice in choices if choice.route == route]
            facts += taught.facts(
                route, [choice.texts.id for choice in of_route if choice.concept is not None], encoder
            )
            for choice in of_route:
                if not any(choice.texts.id in group.scores for group in groups):
                    looked = looks[choice.window]
                    made, features = _scored(encoder, choices, choice, image, looked, settings, progress)
                    sight = sight_of(encoder, image, kind, looked, features)
                    groups.append(made if guard is None else _held(made, guard, sight, settings))
    scores = _without_silent(groups)
    warnings = [
        *found.warnings,
        *(warning for looked in looks.values() for warning in looked.intensity.warnings),
        *_several_windows(choices, looks),
    ]
    codes = {name: tuple(notes) for name, notes in found.noted.items()}
    return Classification(
        image=image, domain=kind,
        scores=tuple(replace(scores[one.texts.id], words_notes=codes.get(one.texts.id, ())) for one in choices),
        encoder=encoder_facts(taught.base, facts), warnings=tuple(dict.fromkeys(warnings)), settings=settings,
        guard=None if guard is None else guard.facts,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Group:
    """What one encoder says of the pictures in one window.

    Attributes:
        scores: of the choices that are shown so, by the id of their texts.
        shares: (planes,) of all texts that theirs are a softmax over, by id.
        unread: ids of the scores of which the words are not understood; not those of a study that says nothing at all.
    """

    scores: Mapping[str, ConceptScore]
    shares: Mapping[str, NDArray[np.float32]]
    unread: frozenset[str] = frozenset()


def _choices(
    taught: AdaptedEncoder, kind: Domain, asked: Sequence[Concept], *, normal: bool, by_direction: bool
) -> list[_Choice]:
    normals: dict[str, list[_Choice]] = {}
    choices = []
    for concept in asked:
        body = concept.body if concept.body in kind.words else kind.default_body
        # no concept's id has a colon
        texts = ConceptTexts(id=f"normal:{body}", prompts=kind.words[body].normal) if normal else None
        choices.append(
            _Choice(
                concept=concept,
                name=concept.name,
                texts=_texts_of(kind, concept, taught.asked.get(concept.id) if by_direction else None),
                normal=texts,
                route=taught.route(concept.id),
                window=kind.window_for(concept),
            )
        )
        if texts is not None:
            one = _Choice(
                concept=None, name="normal", texts=texts, normal=texts, route="", window=kind.window_for(concept)
            )
            normals.setdefault(body, []).append(one)
    # not in the window of whichever finding was named first
    shown = [None, kind.default_window, *kind.windows]
    first = {body: min(found, key=lambda one: shown.index(one.window)) for body, found in normals.items()}
    if len(first) > 1:
        first = {body: replace(choice, name=f"normal ({body})") for body, choice in first.items()}
    return [*choices, *first.values()]


def _several_windows(choices: Sequence[_Choice], looks: Mapping[str | None, PlaneSelection]) -> tuple[str, ...]:
    """A sentence where pictures of several windows were compared."""
    names = list(dict.fromkeys(looks[one.window].intensity.name for one in choices if one.concept is not None))
    if len(names) < 2:
        return ()
    normal = [f"{one.name} in {looks[one.window].intensity.name}" for one in choices if one.concept is None]
    where = f" ({', '.join(normal)})" if normal else ""
    return (
        f"each finding is compared in its own window ({', '.join(names)}){where}: shares need not sum to 1; --window shows all in one",
    )


def _texts_of(kind: Domain, concept: Concept, asked: ConceptQuery | None) -> ConceptTexts:
    prompts = kind.prompts(concept) if asked is None else asked.texts
    return ConceptTexts(id=concept.id, prompts=prompts, asked=asked)


def _scored(
    encoder: DualEncoder,
    choices: Sequence[_Choice],
    like: _Choice,
    image: Image,
    looked: PlaneSelection,
    settings: ClassSettings,
    progress: Progress | None,
) -> tuple[_Group, Float[Tensor, "planes width"]]:
    """The scores of all choices that share encoder, window and normal captions with one of them, and the planes' features."""
    texts = [choice.texts for choice in choices if choice.concept is not None]
    texts += [like.normal] if like.normal is not None else []
    show = partial(shown_plane, image, looked)
    found = score_planes(encoder, looked.positions, show, texts, settings, progress=progress)
    column = {one.id: place for place, one in enumerate(texts)}
    group = (like.route, like.window, like.normal and like.normal.id)
    made = {
        choice.texts.id: ConceptScore(
            concept=choice.concept, name=choice.name, learnt=bool(choice.route) or choice.texts.asked is not None, texts=choice.texts.prompts,
            planes=tuple(looked.index(position) for position in looked.positions),
            cosines=found.cosines[:, column[choice.texts.id]],
            probabilities=found.probabilities[:, column[choice.texts.id]],
        )
        for choice in choices
        if (choice.route, choice.window, choice.normal and choice.normal.id) == group
    }  # fmt: skip
    shares = {name: found.probabilities[:, place] for name, place in column.items()}
    return _Group(scores=made, shares=shares), found.features


def _held(group: _Group, guard: Guard, sight: Sight, settings: ClassSettings) -> _Group:
    """The same scores with what the guard has against each; read phrase by phrase, a denial is understood."""
    against = guard.of_image(sight)

    def words(one: ConceptScore) -> tuple[Reason, ...]:
        if one.concept is None:
            return ()
        texts = tuple(map(affirmed, one.texts)) if settings.rule == "phrases" else one.texts
        return guard.of_words(one.concept, texts, sight)

    reasons = {name: words(one) for name, one in group.scores.items()}
    scores = {name: replace(one, no_claim=(*against, *reasons[name])) for name, one in group.scores.items()}
    return replace(group, scores=scores, unread=frozenset(name for name, found in reasons.items() if found))


def _without_silent(groups: Sequence[_Group]) -> dict[str, ConceptScore]:
    """The shares of the others as they are without those of which nothing is claimed: of one softmax, so by division.

    A text is silent in every softmax that it is part of, also in those of other windows and encoders than its own.
    """
    unread = frozenset[str]().union(*(group.unread for group in groups))
    return {name: one for group in groups for name, one in _without(group, unread).items()}


def _without(group: _Group, unread: frozenset[str]) -> dict[str, ConceptScore]:
    silent = [share.astype(np.float64) for name, share in group.shares.items() if name in unread]
    if not silent or len(silent) == len(group.shares):
        return dict(group.scores)
    left = np.maximum(1.0 - np.sum(silent, axis=0), np.finfo(np.float32).tiny)
    return {
        name: one
        if one.no_claim
        else replace(one, probabilities=np.minimum(one.probabilities / left, 1).astype(np.float32))
        for name, one in group.scores.items()
    }
