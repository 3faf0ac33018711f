"""What a run says: counts, means and medians with intervals, by concept, by subgroup, positives and negatives apart."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medkt.statistics import BootstrapSettings, Interval, summary_of
from medkt.tasks.masks.abstention import UnclaimedCases, unclaimed_of
from medkt.tasks.masks.presence import Decisions, decisions_of
from medkt.tasks.masks.provisos import provisos_of, rules_of
from medkt.tasks.masks.scores import Scores
from medkt.tasks.table import CodedColumn, Rows

PARTS = ("all", "positives", "negatives")


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseCounts:
    """Of how many cases a number speaks; `cases` = used + no_number + missing + failed.

    Attributes:
        cases: rows of the table.
        used: with a number that enters mean and median.
        patients: whose cases are used.
        no_number: evaluated, but without this number (both masks empty, no spacing); the reasons stand in `why`.
        missing: without a prediction.
        failed: broke.
        infinite: of the used, how many are infinite (a distance to an empty mask); the mean is then infinite too.
        both_empty, reference_empty, prediction_empty: cases by outcome, used or not.
        why: for the cases without a number, how many for each reason.
    """

    cases: int
    used: int
    patients: int
    no_number: int
    missing: int
    failed: int
    infinite: int
    both_empty: int
    reference_empty: int
    prediction_empty: int
    why: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSummary:
    """One metric of one table.

    Attributes:
        metric: its name, with unit.
        counts: of how many cases it speaks.
        mean, median: with their intervals over patients.
        sd: standard deviation of the cases, NaN for fewer than two or infinite values.
        quartiles: the 25th and 75th percentiles of the cases; NaN where there is none.
    """

    metric: str
    counts: CaseCounts
    mean: Interval
    median: Interval
    sd: float
    quartiles: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One metric of one concept, over all cases or a part of them.

    Attributes:
        concept: its id.
        group, value: the subgroup, such as "sex" and "F"; "" for all.
        part: "all"; "positives", whose reference shows the finding; or "negatives". A failed case stands on both sides.
        summary: counts, mean, median, spread.
        no_claim: in how many of the cases nothing was claimed; they count as not seen, with an empty mask.
    """

    concept: str
    group: str
    value: str
    part: str
    summary: MetricSummary
    no_claim: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ConceptCounts:
    """How the rows of a concept ended.

    Attributes:
        concept: its id.
        rows, done, failed: cases, by status.
        scored: with a reference to compare with.
        seen: of the done, those in which the finding was seen.
        no_claim: of the done, those of which nothing was claimed.
    """

    concept: str
    rows: int
    done: int
    failed: int
    scored: int
    seen: int
    no_claim: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The statistics of one run.

    Attributes:
        counts: a line a concept.
        lines: the summaries; concept by concept, all cases before subgroups.
        decisions: presence against the reference.
        failures: how many rows failed, by kind.
        metrics: the names of the numbers.
        rules: of "reference" and "prediction", by which rules voxels were taken from their files, and in how many cases.
        provisos: what a reader of the numbers must know: copies, what counts as a patient, what lies outside.
        unclaimed: a line a concept, how often nothing was claimed and why; none where the table knows no such state.
    """

    counts: tuple[ConceptCounts, ...]
    lines: tuple[Line, ...]
    decisions: tuple[Decisions, ...]
    failures: Mapping[str, int]
    metrics: tuple[str, ...]
    rules: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    provisos: tuple[str, ...] = ()
    unclaimed: tuple[UnclaimedCases, ...] = ()

    def line(self, metric: str, *, concept: str, part: str = "all", group: str = "", value: str = "") -> Line | None:
        """The summary of one metric, None where there is none."""
        wanted = (concept, group, value, part)
        for one in self.lines:
            if one.summary.metric == metric and (one.concept, one.group, one.value, one.part) == wanted:
                return one
        return None


def evaluate_scores(
    scores: Scores, settings: BootstrapSettings | None = None, *, identity: Mapping[str, Any] | None = None
) -> Evaluation:
    """The statistics of a run's result table; a concept without a reference has counts only. `identity` is its record's."""
    settings = settings or BootstrapSettings()
    lines: list[Line] = []
    decisions: list[Decisions] = []
    for concept, group, value, rows in _groups(scores):
        if (scores.positives | scores.negatives)[rows].any():
            lines += _lines(scores, rows, (concept, group, value), settings)
            decisions += decisions_of(scores, rows, (concept, group, value), level=settings.level)
    return Evaluation(
        counts=tuple(_counts(scores, concept) for concept in _sorted(scores.concept)), lines=tuple(lines),
        decisions=tuple(decisions), failures=tally(scores.failure, scores.status.are("failed")),
        metrics=tuple(scores.numbers), rules=rules_of(scores), provisos=provisos_of(scores, identity or {}),
        unclaimed=unclaimed_of(scores, level=settings.level),
    )  # fmt: skip


def _groups(scores: Scores) -> Iterator[tuple[str, str, str, Rows]]:
    """Concept, group, value and rows: of each concept all rows, then each subgroup."""
    for concept in _sorted(scores.concept):
        own = scores.concept.are(concept)
        yield concept, "", "", own
        for group, column in scores.groups.items():
            for value in _sorted(column):
                rows = own & column.are(value)
                if rows.any():
                    yield concept, group, value, rows


def _lines(scores: Scores, rows: Rows, where: tuple[str, str, str], settings: BootstrapSettings) -> list[Line]:
    failed = scores.status.are("failed")
    parts = {
        "all": rows,
        "positives": rows & (scores.positives | failed),
        "negatives": rows & (scores.negatives | failed),
    }
    concept, group, value = where
    lines = []
    for metric in scores.numbers:
        if np.isnan(scores.numbers[metric][rows]).all():
            continue
        known: dict[bytes, MetricSummary] = {}  # where all are positive, both parts are the same cases
        for part, held in parts.items():
            if (held & ~failed).any():
                if held.tobytes() not in known:
                    known[held.tobytes()] = _summarise(scores, held, metric, settings)
                same = known[held.tobytes()]
                silent = int((held & scores.silent).sum())
                lines.append(Line(concept=concept, group=group, value=value, part=part, summary=same, no_claim=silent))
    return lines


def _summarise(scores: Scores, rows: Rows, metric: str, settings: BootstrapSettings) -> MetricSummary:
    """One metric over some of the rows."""
    column = scores.numbers[metric][rows]
    used = ~np.isnan(column)
    values, patients = column[used], scores.patient.codes[rows][used]
    found = summary_of(values, patients, settings)
    return MetricSummary(
        metric=metric, counts=_count_of(scores, rows, column), mean=found.mean, median=found.median, sd=found.sd,
        quartiles=found.quartiles,
    )  # fmt: skip


def _count_of(scores: Scores, rows: Rows, column: NDArray[np.float64]) -> CaseCounts:
    """Of how many cases the metric speaks, and why not of the others."""
    empty, failed = np.isnan(column), scores.status.are("failed")[rows]
    without = rows.copy()
    without[rows] = empty & ~failed
    outcomes = {word: int(scores.outcome.are(word)[rows].sum()) for word in scores.outcome.words}
    return CaseCounts(
        cases=len(column), used=int((~empty).sum()), patients=len(np.unique(scores.patient.codes[rows][~empty])),
        no_number=int(without.sum()), missing=0, failed=int((failed & empty).sum()),
        infinite=int(np.isinf(column).sum()), both_empty=outcomes.get("both empty", 0),
        reference_empty=outcomes.get("reference empty", 0), prediction_empty=outcomes.get("prediction empty", 0),
        why={why or "no number was computed": count for why, count in tally(scores.why, without).items()},
    )  # fmt: skip


def tally(column: CodedColumn, rows: Rows) -> dict[str, int]:
    """How often each word stands in the rows, by word in order."""
    numbers = np.bincount(column.codes[rows], minlength=len(column.words))
    return {word: int(number) for word, number in sorted(zip(column.words, numbers, strict=True)) if number}


def _counts(scores: Scores, concept: str) -> ConceptCounts:
    rows = scores.concept.are(concept)
    done = rows & scores.status.are("done")
    return ConceptCounts(
        concept=concept, rows=int(rows.sum()), done=int(done.sum()), failed=int((rows & ~done).sum()),
        scored=int((done & (scores.positives | scores.negatives)).sum()),
        seen=int((scores.present[done] == 1).sum()), no_claim=int((done & scores.silent).sum()),
    )  # fmt: skip


def _sorted(column: CodedColumn) -> Sequence[str]:
    return sorted(column.words)
