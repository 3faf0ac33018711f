"""A study's presence score, and what tells whether the study is of a known kind, by one pass of the encoder and no map.

The score is that of `Pipeline.segment` on the same study with the same settings: the same planes, shown the same way, and scored
by the same function. A test compares them.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial

import numpy as np
from jaxtyping import Float, Float64
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from medkt.concepts import Concept
from medkt.domains import Domain, check_plausible, domains
from medkt.io.sha256 import sha256_of_json
from medkt.models.encoder import DualEncoder
from medkt.models.framing import prepare
from medkt.models.weights import weights_digest
from medkt.pipeline import View, look_at
from medkt.pipeline.answer import scores_of, sight_of
from medkt.pipeline.look import shown_plane
from medkt.pipeline.words import require_words, texts_of
from medkt.presence import Guard, Reason, Sight
from medkt.saliency.targets import ConceptQuery, ConceptTexts, Target, embed_targets
from medkt.segmentation.presence import PresenceSettings
from medkt.segmentation.slicewise import features_of_planes
from medkt.shapes import Plane
from medkt.spatial import Image

SCORING = 2  # counted up where a change of the code changes scores: calibrations of before then fit no more
MOST_PLANES = 16  # of a volume, how many are looked at for the grey levels
GREY_LEVELS = ("mean", "spread", "5th percentile", "95th percentile", "roughness", "log aspect")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringKey:
    """What decides a score, as digests; a calibration is good for exactly one of these.

    Attributes:
        concept: the concept's id.
        words: SHA-256 of the texts that the encoder is given for it, contrasts included.
        model: the encoder's name.
        weights: the digest of its weights.
        settings: SHA-256 of the settings, of the view, and of the version of the scoring.
        modality: the domain's name.
    """

    concept: str
    words: str
    model: str
    weights: str
    settings: str
    modality: str

    @property
    def short(self) -> str:
        """Sixteen digits of all of it, for a file's name."""
        return sha256_of_json(asdict(self))[:16]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StudyScore:
    """One concept in one study.

    Attributes:
        score: the study's presence score, in the unit of the rule.
        embedding: (width,) float64 unit direction of the mean of the planes' directions.
        grey_levels: (6,) float64 of `GREY_LEVELS`, median over planes of what the encoder is shown.
        held: why a guard lets nothing be claimed of the study; it counts all the same.
        doubts: what reading and the domain found odd, and whether another modality's words fit better; one sentence each.
    """

    score: float
    embedding: Float64[np.ndarray, " width"]
    grey_levels: Float64[np.ndarray, " numbers"]
    doubts: tuple[str, ...]
    held: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scorer:
    """One concept, one encoder and one way of looking, with the texts embedded once; any number of studies is scored.

    Attributes:
        key: under which a calibration of these scores is kept.
        guard: who may hold an answer back; None for nobody.
    """

    encoder: DualEncoder
    concept: Concept
    kind: Domain
    settings: PresenceSettings
    view: View
    key: ScoringKey
    _target: Target
    _modalities: tuple[Target, ...]
    guard: Guard | None = None
    asked: ConceptQuery | None = None

    @classmethod
    def of(
        cls,
        encoder: DualEncoder,
        concept: Concept,
        kind: Domain,
        *,
        settings: PresenceSettings | None = None,
        view: View | None = None,
        guard: Guard | None = None,
        asked: ConceptQuery | None = None,
    ) -> "Scorer":
        """Prepare.

        Args:
            encoder: any dual encoder.
            concept: what is asked for.
            kind: the domain that studies are read as.
            settings: how planes become a score; None takes the defaults.
            view: how studies are read and cut.
            guard: who may hold an answer back; None for nobody.
            asked: the directions of a learned concept, by which it is asked (`AdaptedEncoder.asked`).

        Raises:
            InputError: a text of which the encoder knows no word.
        """
        require_words([concept], encoder)
        settings, view, texts = settings or PresenceSettings(), view or View(), texts_of(kind, concept, asked=asked)
        target, *modalities = embed_targets(encoder, [texts, *_normals()])
        return cls(
            encoder=encoder, concept=concept, kind=kind, settings=settings, view=view,
            _target=target,
            key=scoring_key(encoder, concept, kind, settings=settings, view=view, asked=asked),
            _modalities=tuple(modalities), guard=guard, asked=asked,
        )  # fmt: skip

    def score(self, image: Image) -> StudyScore:
        """Score one study.

        Raises:
            InputError: nothing to look at, or an unusable image.
            NumericalError: the encoder gives no usable feature.
        """
        looked = look_at(image, self.kind, self.view, window=self.kind.window_for(self.concept))
        features, _ = features_of_planes(self.encoder, looked.positions, partial(shown_plane, image, looked), None)
        sight = sight_of(self.encoder, image, self.kind, looked, features)
        scores = scores_of(self._target, sight, looked, self.settings, self.guard)
        return replace(_study_score(sight, scores.score, self._modalities), held=self._held(sight))

    def _held(self, sight: Sight) -> tuple[Reason, ...]:
        if self.guard is None:
            return ()
        prompts = texts_of(self.kind, self.concept, asked=self.asked).prompts
        return (*self.guard.of_image(sight), *self.guard.of_words(self.concept, prompts, sight))


def study_score(sight: Sight, score: float) -> StudyScore:
    """A study's score with what tells whether the study is of a known kind; no pass of the image encoder."""
    return _study_score(sight, score, modalities_of(sight.encoder))


def modalities_of(encoder: DualEncoder) -> tuple[Target, ...]:
    """What a normal study of each modality is called, as directions."""
    return embed_targets(encoder, _normals())


def _normals() -> list[ConceptTexts]:
    return [ConceptTexts(id=name, prompts=one.words[one.default_body].normal) for name, one in domains().items()]


def _study_score(sight: Sight, score: float, modalities: Sequence[Target]) -> StudyScore:
    mean = functional.normalize(functional.normalize(sight.features.double(), dim=-1).mean(dim=0), dim=0)
    image, kind = sight.image, sight.domain
    doubts = [*image.provenance.warnings, *check_plausible(image, kind), *sight.intensity.warnings]
    return StudyScore(
        score=score, embedding=mean.cpu().numpy(), grey_levels=_grey_levels(sight),
        doubts=(*doubts, *_fits_another(mean, kind, modalities)),
    )  # fmt: skip


def _fits_another(direction: Float[Tensor, " width"], kind: Domain, modalities: Sequence[Target]) -> tuple[str, ...]:
    """Whether the words for a normal study of another modality fit better than those of this one."""
    fits = {target.id: float(direction @ target.wanted.to(direction)) for target in modalities}
    best = max(fits, key=lambda name: fits[name])
    if best == kind.name:
        return ()
    return (f"to the model it looks more like {domains()[best].title} than like {kind.title}",)


def scoring_key(
    encoder: DualEncoder,
    concept: Concept,
    kind: Domain,
    *,
    settings: PresenceSettings | None = None,
    view: View | None = None,
    asked: ConceptQuery | None = None,
) -> ScoringKey:
    """The key under which a calibration of this concept, model, settings and view is kept; nothing is embedded for it.

    The gate and the thresholds are left out: they are what a calibration replaces, and no score depends on them.
    """
    presence, seen = settings or PresenceSettings(), view or View()
    decides = {
        "scoring": SCORING, "rule": presence.rule, "aggregate": presence.aggregate, "support": presence.support,
        "top": presence.top, "window": seen.window or kind.window_for(concept), "axis": seen.axis, "step_mm": seen.step_mm,
    }  # fmt: skip
    if presence.extent_mm not in (None, kind.slice_rule.extent_mm):
        decides["extent_mm"] = presence.extent_mm
    words = {name: value for name, value in asdict(texts_of(kind, concept)).items() if name != "asked"}
    words |= {} if asked is None else {"asked": asked.digest}
    return ScoringKey(
        concept=concept.id, words=sha256_of_json(words), model=encoder.spec.name,
        weights=encoder.spec.digest or f"generated:{weights_digest(encoder.module)}", settings=sha256_of_json(decides),
        modality=kind.name,
    )  # fmt: skip


def _grey_levels(sight: Sight) -> Float64[np.ndarray, " numbers"]:
    chosen = np.unique(np.linspace(0, len(sight.indices) - 1, MOST_PLANES).round().astype(int))
    planes = (sight.show(sight.indices[index]) for index in chosen)
    median: NDArray[np.float64] = np.median([_of_plane(sight.encoder, plane) for plane in planes], axis=0)
    return median


def _of_plane(encoder: DualEncoder, plane: Plane) -> Sequence[float]:
    """Numbers that noise, inversion and other modalities move, at the resolution that the encoder sees."""
    pixels, framing = prepare(encoder.spec, plane)
    scale, shift = encoder.spec.std[0], encoder.spec.mean[0]
    square = pixels[0, 0].cpu().numpy().astype(np.float64) * scale + shift
    inside = framing.home(np.ones((1, 1), np.float32)) > 0
    grey = plane[inside] if inside.any() else plane
    steps = np.abs(np.diff(square, axis=0)).mean() + np.abs(np.diff(square, axis=1)).mean()
    low, high = np.percentile(grey, [5, 95])
    spread = float(grey.std())
    rough = float(steps) / max(spread, 1e-3)
    return [float(grey.mean()), spread, float(low), float(high), rough, float(np.log(plane.shape[0] / plane.shape[1]))]
