from itertools import product

import numpy as np
import pytest
from row_wise import CaseRow, CaseTable, compare
from scipy import stats

from medkt.errors import InputError
from medkt.statistics import flip_signs, hodges_lehmann, rank_biserial, signed_rank_p
from medkt.statistics import signed_rank as module

DIFFERENCES = np.random.default_rng(5).normal(0.4, 1, size=12)


def _table(values: list[float], patients: str = "", name: str = "c") -> CaseTable:
    patients = patients or "abcdefghijklmnopqrstuvwxyz"[: len(values)]
    return CaseTable.of(
        CaseRow(case_id=f"{name}{k}", patient_id=who, numbers={"dsc": float(value)})
        for k, (value, who) in enumerate(zip(values, patients, strict=True))
    )


def test_exact_sign_flips_against_all_patterns_and_scipy() -> None:
    found = flip_signs(DIFFERENCES)
    sums = [abs(np.dot(signs, DIFFERENCES)) for signs in product((-1, 1), repeat=12)]
    plain = np.mean([one >= abs(DIFFERENCES.sum()) - 1e-9 for one in sums])
    theirs = stats.permutation_test(
        (DIFFERENCES, -DIFFERENCES), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=np.inf
    )
    assert found.method == "exact, 4096 sign flips"
    assert found.p_value == pytest.approx(plain)
    assert found.p_value == pytest.approx(theirs.pvalue)


def test_random_and_normal_sign_flips_come_near_the_exact_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = flip_signs(DIFFERENCES).p_value
    drawn = flip_signs(DIFFERENCES, flips=4_000)
    assert drawn.method == "4000 random sign flips"
    assert drawn.p_value == pytest.approx(exact, abs=0.03)
    monkeypatch.setattr(module, "NORMAL_FLIPS", 10)
    assert flip_signs(DIFFERENCES).p_value == pytest.approx(exact, abs=0.05)
    assert flip_signs(np.zeros(12)).p_value == 1


def test_random_flips_never_reach_zero() -> None:
    assert flip_signs(np.full(40, 1.0), flips=999).p_value == pytest.approx(1 / 1000)


def test_hodges_lehmann_by_hand() -> None:
    """Walsh averages of 1, 2, 6: 1, 1.5, 2, 3.5, 4, 6."""
    assert hodges_lehmann(np.array([6.0, 1, 2])).estimate == pytest.approx(2.75)


@pytest.mark.parametrize("count", [6, 9, 25, 50, 51, 80])
def test_the_interval_holds_just_the_shifts_that_the_signed_rank_test_keeps(count: int) -> None:
    differences = np.random.default_rng(count).normal(size=count)
    found = hodges_lehmann(differences)
    how = {"method": "exact"} if count <= 50 else {"method": "approx", "correction": True}  # its name in all versions
    for end, inwards in ((found.low, 1e-7), (found.high, -1e-7)):
        assert stats.wilcoxon(differences - end - inwards, **how).pvalue > 0.05
        assert stats.wilcoxon(differences - end + inwards, **how).pvalue <= 0.0505


def test_bisection_finds_the_same_walsh_averages(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.round(np.random.default_rng(0).normal(size=60), 1)  # with ties
    direct = hodges_lehmann(values)
    monkeypatch.setattr(module, "DIRECT", 10)
    searched = hodges_lehmann(values)
    assert (searched.low, searched.estimate, searched.high) == pytest.approx((direct.low, direct.estimate, direct.high))


def test_too_few_patients_have_no_interval() -> None:
    found = hodges_lehmann(np.arange(5.0))
    assert np.isnan(found.low)
    assert found.note == "5 patients are too few for a 95% interval"
    assert not np.isnan(hodges_lehmann(np.arange(6.0)).low)
    assert hodges_lehmann(np.zeros(0)).note == "no pair"


def test_effect_size_and_p_of_degenerate_differences() -> None:
    assert rank_biserial(np.array([1.0, 2, 3])) == 1
    assert rank_biserial(np.array([1.0, -2, 0])) == pytest.approx(-1 / 3)
    assert (rank_biserial(np.zeros(3)), signed_rank_p(np.zeros(3))) == (0, 1)
    assert np.isnan([rank_biserial(np.zeros(0)), signed_rank_p(np.zeros(0)), flip_signs(np.zeros(0)).p_value]).all()


def test_patients_count_not_cases() -> None:
    found = compare(first=_table([0.1, 0.2, 0.3], "aab"), second=_table([0.2, 0.5, 0.3], "aab"), metric="dsc")
    assert (found.cases, found.patients, found.left_out) == (3, 2, 0)
    assert found.mean.estimate == pytest.approx((0.2 + 0) / 2)  # patient a: 0.1 and 0.3, patient b: 0


def test_cases_are_met_by_id_not_by_place() -> None:
    first, second = _table([0.1, 0.2, 0.3]), CaseTable(_table([0.2, 0.3, 0.4]).rows[::-1])
    assert compare(first=first, second=second, metric="dsc").mean.estimate == pytest.approx(0.1)


def test_pairs_without_a_number_in_both_are_counted_by_run() -> None:
    nan, inf = float("nan"), float("inf")
    found = compare(first=_table([nan, 0.5, nan, 0.1]), second=_table([0.5, nan, nan, inf]), metric="dsc")
    assert (found.cases, found.left_out, found.only_first, found.only_second) == (0, 4, 2, 1)
    assert found.mean.note == "no value"


def test_other_cases_or_other_patients_are_refused() -> None:
    with pytest.raises(InputError, match=r"4 stand in one only: c0 \(first only\).*d1 \(second only\)"):
        compare(first=_table([1.0, 2]), second=_table([1.0, 2], name="d"), metric="dsc")
    with pytest.raises(InputError, match="case c1 belongs to two patients"):
        compare(first=_table([1.0, 2], "ab"), second=_table([1.0, 2], "aa"), metric="dsc")
    with pytest.raises(InputError, match="no case has the metric 'nsd'; the table has: dsc"):
        compare(first=_table([1.0]), second=_table([1.0]), metric="nsd")
