"""Two runs over the same cases, compared pair by pair; the patient is the unit.

A patient's difference is the mean over the patient's cases of second minus first, so that a patient with forty slices
counts once. Three views of the same differences are given: mean with BCa interval, signed-rank test with the
Hodges-Lehmann shift, and sign flips. Choose one beforehand; the sign flips assume least.
"""

from dataclasses import dataclass

import numpy as np
import scipy
from jaxtyping import Float64

from medkt.errors import InputError
from medkt.statistics.bootstrap import BootstrapSettings, Interval, bootstrap_interval, by_patient, mean_of
from medkt.statistics.signed_rank import Differences, PermutationTest, flip_signs, hodges_lehmann
from medkt.statistics.table import CaseTable, Patients

LISTED = 10


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
    *, first: CaseTable, second: CaseTable, metric: str, settings: BootstrapSettings | None = None
) -> Comparison:
    """Two runs compared on one metric.

    Raises:
        InputError: the tables hold other cases or other patients, or no case has the metric.
    """
    settings = settings or BootstrapSettings()
    _require_same_cases(first, second)
    one, patients = first.column(metric), first.patients()
    other_rows = {row.case_id: row for row in second.rows}
    second.require(metric)
    other = np.array([other_rows[row.case_id].value(metric) for row in first.rows], dtype=np.float64)
    there = np.isfinite(one), np.isfinite(other)
    used = there[0] & there[1]
    differences = patient_differences(one[used], other[used], patients[used])
    return Comparison(
        metric=metric, cases=int(used.sum()), patients=len(differences), left_out=int((~used).sum()),
        only_first=int((there[0] & ~there[1]).sum()), only_second=int((there[1] & ~there[0]).sum()),
        mean=bootstrap_interval(differences, np.arange(len(differences)).astype(str), mean_of, settings),
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


def _require_same_cases(first: CaseTable, second: CaseTable) -> None:
    own, others = ({row.case_id: row.patient for row in table.rows} for table in (first, second))
    lacking = [f"{case} (first only)" for case in own if case not in others]
    lacking += [f"{case} (second only)" for case in others if case not in own]
    if lacking:
        more = f" and {len(lacking) - LISTED} more" if len(lacking) > LISTED else ""
        raise InputError(
            f"two runs are compared over the same cases; {len(lacking)} stand in one only: "
            f"{', '.join(lacking[:LISTED])}{more}; run both over one manifest"
        )
    moved = [case for case, patient in own.items() if others[case] != patient]
    if moved:
        raise InputError(
            f"case {moved[0]} belongs to two patients in the two runs ({len(moved)} in all); correct a table"
        )
