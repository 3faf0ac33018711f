"""Means, medians and spread of values, with intervals over patients: by bootstrap, and by formula where patients are many.

From `MANY` patients on a bootstrap would take minutes and tell nothing else. There the mean is a ratio of sums over patients, with the variance of such a ratio (Cochran, Sampling Techniques, 1977, section
9A); the median takes the interval of the share of cases below it, read off the cases' own distribution (Woodruff 1952,
J Am Stat Assoc 47:635-646). Both count patients, as the bootstrap does.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from medkt.statistics.bootstrap import (
    NAN,
    BootstrapSettings,
    CaseValues,
    Interval,
    Patients,
    bootstrap_interval,
    bootstrap_intervals,
    mean_of,
    median_of,
)
from medkt.statistics.shares import share_interval

MANY = 2_000  # patients; from here on the bootstrap is left out


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueSummary:
    """Where values lie.

    Attributes:
        mean, median: with their intervals over patients.
        sd: standard deviation, NaN for fewer than two or infinite values.
        quartiles: the 25th and 75th percentiles; NaN where there is none.
    """

    mean: Interval
    median: Interval
    sd: float
    quartiles: tuple[float, float]


def summary_of(values: CaseValues, patients: Patients, settings: BootstrapSettings | None = None) -> ValueSummary:
    """Mean, median, standard deviation and quartiles; `values` without NaN, infinite ones allowed."""
    finite = bool(np.isfinite(values).all())
    quartiles = [NAN, NAN]
    if len(values):  # an order statistic, so that infinite values do not turn into NaN between two of them
        quartiles = np.quantile(values, [0.25, 0.75], method="linear" if finite else "higher").tolist()
    mean, median = mean_and_median(values, patients, settings)
    return ValueSummary(
        mean=mean, median=median, sd=float(values.std(ddof=1)) if len(values) > 1 and finite else NAN,
        quartiles=(float(quartiles[0]), float(quartiles[1])),
    )  # fmt: skip


def mean_and_median(
    values: CaseValues, patients: Patients, settings: BootstrapSettings | None = None
) -> tuple[Interval, Interval]:
    """The mean and the median with their intervals over patients, of one bootstrap; `values` without NaN."""
    if _patients(values, patients)[1] < MANY or not np.isfinite(values).all():
        mean, median = bootstrap_intervals(values, patients, (mean_of, median_of), settings)
        return mean, median
    return mean_interval(values, patients, settings), median_interval(values, patients, settings)


def mean_interval(values: CaseValues, patients: Patients, settings: BootstrapSettings | None = None) -> Interval:
    """The mean and its interval over patients; `values` without NaN."""
    settings = settings or BootstrapSettings()
    number, count = _patients(values, patients)
    if count < MANY or not np.isfinite(values).all():
        return bootstrap_interval(values, patients, mean_of, settings)
    mean = float(values.mean())
    residuals = np.bincount(number, weights=values - mean)
    error = float(np.sqrt(count / (count - 1) * (residuals**2).sum()) / len(values))
    half = float(ndtri((1 + settings.level) / 2)) * error
    return Interval(
        estimate=mean, low=mean - half, high=mean + half, level=settings.level,
        method=f"normal, variance over {count} patients",
    )  # fmt: skip


def rate_interval(
    held: Bool[np.ndarray, " cases"], patients: Patients, settings: BootstrapSettings | None = None
) -> Interval:
    """The share of cases that are held, and its interval over patients.

    Where it is 0 or 1 a bootstrap would give a point, so it has Wilson's interval.
    """
    settings = settings or BootstrapSettings()
    if len(held) and (held.all() or not held.any()):
        return share_interval(held, patients, level=settings.level)
    return mean_interval(held.astype(np.float64), patients, settings)


def median_interval(values: CaseValues, patients: Patients, settings: BootstrapSettings | None = None) -> Interval:
    """The median and its interval over patients; `values` without NaN."""
    settings = settings or BootstrapSettings()
    _, count = _patients(values, patients)
    if count < MANY or not np.isfinite(values).all():
        return bootstrap_interval(values, patients, median_of, settings)
    middle = float(np.median(values))
    share = share_interval(values <= middle, patients, level=settings.level)
    half = (share.high - share.low) / 2
    low, high = np.quantile(values, [max(0.0, 0.5 - half), min(1.0, 0.5 + half)])
    return Interval(
        estimate=middle, low=float(low), high=float(high), level=settings.level,
        method=f"Woodruff, {count} patients",
    )  # fmt: skip


def student_interval(values: CaseValues, *, level: float = 0.95) -> Interval:
    """The mean of independent values, such as one a seed, with Student's interval; without one for a single value."""
    mean = float(values.mean()) if len(values) else NAN
    if len(values) < 2:
        return Interval(estimate=mean, level=level, note="one value: no interval")
    half = float(stdtrit(len(values) - 1, (1 + level) / 2)) * float(values.std(ddof=1)) / len(values) ** 0.5
    return Interval(estimate=mean, low=mean - half, high=mean + half, level=level, method="Student's t")


def _patients(values: CaseValues, patients: Patients) -> tuple[NDArray[np.int64], int]:
    """A number for each value's patient, and how many patients there are."""
    if not len(values):
        return np.zeros(0, dtype=np.int64), 0
    _, number = np.unique(patients, return_inverse=True)
    return number, int(number.max()) + 1
