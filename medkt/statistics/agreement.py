"""How far two measurements of one thing agree: bias and limits of agreement (Bland and Altman 1986, Lancet 327:307-310)."""

from dataclasses import dataclass

import numpy as np
import scipy
from jaxtyping import Float64, Shaped
from numpy.typing import NDArray
from scipy.special import ndtri

from medkt.errors import InputError
from medkt.statistics.bootstrap import BootstrapSettings, CaseValues, Interval, Patients, bootstrap_interval, mean_of
from medkt.statistics.means import MANY, mean_interval

LIMIT = float(ndtri(0.975))  # standard deviations to either side that hold 95 % of normal differences


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BlandAltman:
    """Prediction minus reference, in the unit of both.

    Attributes:
        cases, patients: how many.
        left_out: without a finite number in both.
        means: (cases,) the mean of both measurements: the abscissa of the plot.
        differences: (cases,) prediction minus reference: its ordinate.
        bias: the mean difference, with its interval over patients.
        lower, upper: bias minus and plus 1.96 standard deviations of the differences, with intervals over patients.
        trend: Spearman's correlation of difference and mean; away from 0 the limits do not hold over the whole range.
    """

    cases: int
    patients: int
    left_out: int
    means: Float64[np.ndarray, " cases"]
    differences: Float64[np.ndarray, " cases"]
    bias: Interval
    lower: Interval
    upper: Interval
    trend: float


def bland_altman(
    *,
    reference: Float64[np.ndarray, " references"],
    prediction: Float64[np.ndarray, " predictions"],
    patients: Shaped[np.ndarray, " patients_of_cases"],
    settings: BootstrapSettings | None = None,
) -> BlandAltman:
    """Bias and limits of agreement of paired measurements, with intervals over patients: by bootstrap, of many by formula.

    Raises:
        InputError: the columns differ in length.
    """
    if not len(reference) == len(prediction) == len(patients):
        raise InputError(
            f"measurements pair case by case, got {len(reference)} references, {len(prediction)} predictions and "
            f"{len(patients)} patients"
        )
    settings = settings or BootstrapSettings()
    used = np.isfinite(reference) & np.isfinite(prediction)
    means, differences = (reference + prediction)[used] / 2, (prediction - reference)[used]
    there = patients[used]
    count = len(np.unique(there))
    bias, lower, upper = (_drawn if count < MANY else _of_normal_differences)(differences, there, settings)
    varies = len(differences) > 2 and np.ptp(means) > 0 and np.ptp(differences) > 0
    return BlandAltman(
        cases=len(differences), patients=count, left_out=int((~used).sum()), means=means, differences=differences,
        bias=bias, lower=lower, upper=upper,
        trend=float(scipy.stats.spearmanr(means, differences).statistic) if varies else float("nan"),
    )  # fmt: skip


def _drawn(
    differences: CaseValues, patients: Patients, settings: BootstrapSettings
) -> tuple[Interval, Interval, Interval]:
    """Bias and both limits by bootstrap."""
    bias, lower, upper = (bootstrap_interval(differences, patients, one, settings) for one in (mean_of, _lower, _upper))
    return bias, lower, upper


def _of_normal_differences(
    differences: CaseValues, patients: Patients, settings: BootstrapSettings
) -> tuple[Interval, Interval, Interval]:
    """Bias and both limits of very many patients, without a bootstrap.

    The limits' standard error is that of normal differences, the square root of 1 / n + z² / (2 (n - 1)) times their
    standard deviation (Bland and Altman 1999, Stat Methods Med Res 8:135-160), n the number of patients.
    """
    bias, count = mean_interval(differences, patients, settings), len(np.unique(patients))
    spread = float(differences.std(ddof=1))
    half = float(ndtri((1 + settings.level) / 2)) * spread * float(np.sqrt(1 / count + LIMIT**2 / (2 * (count - 1))))
    lower, upper = (
        Interval(estimate=end, low=end - half, high=end + half, level=settings.level, method="normal differences")
        for end in (bias.estimate - LIMIT * spread, bias.estimate + LIMIT * spread)
    )
    return bias, lower, upper


def _lower(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return mean_of(values) - LIMIT * _spread(values)


def _upper(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return mean_of(values) + LIMIT * _spread(values)


def _spread(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The standard deviation over the last axis, leaving NaN out; 0 for a single value."""
    count = (~np.isnan(values)).sum(axis=-1)
    apart = np.where(np.isnan(values), 0, values - mean_of(values)[..., None])
    spread: NDArray[np.float64] = np.sqrt((apart**2).sum(axis=-1) / np.maximum(count - 1, 1))
    return spread
