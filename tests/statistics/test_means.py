import numpy as np
import pytest

from medkt.statistics import BootstrapSettings, bootstrap_interval, mean_of, means, median_of, student_interval


def test_intervals_of_many_patients_are_those_of_the_bootstrap(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(3)
    patients = random.integers(0, 400, 700)
    values = np.clip(random.beta(2, 1.2, 700) + 0.1 * random.normal(size=400)[patients], 0, 1)
    settings = BootstrapSettings(resamples=2_000)
    drawn = [bootstrap_interval(values, patients, statistic, settings) for statistic in (mean_of, median_of)]
    monkeypatch.setattr(means, "MANY", 100)
    found = [means.mean_interval(values, patients, settings), means.median_interval(values, patients, settings)]
    for ours, theirs in zip(found, drawn, strict=True):
        assert "bootstrap" not in ours.method
        assert ours.estimate == pytest.approx(theirs.estimate)
        assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.25 * (theirs.high - theirs.low))


def test_no_value_gives_no_interval() -> None:
    nothing = means.mean_interval(np.zeros(0), np.zeros(0, dtype=np.int64))
    assert nothing.note == "no value"


def test_an_interval_over_seeds_is_students() -> None:
    found = student_interval(np.array([1.0, 2.0, 3.0]))
    assert found.estimate == 2.0
    assert found.high - found.estimate == pytest.approx(4.302653 / np.sqrt(3), rel=1e-6)
    assert found.estimate - found.low == pytest.approx(found.high - found.estimate)
    single = student_interval(np.array([1.0]))
    assert (single.estimate, single.note) == (1.0, "one value: no interval")
    assert np.isnan([single.low, single.high]).all()
    assert np.isnan(student_interval(np.zeros(0)).estimate)
