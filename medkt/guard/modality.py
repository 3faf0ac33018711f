"""The guard that is on by default: of the modality that it is taken for a study must be, and the words understood.

Three looks at the study: at what no study of the modality is (`plain`), at what the encoder knows (`known`, where numbers ship
with it), and at what the encoder itself says that it is (`by_words`). One at the words (`words`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Int64
from torch.utils.weak import WeakIdKeyDictionary

from medkt.concepts import Concept
from medkt.domains import Domain, domains
from medkt.guard.by_words import LEAST, modality_directions, modality_shares
from medkt.guard.known_images import Distances, ImageKind, KnownImages, Nearness, nearness
from medkt.guard.looks import PlaneNumbers, looks_at, places_looked_at
from medkt.guard.plain import Doubt, plain_doubts
from medkt.guard.words import words_against
from medkt.models.encoder import DualEncoder
from medkt.presence import Reason, Sight, Tap
from medkt.presence.normals import cover_key
from medkt.saliency.targets import TextFeatureCache, texts_kept

NOTHING = "a drawing, a photograph, writing or noise"
ODD = 1.4
"""Chosen on drawn volumes without a finding and with a known one, among 1.3 to 1.8 (`evaluation/normals.py`)."""
FEWEST_PLANES = 5
"""Fewer are no volume of which one could say what is usual in it."""
_ADJECTIVES = {"abdomen": "abdominal"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ModalityGuard:
    """A `medkt.presence.Guard` for one encoder.

    Attributes:
        encoder: the encoder's name.
        digest: of its weights as loaded; with others it was taught something.
        known: what it knows; None where nothing ships with it, and then words alone decide.
        covered: the most of the body that its answers may cover, by `cover_key`; what is not named has no limit.
    """

    encoder: str
    digest: str
    known: KnownImages | None = None
    covered: Mapping[str, float] = field(default_factory=dict)
    _placed: Any = field(default_factory=WeakIdKeyDictionary)  # features of a study -> `Known.placed` of its looks
    _planes: Any = field(default_factory=WeakIdKeyDictionary)  # features of a study -> distance by place
    _texts: TextFeatureCache = field(default_factory=TextFeatureCache)

    @property
    def facts(self) -> str:
        """Which guard, and what it rests on."""
        if self.known is None:
            return f"modality guard: no numbers of known images ship with {self.encoder}; by plain checks and by words alone"
        images = sum(kind.images for kind in self.known.kinds if kind.modality)
        return f"modality guard: {images} images of the kinds that {self.encoder} was trained on, weights {self.digest[:12]}"

    def tap(self, encoder: DualEncoder) -> Tap | None:
        """Behind the layer that it looks at, a `medkt.presence.TappingGuard`; None where it knows no image."""
        return None if self.known is None else Tap(layer=self.known.layer)

    def of_image(self, sight: Sight) -> tuple[Reason, ...]:
        """Why nothing should be claimed about the study, the weightiest first."""
        doubts = [*plain_doubts(sight), *self._unlike(sight, None), *self._by_words(sight)]
        return _reasons(doubts, named(sight.domain, self._bodies(sight.domain)))

    def of_words(self, concept: Concept, prompts: Sequence[str], sight: Sight) -> tuple[Reason, ...]:
        """Why nothing should be claimed for these words, or for this part of the body in this study."""
        is_taught = sight.encoder.spec.digest != self.digest
        with texts_kept(self._texts):
            words = tuple(words_against(sight.encoder, concept, prompts, sight.domain.name, is_taught=is_taught))
        return (*words, *self._of_body(concept, sight))

    def odd_planes(self, sight: Sight, places: Int64[np.ndarray, " some"]) -> Bool[np.ndarray, " some"]:
        """Whether each plane lies more than `ODD` times as far from what the encoder knows as the study's middle one.

        A `medkt.presence.PlaneGuard`. Only a stack in space has planes that are odd, and only where numbers ship with the encoder.
        """
        own = () if self.known is None else self.known.of(sight.domain.name)
        if self.known is None or not own or not len(places) or not _is_volume(sight):
            return np.zeros(len(places), dtype=bool)
        known = self.known
        middle = np.median(_nearest(own, self._looks(known, sight)))
        seen = self._planes.setdefault(sight.features, {})
        if missing := [int(place) for place in places if int(place) not in seen]:
            rows = looks_at(sight, missing, known.layer)
            seen.update(zip(missing, _nearest(own, known.placed(rows)).tolist(), strict=True))
        return np.array([seen[int(place)] > ODD * middle for place in places], dtype=bool)

    def of_answer(self, concept: Concept, domain: Domain, share: float, *, is_volume: bool) -> tuple[Reason, ...]:
        """Why a mask over this share of the body is no answer: a `medkt.presence.AnswerGuard`.

        Of a finding that is known, or related to one, its own size is the measure, of others that of every finding.
        """
        names = (concept.id, *concept.related)
        keys = [cover_key(domain.name, is_volume=is_volume, concept=name) for name in names]
        own = [self.covered[key] for key in keys if key in self.covered]
        most = max(own, default=self.covered.get(cover_key(domain.name, is_volume=is_volume), 1.0))
        if share <= most:
            return ()
        of_what = "such lesion" if own else "lesion"
        said = f"the answer covers {share:.0%} of the body, more than any {of_what} that {self.encoder} knows ({most:.0%} at most)"
        figures = {"share": float(f"{share:.5g}"), "most_share": most}
        return (Reason(code="covers-the-body", sentence=said, figures=figures),)

    def _of_body(self, concept: Concept, sight: Sight) -> tuple[Reason, ...]:
        bodies, body = self._bodies(sight.domain), concept.body or sight.domain.default_body
        if not bodies:
            return ()
        if body not in bodies:
            known = " and ".join(named(sight.domain, [one]) for one in bodies)
            said = f"{self.encoder} knows no {named(sight.domain, [body])}, only {known}"
            return (Reason(code="body-not-known", sentence=said),)
        return _reasons(list(self._unlike(sight, body)), named(sight.domain, [body])) if len(bodies) > 1 else ()

    def _bodies(self, domain: Domain) -> tuple[str, ...]:
        return () if self.known is None else self.known.bodies(domain.name)

    def _unlike(self, sight: Sight, body: str | None) -> Iterator[Doubt]:
        own = () if self.known is None else self.known.of(sight.domain.name, body)
        if self.known is None or not own:
            return
        found = nearness(self.known, self._looks(self.known, sight), own)
        figures = {"distance": found.distance, "limit": found.limit, "share": found.share, "most_share": found.contrast}
        if found.is_far:
            yield Doubt(code="unlike-known", said=_far(found, self.encoder), figures=figures)
        if found.is_other and found.other is not None:
            yield Doubt(code="like-another", said=f"looks more like {_called(found.other)}", figures=figures)

    def _looks(self, known: KnownImages, sight: Sight) -> PlaneNumbers:
        if sight.features not in self._placed:  # every concept of a study asks for them
            self._placed[sight.features] = known.placed(
                looks_at(sight, places_looked_at(len(sight.indices)), known.layer)
            )
        placed: PlaneNumbers = self._placed[sight.features]
        return placed

    def _by_words(self, sight: Sight) -> Iterator[Doubt]:
        with texts_kept(self._texts):
            shares = modality_shares(sight, modality_directions(sight.encoder))
        own, best = shares[sight.domain.name], max(shares, key=lambda name: shares[name])
        if own >= LEAST:
            return
        alone = ", by its words alone" if self.known is None else ""
        said = f"looks to {self.encoder} like {_article(domains()[best].title)}{alone}"
        yield Doubt(code="words-of-another", said=said, figures={"share_of_words": own, "least_share": LEAST})


def _is_volume(sight: Sight) -> bool:
    return sight.image.geometry.stack == "space" and len(sight.indices) >= FEWEST_PLANES


def _nearest(kinds: Sequence[ImageKind], placed: PlaneNumbers) -> Distances:
    """Of each plane the distance to the nearest kind, in that kind's own limit."""
    found: Distances = np.min([kind.distances(placed) / kind.limit for kind in kinds], axis=0)
    return found


def _reasons(doubts: Sequence[Doubt], what: str) -> tuple[Reason, ...]:
    """One reason a doubt; the first says what the study does not look like."""
    return tuple(
        Reason(
            code=one.code,
            sentence=f"{'it' if place else f'this does not look like {_article(what)}: it'} {one.said}",
            figures={name: float(f"{value:.5g}") for name, value in one.figures.items()},
        )
        for place, one in enumerate(doubts)
    )


def _far(found: Nearness, encoder: str) -> str:
    share = "all" if found.beyond >= 100 else f"{found.beyond:.4g} %"
    return f"lies farther from everything that {encoder} knows than {share} of its own images"


def _called(kind: ImageKind) -> str:
    return _article(named(domains()[kind.modality], [kind.body])) if kind.modality else NOTHING


def named(domain: Domain, bodies: Sequence[str]) -> str:
    """A study in a radiologist's words, such as "breast ultrasound", "chest or head CT", "chest radiograph"."""
    parts = [_ADJECTIVES.get(body, body) for body in bodies if body not in domain.title]
    return f"{' or '.join(parts)} {domain.title}".strip()


def _article(words: str) -> str:
    return f"{'an' if words[0].lower() in 'aeiou' or words.startswith('MRI') else 'a'} {words}"
