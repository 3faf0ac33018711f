"""The task of finding again: the images that a sentence belongs to, and the sentences of an image, among all of a manifest.

Each case is an image with the sentence of its row (the manifest's column `sentence`, such as the impression of its report).
Both become a direction of the encoder, which is kept in the case's folder; a study of several planes is the mean direction
of those that are looked at. The search is exact: every sentence is compared with every image. Recall at k is the share of
queries with an answer among the k closest; cases with one sentence are answers to it alike, and a tie is no hit.
A run that has ended can be asked, too: `images_for` a sentence, `sentences_for` an image.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float32, Int64

from medkt.about import __version__
from medkt.datasets.reference import read_case_image
from medkt.errors import InputError, UnreadableError, WeightsError
from medkt.io.parts import part_beside
from medkt.metrics import places_of_answers
from medkt.models.encoder import DualEncoder
from medkt.models.module import device_of
from medkt.models.registry import load_encoder
from medkt.pipeline import View, resolve_device, take_threads_of_worker
from medkt.pipeline.look import look_at, shown_plane
from medkt.pipeline.words import domain_of
from medkt.records import as_plain
from medkt.runs.engine import RunnerFactory
from medkt.runs.folder import RunFolder
from medkt.runs.work import Row
from medkt.saliency.targets import embed_texts
from medkt.segmentation.slicewise import features_of_planes
from medkt.spatial import Image
from medkt.statistics import BootstrapSettings, Interval, mean_interval, rate_interval
from medkt.tasks.base import CaseSource, Column, EvaluatedRun, RunComparison, Task, TextTable, ids_word, patients_word
from medkt.tasks.cases import CasePlan, CaseWork
from medkt.tasks.manifest import plan_of_source
from medkt.tasks.masks.words import aligned, figure, interval_cells, interval_text
from medkt.tasks.table import DoneCases, done_cases

SENTENCE, PAIR = "sentence", "pair"
DIRECTIONS = "directions.npy"  # (2, width): of the image, and of the sentence
KS = (1, 5, 10)
SearchDirection = Literal["images for a sentence", "sentences for an image"]
WAYS: tuple[SearchDirection, SearchDirection] = ("images for a sentence", "sentences for an image")
HEAD = ("search", "queries", "patients", "items", "median rank", *(f"recall at {k} (95 %)" for k in KS))
UnitVector = Float32[np.ndarray, "1 width"]
RankedCases = list[tuple[str, float]]  # names of cases, each with a cosine
CSV_HEAD = ("way", "k", "queries", "patients", "items", "recall", "low", "high", "method", "note")
COMPARED_HEAD = ("search", "number", "first", "second", "difference (95 %)", "queries", "patients")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrieveJob:
    """A manifest of images with sentences to search.

    Attributes:
        source: of the cases.
        model, device: as for `medkt.load_encoder`.
        view: as for `medkt.segment`; a case's own modality comes first.
    """

    source: CaseSource
    model: str = "small"
    device: str = "auto"
    view: View = field(default_factory=View)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievalRunner:
    """Turns an image and its sentence into directions; a `Runner`."""

    encoder: DualEncoder
    view: View
    run: RunFolder

    @classmethod
    def of(cls, asked: RetrieveJob, run: RunFolder) -> "RetrievalRunner":
        """Load the encoder; the worker's threads are those that its environment allows."""
        take_threads_of_worker()
        return cls(encoder=load_encoder(asked.model, device=resolve_device(asked.device)), view=asked.view, run=run)

    def facts(self) -> Mapping[str, Any]:
        spec = self.encoder.spec
        return {"encoder": {"name": spec.name, "digest": spec.digest}, "device": device_of(self.encoder).type}

    def read(self, work: CaseWork) -> Image:
        if not work.case.columns.get(SENTENCE):
            raise InputError(f"the row has nothing in the column {SENTENCE}; write one, or leave the row out")
        return read_case_image(work.case)

    def compute(self, work: CaseWork, image: Image) -> Float32[np.ndarray, "2 width"]:
        view = replace(self.view, modality=work.case.modality or self.view.modality)
        sentence = of_sentence(self.encoder, work.case.columns[SENTENCE])
        return np.concatenate([of_image(self.encoder, image, view), sentence])

    def write(self, work: CaseWork, result: Float32[np.ndarray, "2 width"]) -> Sequence[Row]:
        part = part_beside(self.run.cases)
        part.mkdir(parents=True)
        np.save(part / DIRECTIONS, result, allow_pickle=False)
        self.run.put_case(work.key, part)
        return [{"concept": PAIR, "cosine": round(float(result[0] @ result[1]), 6)}]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """How often an answer is among the k closest.

    Attributes:
        way: what is searched for what.
        k: how many are looked at.
        found: share of the queries, with its interval over patients.
    """

    way: SearchDirection
    k: int
    found: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievalEvaluation:
    """The statistics of a search.

    Attributes:
        queries, patients: cases that were done, and of how many patients they are.
        failed: cases that were not.
        items: different sentences; there are as many images as queries.
        median_rank: by way.
        recalls: by way and k, for each k that is no more than there are items.
    """

    queries: int
    patients: int
    failed: int
    items: int
    median_rank: Mapping[str, float]
    recalls: tuple[Recall, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SearchOutcome:
    """The cases of a run that were done, and the place of the first answer to each query by way, from 1.

    Attributes:
        both: directions of each image and of its sentence.
        items: different sentences.
    """

    done: DoneCases
    both: Float32[np.ndarray, "cases 2 width"]
    items: int
    places: Mapping[SearchDirection, Int64[np.ndarray, " cases"]]

    def hits(self) -> Iterator[tuple[SearchDirection, int, Bool[np.ndarray, " cases"]]]:
        """For each way and k which queries have an answer among the k closest; no k is more than there are items."""
        return ((way, k, self.places[way] <= k) for way in WAYS for k in KS if k <= self.items)


class RetrieveTask(Task):
    """Images for a sentence and sentences for an image; a `Task`."""

    name = "retrieve"
    does = "searches images and sentences"
    columns = (
        Column(name="concept", kind="text", meaning="always `pair`: a row a case"),
        Column(name="cosine", kind="number", meaning="of the image and its own sentence"),
    )

    def plan(self, asked: RetrieveJob) -> CasePlan:
        """As `Task.plan`."""
        plan, table = plan_of_source(asked.source, concepts=lambda _: PAIR, asked=(PAIR,)), asked.source.table
        if not any(SENTENCE in case.columns for case in plan.cases()):
            raise InputError(f"{table}: no row has anything in the column {SENTENCE}, which is searched; add it")
        return replace(plan, read_columns=(SENTENCE,))

    def runner(self, asked: RetrieveJob, run: RunFolder) -> RunnerFactory:
        """As `Task.runner`."""
        return partial(RetrievalRunner.of, asked, run)

    def identity(self, asked: RetrieveJob, plan: CasePlan, work: Mapping[str, Any]) -> dict[str, Any]:
        """As `Task.identity`."""
        said = {"medkt": __version__, "task": "retrieval", "manifest": plan.digest, "shard": str(plan.shard)}
        cases = {"ids": ids_word(plan), "patients": patients_word(plan), "columns": list(plan.columns)}
        return {**said, **work, **cases, "view": as_plain(asked.view)}

    def evaluate(self, run: RunFolder, *, by: Sequence[str], settings: BootstrapSettings) -> RetrievalEvaluation:
        """As `Task.evaluate`; a search is of all cases, so there are no subgroups."""
        found = _searched(run, by)
        rates = [(way, k, rate_interval(hits, found.done.patients, settings)) for way, k, hits in found.hits()]
        median: dict[str, float] = {way: float(np.median(found.places[way])) for way in WAYS}
        return RetrievalEvaluation(
            queries=len(found.done.names), patients=found.done.patient_count, failed=found.done.failed, items=found.items,
            median_rank=median, recalls=tuple(Recall(way=way, k=k, found=rate) for way, k, rate in rates),
        )  # fmt: skip

    def tables(self, evaluation: RetrievalEvaluation) -> Mapping[str, TextTable]:
        """A row a way and k."""
        counts = {name: str(getattr(evaluation, name)) for name in ("queries", "patients", "items")}
        rows = [
            {"way": one.way, "k": str(one.k), **counts, **interval_cells("recall", one.found)}
            | {"method": one.found.method, "note": one.found.note}
            for one in evaluation.recalls
        ]
        return {"evaluation.csv": (CSV_HEAD, rows)}

    def say(self, run: EvaluatedRun) -> Iterator[str]:
        """As `Task.say`."""
        found: RetrievalEvaluation = run.evaluation
        yield f"{found.queries} of {found.queries + found.failed} cases done, {found.failed} failed"
        yield from aligned(HEAD, [_row(found, way) for way in WAYS])

    def compare(self, first: RunFolder, second: RunFolder, settings: BootstrapSettings) -> RunComparison:
        """Recall at each k, query by query."""
        one, other = _searched(first), _searched(second)
        if one.done.names != other.done.names or one.items != other.items:
            raise InputError("two searches are compared over the same cases with the same sentences; these hold others")
        lines, rows = [], []
        for (way, k, before), (_, _, after) in zip(one.hits(), other.hits(), strict=True):
            found = mean_interval(after.astype(np.float64) - before, one.done.patients, settings)
            lines.append(Recall(way=way, k=k, found=found))
            shares = figure(float(before.mean())), figure(float(after.mean()))
            counts = str(len(one.done.names)), str(one.done.patient_count)
            rows.append((way, f"recall at {k}", *shares, interval_text(found), *counts))
        return RunComparison(
            lines=lines, head=COMPARED_HEAD, rows=rows, pairing=", over patients", explained=", over patients"
        )


TASK = RetrieveTask()


def images_for(run: RunFolder, sentence: str, encoder: DualEncoder) -> RankedCases:
    """Every case that was done with the cosine of its image to a sentence, the closest first; see `sentences_for`."""
    return _closest(run, encoder, of_sentence(encoder, sentence), 0)


def sentences_for(run: RunFolder, image: Image, encoder: DualEncoder, view: View | None = None) -> RankedCases:
    """Every case that was done with the cosine of its sentence to an image, the closest first.

    Raises:
        WeightsError: the run is of another encoder. InputError: the image shows nothing, or no case was done.
    """
    return _closest(run, encoder, of_image(encoder, image, view or View()), 1)


def of_image(encoder: DualEncoder, image: Image, view: View) -> UnitVector:
    """The mean direction of the planes that are looked at."""
    looked = look_at(image, domain_of(image, view, ()), view)
    features, _ = features_of_planes(encoder, looked.positions, partial(shown_plane, image, looked), None)
    return _unit(_unit(features.cpu().numpy()).mean(axis=0, keepdims=True))


def of_sentence(encoder: DualEncoder, sentence: str) -> UnitVector:
    """The direction of a sentence."""
    return _unit(embed_texts(encoder, [sentence]).cpu().numpy())


def _closest(run: RunFolder, encoder: DualEncoder, query: UnitVector, which: int) -> RankedCases:
    digest = (run.read().models or {}).get("encoder", {}).get("digest")
    if digest != encoder.spec.digest:
        raise WeightsError(f"{run.path}: was searched with another encoder than {encoder.spec.name}; load that one")
    held = _searched(run)
    cosines = held.both[:, which] @ query[0]
    return [(held.done.names[place], float(cosines[place])) for place in np.argsort(-cosines, kind="stable")]


def _searched(run: RunFolder, by: Sequence[str] = ()) -> SearchOutcome:
    done = done_cases(run, by=by)
    both = np.stack([_directions(run.cases / name / DIRECTIONS) for name in done.names])
    images, (texts, own) = both[:, 0], np.unique(both[:, 1], axis=0, return_inverse=True)
    own = own.reshape(-1)
    places = {
        WAYS[0]: places_of_answers(queries=texts[own], items=images, wanted=own, are=own),
        WAYS[1]: places_of_answers(queries=images, items=texts, wanted=own, are=np.arange(len(texts))),
    }
    return SearchOutcome(done=done, both=both, items=len(texts), places=places)


def _directions(path: Path) -> Float32[np.ndarray, "2 width"]:
    try:
        found: Float32[np.ndarray, "2 width"] = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UnreadableError(f"{path}: cannot be read; run the case again with `medkt batch retry`") from error
    return found


def _unit(values: Float32[np.ndarray, "rows width"]) -> Float32[np.ndarray, "rows width"]:
    unit: Float32[np.ndarray, "rows width"] = values / np.linalg.norm(values, axis=1, keepdims=True)
    return unit


def _row(found: RetrievalEvaluation, way: SearchDirection) -> tuple[str, ...]:
    shares = {one.k: interval_text(one.found) for one in found.recalls if one.way == way}
    counts = map(str, (found.queries, found.patients, found.queries if way == WAYS[0] else found.items))
    return (way, *counts, figure(found.median_rank[way], 1), *(shares.get(k, "–") for k in KS))
