import numpy as np
import pytest
from scipy import stats

from medkt.errors import SettingsError
from medkt.statistics import BootstrapSettings, bootstrap_interval, bootstrap_intervals, mean_of, median_of
from medkt.statistics import bootstrap as module
from medkt.statistics.bootstrap import by_patient

SKEWED = np.random.default_rng(3).lognormal(size=40)


def _each_its_own(count: int) -> np.ndarray:
    return np.array([f"p{number:03}" for number in range(count)])


@pytest.mark.parametrize(("statistic", "theirs"), [(mean_of, np.mean), (median_of, np.median)])
def test_one_case_a_patient_is_scipys_bca(statistic: module.StatisticOver, theirs: object) -> None:
    ours = bootstrap_interval(SKEWED, _each_its_own(40), statistic, BootstrapSettings(resamples=20_000))
    other = stats.bootstrap((SKEWED,), theirs, n_resamples=20_000, method="BCa", rng=np.random.default_rng(1))
    width = ours.high - ours.low
    assert ours.method == "BCa, 20000 resamples of 40 patients"
    assert ours.estimate == pytest.approx(theirs(SKEWED))  # type: ignore[operator]
    assert ours.low == pytest.approx(other.confidence_interval.low, abs=0.03 * width)
    assert ours.high == pytest.approx(other.confidence_interval.high, abs=0.03 * width)


def test_the_formula_on_one_set_of_draws() -> None:
    """Efron's bias and acceleration written out, on the very draws that were used."""
    drawn = module._draw(SKEWED[:, None], (mean_of,), 2_000, np.random.default_rng(0))[0]
    left_out = np.array([np.delete(SKEWED, k).mean() for k in range(40)])
    spread = left_out.mean() - left_out
    a = (spread**3).sum() / (6 * (spread**2).sum() ** 1.5)
    z0 = stats.norm.ppf((drawn < SKEWED.mean()).mean())
    ends = [stats.norm.cdf(z0 + (z0 + z) / (1 - a * (z0 + z))) for z in stats.norm.ppf([0.025, 0.975])]
    found = bootstrap_interval(SKEWED, _each_its_own(40), mean_of, BootstrapSettings(resamples=2_000))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(drawn, ends)))


def test_patients_are_drawn_not_cases() -> None:
    """Forty copies of each patient's case tell nothing new: the interval is that of the patients."""
    patients = _each_its_own(12)
    once = bootstrap_interval(SKEWED[:12], patients)
    copied = bootstrap_interval(np.repeat(SKEWED[:12], 40), np.repeat(patients, 40))
    width = once.high - once.low  # other draws, as fewer fit in memory at once
    assert (copied.low, copied.high) == pytest.approx((once.low, once.high), abs=0.05 * width)
    as_cases = bootstrap_interval(np.repeat(SKEWED[:12], 40), _each_its_own(480))
    assert as_cases.high - as_cases.low < 0.3 * width


def test_a_patient_with_many_cases_weighs_as_many() -> None:
    values, patients = np.array([0.0, 0.0, 0.0, 1.0]), np.array(["a", "a", "a", "b"])
    assert bootstrap_interval(values, patients).estimate == 0.25
    np.testing.assert_equal(by_patient(values, patients), [[0, 0, 0], [1, np.nan, np.nan]])


def test_a_seed_gives_the_same_interval() -> None:
    first, again, other = (
        bootstrap_interval(SKEWED, _each_its_own(40), mean_of, BootstrapSettings(resamples=500, seed=seed))
        for seed in (0, 0, 1)
    )
    assert first == again
    assert first != other


@pytest.mark.parametrize("statistic", [mean_of, median_of])
def test_statistics_leave_the_padding_out(statistic: module.StatisticOver) -> None:
    padded = np.array([[3.0, np.nan, 1, 8, np.nan], [2, np.nan, np.nan, np.nan, np.nan], [4, 1, np.nan, 5, 5]])
    plain = {mean_of: np.mean, median_of: np.median}[statistic]
    np.testing.assert_allclose(statistic(padded), [plain(row[~np.isnan(row)]) for row in padded])


def test_degenerate_cases_say_so() -> None:
    none = bootstrap_interval(np.zeros(0), np.zeros(0, str))
    assert np.isnan([none.estimate, none.low]).all()
    assert none.note == "no value"
    one = bootstrap_interval(np.array([0.5, 0.7]), np.array(["a", "a"]))
    assert (one.estimate, one.note) == (pytest.approx(0.6), "one patient: no interval")
    assert np.isnan(one.low)
    equal = bootstrap_interval(np.full(30, 0.5), _each_its_own(30))
    assert (equal.low, equal.high) == (0.5, 0.5)
    assert "all values are equal" in equal.note
    far = bootstrap_interval(np.array([1.0, 2, np.inf]), _each_its_own(3))
    assert (far.estimate, far.note) == (np.inf, "1 values are infinite: no interval")
    assert bootstrap_interval(np.array([1.0, 2, np.inf]), _each_its_own(3), median_of).estimate == 2
    assert "fewer than 20 patients" in bootstrap_interval(SKEWED[:19], _each_its_own(19)).note


def test_very_many_patients_get_fewer_draws_and_a_normal_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUDGET", 40 * 1_000)
    found = bootstrap_interval(SKEWED, _each_its_own(40))
    error = SKEWED.std() / np.sqrt(40)
    assert found.method == "normal with bootstrap standard error, 1000 resamples of 40 patients"
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.08)


def test_a_jackknife_in_groups_gives_the_same_acceleration(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).lognormal(size=4_000)
    accelerations = []
    for groups in (4_000, 400):
        monkeypatch.setattr(module, "JACKKNIFE_GROUPS", groups)
        left_out = module._jackknife(values[:, None], mean_of)
        assert len(left_out) == groups
        spread = left_out.mean() - left_out
        accelerations.append((spread**3).sum() / (6 * (spread**2).sum() ** 1.5))
    assert accelerations[1] == pytest.approx(accelerations[0], abs=0.005)


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"lies between 0 and 1, got 95\.0"):
        BootstrapSettings(level=95.0)
    with pytest.raises(SettingsError, match="at least 100 resamples, got 10"):
        BootstrapSettings(resamples=10)


@pytest.mark.parametrize("values", [SKEWED, np.ones(40), np.where(SKEWED > 1, np.inf, SKEWED), SKEWED[:0]])
def test_statistics_of_one_set_of_draws_are_those_of_draws_of_their_own(values: np.ndarray) -> None:
    patients, settings = _each_its_own(40)[: len(values)], BootstrapSettings(resamples=2_000)
    both = (mean_of, median_of)
    apart = [bootstrap_interval(values, patients, statistic, settings) for statistic in both]
    assert [repr(one) for one in bootstrap_intervals(values, patients, both, settings)] == [repr(one) for one in apart]
