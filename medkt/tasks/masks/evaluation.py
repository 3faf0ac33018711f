"""What a run says: counts, means and medians with intervals, by concept, by subgroup, positives and negatives apart."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from medkt.statistics import BootstrapSettings, Interval, share_interval
from medkt.tasks.masks.abstention import UnclaimedCases, unclaimed_of
from medkt.tasks.masks.presence import presence_auc
from medkt.tasks.masks.provisos import provisos_of, rules_of
from medkt.tasks.masks.scores import Scores
from medkt.tasks.masks.summary import MetricSummary, summarise_rows, tally
from medkt.tasks.table import CodedColumn, Rows

PARTS = ("all", "positives", "negatives")


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
class Decisions:
    """How often a finding was seen where the reference shows it, and not seen where it does not.

    Attributes:
        concept, group, value: as of `Line`.
        positives, negatives: cases with a reference, and a decision.
        no_claim: of these, those of which nothing was claimed; they count as not seen.
        undecided: with a reference, and no decision, for the gate is off.
        sensitivity: share of the positives in which it was seen.
        specificity: share of the negatives in which it was not.
        auc: area under the ROC curve of the presence score, 0 to 1; NaN where one kind of case is missing.
    """

    concept: str
    group: str
    value: str
    positives: int
    negatives: int
    no_claim: int
    undecided: int
    sensitivity: Interval
    specificity: Interval
    auc: Interval


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
            decisions += _decisions(scores, rows, (concept, group, value), settings)
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
                    known[held.tobytes()] = summarise_rows(scores, held, metric, settings)
                same = known[held.tobytes()]
                silent = int((held & scores.silent).sum())
                lines.append(Line(concept=concept, group=group, value=value, part=part, summary=same, no_claim=silent))
    return lines


def _decisions(scores: Scores, rows: Rows, where: tuple[str, str, str], settings: BootstrapSettings) -> list[Decisions]:
    decided = rows & ~np.isnan(scores.present)
    auc = presence_auc(scores, rows, level=settings.level)
    if not decided.any() and np.isnan(auc.estimate):
        return []
    shares, held = [], []
    for part, wanted in ((scores.positives, 1.0), (scores.negatives, 0.0)):
        chosen = decided & part
        held.append(int(chosen.sum()))
        shares.append(
            share_interval(scores.present[chosen] == wanted, scores.patient.codes[chosen], level=settings.level)
        )
    concept, group, value = where
    silent = rows & np.isnan(scores.present) & (scores.positives | scores.negatives)
    return [
        Decisions(
            concept=concept, group=group, value=value, positives=held[0], negatives=held[1],
            no_claim=int((decided & scores.silent & (scores.positives | scores.negatives)).sum()), undecided=int(silent.sum()), sensitivity=shares[0], specificity=shares[1], auc=auc,
        )
    ]  # fmt: skip


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
