"""Areas under the ROC curve against brute force over all pairs, and DeLong's intervals against their definition and by coverage."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from medkt.errors import InputError
from medkt.statistics import auc_difference, auc_interval, auc_of, mean_auc_difference, mean_auc_interval
from medkt.statistics.auc import APART, MISSING, STILL

scores = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=12).map(np.array)


def by_pairs(negative: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """(positives, negatives): 1 where the positive is above, a half where both are equal."""
    return np.array([[(p > n) + 0.5 * (p == n) for n in negative] for p in positive])


@given(negative=scores, positive=scores)
def test_an_area_is_the_share_of_pairs_won(negative: np.ndarray, positive: np.ndarray) -> None:
    assert auc_of(negative, positive) == pytest.approx(by_pairs(negative, positive).mean())
    assert auc_of(positive, negative) == pytest.approx(1 - auc_of(negative, positive))


def test_the_area_is_that_of_scikit_learn_ties_included() -> None:
    rng = np.random.default_rng(0)
    negative, positive = np.round(rng.normal(size=60), 1), np.round(rng.normal(1, 1, 40), 1)
    truth = np.repeat([0, 1], [60, 40])
    found = auc_interval(negative, positive)
    assert found.estimate == pytest.approx(roc_auc_score(truth, np.concatenate([negative, positive])))
    assert found.low < found.estimate < found.high


def test_the_interval_of_the_area_covers() -> None:
    """Normals and findings one deviation apart have an area of Phi(1 / sqrt 2) = 0.7602."""
    rng = np.random.default_rng(1)
    found = [auc_interval(rng.normal(size=50), rng.normal(1, 1, 50)) for _ in range(600)]
    assert np.mean([one.low <= 0.76025 <= one.high for one in found]) == pytest.approx(0.95, abs=0.027)


def test_the_interval_of_a_difference_is_as_the_definition_has_it() -> None:
    """Variances and covariance of the structural components, written out over pairs."""
    rng = np.random.default_rng(2)
    first = np.round(rng.normal(size=17), 1), np.round(rng.normal(0.5, 1, 11), 1)
    second = np.round(first[0] + rng.normal(size=17), 1), np.round(first[1] + rng.normal(1, 1, 11), 1)
    won = [by_pairs(*first), by_pairs(*second)]
    rows, columns = np.cov([one.mean(axis=1) for one in won]), np.cov([one.mean(axis=0) for one in won])
    joint = rows / 11 + columns / 17
    error = np.sqrt(joint[0, 0] + joint[1, 1] - 2 * joint[0, 1])
    found = auc_difference(first, second)
    assert found.estimate == pytest.approx(won[1].mean() - won[0].mean())
    assert (found.low, found.high) == pytest.approx(
        (found.estimate - 1.959964 * error, found.estimate + 1.959964 * error)
    )


def test_the_interval_of_a_difference_covers_where_both_see_the_same_cases() -> None:
    """Two noisy readings of the same cases, equally good: the difference is 0."""
    rng = np.random.default_rng(3)
    inside = []
    for _ in range(400):
        cases = rng.normal(size=40), rng.normal(1, 1, 40)
        first, second = (tuple(part + rng.normal(0, 0.5, 40) for part in cases) for _ in range(2))
        found = auc_difference(first, second)
        inside.append(found.low <= 0 <= found.high)
    assert np.mean(inside) == pytest.approx(0.95, abs=0.033)


def test_kinds_that_do_not_overlap_have_no_interval() -> None:
    found = auc_interval(np.arange(5.0), np.arange(10.0, 15.0))
    assert found.estimate == 1.0
    assert np.isnan(found.low)
    assert "do not overlap" in found.note


def test_what_is_missing_has_no_area_and_other_cases_no_difference() -> None:
    none, some = np.zeros(0), np.arange(3.0)
    for negative, positive in product((none, some), (none, some)):
        if not len(negative) or not len(positive):
            assert np.isnan(auc_of(negative, positive))
            assert np.isnan(auc_interval(negative, positive).estimate)
            assert np.isnan(auc_difference((negative, positive), (negative, positive)).estimate)
    one = auc_difference((some, np.ones(1)), (some, np.zeros(1)))
    assert (one.estimate, np.isnan(one.low)) == (
        pytest.approx(auc_of(some, np.zeros(1)) - auc_of(some, np.ones(1))),
        True,
    )
    with pytest.raises(InputError, match="got 3 and 1 against 3 and 3"):
        auc_difference((some, np.ones(1)), (some, some))


# ---- patients with several cases, and several classes


def _clustered(count: int = 300, seed: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Classes, scores of two classifiers (last axis) and patients; cases of one patient go together."""
    rng = np.random.default_rng(seed)
    patients = np.arange(count) // 3
    truth = rng.integers(0, 3, count)
    own = rng.normal(size=(count // 3, 3))[patients][..., None]
    scores = own + rng.normal(size=(count, 3, 2)) + (np.arange(3) == truth[:, None])[..., None]
    return truth, scores, patients


def _without_each_patient(statistic: object, patients: np.ndarray) -> float:
    """The standard error by the jackknife over patients."""
    left = [statistic(patients != one) for one in np.unique(patients)]  # type: ignore[operator]
    return float(np.sqrt((len(left) - 1) * np.var(left)))


def test_one_case_a_patient_is_delongs_own_interval() -> None:
    rng = np.random.default_rng(5)
    negative, positive = rng.normal(size=30), rng.normal(1, 1, 20)
    plain = auc_interval(negative, positive)
    found = auc_interval(negative, positive, patients=(np.arange(30), np.arange(30, 50)))
    assert (found.estimate, found.low, found.high) == pytest.approx((plain.estimate, plain.low, plain.high))
    assert found.method == "DeLong over patients, on the logit scale"


@pytest.mark.slow
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_intervals_over_patients_have_the_width_of_the_jackknife(level: float) -> None:
    """Of one area, of a difference, of a mean over classes, and of the difference of two means."""
    truth, scores, patients = _clustered()
    own = truth == 0

    def area(rows: np.ndarray, which: int, place: int) -> float:
        return float(roc_auc_score(truth[rows] == place, scores[rows, place, which]))

    def mean(rows: np.ndarray, which: int) -> float:
        return float(np.mean([area(rows, which, place) for place in range(3)]))

    pairs = [(scores[~own, 0, which], scores[own, 0, which]) for which in range(2)]
    whose = patients[~own], patients[own]
    first, second = scores[..., 0], scores[..., 1]
    places = (0, 1, 2)
    of = {
        "area": (auc_interval(*pairs[0], patients=whose, level=level), lambda rows: area(rows, 0, 0)),
        "difference": (
            auc_difference(*pairs, patients=whose, level=level), lambda rows: area(rows, 1, 0) - area(rows, 0, 0)
        ),
        "mean": (
            mean_auc_interval(truth, first, patients, places=places, level=level), lambda rows: mean(rows, 0)
        ),
        "difference of means": (
            mean_auc_difference(truth, first, second, patients, places=places, level=level),
            lambda rows: mean(rows, 1) - mean(rows, 0),
        ),
    }  # fmt: skip
    for name, (found, plain) in of.items():
        assert found.estimate == pytest.approx(plain(np.ones(len(truth), dtype=bool)))
        wanted = norm.ppf((1 + level) / 2) * _without_each_patient(plain, patients)
        assert (found.high - found.low) / 2 == pytest.approx(wanted, rel=0.06), name
        assert "over patients" in found.method


def test_a_kind_of_one_patient_has_an_area_without_interval() -> None:
    truth, scores = np.array([True, True, False, False, False]), np.array([0.9, 0.4, 0.5, 0.2, 0.1])
    patients = np.array([0, 0, 1, 2, 2])
    found = auc_interval(scores[~truth], scores[truth], patients=(patients[~truth], patients[truth]))
    assert found.estimate == pytest.approx(5 / 6)
    assert (np.isnan(found.low), found.note) == (True, APART)
    mean = mean_auc_interval(truth.astype(int), np.stack([-scores, scores], axis=1), patients, places=(0, 1))
    assert mean.estimate == pytest.approx(5 / 6)
    assert (np.isnan(mean.low), mean.note) == (True, APART)
    assert auc_interval(scores[:0], scores).note == MISSING


def test_the_same_scores_twice_have_no_interval_of_their_difference() -> None:
    truth, scores, patients = _clustered()
    first = scores[..., 0]
    found = mean_auc_difference(truth, first, first, patients, places=(0, 1, 2))
    assert (found.estimate, np.isnan(found.low), found.note) == (0, True, STILL)
