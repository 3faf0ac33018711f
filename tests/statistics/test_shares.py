import numpy as np
import pytest
from scipy import stats

from medkt.errors import InputError, SettingsError
from medkt.statistics import holm, share_interval, wilson


@pytest.mark.parametrize(("held", "cases"), [(0, 10), (3, 10), (10, 10), (1, 3), (480, 500)])
def test_wilson_is_scipys(held: int, cases: int) -> None:
    theirs = stats.binomtest(held, cases).proportion_ci(method="wilson")
    found = wilson(held, cases)
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high))
    assert found.estimate == held / cases


def test_wilson_without_a_case_and_with_too_many() -> None:
    assert (wilson(0, 0).note, np.isnan(wilson(0, 0).estimate)) == ("no case", True)
    with pytest.raises(SettingsError, match="a share is of 0 to 3 cases"):
        wilson(4, 3)


def test_cases_of_one_patient_count_less() -> None:
    """Where the cases of a patient are all alike, as many as there are patients."""
    held, patients = np.repeat([True, False, True, True], 25), np.repeat(["a", "b", "c", "d"], 25)
    found = share_interval(held, patients)
    plain = wilson(3, 4)
    assert found.estimate == 0.75
    # the estimated effect is that of 4 patients with the variance of 3 degrees of freedom
    assert found.high - found.low >= 0.95 * (plain.high - plain.low)
    all_held = share_interval(np.ones(100, bool), patients)
    assert all_held.low == pytest.approx(wilson(4, 4).low)


def test_one_case_a_patient_is_plain_wilson() -> None:
    held = np.array([True, False, True])
    assert share_interval(held, np.array(["a", "b", "c"])) == wilson(2, 3)
    assert share_interval(np.zeros(0, bool), np.zeros(0, str)).note == "no case"


def test_holm_by_hand_and_with_tests_that_were_not_made() -> None:
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm(np.array([0.04, np.nan, 0.03])), [0.06, np.nan, 0.06])
    assert holm(np.array([0.9, 0.8])).tolist() == [1, 1]
    assert len(holm(np.zeros(0))) == 0
    with pytest.raises(InputError, match="p values lie from 0 to 1"):
        holm(np.array([1.5]))


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_few_patients_by_the_formula(level: float) -> None:
    """Rao and Scott's effective number of cases in plain loops: the variance over patients has one degree less."""
    cases = {"a": [1, 1, 0, 1], "b": [0, 0], "c": [1], "d": [0, 0, 0, 1, 0], "e": [1, 1, 1]}
    held = np.array([bool(one) for part in cases.values() for one in part])
    patients = np.array([name for name, part in cases.items() for _ in part])
    share, number = sum(map(sum, cases.values())) / 15, len(cases)
    variance = number / (number - 1) * sum((sum(p) - share * len(p)) ** 2 for p in cases.values()) / 15**2
    effective = 15 / (variance / (share * (1 - share) / 15))
    z = float(stats.norm.ppf(0.5 + level / 2))
    middle = (share + z * z / (2 * effective)) / (1 + z * z / effective)
    half = z / (1 + z * z / effective) * np.sqrt(share * (1 - share) / effective + z * z / (4 * effective**2))
    found = share_interval(held, patients, level=level)
    assert effective < 15
    assert (found.estimate, found.low, found.high) == pytest.approx((share, middle - half, middle + half))
