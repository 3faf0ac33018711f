"""Two runs that classify the same cases, pair by pair: base beside transferred, or any run beside another."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from medkt.errors import InputError
from medkt.statistics import (
    BootstrapSettings,
    Interval,
    auc_difference,
    auc_of,
    difference,
    flip_signs,
    holm,
    interval_of,
    mcnemar_p,
    mean_auc_difference,
    mean_interval,
    mean_over,
    numbered,
    share,
)
from medkt.statistics.weighted import STILL
from medkt.tasks.classify.evaluation import ACCURACY, ALL, AREA, BALANCED
from medkt.tasks.classify.scores import ClassScores, read_class_scores
from medkt.tasks.table import Rows

LISTED = 10
NAN = float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedClass:
    """One number of one class, or of all, in two runs.

    Attributes:
        target, metric: as of `ClassLine`.
        cases, patients: with a prediction in both runs.
        first, second: the number in each.
        found: second minus first, with its interval over patients.
        only_first, only_second: cases that one run alone has right; -1 for an area.
        mcnemar_p: McNemar's exact test of these two, two-sided; NaN where a patient has several cases, which it does not
            allow for, and for all but accuracies.
        permutation_p: of the difference, by flipping the signs of whole patients; NaN for all but accuracies.
        holm_p: the latter, adjusted over the classes; NaN for all classes together.
    """

    target: str
    metric: str
    cases: int
    patients: int
    first: float
    second: float
    found: Interval
    only_first: int = -1
    only_second: int = -1
    mcnemar_p: float = NAN
    permutation_p: float = NAN
    holm_p: float = NAN


def compare_classes(
    first: Path, second: Path, identities: Mapping[Path, Mapping[str, Any]], settings: BootstrapSettings | None = None
) -> tuple[ComparedClass, ...]:
    """Compare the result tables of two runs.

    Args:
        first: `results.parquet` of a run.
        second: that of another, over the same cases and with the same salt.
        identities: that of the record of each.
        settings: level, seed and resamples.

    Raises:
        InputError: the runs hold other cases, classes or patients, or no case that both have classified.
    """
    settings = settings or BootstrapSettings()
    one, other = (read_class_scores(path, identities[path]) for path in (first, second))
    other = _in_order_of(one, other)
    both = one.done & other.done
    if not both.any():
        raise InputError("the two runs have classified no case in common; see the failures of both")
    places = [place for place in range(len(one.classes)) if (both & (one.truth == place)).any()]
    lines = [_accuracy(one, other, both, ALL, settings), *_means(one, other, both, places, settings)]
    by_class = [_accuracy(one, other, both & (one.truth == place), one.classes[place], settings) for place in places]
    adjusted = holm(np.array([line.permutation_p for line in by_class]))
    lines += [replace(line, holm_p=float(p)) for line, p in zip(by_class, adjusted, strict=True)]
    return (*lines, *_areas(one, other, both, places, settings))


def _in_order_of(one: ClassScores, other: ClassScores) -> ClassScores:
    """The second run's rows in the order of the first's.

    Raises:
        InputError: they hold other classes, cases, or other classes and patients of a case.
    """
    if one.classes != other.classes:
        raise InputError(
            f"two runs are compared over the same classes; the first has {', '.join(one.classes)}, the second "
            f"{', '.join(other.classes)}"
        )
    cases = [np.array(run.case.words, dtype=object)[run.case.codes] for run in (one, other)]
    alone = [sorted(set(own) - set(others)) for own, others in (cases, cases[::-1])]
    if any(alone):
        listed = [
            f"{case} ({which})"
            for held, which in zip(alone, ("first only", "second only"), strict=True)
            for case in held
        ]
        more = f" and {len(listed) - LISTED} more" if len(listed) > LISTED else ""
        raise InputError(
            f"two runs are compared over the same cases; {len(listed)} stand in one only: {', '.join(listed[:LISTED])}{more}; "
            "run both over one manifest, the second with --salt FIRST/salt, so that cases have one name in both"
        )
    order = np.argsort(cases[1], kind="stable")[np.argsort(np.argsort(cases[0], kind="stable"), kind="stable")]
    patients = [np.array(run.patient.words, dtype=object)[run.patient.codes] for run in (one, other)]
    moved = (patients[0] != patients[1][order]) | (one.truth != other.truth[order])
    if moved.any():
        raise InputError(
            f"{int(moved.sum())} cases are of another class or patient in the second run; correct a manifest"
        )
    return replace(
        other, truth=other.truth[order], predicted=other.predicted[order], rank=other.rank[order],
        shares=other.shares[order],
    )  # fmt: skip


def _accuracy(
    one: ClassScores, other: ClassScores, rows: Rows, target: str, settings: BootstrapSettings
) -> ComparedClass:
    first, second, codes = one.hit[rows], other.hit[rows], one.patient.codes[rows]
    changed = second.astype(np.float64) - first
    patients = numbered(codes)
    by_patient: Float64[np.ndarray, " patients"] = np.bincount(patients, weights=changed)
    counts = int((first & ~second).sum()), int((second & ~first).sum())
    single = len(by_patient) == len(changed)
    found = mean_interval(changed, codes, settings)
    if not changed.any():
        found = Interval(estimate=0.0, level=settings.level, note=STILL)
    return ComparedClass(
        target=target, metric=ACCURACY, cases=len(changed), patients=len(by_patient), first=float(first.mean()),
        second=float(second.mean()), found=found, only_first=counts[0],
        only_second=counts[1], mcnemar_p=mcnemar_p(*counts) if single else NAN,
        permutation_p=flip_signs(by_patient, seed=settings.seed).p_value,
    )  # fmt: skip


def _means(
    one: ClassScores, other: ClassScores, rows: Rows, places: list[int], settings: BootstrapSettings
) -> Iterator[ComparedClass]:
    """Balanced accuracy, and the mean of the areas."""
    truth, patients = one.truth[rows], numbered(one.patient.codes[rows])
    first, second = (
        mean_over([share(run.hit[rows], truth == place, patients) for place in places]) for run in (one, other)
    )
    found = interval_of(difference(first, second), settings)
    yield _line(ALL, BALANCED, patients, (first.estimate, second.estimate), found)
    told = [place for place in places if (truth != place).any()]
    if told:
        shares = one.shares[rows], other.shares[rows]
        means = [float(np.mean([auc_of(*_kinds(truth, held, place)) for place in told])) for held in shares]
        found = mean_auc_difference(truth, *shares, patients, places=told, level=settings.level)
        yield _line(ALL, AREA, patients, (means[0], means[1]), found)


def _areas(
    one: ClassScores, other: ClassScores, rows: Rows, places: list[int], settings: BootstrapSettings
) -> Iterator[ComparedClass]:
    truth, patients = one.truth[rows], one.patient.codes[rows]
    for place in places:
        if (truth != place).any():
            own = truth == place
            first, second = (_kinds(truth, run.shares[rows], place) for run in (one, other))
            whose = patients[~own], patients[own]
            found = auc_difference(first, second, patients=whose, level=settings.level)
            yield _line(one.classes[place], AREA, patients, (auc_of(*first), auc_of(*second)), found)


def _kinds(
    truth: Int64[np.ndarray, " cases"], shares: Float64[np.ndarray, "cases classes"], place: int
) -> tuple[Float64[np.ndarray, " others"], Float64[np.ndarray, " own"]]:
    """The shares of one class in the cases of all others, and in its own."""
    own = truth == place
    return shares[~own, place], shares[own, place]


def _line(
    target: str, metric: str, patients: Int64[np.ndarray, " cases"], values: tuple[float, float], found: Interval
) -> ComparedClass:
    return ComparedClass(
        target=target, metric=metric, cases=len(patients), patients=len(np.unique(patients)), first=values[0],
        second=values[1], found=found,
    )  # fmt: skip
