"""Quantiles by hand, the promise over many draws, and what happens with too few scores or with ties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medkt.calibration.conformal import Tail, conditional_rates, needed, rank_for, smallest_rate, tail_of
from medkt.errors import InputError, SettingsError


@pytest.mark.parametrize(
    ("rate", "count", "rank"),
    [(0.05, 19, 19), (0.05, 20, 20), (0.05, 39, 38), (0.05, 99, 95), (0.1, 9, 9), (0.5, 3, 2), (0.2, 14, 12)],
)
def test_the_rank_by_hand(rate: float, count: int, rank: int) -> None:
    assert rank_for(rate, count) == rank


@pytest.mark.parametrize(("rate", "number"), [(0.05, 19), (0.01, 99), (0.1, 9), (0.5, 1), (0.3, 3)])
def test_how_many_scores_it_takes(rate: float, number: int) -> None:
    assert needed(rate) == number
    assert rank_for(rate, number) == number
    with pytest.raises(InputError, match=rf"takes at least {number} scores, got {number - 1}"):
        rank_for(rate, number - 1)


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, 5.0])
def test_a_rate_lies_between_0_and_1(rate: float) -> None:
    with pytest.raises(SettingsError, match="between 0 and 1"):
        needed(rate)


@given(st.integers(1, 500))
def test_the_smallest_rate_can_be_promised(count: int) -> None:
    assert needed(smallest_rate(count)) <= count


def test_thresholds_and_p_values_by_hand() -> None:
    tail = tail_of(np.arange(1.0, 20.0), 0.05)  # 1 to 19
    assert tail.threshold(0.05) == 19.0
    assert tail.threshold(0.5) == 10.0
    assert tail.p_value(20.0) == 1 / 20
    assert tail.p_value(19.0) == 2 / 20  # 18, of rank 18, lies below it
    assert tail.p_value(-1.0) == 1.0


@given(st.lists(st.floats(-5, 5), min_size=19, max_size=60), st.floats(-6, 6))
def test_a_p_value_is_never_below_the_exact_one(values: list[float], score: float) -> None:
    scores = np.array(values)
    tail = tail_of(scores, 0.05)
    assert tail.p_value(score) >= (1 + (scores >= score).sum()) / (len(scores) + 1)
    assert (score > tail.threshold(0.05)) == (tail.p_value(score) <= 0.05)


@pytest.mark.parametrize("count", [19, 50, 150])
@pytest.mark.parametrize("ties", [False, True])
def test_the_promise_holds_on_average(count: int, ties: bool) -> None:
    """Many calibrations, each with one new normal: 4,000 draws have a standard error of 0.0034."""
    rng = np.random.default_rng(count)
    drawn = rng.beta(0.3, 3.0, (4000, count + 1))
    drawn = np.round(drawn, 1) if ties else drawn
    called = [row[-1] > tail_of(row[:-1], 0.05).threshold(0.05) for row in drawn]
    assert np.mean(called) <= 0.05 + 3 * 0.0034
    if not ties:
        exact = (count + 1 - rank_for(0.05, count)) / (count + 1)
        assert np.mean(called) == pytest.approx(exact, abs=3 * 0.0034)


def test_the_rate_of_one_calibration_is_beta_distributed() -> None:
    low, high = conditional_rates(0.05, 99, level=0.9)
    rng = np.random.default_rng(0)
    true = [1 - tail_of(rng.uniform(size=99), 0.05).threshold(0.05) for _ in range(3000)]
    assert np.mean([low <= one <= high for one in true]) == pytest.approx(0.9, abs=0.02)


def test_few_quantiles_are_kept_of_many_scores() -> None:
    assert len(tail_of(np.random.default_rng(0).uniform(size=5000), 0.05).ranks) < 25


def test_what_was_not_kept_is_not_made_up() -> None:
    tail = tail_of(np.arange(200.0), 0.05)
    with pytest.raises(InputError, match=r"the quantile of the rate 0\.123 was not kept"):
        tail.threshold(0.123)


def test_scores_are_finite_and_there_are_some() -> None:
    with pytest.raises(InputError, match="needs finite scores, got 0"):
        tail_of(np.zeros(0))
    with pytest.raises(InputError, match="got 2 of which 1"):
        tail_of(np.array([0.0, np.nan]))


@pytest.mark.parametrize(
    ("ranks", "scores"), [((), ()), ((1, 2), (0.0,)), ((2, 1), (0.0, 1.0)), ((1, 2), (1.0, 0.0)), ((9,), (0.0,))]
)
def test_quantiles_that_contradict_themselves(ranks: tuple[int, ...], scores: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="quantiles are finite and ascend"):
        Tail(count=5, ranks=ranks, scores=scores)
