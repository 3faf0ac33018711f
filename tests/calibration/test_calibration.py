"""Decisions: where they change, what they promise, and what is said of it."""

import numpy as np
import pytest

from calibration.studies import KEY, studies, study
from medkt.calibration import Calibration, CalibrationSettings, calibrate
from medkt.errors import InputError, SettingsError


def of_scores(normals: list[float], findings: list[float] | None = None, **settings: float | str) -> Calibration:
    return calibrate(
        KEY, [study(one) for one in normals], [study(one) for one in findings or []],
        CalibrationSettings(**settings),  # type: ignore[arg-type]
    )  # fmt: skip


def test_decisions_on_normals_alone() -> None:
    rule = of_scores([float(k) for k in range(1, 20)], abstain_rate=0.1)
    assert (rule.present_above, rule.absent_up_to) == (19.0, 17.0)
    assert [rule.outcome(score) for score in (19.1, 19.0, 17.1, 17.0, -3.0)] == [
        "present", "abstain", "abstain", "absent", "absent",
    ]  # fmt: skip
    assert not rule.promises_misses


def test_no_band_where_none_is_wanted() -> None:
    rule = of_scores([float(k) for k in range(1, 20)], abstain_rate=0.0)
    assert [rule.outcome(score) for score in (19.1, 19.0)] == ["present", "absent"]


def test_decisions_with_findings_that_overlap() -> None:
    """Normals 1 to 19, findings 11 to 29: between 11 and 19 a score could be of either kind."""
    rule = of_scores([float(k) for k in range(1, 20)], [float(k) for k in range(11, 30)], probability="none")
    assert rule.promises_misses
    assert [rule.outcome(score) for score in (19.5, 19.0, 11.0, 10.9)] == ["present", "abstain", "abstain", "absent"]


def test_decisions_with_findings_far_away() -> None:
    """Normals 1 to 19, findings 101 to 119: a score of 50 is neither's."""
    rule = of_scores([float(k) for k in range(1, 20)], [float(k) for k in range(101, 120)])
    assert [rule.outcome(score) for score in (101.0, 100.9, 50.0, 19.0)] == ["present", "abstain", "abstain", "absent"]


@pytest.mark.slow
def test_both_promises_hold_over_many_calibrations() -> None:
    rng = np.random.default_rng(3)
    present, absent = [], []
    for _ in range(400):
        normals, findings = rng.normal(size=45), rng.normal(1.5, 1, size=45)
        rule = of_scores(
            list(normals[:25]), list(findings[:25]), probability="none", false_positive_rate=0.1, miss_rate=0.2
        )
        present += [rule.outcome(float(one)) == "present" for one in normals[25:]]
        absent += [rule.outcome(float(one)) == "absent" for one in findings[25:]]
    assert np.mean(present) <= 0.1 + 0.01
    assert np.mean(absent) <= 0.2 + 0.015
    assert np.mean(present) > 0.05


def test_what_a_decision_says() -> None:
    rule = of_scores([float(k) for k in range(1, 40)], [float(k) for k in range(30, 69)])
    there, nowhere = rule.decide(60.0), rule.decide(2.0)
    assert (there.outcome, there.p_value) == ("present", 0.025)
    assert there.reason == "spot: present: score 60.000 is above 38, at most 0.025 of normals score as high"
    assert nowhere.reason == "spot: absent: score 2.000 is at most 31"
    assert there.probability is not None
    assert nowhere.probability is not None
    assert there.probability > 0.9 > 0.1 > nowhere.probability


def test_nothing_is_claimed_of_what_is_unlike() -> None:
    rule = of_scores([float(k) for k in range(1, 20)])
    said = rule.decide(99.0, unlike=("it is a photograph of a dog",))
    assert said.outcome == "abstain"
    assert said.probability is None
    assert said.reason.endswith("unlike the calibration's: it is a photograph of a dog")


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_a_score_is_finite(score: float) -> None:
    with pytest.raises(InputError, match="a presence score is a finite number"):
        of_scores([float(k) for k in range(20)]).decide(score)


def test_too_few_normals_say_how_many_it_takes() -> None:
    with pytest.raises(InputError, match="at least 19 scores, got 18; add studies of other patients"):
        of_scores([float(k) for k in range(18)])


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"false_positive_rate": 0.0}, "false_positive_rate lies between 0 and 1"),
        ({"miss_rate": 1.5}, "miss_rate lies between 0 and 1"),
        ({"abstain_rate": -0.1}, "abstain_rate is 0 or more"),
        ({"abstain_rate": 0.96}, "less than 1 together with false_positive_rate"),
        ({"probability": "beta"}, "probability is one of auto, none, platt, isotonic, got 'beta'"),
    ],
)
def test_settings_out_of_range(settings: dict[str, float | str], text: str) -> None:
    with pytest.raises(SettingsError, match=text):
        CalibrationSettings(**settings)  # type: ignore[arg-type]


def test_notes_say_what_is_not_promised() -> None:
    few = of_scores([float(k) for k in range(19)])
    assert any("no rate of misses is promised: 0.05 takes 19" in note for note in few.notes)
    assert any("unlike studies are not recognised: that takes 20 normals, got 19" in note for note in few.notes)
    some = calibrate(KEY, studies(30), studies(5, seed=1))
    assert any('whether "absent" may be claimed' in note for note in some.notes)
    tied = of_scores([0.0] * 10 + [1.0] * 20)
    assert any("only a study that scores higher than all of them is called" in note for note in tied.notes)
    assert tied.outcome(1.0) == "absent"
