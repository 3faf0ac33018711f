"""Shares and means of shares over patients, against draws, by hand, and what has no interval."""

import math

import numpy as np
import pytest

from medkt.statistics import BootstrapSettings, difference, interval_of, mean_over, numbered, share, weighted
from medkt.statistics.weighted import ALONE, weights_of

FEW = BootstrapSettings(resamples=200)


def test_weights_count_what_was_drawn() -> None:
    drawn = np.array([[0.0, 0.0, 2.0], [1.0, math.nan, 2.0]])
    assert weights_of(drawn, 4).tolist() == [[2, 0, 1, 0], [0, 1, 1, 0]]


def test_a_share_of_weighted_cases_is_that_of_repeated_ones() -> None:
    random = np.random.default_rng(3)
    held, among, patients = random.random(30) < 0.4, random.random(30) < 0.7, random.integers(0, 12, 30)
    patients[:12], among[:12] = np.arange(12), True
    found = share(held, among, patients)
    weights = random.integers(0, 4, (5, 12)).astype(np.float64)
    for row, value in zip(weights, found.of(weights), strict=True):
        assert value == pytest.approx(np.average(held[among], weights=row[patients][among]))
    assert np.isnan(found.of(np.zeros((1, 12)))[0])
    assert found.pulls.sum() == pytest.approx(0, abs=1e-12)
    nothing = share(np.ones(3, dtype=bool), np.zeros(3, dtype=bool), np.arange(3))
    assert "no number" in interval_of(nothing).note


def test_many_patients_have_nearly_the_interval_of_the_bootstrap(monkeypatch: pytest.MonkeyPatch) -> None:
    """With two cases a patient; of shares, means over classes, and differences."""
    random = np.random.default_rng(2)
    truth, patients = random.integers(0, 3, 400), numbered(np.arange(400) // 2 * 7)
    hits = [random.random(400) < rate for rate in (0.5, 0.6)]
    balanced = [mean_over([share(hit, truth == k, patients) for k in range(3)]) for hit in hits]
    statistics = [share(hits[0], truth == 0, patients), balanced[0], difference(*balanced)]
    drawn = [interval_of(one, BootstrapSettings(resamples=4000)) for one in statistics]
    monkeypatch.setattr(weighted, "MANY", 100)
    for one, by_draws in zip(map(interval_of, statistics), drawn, strict=True):
        assert one.method == "normal, variance over 200 patients"
        assert one.estimate == by_draws.estimate
        assert one.high - one.low == pytest.approx(by_draws.high - by_draws.low, rel=0.1)


def test_draws_without_a_class_are_made_again() -> None:
    """Three patients of one class among thirty: many draws hold none of them."""
    found = interval_of(share(np.arange(30) % 2 == 0, np.arange(30) < 3, np.arange(30)), FEW)
    assert 0 <= found.low < found.estimate < found.high <= 1


def test_a_class_of_one_patient_has_no_interval() -> None:
    truth, patients = np.array([True, True, False, False, False]), np.array([0, 0, 1, 2, 2])
    assert interval_of(mean_over([share(truth, truth, patients), share(truth, ~truth, patients)]), FEW).note == ALONE
