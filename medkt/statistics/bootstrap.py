"""Intervals by bootstrap over patients: bias-corrected and accelerated (BCa).

Efron 1987 (J Am Stat Assoc 82:171-185); the patient, not the case, is drawn, since cases of one patient go together
(Davison and Hinkley 1997, section 2.4). SciPy's `bootstrap` draws single observations only, hence this one; with one case
a patient both agree. The acceleration comes from a jackknife over patients, in groups of them where they are many.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Shaped
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from medkt.errors import SettingsError

CaseValues = Float64[np.ndarray, " cases"]
Patients = Shaped[np.ndarray, " cases"]  # texts or numbers, equal for one patient
StatisticOver = Callable[[NDArray[np.float64]], NDArray[np.float64]]  # over the last axis, leaving NaN out
_Drawn = Float64[np.ndarray, " resamples"]
_Padded = Float64[np.ndarray, "patients most"]

CHUNK = 2_000_000  # values held at once
BUDGET = 200_000_000  # values drawn in all; beyond it there are fewer resamples
FEWEST_FOR_BCA = 2_000  # resamples; below, their tails are too thin and the normal interval is taken
JACKKNIFE_GROUPS = 500
NAN = float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class BootstrapSettings:
    """How intervals are drawn."""

    level: float = 0.95
    """Of the interval, between 0 and 1."""
    resamples: int = 10_000
    """Draws of patients; fewer where patients are very many (see `Interval.method`)."""
    seed: int = 0
    """The same seed gives the same interval."""

    def __post_init__(self) -> None:
        if not 0 < self.level < 1:
            raise SettingsError(f"the level of an interval lies between 0 and 1, got {self.level}")
        if self.resamples < 100:
            raise SettingsError(f"a bootstrap needs at least 100 resamples, got {self.resamples}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A number with its interval.

    Attributes:
        estimate: of all values; NaN where there is none.
        low, high: the ends; NaN where there is no interval.
        level: for example 0.95.
        method: how it was found ("BCa, 10000 resamples of 37 patients").
        note: why there is no interval, or what to be careful of.
    """

    estimate: float
    low: float = NAN
    high: float = NAN
    level: float = 0.95
    method: str = ""
    note: str = ""


def mean_of(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean over the last axis, leaving NaN out."""
    held = ~np.isnan(values)
    total: NDArray[np.float64] = np.where(held, values, 0).sum(axis=-1) / held.sum(axis=-1)
    return total


def median_of(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The median over the last axis, leaving NaN out."""
    held = (~np.isnan(values)).sum(axis=-1, keepdims=True)
    ordered = np.sort(values, axis=-1)  # NaN comes last
    low, high = (np.take_along_axis(ordered, place, axis=-1)[..., 0] for place in ((held - 1) // 2, held // 2))
    middle: NDArray[np.float64] = (low + high) / 2
    return middle


def bootstrap_interval(
    values: CaseValues,
    patients: Patients,
    statistic: StatisticOver = mean_of,
    settings: BootstrapSettings | None = None,
) -> Interval:
    """The statistic of the values and its interval over patients.

    No value gives NaN; one patient, or values that are not finite, give no interval; equal values give a point. Each says
    so in the note.

    Args:
        values: (cases,), without NaN.
        patients: (cases,) whose patient each is.
        statistic: over the last axis of an array that is padded with NaN; `mean_of` or `median_of`.
        settings: level, resamples, seed.
    """
    return bootstrap_intervals(values, patients, (statistic,), settings)[0]


def bootstrap_intervals(
    values: CaseValues,
    patients: Patients,
    statistics: Sequence[StatisticOver],
    settings: BootstrapSettings | None = None,
) -> tuple[Interval, ...]:
    """As `bootstrap_interval` of each statistic, from the same draws, which take as long as the statistics."""
    settings = settings or BootstrapSettings()
    if not len(values):
        return (Interval(estimate=NAN, level=settings.level, note="no value"),) * len(statistics)
    padded = by_patient(values, patients)
    estimates = [float(statistic(padded.reshape(1, -1))[0]) for statistic in statistics]
    why = _no_interval(values, len(padded))
    if why:
        points = estimates if why == EQUAL else [NAN] * len(estimates)
        return tuple(
            Interval(estimate=estimate, low=point, high=point, level=settings.level, note=why)
            for estimate, point in zip(estimates, points, strict=True)
        )
    count = int(min(settings.resamples, max(200, BUDGET // padded.size)))
    drawn = _draw(padded, statistics, count, np.random.default_rng(settings.seed))
    return tuple(
        _interval(padded, estimate, statistic, one, settings)
        for estimate, statistic, one in zip(estimates, statistics, drawn, strict=True)
    )


def _interval(
    padded: _Padded, estimate: float, statistic: StatisticOver, drawn: _Drawn, settings: BootstrapSettings
) -> Interval:
    count = len(drawn)
    few = "fewer than 20 patients: the interval is too narrow" if len(padded) < 20 else ""
    of = f"{count} resamples of {len(padded)} patients"
    if count < min(FEWEST_FOR_BCA, settings.resamples):
        half = float(ndtri((1 + settings.level) / 2) * drawn.std(ddof=1))
        return Interval(
            estimate=estimate, low=estimate - half, high=estimate + half, level=settings.level,
            method=f"normal with bootstrap standard error, {of}", note=few,
        )  # fmt: skip
    low, high, method = _bca(drawn, estimate, _jackknife(padded, statistic), settings.level)
    return Interval(estimate=estimate, low=low, high=high, level=settings.level, method=f"{method}, {of}", note=few)


EQUAL = "all values are equal: the interval is a point and says nothing of other patients"


def by_patient(values: CaseValues, patients: Patients) -> _Padded:
    """(patients, most cases of one): the values of each patient in a row, filled up with NaN."""
    _, number, counts = np.unique(patients, return_inverse=True, return_counts=True)
    order = np.argsort(number, kind="stable")
    place = np.arange(len(values)) - np.repeat(np.cumsum(counts) - counts, counts)
    padded = np.full((len(counts), int(counts.max())), NAN)
    padded[number[order], place] = values[order]
    return padded


def _no_interval(values: CaseValues, patients: int) -> str:
    if not np.isfinite(values).all():
        return f"{int((~np.isfinite(values)).sum())} values are infinite: no interval"
    if patients < 2:
        return "one patient: no interval"
    return EQUAL if values.min() == values.max() else ""


def _draw(
    padded: _Padded, statistics: Sequence[StatisticOver], count: int, random: np.random.Generator
) -> list[_Drawn]:
    """Each statistic of the same resamples."""
    at_once = max(1, CHUNK // padded.size)
    parts: list[list[NDArray[np.float64]]] = [[] for _ in statistics]
    for start in range(0, count, at_once):
        rows = random.integers(len(padded), size=(min(at_once, count - start), len(padded)))
        resampled = padded[rows].reshape(len(rows), -1)
        for part, statistic in zip(parts, statistics, strict=True):
            part.append(statistic(resampled))
    return [np.concatenate(part) for part in parts]


def _jackknife(padded: _Padded, statistic: StatisticOver) -> Float64[np.ndarray, " left_out"]:
    groups = np.arange(len(padded)) * min(JACKKNIFE_GROUPS, len(padded)) // len(padded)
    numbers = np.arange(groups[-1] + 1)
    at_once = max(1, CHUNK // padded.size)
    left_out = [
        statistic(
            np.where((groups == numbers[start : start + at_once, None])[..., None], NAN, padded).reshape(
                -1, padded.size
            )
        )
        for start in range(0, len(numbers), at_once)
    ]
    return np.concatenate(left_out)


def _bca(
    drawn: _Drawn, estimate: float, left_out: Float64[np.ndarray, " left_out"], level: float
) -> tuple[float, float, str]:
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    below = ((drawn < estimate).mean() + (drawn <= estimate).mean()) / 2  # ties count half
    spread = left_out.mean() - left_out
    cubes, squares = (spread**3).sum(), (spread**2).sum()
    if not 0 < below < 1 or not squares:
        low, high = np.quantile(drawn, tails)
        return float(low), float(high), "percentile"
    bias, acceleration = ndtri(below), cubes / (6 * squares**1.5)
    shifted = bias + ndtri(tails)
    low, high = np.quantile(drawn, ndtr(bias + shifted / (1 - acceleration * shifted)))
    return float(low), float(high), "BCa"
