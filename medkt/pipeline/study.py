"""What is asked of a study, and where it is looked for: all that is known, and refused, before a model computes anything."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

from medkt.concepts import Concept
from medkt.concepts.meaning import RefusalCode
from medkt.domains import Domain, check_plausible
from medkt.models.encoder import DualEncoder
from medkt.pipeline.answer import extent_of
from medkt.pipeline.look import PlaneSelection, View, look_at, windows_of, with_window
from medkt.pipeline.words import (
    asked_of,
    called_alike,
    contradicted,
    domain_of,
    examination_of,
    is_learnt,
    misplaced,
    require_words,
    sentences_of,
    word_notes,
)  # fmt: skip
from medkt.presence import PresenceRule
from medkt.saliency.methods import SaliencySettings
from medkt.segmentation.slicewise import SegmentationSettings
from medkt.spatial import Image
from medkt.transfer.packages import AdaptedEncoder


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Question:
    """An image and what is asked of it.

    Attributes:
        image: the study.
        kind: what it is taken as.
        asked: the concepts, each once.
        noted: by concept id, what a reader has to know of its words.
        looks: by window, which planes are looked at and how they are shown.
        warnings: what is known so far.
    """

    image: Image
    kind: Domain
    asked: tuple[Concept, ...]
    noted: Mapping[str, Mapping[RefusalCode, str]]
    looks: Mapping[str | None, PlaneSelection]
    warnings: tuple[str, ...]

    def groups(self, taught: AdaptedEncoder) -> tuple[tuple[str, str | None, tuple[Concept, ...]], ...]:
        """(route, window, concepts): those that go through one encoder in one window are looked for together."""
        return tuple(
            (route, window, tuple(concept for concept in of_route if self.kind.window_for(concept) == window))
            for route, of_route in routes_of(taught, self.asked).items()
            for window in windows_of(self.kind, of_route)
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Study(Question):
    """A question that is answered by masks; `settings` have what they leave open filled in."""

    settings: SegmentationSettings


@runtime_checkable
class StudyRules(Protocol):
    """Gives each study a rule of its own, once it is known what is asked of it."""

    def rule_for(self, study: Study, taught: AdaptedEncoder, view: View) -> PresenceRule:
        """Who decides what is there in this study.

        Args:
            study: what is asked, with nothing left open.
            taught: the encoder and what it was taught; no plane was encoded yet.
            view: how the study is read and cut, as the user said it.

        Raises:
            SettingsError: nobody can decide on what is asked.
        """


def question_of(
    taught: AdaptedEncoder,
    image: Image,
    concepts: Sequence[Concept | str | Path],
    window: str | None,
    view: View | None = None,
    *,
    by_phrases: bool = False,
) -> Question:
    """What is asked of an image; of the encoder only its tokenizer and its description are used.

    `by_phrases` says how the texts will be read; see `word_notes`.

    Raises:
        AmbiguousInputError: the image does not say its modality and neither does `view`.
        UnknownNameError: a concept is given by a name that nothing has.
        InputError: nothing to look at, a concept of another modality, an unusable image, or a text of which the encoder
            knows no word.
    """
    view, shown = with_window(view or View(), image, window)
    kind = domain_of(image, view, [one for one in concepts if not is_learnt(taught, one)])
    asked = asked_of(taught, concepts, kind)
    warnings = [
        *image.provenance.warnings,
        *shown,
        *check_plausible(image, kind),
        *misplaced(asked, kind),
        *called_alike(asked),
        *contradicted(asked, image, kind),
    ]
    require_words(asked, taught.base)
    examination, unread = examination_of(taught.base)
    warnings += unread
    noted = {
        # an encoder that was taught the concept is another than the one that was examined
        one.id: word_notes(taught.base, one, kind, None if taught.route(one.id) else examination, by_phrases=by_phrases)
        for one in asked
    }
    warnings += [said for concept in asked for said in sentences_of(concept, noted[concept.id])]
    warnings += meeting(taught, asked)
    looks = {window: look_at(image, kind, view, window=window) for window in windows_of(kind, asked)}
    return Question(image=image, kind=kind, asked=asked, noted=noted, looks=looks, warnings=tuple(warnings))


def study_of(
    taught: AdaptedEncoder,
    image: Image,
    concepts: Sequence[Concept | str | Path],
    settings: SegmentationSettings,
    view: View | None = None,
) -> Study:
    """What is asked of an image, and by which settings masks are to answer it.

    Raises:
        SettingsError: the encoder has no such layer.
        MedktError: as `question_of`.
    """
    found = question_of(taught, image, concepts, settings.window, view)
    return Study(
        **{one.name: getattr(found, one.name) for one in fields(found)},
        settings=settled(settings, found.kind, taught.base),
    )


def settled(settings: SegmentationSettings, kind: Domain, encoder: DualEncoder) -> SegmentationSettings:
    """Settings with what they leave open filled in: from the domain, then from the encoder."""
    method = settings.saliency.method.settled(encoder, kind.saliency)
    presence = replace(settings.presence, extent_mm=extent_of(settings.presence, kind))
    return replace(settings, saliency=SaliencySettings(method=method), presence=presence)


def routes_of(taught: AdaptedEncoder, concepts: Iterable[Concept]) -> Mapping[str, list[Concept]]:
    """The concepts by the encoder that they are asked of."""
    routes: dict[str, list[Concept]] = {}
    for concept in concepts:
        routes.setdefault(taught.route(concept.id), []).append(concept)
    return routes


def meeting(taught: AdaptedEncoder, asked: Iterable[Concept]) -> tuple[str, ...]:
    """How the differences of one encoder meet, where any of the concepts is asked of it."""
    return taught.notes if any(taught.route(concept.id) for concept in asked) else ()
