"""Probabilities: the known line is found again, they rise with the score, and classes that do not overlap stay finite."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medkt.calibration.probability import METHODS, ProbabilityMethod, cross_validated, fit_probability
from medkt.errors import InputError, SettingsError
from medkt.statistics.classification import calibration_error, reliability


def drawn(number: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores for which the log-odds of the finding are 2 * score - 1."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=number)
    return scores, rng.uniform(size=number) < 1 / (1 + np.exp(1 - 2 * scores))


def test_platt_finds_the_line_again() -> None:
    scores, truth = drawn(20_000)
    found = fit_probability(scores, truth)
    for score in (-1.0, 0.0, 0.5, 2.0):
        assert found(score) == pytest.approx(1 / (1 + np.exp(1 - 2 * score)), abs=0.015)


@pytest.mark.parametrize("method", METHODS)
def test_cross_validated_probabilities_are_calibrated(method: ProbabilityMethod) -> None:
    scores, truth = drawn(4000)
    found = cross_validated(scores, truth, method)
    assert calibration_error(reliability(truth=truth, probabilities=found)) < 0.03


@pytest.mark.parametrize("method", METHODS)
@given(st.integers(0, 10_000))
def test_a_probability_rises_with_the_score(method: ProbabilityMethod, seed: int) -> None:
    scores, truth = drawn(100, seed=seed)
    found = fit_probability(scores, truth, method).of(np.linspace(-5, 5, 50))
    assert (np.diff(found) >= 0).all()
    assert ((found >= 0) & (found <= 1)).all()


def test_a_score_that_points_the_wrong_way_tells_nothing() -> None:
    scores, truth = drawn(500)
    found = fit_probability(-scores, truth)
    assert found(3.0) == pytest.approx(found(-3.0))
    assert found(0.0) == pytest.approx(truth.mean(), abs=0.1)


def test_classes_that_do_not_overlap_are_not_certain() -> None:
    scores, truth = np.arange(40.0), np.arange(40) >= 20
    found = fit_probability(scores, truth)
    assert 0 < found(0.0) < 0.05
    assert 0.95 < found(39.0) < 1
    assert found(1e9) <= 1


def test_another_prevalence_moves_the_odds() -> None:
    scores, truth = drawn(2000)
    found = fit_probability(scores, truth)
    moved = found.at_prevalence(0.01)
    odds = [p / (1 - p) for p in (found(0.5), moved(0.5), found.prevalence, 0.01)]
    assert odds[1] / odds[0] == pytest.approx(odds[3] / odds[2])
    with pytest.raises(SettingsError, match="a prevalence lies between 0 and 1"):
        found.at_prevalence(1.0)


def test_too_few_labels_and_equal_scores() -> None:
    with pytest.raises(InputError, match="at least 10 studies with and without the finding, got 3 and 30"):
        fit_probability(np.arange(33.0), np.arange(33) < 3)
    with pytest.raises(InputError, match="all scores are equal"):
        fit_probability(np.zeros(40), np.arange(40) < 20)
