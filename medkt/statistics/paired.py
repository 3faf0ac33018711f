"""Two runs over the same cases, compared pair by pair; the patient is the unit.

A patient's difference is the mean over the patient's cases of second minus first, so that a patient with forty slices
counts once. Three views of the same differences are given: mean with BCa interval, signed-rank test with the
Hodges-Lehmann shift, and sign flips. Choose one beforehand; the sign flips assume least.
"""

from dataclasses import dataclass

import numpy as np
import scipy
from jaxtyping import Float64

from medkt.statistics.bootstrap import BootstrapSettings, Interval, Patients, by_patient, mean_of
from medkt.statistics.means import mean_interval
from medkt.statistics.signed_rank import Differences, PermutationTest, flip_signs, hodges_lehmann


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Second run minus first, in the metric's unit.

    Attributes:
        metric: its name.
        cases: compared.
        patients: whose they are.
        left_out: pairs without a finite number in both runs.
        only_first, only_second: of those left out, with a number in one run only. Where these differ, the comparison
            favours the run that fails on the hard cases.
        mean: the mean over patients, with its BCa interval.
        shift: the Hodges-Lehmann shift, with its interval.
        wilcoxon_p: of the signed-rank test, two-sided, zeros left out; 1 where all differences are 0, NaN without pairs.
        permutation: of the mean, by sign flips.
        rank_biserial: effect size of the signed-rank test, from -1 (first always larger) to 1.
    """

    metric: str
    cases: int
    patients: int
    left_out: int
    only_first: int
    only_second: int
    mean: Interval
    shift: Interval
    wilcoxon_p: float
    permutation: PermutationTest
    rank_biserial: float


def compare(
    first: Float64[np.ndarray, " cases"],
    second: Float64[np.ndarray, " cases"],
    patients: Patients,
    *,
    metric: str,
    settings: BootstrapSettings | None = None,
) -> Comparison:
    """One metric of two runs compared, case by case in one order.

    Args:
        first: (cases,) of one run; pairs without a finite number in both are left out and counted.
        second: (cases,) of the other.
        patients: (cases,) whose each is.
        metric: its name, for the record.
        settings: level, resamples, seed.
    """
    settings = settings or BootstrapSettings()
    there = np.isfinite(first), np.isfinite(second)
    used = there[0] & there[1]
    differences = patient_differences(first[used], second[used], patients[used])
    return Comparison(
        metric=metric, cases=int(used.sum()), patients=len(differences), left_out=int((~used).sum()),
        only_first=int((there[0] & ~there[1]).sum()), only_second=int((there[1] & ~there[0]).sum()),
        mean=mean_interval(differences, np.arange(len(differences)), settings),
        shift=hodges_lehmann(differences, level=settings.level), wilcoxon_p=signed_rank_p(differences),
        permutation=flip_signs(differences, seed=settings.seed), rank_biserial=rank_biserial(differences),
    )  # fmt: skip


def patient_differences(
    first: Float64[np.ndarray, " cases"], second: Float64[np.ndarray, " cases"], patients: Patients
) -> Differences:
    """(patients,): second minus first, averaged over each patient's cases."""
    if not len(first):
        return np.zeros(0)
    return mean_of(by_patient(second - first, patients))


def signed_rank_p(differences: Differences) -> float:
    """Wilcoxon's signed-rank test, two-sided: exact for up to 50 differences without ties or zeros, else normal.

    Zeros are left out; 1 where all are 0, NaN without any.
    """
    if not len(differences):
        return float("nan")
    moved = differences[differences != 0]
    return float(scipy.stats.wilcoxon(moved, method="auto").pvalue) if len(moved) else 1.0


def rank_biserial(differences: Differences) -> float:
    """Ranks in favour of the second run minus ranks against it, as a part of all; 0 where all are 0."""
    moved = differences[differences != 0]
    if not len(moved):
        return 0.0 if len(differences) else float("nan")
    ranks = scipy.stats.rankdata(np.abs(moved))
    return float((ranks * np.sign(moved)).sum() / ranks.sum())


def mcnemar_p(only_first: int, only_second: int) -> float:
    """McNemar's test by the binomial distribution (1947, Psychometrika 12:153); 1 where the two never differ.

    Args:
        only_first: cases that the first alone has right.
        only_second: cases that the second alone has right.
    """
    discordant = only_first + only_second
    return float(scipy.stats.binomtest(only_second, discordant, 0.5).pvalue) if discordant else 1.0
