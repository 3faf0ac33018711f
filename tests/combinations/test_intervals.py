"""Every kind of interval at every level, with few and with very many patients, of one case or of several.

The oracle is the normal approximation, written from its textbook: the standard error of a ratio over patients (Cochran
1977, 6.4) times the quantile of the level. Where there are many patients, every interval comes near it.
"""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from scipy import stats
from sklearn.metrics import roc_auc_score

from medkt.statistics import (
    BootstrapSettings,
    Interval,
    auc_interval,
    bootstrap_interval,
    interval_of,
    mean_interval,
    mean_of,
    median_interval,
    median_of,
    share,
)
from medkt.statistics import bootstrap as module
from medkt.statistics.shares import share_interval
from medkt.statistics.signed_rank import hodges_lehmann
from medkt.tasks.masks.evaluation import evaluate_scores
from medkt.tasks.masks.scores import read_scores

LEVELS = (0.5, 0.8, 0.9, 0.95, 0.99)


def drawn(patients: int, cases_each: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Cases and whose they are: cases of one patient go together, and patients have between one and `cases_each`."""
    random = np.random.default_rng(seed)
    counts = random.integers(1, cases_each + 1, patients)
    own = random.normal(size=patients)
    values = np.repeat(own, counts) + 0.5 * random.normal(size=counts.sum())
    return values, np.repeat(np.arange(patients), counts)


def half_width(values: np.ndarray, patients: np.ndarray, level: float) -> float:
    """Half of the normal interval of a mean over cases, patient by patient in a loop."""
    mean, residuals = values.mean(), dict.fromkeys(patients.tolist(), 0.0)
    for value, patient in zip(values.tolist(), patients.tolist(), strict=True):
        residuals[patient] += value - mean
    many = len(residuals)
    variance = many / (many - 1) * sum(r * r for r in residuals.values()) / len(values) ** 2
    return float(stats.norm.ppf(0.5 + level / 2)) * variance**0.5


# below and above the numbers at which the code goes another way or might (500 groups, 2,000 patients, chunks)
@pytest.mark.parametrize(("patients", "cases_each"), [(80, 4), (499, 1), (501, 4), (1_999, 2), (2_001, 2), (6_001, 1)])
def test_a_mean_has_the_width_of_its_level(patients: int, cases_each: int) -> None:
    values, whose = drawn(patients, cases_each)
    for level in (0.8, 0.95):
        wanted = half_width(values, whose, level)
        found = bootstrap_interval(values, whose, mean_of, BootstrapSettings(level=level, resamples=1_000))
        assert found.level == level
        assert found.method.startswith("BCa, 1000")
        assert (found.high - found.low) / 2 == pytest.approx(wanted, rel=0.1)  # that of 0.9 has 0.84 of that of 0.95
        assert (found.high + found.low) / 2 == pytest.approx(values.mean(), abs=0.25 * wanted)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("patients", [80, 2_001])
def test_with_fewer_draws_the_width_is_still_that_of_the_level(
    patients: int, level: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    values, whose = drawn(patients, 3)
    monkeypatch.setattr(module, "BUDGET", 1_000 * patients * 3)  # as there are more than 100,000 values
    found = bootstrap_interval(values, whose, mean_of, BootstrapSettings(level=level))
    assert found.method.startswith("normal with bootstrap standard error, 1000 resamples")
    assert (found.high - found.low) / 2 == pytest.approx(half_width(values, whose, level), rel=0.1)
    assert (found.low + found.high) / 2 == pytest.approx(values.mean())


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("patients", [81, 2_001])
def test_a_median_has_the_order_statistics_of_its_level(patients: int, level: float) -> None:
    """The distribution-free interval of a median: ranks from the binomial distribution (Conover 1999, 3.2)."""
    values, whose = drawn(patients, 1)
    found = bootstrap_interval(values, whose, median_of, BootstrapSettings(level=level, resamples=1_000))
    below = int(stats.binom.ppf((1 - level) / 2, patients, 0.5))
    low, high = np.sort(values)[[below - 1, patients - below]]
    assert found.low == pytest.approx(low, abs=0.2 * (high - low) + 0.01)
    assert found.high == pytest.approx(high, abs=0.2 * (high - low) + 0.01)


@pytest.mark.parametrize("level", [0.9, 0.95])
@pytest.mark.parametrize("patients", [40, 60, 1_999, 2_001])  # counted out, normal; all averages held, or searched
def test_a_shift_has_the_walsh_averages_of_its_level(patients: int, level: float) -> None:
    """Against all averages of pairs and, for the ranks, the normal form of the signed-rank distribution."""
    differences, _ = drawn(patients, 1)
    found = hodges_lehmann(differences, level=level)
    first, second = np.triu_indices(patients)
    walsh = np.sort((differences[first] + differences[second]) / 2)
    assert found.estimate == pytest.approx(np.median(walsh))
    inside = ((walsh >= found.low) & (walsh <= found.high)).mean()
    mean, spread = patients * (patients + 1) / 4, np.sqrt(patients * (patients + 1) * (2 * patients + 1) / 24)
    assert inside == pytest.approx(float(stats.norm.ppf(0.5 + level / 2)) * spread / mean, abs=8 / patients**1.5)
    outside = [(walsh < found.low - 1e-9).sum(), (walsh > found.high + 1e-9).sum()]
    assert outside[0] == outside[1]


@pytest.mark.parametrize("cases_each", [1, 4])
@pytest.mark.parametrize("patients", [120, 2_001])
def test_a_share_has_the_width_of_its_level(patients: int, cases_each: int) -> None:
    values, whose = drawn(patients, cases_each)
    for level in LEVELS:
        found = share_interval(values > 0, whose, level=level)
        wanted = half_width((values > 0).astype(float), whose, level)
        assert found.level == level
        assert (found.high - found.low) / 2 == pytest.approx(wanted, rel=0.05)


@pytest.mark.parametrize(
    "kind",
    [
        lambda values, whose, level: bootstrap_interval(
            values, whose, mean_of, BootstrapSettings(level=level, resamples=500)
        ),
        lambda values, whose, level: hodges_lehmann(values, level=level),
        lambda values, whose, level: share_interval(values > 0, whose, level=level),
    ],
)
@pytest.mark.parametrize("patients", [30, 2_100])
def test_a_higher_level_holds_a_lower_one(
    kind: Callable[[np.ndarray, np.ndarray, float], Interval], patients: int
) -> None:
    values, whose = drawn(patients, 1)
    found = [kind(values, whose, level) for level in LEVELS]
    for inner, outer in pairwise(found):
        assert outer.low < inner.low <= inner.high < outer.high


# from 2,000 on pages leave the bootstrap out
@pytest.mark.parametrize(("patients", "cases_each"), [(400, 4), (1_999, 1), (2_000, 4)])
def test_a_pages_numbers_have_the_width_of_their_level(patients: int, cases_each: int) -> None:
    """Means, medians, shares, areas and their differences as pages print them."""
    values, whose = drawn(patients, cases_each)
    truth = values + np.random.default_rng(1).normal(size=len(values)) > 0
    error = _error_of_area(truth, values, whose)
    for level in (0.8, 0.95):
        settings = BootstrapSettings(level=level, resamples=500)
        mean, wanted = mean_interval(values, whose, settings), half_width(values, whose, level)
        median = median_interval(values, whose, settings)
        held = interval_of(share(truth, values > -1, whose), settings)
        found = auc_interval(values[~truth], values[truth], patients=(whose[~truth], whose[truth]), level=level)
        assert {one.level for one in (mean, median, held, found)} == {level}
        assert (mean.high - mean.low) / 2 == pytest.approx(wanted, rel=0.12)
        # a median's error is that of the share below it over the density there
        near = (np.abs(values - np.median(values)) < 0.2).mean() / 0.4
        below = half_width((values <= np.median(values)).astype(float), whose, level) / near
        assert (median.high - median.low) / 2 == pytest.approx(below, rel=0.25)
        among = values > -1
        assert (held.high - held.low) / 2 == pytest.approx(
            half_width(truth[among] * 1.0, whose[among], level), rel=0.12
        )
        assert found.estimate == pytest.approx(roc_auc_score(truth, values))
        assert (found.high - found.low) / 2 == pytest.approx(float(stats.norm.ppf(0.5 + level / 2)) * error, rel=0.15)


# below and above the patients from which on pages leave the bootstrap out; a stratum may lie below where the whole lies above
@pytest.mark.parametrize(("patients", "cases_each"), [(150, 4), (2_500, 3)])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_each_stratum_has_the_interval_of_its_own_rows_and_patients(
    patients: int, cases_each: int, level: float, tmp_path: Path
) -> None:
    """Patients may have cases in several strata (years, sides); in each they count by the cases that they have there."""
    values, whose = drawn(patients, cases_each)
    random = np.random.default_rng(2)
    strata = {"sex": random.choice(["F", "M", ""], size=patients)[whose], "year": random.choice(2, size=len(whose))}
    positive = random.random(len(whose)) < 0.7
    columns = {
        "case": [f"c{k}" for k in range(len(whose))], "patient": [f"p{one}" for one in whose], "status": ["done"] * len(whose),
        "concept": ["cyst"] * len(whose), "dsc": values, "outcome": np.where(positive, "normal", "reference empty"),
        "present": [True] * len(whose), "score": [0.5] * len(whose), "sex": strata["sex"], "year": strata["year"].astype(str),
    }  # fmt: skip
    parquet.write_table(pa.table(columns), tmp_path / "results.parquet")
    settings = BootstrapSettings(level=level, resamples=300)
    evaluation = evaluate_scores(read_scores(tmp_path / "results.parquet", by=["sex", "year"]), settings)
    parts = {"all": np.full(len(whose), True), "positives": positive, "negatives": ~positive}
    places = [("", "", parts["all"])]
    places += [("sex", name or "(not stated)", strata["sex"] == name) for name in ("F", "M", "")]
    places += [("year", name, strata["year"] == int(name)) for name in ("0", "1")]
    for group, name, rows in places:
        for part, own in parts.items():
            held = rows & own
            line = evaluation.line("dsc", concept="cyst", group=group, value=name, part=part)
            assert line is not None
            found, wanted = line.summary.mean, half_width(values[held], whose[held], level)
            assert line.summary.counts.patients == len(set(whose[held].tolist()))
            assert (line.summary.counts.used, found.level) == (held.sum(), level)
            assert found.estimate == pytest.approx(values[held].mean())
            assert (found.high - found.low) / 2 == pytest.approx(wanted, rel=0.2)
    assert len(evaluation.lines) == 3 * len(places)


def _error_of_area(truth: np.ndarray, scores: np.ndarray, patients: np.ndarray) -> float:
    """The standard error by the jackknife over patients, or groups of them, left out one by one."""
    groups = patients % 400
    without = [roc_auc_score(truth[groups != one], scores[groups != one]) for one in range(400)]
    return float(np.sqrt(399 * np.var(without)))
