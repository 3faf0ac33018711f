"""The task of finding again: the images that a sentence belongs to, and the sentences of an image, among all of a manifest.

Each case is an image with the sentence of its row (the manifest's column `sentence`, such as the impression of its report).
Both become a direction of the encoder, which is kept in the case's folder; a study of several planes is the mean direction
of those that are looked at. The search is exact: every sentence is compared with every image. Recall at k is the share of
queries with an answer among the k closest; cases with one sentence are answers to it alike, and a tie is no hit.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32, Int64

from medkt.about import __version__
from medkt.datasets.reference import read_case_image
from medkt.errors import InputError, UnreadableError
from medkt.io.parts import part_beside
from medkt.metrics import ranks
from medkt.models.encoder import DualEncoder
from medkt.models.module import device_of
from medkt.models.registry import load_encoder
from medkt.pipeline import View, resolve_device
from medkt.pipeline.look import look_at, shown_plane
from medkt.pipeline.words import domain_of
from medkt.records import as_plain
from medkt.runs.columns import CASE
from medkt.runs.engine import RunnerFactory
from medkt.runs.folder import RunFolder
from medkt.runs.work import Row
from medkt.saliency.targets import embed_texts
from medkt.segmentation.slicewise import features_of_planes
from medkt.spatial import Image
from medkt.statistics import BootstrapSettings, Interval, mean_interval, rate_interval
from medkt.tasks.base import CaseSource, Column, EvaluatedRun, RunComparison, Task, TextTable, ids_word, patients_word
from medkt.tasks.cases import CasePlan, CaseWork
from medkt.tasks.manifest import plan_of
from medkt.tasks.masks.words import aligned, figure, interval_text
from medkt.tasks.table import coded, open_table

SENTENCE, PAIR = "sentence", "pair"
DIRECTIONS = "directions.npy"  # (2, width): of the image, and of the sentence
KS = (1, 5, 10)
AT_ONCE = 1024  # queries compared with all items in one step
SearchDirection = Literal["images for a sentence", "sentences for an image"]
WAYS: tuple[SearchDirection, SearchDirection] = ("images for a sentence", "sentences for an image")
CaseEmbeddings = Float32[np.ndarray, "cases width"]
HEAD = ("search", "queries", "patients", "items", "median rank", *(f"recall at {k} (95 %)" for k in KS))
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
        import torch

        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
        encoder = load_encoder(asked.model, device=resolve_device(asked.device))
        return cls(encoder=encoder, view=asked.view, run=run)

    def facts(self) -> Mapping[str, Any]:
        spec = self.encoder.spec
        return {"encoder": {"name": spec.name, "digest": spec.digest}, "device": device_of(self.encoder).type}

    def read(self, work: CaseWork) -> Image:
        if not work.case.columns.get(SENTENCE):
            raise InputError(f"the row has nothing in the column {SENTENCE}; write one, or leave the row out")
        return read_case_image(work.case)

    def compute(self, work: CaseWork, image: Image) -> Float32[np.ndarray, "2 width"]:
        view = replace(self.view, modality=work.case.modality or self.view.modality)
        looked = look_at(image, domain_of(image, view, ()), view)
        features, _ = features_of_planes(self.encoder, looked.positions, partial(shown_plane, image, looked), None)
        planes = _unit(features.cpu().numpy()).mean(axis=0)
        sentence = embed_texts(self.encoder, [work.case.columns[SENTENCE]])[0].cpu().numpy()
        return _unit(np.stack([planes, sentence]).astype(np.float32))

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
class Ranking:
    """The place of the first answer to each query, by way, of the cases that were done.

    Attributes:
        cases: names, sorted.
        patients: a number a case.
        items: different sentences.
        places: by way, (cases,), from 1.
    """

    cases: tuple[str, ...]
    patients: Int64[np.ndarray, " cases"]
    failed: int
    items: int
    places: Mapping[SearchDirection, Int64[np.ndarray, " cases"]]


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
        source = asked.source
        plan = plan_of(
            source.table, concepts=lambda _: PAIR, asked=(PAIR,), shard=source.shard, keep_ids=source.keep_ids,
            columns=source.columns, cache=source.cache,
        )  # fmt: skip
        if not any(SENTENCE in case.columns for case in plan.cases()):
            raise InputError(f"{source.table}: no row has anything in the column {SENTENCE}, which is searched; add it")
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
        found = _ranked(run, by)
        ks = [k for k in KS if k <= found.items]
        recalls = [
            Recall(way=way, k=k, found=rate_interval(found.places[way] <= k, found.patients, settings))
            for way in WAYS
            for k in ks
        ]
        median: dict[str, float] = {way: float(np.median(found.places[way])) for way in WAYS}
        patients = len(np.unique(found.patients))
        return RetrievalEvaluation(
            queries=len(found.cases), patients=patients, failed=found.failed, items=found.items, median_rank=median,
            recalls=tuple(recalls),
        )  # fmt: skip

    def tables(self, evaluation: RetrievalEvaluation) -> Mapping[str, TextTable]:
        """A row a way and k."""
        counts = {name: str(getattr(evaluation, name)) for name in ("queries", "patients", "items")}
        rows = [{"way": one.way, "k": str(one.k), **counts, **_ends(one.found)} for one in evaluation.recalls]
        return {"evaluation.csv": (CSV_HEAD, rows)}

    def say(self, run: EvaluatedRun) -> Iterator[str]:
        """As `Task.say`."""
        found: RetrievalEvaluation = run.evaluation
        yield f"{found.queries} of {found.queries + found.failed} cases done, {found.failed} failed"
        yield from aligned(HEAD, [_row(found, way) for way in WAYS])

    def compare(self, first: RunFolder, second: RunFolder, settings: BootstrapSettings) -> RunComparison:
        """Recall at each k, query by query."""
        one, other = _ranked(first, ()), _ranked(second, ())
        if one.cases != other.cases or one.items != other.items:
            raise InputError("two searches are compared over the same cases with the same sentences; these hold others")
        lines, rows = [], []
        for way in WAYS:
            for k in (k for k in KS if k <= one.items):
                held = one.places[way] <= k, other.places[way] <= k
                found = mean_interval(held[1].astype(np.float64) - held[0], one.patients, settings)
                lines.append(Recall(way=way, k=k, found=found))
                shares = (figure(float(each.mean())) for each in held)
                counts = (str(len(one.cases)), str(len(np.unique(one.patients))))
                rows.append((way, f"recall at {k}", *shares, interval_text(found), *counts))
        return RunComparison(
            lines=lines, head=COMPARED_HEAD, rows=rows, pairing=", over patients", explained=", over patients"
        )


TASK = RetrieveTask()


def _ranked(run: RunFolder, by: Sequence[str]) -> Ranking:
    held = open_table(run.require_table("results"), needed=(CASE, "status"), by=by, kept=lambda name: name == "patient")
    cases, patients = coded(held, CASE), coded(held, "patient", otherwise=CASE)
    done = coded(held, "status").are("done")
    names = tuple(np.array(cases.words, dtype=object)[cases.codes[done]].tolist())
    if not names:
        raise InputError(f"{run.path}: no case was done, so there is nothing to search; see failures.csv")
    both = np.stack([_directions(run.cases / name) for name in names])
    images, (texts, own) = both[:, 0], np.unique(both[:, 1], axis=0, return_inverse=True)
    own = own.reshape(-1)
    places = {
        WAYS[0]: _places(texts[own], images, own, own),
        WAYS[1]: _places(images, texts, own, np.arange(len(texts))),
    }
    return Ranking(
        cases=names, patients=patients.codes[done], failed=int((~done).sum()), items=len(texts), places=places
    )  # fmt: skip


def _places(
    queries: CaseEmbeddings,
    items: CaseEmbeddings,
    wanted: Int64[np.ndarray, " queries"],
    are: Int64[np.ndarray, " items"],
) -> Int64[np.ndarray, " queries"]:
    """The place of the first answer to each query: an item that is what the query wants."""
    parts = []
    for start in range(0, len(queries), AT_ONCE):
        some = slice(start, start + AT_ONCE)
        relevant = wanted[some, None] == are[None]
        parts.append(ranks(similarity=queries[some] @ items.T, relevant=relevant))
    return np.concatenate(parts)


def _directions(folder: Path) -> Float32[np.ndarray, "2 width"]:
    try:
        found: Float32[np.ndarray, "2 width"] = np.load(folder / DIRECTIONS, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UnreadableError(
            f"{folder / DIRECTIONS}: cannot be read; run the case again with `medkt batch retry`"
        ) from error
    return found


def _unit(values: Float32[np.ndarray, "rows width"]) -> Float32[np.ndarray, "rows width"]:
    unit: Float32[np.ndarray, "rows width"] = values / np.linalg.norm(values, axis=1, keepdims=True)
    return unit


def _row(found: RetrievalEvaluation, way: SearchDirection) -> tuple[str, ...]:
    shares = {one.k: interval_text(one.found) for one in found.recalls if one.way == way}
    counts = map(str, (found.queries, found.patients, found.queries if way == WAYS[0] else found.items))
    return (way, *counts, figure(found.median_rank[way], 1), *(shares.get(k, "–") for k in KS))


def _ends(found: Interval) -> dict[str, str]:
    numbers = {"recall": found.estimate, "low": found.low, "high": found.high}
    shown = {name: "" if value != value else str(value) for name, value in numbers.items()}
    return {**shown, "method": found.method, "note": found.note}
