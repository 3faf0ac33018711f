"""What a run that classifies says: accuracy and areas by class and over all, and the confusion table.

The accuracy of one class is the share of its images that are called by its name (its sensitivity), as publications on
CheXpert-5x200 and JSRT print it; that of all classes is the share of all images (top 1). Intervals are over patients.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from medkt.statistics import (
    BootstrapSettings,
    Interval,
    auc_interval,
    interval_of,
    mean_auc_interval,
    mean_over,
    numbered,
    rate_interval,
    share,
)
from medkt.tasks.classify.scores import UNCLAIMED, ClassScores
from medkt.tasks.table import Rows

ALL = "all classes"
ACCURACY, BALANCED, AREA, PRECISION = "accuracy", "balanced accuracy", "AUC", "precision"
METRICS = (ACCURACY, BALANCED, PRECISION, AREA)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassLine:
    """One number of one class, or of all.

    Attributes:
        target: the class, or "all classes".
        metric: "accuracy"; "balanced accuracy", the mean of the classes' accuracies; "precision", the share of the images
            called so that are; or "AUC", of the class's share against the rest (over all classes their mean).
        group, value: the subgroup, such as "sex" and "F"; "" for all cases.
        cases, patients: of how many cases and patients it speaks; failed cases are none of them.
        found: with its interval over patients; from 0 to 1.
    """

    target: str
    metric: str
    group: str
    value: str
    cases: int
    patients: int
    found: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfusionCell:
    """How many images of one class were called by one name.

    Attributes:
        truth, predicted: the class, and the name.
        cases: how many.
        share: of the class's images, with its interval over patients.
    """

    truth: str
    predicted: str
    cases: int
    share: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassCounts:
    """How the images of one class ended.

    Attributes:
        name, concept: of the class.
        cases, done, failed: its images.
        called: images of any class that were called by its name.
        no_claim: of the done, those of which nothing was claimed: they are called nothing, which counts as wrong.
    """

    name: str
    concept: str
    cases: int
    done: int
    failed: int
    called: int
    no_claim: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassEvaluation:
    """The statistics of one run that classifies.

    Attributes:
        counts: a line a class.
        lines: the numbers; all classes first, all cases before subgroups.
        confusion: a cell for each pair of classes, class by class.
        failures: how many cases failed, by kind.
    """

    counts: tuple[ClassCounts, ...]
    lines: tuple[ClassLine, ...]
    confusion: tuple[ConfusionCell, ...]
    failures: Mapping[str, int]

    @property
    def unclaimed(self) -> str:
        """How often nothing was claimed, for a headline; "" for never."""
        held, done = sum(one.no_claim for one in self.counts), sum(one.done for one in self.counts)
        return f"no claim in {held} of {done} cases ({held / done:.1%}), counted as wrong" if held else ""

    @property
    def classes(self) -> tuple[str, ...]:
        """Their names, in order."""
        return tuple(one.name for one in self.counts)

    def line(self, target: str, metric: str, *, group: str = "", value: str = "") -> ClassLine | None:
        """One number, None where there is none."""
        wanted = (target, metric, group, value)
        return next((one for one in self.lines if (one.target, one.metric, one.group, one.value) == wanted), None)


def evaluate_classes(scores: ClassScores, settings: BootstrapSettings | None = None) -> ClassEvaluation:
    """The statistics of a classification's result table."""
    settings = settings or BootstrapSettings()
    everything = scores.done
    lines: list[ClassLine] = []
    if everything.any():
        lines = [*_of_all(scores, everything, ("", ""), settings), *_areas(scores, settings)]
    for group, column in scores.groups.items():
        for value in sorted(column.words):
            rows = everything & column.are(value)
            if rows.any():
                lines += _of_all(scores, rows, (group, value), settings)
    return ClassEvaluation(
        counts=tuple(_counts(scores, place) for place in range(len(scores.classes))), lines=tuple(lines),
        confusion=tuple(_confusion(scores, settings)), failures=_failures(scores),
    )  # fmt: skip


def _of_all(
    scores: ClassScores, rows: Rows, where: tuple[str, str], settings: BootstrapSettings
) -> Iterator[ClassLine]:
    """Accuracy over all and by class, balanced accuracy, and how far a name can be trusted; `rows` holds one at least."""
    yield _line(scores, ALL, ACCURACY, rows, where, _mean(scores, scores.hit, rows, settings))
    truth, patients = scores.truth[rows], numbered(scores.patient.codes[rows])
    held = sorted(set(truth.tolist()))
    by_class = mean_over([share(scores.hit[rows], truth == place, patients) for place in held])
    yield _line(scores, ALL, BALANCED, rows, where, interval_of(by_class, settings))
    for place in held:
        own = rows & (scores.truth == place)
        yield _line(scores, scores.classes[place], ACCURACY, own, where, _mean(scores, scores.hit, own, settings))
    for place in sorted(set(scores.predicted[rows].tolist()) - {UNCLAIMED}):
        called = rows & (scores.predicted == place)
        right = _mean(scores, scores.truth == place, called, settings)
        yield _line(scores, scores.classes[place], PRECISION, called, where, right)


def _areas(scores: ClassScores, settings: BootstrapSettings) -> Iterator[ClassLine]:
    """Each class against the rest by its share, and the mean over the classes that there are images of."""
    rows = scores.done
    truth, shares, patients = scores.truth[rows], scores.shares[rows], scores.patient.codes[rows]
    places = [place for place in range(len(scores.classes)) if 0 < (truth == place).sum() < len(truth)]
    if not places:
        return
    mean = mean_auc_interval(truth, shares, patients, places=places, level=settings.level)
    yield _line(scores, ALL, AREA, rows, ("", ""), mean)
    for place in places:
        kinds = truth != place, truth == place
        found = auc_interval(
            shares[kinds[0], place], shares[kinds[1], place], patients=(patients[kinds[0]], patients[kinds[1]]),
            level=settings.level,
        )  # fmt: skip
        yield _line(scores, scores.classes[place], AREA, rows, ("", ""), found)


def _line(
    scores: ClassScores, target: str, metric: str, rows: Rows, where: tuple[str, str], found: Interval
) -> ClassLine:
    return ClassLine(
        target=target, metric=metric, group=where[0], value=where[1], cases=int(rows.sum()),
        patients=len(np.unique(scores.patient.codes[rows])), found=found,
    )  # fmt: skip


def _mean(scores: ClassScores, held: Rows, rows: Rows, settings: BootstrapSettings) -> Interval:
    return rate_interval(held[rows], scores.patient.codes[rows], settings)


def _confusion(scores: ClassScores, settings: BootstrapSettings) -> Iterator[ConfusionCell]:
    for true, name in enumerate(scores.classes):
        own = scores.done & (scores.truth == true)
        for called, other in enumerate(scores.classes):
            held = scores.predicted == called
            yield ConfusionCell(
                truth=name, predicted=other, cases=int((own & held).sum()), share=_mean(scores, held, own, settings)
            )


def _counts(scores: ClassScores, place: int) -> ClassCounts:
    own = scores.truth == place
    return ClassCounts(
        name=scores.classes[place], concept=scores.concepts[place], cases=int(own.sum()),
        done=int((own & scores.done).sum()), failed=int((own & ~scores.done).sum()),
        called=int((scores.predicted == place).sum()), no_claim=int((own & (scores.predicted == UNCLAIMED)).sum()),
    )  # fmt: skip


def _failures(scores: ClassScores) -> dict[str, int]:
    failed = ~scores.done
    counts = {word: int((scores.failure.are(word) & failed).sum()) for word in sorted(scores.failure.words)}
    return {word: count for word, count in counts.items() if word and count}
