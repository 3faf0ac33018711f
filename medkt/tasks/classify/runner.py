"""The runner of a classification: which of the classes' words fits each image best, with the models loaded once.

Zero-shot, as Radford and others (2021) do it: a class stands for the mean direction of its prompts (or by another rule, see
`medkt.segmentation.zero_shot`), and an image is of the class whose share in the softmax of the cosines is highest. "Normal"
is no class unless the data set says so.
"""

import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from medkt.datasets.reference import read_case_image
from medkt.guard import default_guard
from medkt.models.module import device_of
from medkt.models.registry import load_encoder
from medkt.pipeline import Classification, ConceptScore, View, classify, resolve_device, take_threads_of_worker
from medkt.pipeline.words import require_words
from medkt.presence import Guard
from medkt.runs.work import Row, Value
from medkt.saliency import TextFeatureCache, texts_kept
from medkt.segmentation.zero_shot import ClassSettings
from medkt.spatial import Image
from medkt.tasks.cases import CaseWork
from medkt.tasks.classify.classes import ClassWords
from medkt.transfer.packages import AdaptedEncoder

ONE_ENCODER = "every class of the taught encoder"
APART = "each learnt class of its own encoder, the others of the base"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRunnerFactory:
    """Makes a `ClassRunner` in a worker; small and picklable.

    Attributes:
        classes: in the order of the table's columns.
        model, device: as for `Pipeline.load`.
        view, regrid, allow_incomplete: as for `Pipeline.segment_file`; a case's own modality comes before the view's.
        packages: `.medkt` files of learnt concepts, which are the concepts of some classes.
        together: sum what several packages teach into one encoder.
        apart: ask each learnt class of its own encoder and the others of the base, as `medkt classify` does. Else all
            classes are asked of the taught encoder, where there is one, as publications do: so what it forgot shows.
        settings: how prompts and pictures become shares.
        guarded: as for `Pipeline.load`.
    """

    classes: tuple[ClassWords, ...]
    model: str = "small"
    device: str = "auto"
    view: View = field(default_factory=View)
    regrid: bool = False
    allow_incomplete: bool = False
    packages: tuple[Path, ...] = ()
    together: bool = False
    apart: bool = False
    settings: ClassSettings = field(default_factory=ClassSettings)
    guarded: bool = True

    def __call__(self) -> "ClassRunner":
        """Load the encoder; the worker's threads are those that its environment allows."""
        take_threads_of_worker()
        encoder = load_encoder(self.model, device=resolve_device(self.device))
        require_words((one.concept for one in self.classes), encoder)
        return ClassRunner.of(self, AdaptedEncoder.of(encoder, self.packages, together=self.together))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRunner:
    """Reads images and tells their classes apart; a `Runner` that writes no files.

    Attributes:
        asked: what of.
        taught: the encoder as it was loaded, and what was learnt.
        answers: whom the classes are asked of: `taught`, or its adapted encoder alone.
        held: keeps the differences over the encoder while the runner lives.
        texts: what the encoder made of the classes' words.
        guard: who may hold an answer back; None for nobody.
    """

    asked: ClassRunnerFactory
    taught: AdaptedEncoder
    answers: AdaptedEncoder
    held: ExitStack
    texts: TextFeatureCache = field(default_factory=TextFeatureCache)
    guard: Guard | None = None

    @classmethod
    def of(cls, asked: ClassRunnerFactory, taught: AdaptedEncoder) -> "ClassRunner":
        """A runner with these models."""
        held, answers = ExitStack(), taught
        routes = {taught.route(concept) for concept in taught.deltas}
        if len(routes) == 1 and not asked.apart:
            answers = replace(AdaptedEncoder.of(held.enter_context(taught.encoder(routes.pop()))), asked=taught.asked)
        return cls(
            asked=asked,
            taught=taught,
            answers=answers,
            held=held,
            guard=default_guard(taught.base) if asked.guarded else None,
        )

    def facts(self) -> Mapping[str, Any]:
        spec, taught = self.taught.base.spec, self.taught
        learnt: dict[str, Any] = {}
        if taught.packages:
            apart = self.answers is taught
            learnt["packages"] = [one.digest for one in taught.packages]
            learnt["classes_asked_of"] = APART if apart else ONE_ENCODER
            learnt |= {} if apart else {"adapted_digest": self.answers.base.spec.digest}
        return {
            "encoder": {"name": spec.name, "digest": spec.digest, **learnt},
            "device": device_of(taught.base).type,
            **({"guard": self.guard.facts} if self.guard else {}),
        }

    def read(self, work: CaseWork) -> Image:
        return read_case_image(work.case, regrid=self.asked.regrid, allow_incomplete=self.asked.allow_incomplete)

    def compute(self, work: CaseWork, image: Image) -> Classification:
        view = replace(self.asked.view, modality=work.case.modality or self.asked.view.modality)
        concepts = [one.concept for one in self.asked.classes]
        with texts_kept(self.texts):
            return classify(
                image,
                concepts=concepts,
                model=self.answers,
                view=view,
                normal=False,
                settings=self.asked.settings,
                guarded=self.guard is not None,
                guard=self.guard,
            )

    def write(self, work: CaseWork, result: Classification) -> Sequence[Row]:
        return [row_of_classes(self.asked.classes, result, true=work.concepts[0])]


def row_of_classes(classes: Sequence[ClassWords], result: Classification, *, true: str) -> Row:
    """One row of the result table; `true` is the concept id of the image's own class.

    `predicted` is the class with the highest share, `rank` how many classes have a share as high as the true one's: 1
    where it is the highest and no other is as high. Where nothing is claimed it is called nothing, and that is no hit. A class whose
    words are not understood is never called, and has no rank. Shares that a float cannot tell apart are told apart by cosine.
    """
    scores = {one.concept.id: _of(score) for one, score in zip(classes, result.scores, strict=True)}
    names = {one.concept.id: one.name for one in classes}
    understood = {one.concept.id for one, score in zip(classes, result.scores, strict=True) if not score.no_claim}
    called = [concept for concept in scores if concept in understood] or list(scores)
    rank = sum(scores[concept] >= scores[true] for concept in called) if true in called else None
    # of equal ones the first that is not the true class: a tie is no hit
    best = max(called, key=lambda concept: (scores[concept], concept != true))
    silent = ";".join(one.code for one in result.no_claim) or None  # called nothing, which is no hit
    row: dict[str, Value] = {
        "concept": true, "predicted": None if silent else names[best], "hit": best == true and not silent,
        "rank": None if silent else rank, "no_claim": silent,
    }  # fmt: skip
    for concept, (probability, cosine) in scores.items():
        row |= {f"probability_{concept}": probability, f"cosine_{concept}": cosine}
    planes, completeness = result.scores[0].planes, result.image.provenance.completeness
    return row | {
        "domain": result.domain.name, "planes_scored": len(planes), "input_digest": result.image.provenance.digest,
        "incomplete": 0 if completeness is None else completeness.missing, "warnings": len(result.warnings),
        "words_notes": _words_notes(result),
    }  # fmt: skip


def _words_notes(result: Classification) -> str:
    """What is to be known of the words of any class: they all decide together."""
    return ";".join(sorted({code for score in result.scores for code in score.words_notes}))


def _of(score: ConceptScore) -> tuple[float, float]:
    """Share and cosine of the study, with the digits that a float32 has."""
    return _digits(score.probability), _digits(score.cosine)


def _digits(value: float) -> float:
    return float(f"{value:.9g}") if math.isfinite(value) else value
