"""Shares, means of shares over classes, and their differences, with intervals over patients.

`bootstrap_interval` draws values. Here the values are the numbers of patients, so that a statistic of several columns sees
how often each was drawn. Where patients are so many that a bootstrap would take minutes, the interval is normal, from
what each patient adds to the statistic.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64
from numpy.typing import NDArray
from scipy.special import ndtri

from medkt.statistics.bootstrap import NAN, BootstrapSettings, Interval, bootstrap_interval
from medkt.statistics.means import MANY

PatientNumbers = Int64[np.ndarray, " cases"]  # a number from 0 for each case's patient
Weights = Float64[np.ndarray, "draws patients"]  # how often each patient was drawn
CasesOfKind = Bool[np.ndarray, " cases"]
ALONE = "all cases of a class are one patient's: no interval"
STILL = "no patient moves a mean of 0 or 1, or a difference of none: no interval"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Statistic:
    """A number that depends on which patients there are.

    Attributes:
        estimate: over all patients, each once; NaN where it does not exist.
        of: the number for each row of weights, (draws, patients) to (draws,); NaN where it does not exist.
        pulls: (patients,) what each adds to the estimate, to first order; they sum to 0.
        fewest: patients of the rarest kind of case that it needs; without the last of them it does not exist.
    """

    estimate: float
    of: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    pulls: Float64[np.ndarray, " patients"]
    fewest: int


def numbered(patients: NDArray[np.int64]) -> PatientNumbers:
    """Patients by numbers from 0 without gaps."""
    found: NDArray[np.int64] = np.unique(patients, return_inverse=True)[1]
    return found


def interval_of(statistic: Statistic, settings: BootstrapSettings | None = None) -> Interval:
    """The statistic with its interval over patients: BCa below 2,000 of them, then normal.

    Draws for which it does not exist, for a class is absent from them, are made again.
    """
    settings = settings or BootstrapSettings()
    count = len(statistic.pulls)
    if np.isnan(statistic.estimate):
        return Interval(estimate=NAN, level=settings.level, note="a class has no case, or all of them: no number")
    if statistic.fewest < 2:
        return Interval(estimate=statistic.estimate, level=settings.level, note=ALONE)
    if not statistic.pulls.any():
        return Interval(estimate=statistic.estimate, level=settings.level, note=STILL)
    if count >= MANY:
        error = float(np.sqrt(count / (count - 1) * (statistic.pulls**2).sum()))
        half = float(ndtri((1 + settings.level) / 2)) * error
        return Interval(
            estimate=statistic.estimate, low=statistic.estimate - half, high=statistic.estimate + half,
            level=settings.level, method=f"normal, variance over {count} patients",
        )  # fmt: skip
    numbers = np.arange(count)

    def of_drawn(drawn: NDArray[np.float64]) -> NDArray[np.float64]:
        return _made_again(statistic.of(weights_of(drawn, count)))

    return bootstrap_interval(numbers.astype(np.float64), numbers, of_drawn, settings)


def weights_of(drawn: Float64[np.ndarray, "draws drawn"], count: int) -> Weights:
    """How often each of so many numbers stands in each row; NaN stands for none."""
    places = np.where(np.isnan(drawn), count, drawn).astype(np.int64)
    places += np.arange(len(places))[:, None] * (count + 1)
    counts = np.bincount(places.ravel(), minlength=len(places) * (count + 1))
    return counts.reshape(len(places), count + 1)[:, :count].astype(np.float64)


def share(held: CasesOfKind, among: CasesOfKind, patients: PatientNumbers) -> Statistic:
    """The share of the cases `among` for which something holds."""
    count = int(patients.max()) + 1
    parts = [np.bincount(patients, weights=which, minlength=count) for which in (held & among, among)]
    whole = float(parts[1].sum())
    estimate = float(parts[0].sum()) / whole if whole else NAN

    def of(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return _divided(weights @ parts[0], weights @ parts[1])

    return Statistic(
        estimate=estimate, of=of, pulls=(parts[0] - estimate * parts[1]) / max(whole, 1.0),
        fewest=int((parts[1] > 0).sum()),
    )  # fmt: skip


def mean_over(statistics: Sequence[Statistic]) -> Statistic:
    """The plain mean of several statistics of the same patients."""

    def of(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        found: NDArray[np.float64] = np.mean([one.of(weights) for one in statistics], axis=0)
        return found

    return Statistic(
        estimate=float(np.mean([one.estimate for one in statistics])), of=of,
        pulls=np.mean([one.pulls for one in statistics], axis=0), fewest=min(one.fewest for one in statistics),
    )  # fmt: skip


def difference(first: Statistic, second: Statistic) -> Statistic:
    """The second statistic minus the first, of the same patients."""
    return Statistic(
        estimate=second.estimate - first.estimate, of=lambda weights: second.of(weights) - first.of(weights),
        pulls=second.pulls - first.pulls, fewest=min(first.fewest, second.fewest),
    )  # fmt: skip


def _divided(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.divide(part, whole, out=np.full(len(part), NAN), where=whole > 0)
    return found


def _made_again(found: NDArray[np.float64]) -> NDArray[np.float64]:
    """Other draws in the places of those without a number: the draws of which there is one, in their order."""
    there = ~np.isnan(found)
    if there.all() or not there.any():
        return found
    whole = found.copy()
    whole[~there] = np.resize(found[there], int((~there).sum()))
    return whole
