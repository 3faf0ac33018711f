"""Two runs that classify the same cases, pair by pair: base beside transferred, or any run beside another."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy
from jaxtyping import Bool, Float64, Int64

from medkt.errors import InputError
from medkt.report.run.class_bootstrap import STILL, Statistic, area, difference, interval_of, mean_over, numbered, share
from medkt.report.run.class_evaluation import ACCURACY, ALL, AREA, BALANCED
from medkt.report.run.class_scores import ClassScores, read_class_scores
from medkt.report.run.many import mean_interval
from medkt.statistics import BootstrapSettings, Interval, flip_signs, holm

LISTED = 10
NAN = float("nan")
Rows = Bool[np.ndarray, " rows"]


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
    first: Path, second: Path, records: Mapping[Path, Mapping[str, Any]], settings: BootstrapSettings | None = None
) -> tuple[ComparedClass, ...]:
    """Compare the result tables of two runs.

    Args:
        first: `results.parquet` of a run.
        second: that of another, over the same cases and with the same salt.
        records: the `run.json` of each.
        settings: level, seed and resamples.

    Raises:
        InputError: the runs hold other cases, classes or patients, or no case that both have classified.
    """
    settings = settings or BootstrapSettings()
    one, other = (read_class_scores(path, records[path]) for path in (first, second))
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
        only_second=counts[1], mcnemar_p=_mcnemar(*counts) if single else NAN,
        permutation_p=flip_signs(by_patient, seed=settings.seed).p_value,
    )  # fmt: skip


def _mcnemar(only_first: int, only_second: int) -> float:
    """McNemar's test by the binomial distribution (1947, Psychometrika 12:153); 1 where the runs never differ."""
    discordant = only_first + only_second
    return float(scipy.stats.binomtest(only_second, discordant, 0.5).pvalue) if discordant else 1.0


def _means(
    one: ClassScores, other: ClassScores, rows: Rows, places: list[int], settings: BootstrapSettings
) -> Iterator[ComparedClass]:
    """Balanced accuracy, and the mean of the areas."""
    truth, patients = one.truth[rows], numbered(one.patient.codes[rows])
    balanced = [mean_over([share(run.hit[rows], truth == place, patients) for place in places]) for run in (one, other)]
    yield _line(ALL, BALANCED, patients, balanced, settings)
    told = [place for place in places if (truth != place).any()]
    if told:
        means = [
            mean_over([area(truth == place, run.shares[rows, place], patients) for place in told])
            for run in (one, other)
        ]
        yield _line(ALL, AREA, patients, means, settings)


def _areas(
    one: ClassScores, other: ClassScores, rows: Rows, places: list[int], settings: BootstrapSettings
) -> Iterator[ComparedClass]:
    truth, patients = one.truth[rows], numbered(one.patient.codes[rows])
    for place in places:
        if (truth != place).any():
            pair = [area(truth == place, run.shares[rows, place], patients) for run in (one, other)]
            yield _line(one.classes[place], AREA, patients, pair, settings)


def _line(
    target: str, metric: str, patients: Int64[np.ndarray, " cases"], pair: list[Statistic], settings: BootstrapSettings
) -> ComparedClass:
    first, second = pair
    return ComparedClass(
        target=target, metric=metric, cases=len(patients), patients=len(first.pulls), first=first.estimate,
        second=second.estimate, found=interval_of(difference(first, second), settings),
    )  # fmt: skip
