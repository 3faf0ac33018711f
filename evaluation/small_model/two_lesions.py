"""Maps and masks of two lesions in one picture, and of single ones, for each way to make a map.

What the segmenter gives is that of the shipped one, whichever encoder is asked. Every question is a sentence in a frame that no
training report has; single lesions are asked for by their concept. The decision about presence is off, so that every map is compared.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from unittest import mock

import numpy as np

from medkt.concepts import Concept, concept_from_text, load_concept
from medkt.domains.registry import domain as domain_of
from medkt.examine import KINDS, LesionKind, draw_cases, landing
from medkt.metrics import dice
from medkt.models.encoder import DualEncoder
from medkt.phantom.drawers import DRAWERS
from medkt.phantom.finding import DOMAINS, DomainName, findings_of
from medkt.saliency import m2ib
from medkt.saliency.m2ib import M2IBSettings
from medkt.saliency.methods import SaliencySettings
from medkt.saliency.relevance import RelevanceSettings
from medkt.saliency.targets import ConceptTexts
from medkt.segmentation.presence import PresenceSettings
from medkt.segmentation.prompts import Prompts
from medkt.segmentation.segmenter import Candidates, Embedding, Segmenter
from medkt.segmentation.slicewise import ConceptResult, MapSettings, SegmentationSettings, segment_planes
from medkt.shapes import MaskPlane, Plane
from small_model.kept import Kept

SIDE = 256  # of the pictures, in pixels
SEEDS = {"choosing": 18_001, "reporting": 18_000}
LINE = SegmentationSettings(
    saliency=SaliencySettings(method=M2IBSettings(noise="unit", reading="capacity")), presence=PresenceSettings(gate=False),
    map=MapSettings(check_words="off"),
)  # fmt: skip
"""The line as it was when the default was chosen, whatever is the default since."""
_GATES = 8  # runs that are kept: more than one picture has
PUBLISHED = replace(
    LINE,
    saliency=SaliencySettings(method=M2IBSettings(beta=0.1, steps=10, samples=3, noise="unit", target="cosine")),
    relevance=RelevanceSettings(use="none"),
)
"""Ten steps as published, three noise samples where the authors have ten."""


def _but(line: SegmentationSettings, **changed: object) -> SegmentationSettings:
    return replace(line, saliency=SaliencySettings(method=replace(line.m2ib, **changed)))  # type: ignore[arg-type]


CANDIDATES = {
    "default": LINE,
    "default, feature noise": _but(LINE, noise="feature"),
    "default, openness": _but(LINE, reading="openness"),
    "patches alone": replace(_but(LINE, steps=1, samples=1), relevance=RelevanceSettings(power=0.0)),
}
"""What may be the default of `small`: the bottleneck as it is now, with other noise, read otherwise, or left out."""
MAPS = {
    "M2IB, published": PUBLISHED,
    "M2IB, feature noise": _but(PUBLISHED, noise="feature"),
    "M2IB, openness": _but(PUBLISHED, reading="openness"),
    **CANDIDATES,
}


class LookingOnce:
    """A segmenter that remembers the plane that it looked at last: the same one is asked for every map."""

    def __init__(self, segmenter: Segmenter) -> None:
        self._segmenter = segmenter
        self._last: tuple[bytes, Embedding] | None = None
        self.name = segmenter.name

    def embed(self, plane: Plane) -> Embedding:
        if self._last is None or self._last[0] != plane.tobytes():
            self._last = (plane.tobytes(), self._segmenter.embed(plane))
        return self._last[1]

    def masks(self, embedding: Embedding, prompts: Prompts, multimask: bool) -> Candidates:
        return self._segmenter.masks(embedding, prompts, multimask)


@contextmanager
def gates_kept() -> Iterator[None]:
    """Within this block two maps of the last picture that differ in the reading alone share the gates that were found."""
    kept: dict[tuple[object, ...], list[m2ib.GateResult]] = {}
    solve = m2ib.solve

    def once(problem: m2ib.GateProblem, runs: list[m2ib.GateRun]) -> list[m2ib.GateResult]:
        likeness = problem.similarity
        tensors = (problem.hidden, likeness.wanted, likeness.contrasts)
        shown = tuple(one.detach().numpy().tobytes() for one in tensors)
        key = (replace(problem.settings, reading="capacity"), *shown, *problem.seeds, *runs)
        if key not in kept:
            if len(kept) >= _GATES:
                kept.clear()
            kept[key] = solve(problem, runs)
        return kept[key]

    with mock.patch.object(m2ib, "solve", once):
        yield


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """What is measured, and under which name (the first digits of its weights)."""

    encoder: DualEncoder
    segmenter: Segmenter
    name: str


def measure_two(models: Models, kept: Kept, half: str, maps: Sequence[str], kind: LesionKind, *, each: int) -> None:
    """Both questions about every picture of a half and kind, `each` a domain; lines that are there stay."""
    for case in draw_cases(kind, each=each, side=SIDE, seed=SEEDS[half]):
        concepts = [concept_from_text(text, modality=case.domain) for text in case.sentences]
        texts = [replace(texts_for(case.domain, one), id=str(place)) for place, one in enumerate(concepts)]
        for name in maps:
            same = {"encoder": models.name, "half": half, "map": name, "key": case.key}
            if kept.has(**same, question=0):
                continue
            found = _found(models, case.plane, texts, MAPS[name])
            kept.add([
                same | {"question": place, **_scores(found[place], case.masks[place], case.masks[1 - place])}
                for place in (0, 1)
            ])  # fmt: skip
        print(half, case.key, flush=True)


def measure_single(models: Models, kept: Kept, half: str, maps: Sequence[str], *, each: int) -> None:
    """Every finding by itself, `each` times, asked for by its concept."""
    for key, name, finding, plane, mask in singles(half, each):
        texts = [texts_for(name, load_concept(finding))]
        for map_ in maps:
            same = {"encoder": models.name, "half": half, "map": map_, "key": key}
            if not kept.has(**same):
                (found,) = _found(models, plane, texts, MAPS[map_])
                kept.add([same | {"dsc": dice(reference=mask, prediction=_mask(found, mask))}])
        print(half, key, flush=True)


def singles(half: str, each: int) -> Iterator[tuple[str, DomainName, str, Plane, MaskPlane]]:
    """Key, domain, finding, picture and mask of every finding, `each` times."""
    for name in DOMAINS:
        for place, finding in enumerate(findings_of(name)):
            for number in range(each):
                rng = np.random.default_rng((SEEDS[half], len(KINDS), DOMAINS.index(name), place, number))
                drawn = DRAWERS[name].draw_plane(finding.id, rng, side=SIDE)
                if drawn.mask.any():
                    kind = "held-out" if finding.held_out else "known"
                    yield f"single {kind}/{finding.id}/{number}", name, finding.id, drawn.plane, drawn.mask


def texts_for(name: DomainName, concept: Concept) -> ConceptTexts:
    """The words of a concept as a study of this domain is asked for it."""
    kind = domain_of(name)
    normal = kind.words_for(concept).normal
    others = tuple(text for text in kind.contrast_texts(concept) if text not in normal)
    return ConceptTexts(id=concept.id, prompts=kind.prompts(concept), normal=normal, confusable=others)


def _found(
    models: Models, plane: Plane, texts: Sequence[ConceptTexts], settings: SegmentationSettings
) -> tuple[ConceptResult, ...]:
    shown = plane.astype(np.float32)
    return segment_planes(models.encoder, models.segmenter, [0], lambda _: shown, texts, settings, spacing_mm=None)


def _scores(found: ConceptResult, own: MaskPlane, other: MaskPlane) -> dict[str, float]:
    lies = landing(dict(found.maps())[0], own=own, other=other)
    mask = _mask(found, own)
    return {
        "mean": lies.by_mean,
        "maximum": lies.by_maximum,
        "own": dice(reference=own, prediction=mask),
        "other": dice(reference=other, prediction=mask),
    }


def _mask(found: ConceptResult, like: MaskPlane) -> MaskPlane:
    return dict(found.masks()).get(0, np.zeros_like(like))
