import numpy as np
import pytest

from medkt.errors import InputError, SettingsError
from medkt.statistics import brier, calibration_error, classify, multiclass_accuracy, reliability

TRUTH = np.array([False, False, True, True, True])
SCORES = np.array([0.1, 0.6, 0.4, 0.8, 0.9])


def test_by_hand() -> None:
    found = classify(truth=TRUTH, scores=SCORES)
    numbers = found.numbers
    assert (found.cases, found.positives) == (5, 3)
    assert numbers["accuracy"] == pytest.approx(3 / 5)
    assert (numbers["sensitivity"], numbers["specificity"]) == pytest.approx((2 / 3, 1 / 2))
    assert numbers["balanced_accuracy"] == pytest.approx(7 / 12)
    assert numbers["precision"] == pytest.approx(2 / 3)
    assert numbers["auc"] == pytest.approx(5 / 6)  # pairs in order: 5 of 6
    assert numbers["average_precision"] == pytest.approx((1 + 1 + 3 / 4) / 3)
    assert numbers["brier"] == pytest.approx((0.01 + 0.36 + 0.36 + 0.04 + 0.01) / 5)
    assert dict(found.missing) == {}


def test_calibration_by_hand() -> None:
    table = reliability(truth=TRUTH, probabilities=SCORES, bins=2)
    assert [(one.low, one.high, one.cases) for one in table] == [(0, 0.5, 2), (0.5, 1, 3)]
    assert [one.mean_probability for one in table] == pytest.approx([0.25, 2.3 / 3])
    assert [one.share_positive for one in table] == pytest.approx([1 / 2, 2 / 3])
    assert calibration_error(table) == pytest.approx(0.4 * 0.25 + 0.6 * 0.1)


def test_bins_of_equal_counts_and_edges() -> None:
    table = reliability(truth=TRUTH, probabilities=SCORES, bins=2, binning="count")
    assert [one.cases for one in table] == [2, 3]
    tied = reliability(truth=TRUTH, probabilities=np.full(5, 0.5), bins=4, binning="count")
    assert sum(one.cases for one in tied) == 5
    ends = reliability(truth=TRUTH[:2], probabilities=np.array([0.0, 1.0]), bins=10)
    assert [ends[0].cases, ends[9].cases] == [1, 1]
    assert np.isnan(ends[5].mean_probability)


def test_a_calibrated_forecast_has_little_error() -> None:
    random = np.random.default_rng(0)
    probabilities = random.random(20_000)
    truth = random.random(20_000) < probabilities
    for binning in ("width", "count"):
        assert calibration_error(reliability(truth=truth, probabilities=probabilities, binning=binning)) < 0.02
    assert brier(truth=truth, probabilities=probabilities) == pytest.approx(1 / 6, abs=0.005)


def test_missing_numbers_say_why() -> None:
    found = classify(truth=TRUTH, scores=SCORES * 10, threshold=5.0)
    assert found.numbers["auc"] == pytest.approx(5 / 6)
    assert "no probabilities" in found.missing["ece"]
    assert (found.reliability, found.binning) == ((), "")
    healthy = classify(truth=np.zeros(4, bool), scores=np.zeros(4))
    assert "all cases are negative" in healthy.missing["auc"]
    assert np.isnan([healthy.numbers[name] for name in ("auc", "sensitivity", "precision")]).all()
    assert healthy.missing["sensitivity"] == "no case to divide by"
    assert healthy.numbers["specificity"] == 1


def test_guards() -> None:
    with pytest.raises(InputError, match="got 4 scores and 5 truths"):
        classify(truth=TRUTH, scores=SCORES[:4])
    with pytest.raises(InputError, match="got 0 scores and 0 truths"):
        classify(truth=np.zeros(0, bool), scores=np.zeros(0))
    with pytest.raises(InputError, match="1 of 5 scores are not finite"):
        classify(truth=TRUTH, scores=np.where(TRUTH, SCORES, np.array([np.nan, 0, 0, 0, 0])))
    with pytest.raises(SettingsError, match="at least 1 bin of equal width or count, got 0"):
        classify(truth=TRUTH, scores=SCORES, bins=0)


def test_multiclass_accuracy() -> None:
    scores = np.array([[0.9, 0.1, 0.0], [0.4, 0.4, 0.2], [0.1, 0.3, 0.6]])
    truth = np.array([0, 0, 1])
    assert multiclass_accuracy(truth=truth, scores=scores) == pytest.approx(1 / 3)  # the tie is a miss
    assert multiclass_accuracy(truth=truth, scores=scores, top=2) == 1
    with pytest.raises(SettingsError, match="top is from 1 to the 3 classes, got 4"):
        multiclass_accuracy(truth=truth, scores=scores, top=4)
    with pytest.raises(InputError, match="classes are numbered from 0 to 2, got 0 to 3"):
        multiclass_accuracy(truth=np.array([0, 3, 1]), scores=scores)
    with pytest.raises(InputError, match="2 classes and 3 rows of scores"):
        multiclass_accuracy(truth=truth[:2], scores=scores)


# ---- retrieval
