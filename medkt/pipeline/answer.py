"""How a study is answered: scores, the rule that decides on them, and the guard that may hold the answer back."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from jaxtyping import Float
from torch import Tensor

from medkt.concepts import Concept
from medkt.domains import Domain
from medkt.models.encoder import DualEncoder
from medkt.pipeline.look import PlaneSelection, shown_plane
from medkt.presence import (
    Guard,
    NoNormals,
    NullDistribution,
    PlaneGuard,
    PlaneScores,
    Presence,
    PresenceRule,
    Reason,
    Sight,
    Tap,
    withheld,
)
from medkt.presence.normals import Normals
from medkt.saliency.targets import ConceptTexts, Target
from medkt.segmentation.null import null_of
from medkt.segmentation.presence import UNKNOWN, PresenceSettings, plane_scores, without_planes
from medkt.spatial import Image


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StudyAnswers:
    """One encoder's answers for one study in one window; called with image features it is `segment_planes`' `decide`.

    Attributes:
        rule, guard: who decides, and who may hold back; None for no guard.
        settings: of the scores.
        encoder, image, kind, looked: the study as it is shown.
        asked: concept and texts, by concept id.
        normals: what ships with the encoder as it was loaded; None where nothing does.
        tapped: what the pass that makes the features sees behind a layer, for a guard that wants it.
    """

    rule: PresenceRule
    guard: Guard | None
    settings: PresenceSettings
    encoder: DualEncoder
    image: Image
    kind: Domain
    looked: PlaneSelection
    asked: Sequence[tuple[Concept, ConceptTexts]]
    normals: Normals | None = None
    tapped: Tap | None = None

    def __call__(self, features: Float[Tensor, "slices width"], targets: Sequence[Target]) -> tuple[Presence, ...]:
        """One answer a concept, in order."""
        sight = replace(sight_of(self.encoder, self.image, self.kind, self.looked, features), tapped=self.tapped)
        against = () if self.guard is None else self.guard.of_image(sight)
        return tuple(
            self._answer(concept, texts, target, sight, against)
            for (concept, texts), target in zip(self.asked, targets, strict=True)
        )

    def _answer(
        self, concept: Concept, texts: ConceptTexts, target: Target, sight: Sight, against: Sequence[Reason]
    ) -> Presence:
        scores = scores_of(target, sight, self.looked, self.settings, self.guard)
        null = null_for(concept, target, sight, self.looked, self.settings, self.normals)
        scores = replace(scores, no_normals=null) if isinstance(null, NoNormals) else replace(scores, null=null)
        words = () if self.guard is None else self.guard.of_words(concept, texts.prompts, sight)
        return withheld(self.rule.decide(scores), (*against, *words), concept=concept.id)


def scores_of(
    target: Target, sight: Sight, looked: PlaneSelection, settings: PresenceSettings, guard: Guard | None
) -> PlaneScores:
    """The scores from which a rule decides on a study: a calibration is made of the same as an answer."""
    scores = plane_scores(
        sight.features, target, settings, logit_scale=sight.encoder.logit_scale, indices=sight.indices, sight=sight,
        run=run_of(settings, sight.domain, sight.image, looked),
    )  # fmt: skip
    return heard(scores, guard, settings)


def null_for(
    concept: Concept,
    target: Target,
    sight: Sight,
    looked: PlaneSelection,
    settings: PresenceSettings,
    normals: Normals | None,
) -> NullDistribution | NoNormals:
    """What the same question scores in studies of the same kind that hold nothing, or why nobody knows.

    They are of the same part of the body, shown in the window in which this study is, whether the concept, the domain or the user
    chose it. A picture has no window; the single images among them are pictures, too. A single slice in a window is held against each
    plane of volumes in it. A concept with a bias of its own, which was
    set on planes, needs none for a single image that is shown as those were.
    """
    kind, single = sight.domain, len(sight.indices) == 1
    if settings.threshold is not None:
        return NoNormals(code="threshold-said", sentence="the threshold was set by the user")
    if target.asked is not None and single and _shown_as_its_own(concept, kind, looked):
        return NoNormals(code="own-bias", sentence="its bias was set on planes that do not show it")
    if normals is None:
        return NoNormals(code="unknown-model", sentence=UNKNOWN)
    if normals.encoder != sight.encoder.spec.digest:
        return NoNormals(code="other-weights", sentence=f"{UNKNOWN} since it was taught something")
    window = kind.default_window if single and looked.window == "" else looked.window
    known = normals.of(
        kind.name, concept.body or kind.default_body, window, is_volume=not single or bool(looked.window)
    )
    if isinstance(known, NoNormals):
        return known
    step = step_of(sight.image, looked)
    if step is None and not single:
        return NoNormals(code="no-distances", sentence="it is not known how many millimetres its slices lie apart")
    return null_of(
        known, target, settings, logit_scale=sight.encoder.logit_scale, step_mm=None if single else step,
        extent_mm=extent_of(settings, kind),
    )  # fmt: skip


def _shown_as_its_own(concept: Concept, kind: Domain, looked: PlaneSelection) -> bool:
    """Whether a study is shown as the planes were on which a concept's bias was set: of its modality, in its window or by the domain's rule."""
    return concept.modality in ("", kind.name) and looked.window in (
        "",
        kind.window_for(concept) or kind.default_window,
    )


def run_of(settings: PresenceSettings, kind: Domain, image: Image, looked: PlaneSelection) -> int:
    """How many slices in a row it takes to cover the extent that the settings, or else the domain, ask for; 1 in a clip."""
    step = step_of(image, looked)
    return 1 if step is None else 1 + int(extent_of(settings, kind) / step + 1e-6)


def extent_of(settings: PresenceSettings, kind: Domain) -> float:
    """That of the settings, or else of the domain, in millimetres."""
    return kind.slice_rule.extent_mm if settings.extent_mm is None else settings.extent_mm


def step_of(image: Image, looked: PlaneSelection) -> float | None:
    """Millimetres between neighbouring planes that are looked at; None in a clip, and where there are none."""
    geometry = image.geometry
    if geometry.stack != "space" or geometry.unit != "mm":
        return None
    return float(geometry.spacing[looked.planes.axis] * looked.stride)


def heard(scores: PlaneScores, guard: Guard | None, settings: PresenceSettings) -> PlaneScores:
    """The scores without the planes that the guard finds unlike the rest of their study.

    A volume ends in levels that are in no training set of planes, and there an encoder sees whatever it is asked for. Only
    planes that could speak for the finding are looked at.
    """
    if not isinstance(guard, PlaneGuard) or scores.sight is None or len(scores.scores) < 2:
        return scores
    places = np.flatnonzero(scores.scores >= min(settings.weak_of(scores.unit), settings.support))
    odd = np.zeros(len(scores.scores), dtype=bool)
    odd[places] = guard.odd_planes(scores.sight, places)
    return without_planes(scores, odd, settings)


def sight_of(
    encoder: DualEncoder, image: Image, kind: Domain, looked: PlaneSelection, features: Float[Tensor, "slices width"]
) -> Sight:
    """A study as the encoder saw it, for rules and guards."""
    return Sight(
        image=image, domain=kind, encoder=encoder, features=features, indices=looked.positions,
        show=partial(shown_plane, image, looked), planes=looked.planes, intensity=looked.intensity,
    )  # fmt: skip
