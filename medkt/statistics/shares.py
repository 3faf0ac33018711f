"""Intervals of shares: how many of how many (Wilson 1927, J Am Stat Assoc 22:209-212)."""

import numpy as np
from jaxtyping import Bool
from scipy.special import ndtri

from medkt.errors import SettingsError
from medkt.statistics.bootstrap import Interval, Patients


def wilson(held: float | int, cases: float | int, *, level: float = 0.95) -> Interval:
    """The share `held / cases` with Wilson's interval, which stays within 0 and 1 and has a width at 0 and at 1.

    `cases` may be fractional (an effective number). No case gives NaN.

    Raises:
        SettingsError: more held than there are, a negative number, or a level outside 0 and 1.
    """
    if not 0 <= held <= cases or not 0 < level < 1:
        raise SettingsError(f"a share is of 0 to {cases} cases at a level between 0 and 1, got {held} at {level}")
    if not cases:
        return Interval(estimate=float("nan"), level=level, note="no case")
    share, square = held / cases, float(ndtri((1 + level) / 2)) ** 2
    middle = (share + square / (2 * cases)) / (1 + square / cases)
    half = np.sqrt(square * (share * (1 - share) / cases + square / (4 * cases**2))) / (1 + square / cases)
    return Interval(
        estimate=share, low=max(0.0, float(middle - half)), high=min(1.0, float(middle + half)), level=level,
        method="Wilson",
    )  # fmt: skip


def share_interval(held: Bool[np.ndarray, " cases"], patients: Patients, *, level: float = 0.95) -> Interval:
    """The share of cases for which something holds, with Wilson's interval for as many cases as the patients are worth.

    Cases of one patient go together, so the number of cases is divided by the design effect: the variance of the share
    over patients (ratio estimate) against that of independent cases, at least 1 (Rao and Scott 1992, Biometrics 48:577).
    """
    cases = len(held)
    names, number = np.unique(patients, return_inverse=True)
    if len(names) in (0, cases):
        return wilson(float(held.sum()), cases, level=level)
    counts = np.bincount(number)
    share = float(held.mean())
    residuals = np.bincount(number, weights=held) - share * counts
    variance = len(names) / max(len(names) - 1, 1) * float((residuals**2).sum()) / cases**2
    independent = share * (1 - share) / cases
    # where all hold or none does nothing is known of how cases go together: count patients
    effect = max(1.0, variance / independent) if independent and len(names) > 1 else cases / len(names)
    found = wilson(share * cases / effect, cases / effect, level=level)
    return Interval(
        estimate=share, low=found.low, high=found.high, level=level,
        method=f"Wilson for {cases / effect:.4g} effective of {cases} cases of {len(names)} patients",
    )  # fmt: skip
