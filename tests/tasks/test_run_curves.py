"""The curves of a run against plain computations: area with its interval, volumes, lesions; and what is drawn of them."""

import base64
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from run_tables import make_outcomes, row, write_run

from medkt.statistics import BootstrapSettings, auc_interval
from medkt.statistics import agreement as of_volumes
from medkt.tasks.masks import agreement
from medkt.tasks.masks.agreement import lesion_curves, volume_agreement
from medkt.tasks.masks.plots import Curves, draw_curves, lesion_row, presence_row, volume_row
from medkt.tasks.masks.presence import presence_auc, presence_curves
from medkt.tasks.masks.scores import Scores, read_scores

FEW = BootstrapSettings(resamples=200)


def _scores(path: Path, *, patients: int | None = None, calibrated: bool = True, number: int = 60) -> Scores:
    """Cases of two kinds whose scores overlap; volumes 20 % too large on average; one lesion a positive case."""
    random = np.random.default_rng(7)
    rows = []
    for place in range(number):
        there = place % 3 != 0
        score = round(float(np.clip(random.normal(0.6 if there else 0.4, 0.15), 0.01, 0.99)), 2)  # two digits: some tie
        volume = round(float(random.uniform(2, 30)), 3)
        told = {"probability": score} if calibrated else {}
        measured = {"volume_reference_ml": volume, "volume_prediction_ml": round(volume * random.normal(1.2, 0.1), 3)}
        lesions = {
            "lesions_reference": float(there), "lesions_predicted": 1.0, "scores_found": f"{score}" if there else "",
            "scores_false": "" if there else f"{score}",
        }  # fmt: skip
        kind = {"outcome": "normal" if there else "reference empty", "present": score >= 0.5, "score": score}
        rows.append(row(**kind, **told, **(measured if there else {}), **lesions))  # type: ignore[arg-type]
    return read_scores(write_run(path / "run", make_outcomes(rows, patients=patients)) / "results.parquet")


def test_the_area_is_the_share_of_pairs_in_order(tmp_path: Path) -> None:
    scores = _scores(tmp_path)
    (curve,) = presence_curves(scores)
    ours, theirs = scores.score[scores.positives], scores.score[scores.negatives]
    pairs = [(a > b) + 0.5 * (a == b) for a, b in product(ours, theirs)]
    assert curve.auc.estimate == pytest.approx(np.mean(pairs))
    assert (curve.positives, curve.negatives) == (40, 20)
    assert float(np.trapezoid(curve.sensitivity, curve.false_positives)) == pytest.approx(curve.auc.estimate)
    assert (curve.false_positives[0], curve.sensitivity[0], curve.sensitivity[-1]) == (0, 0, 1)
    plain = auc_interval(theirs, ours)  # one case a patient: DeLong's own interval
    assert (curve.auc.low, curve.auc.high) == pytest.approx((plain.low, plain.high))
    assert sum(one.cases for one in curve.bins) == 60
    assert 0 < curve.ece < 1


def test_cases_of_one_patient_widen_the_interval(tmp_path: Path) -> None:
    """The same cases written twice under the same patients tell nothing new; under new ones they would."""
    once = _scores(tmp_path)
    rows = [
        row(outcome="normal" if there else "reference empty", score=float(score))
        for score, there in zip(once.score, once.positives, strict=True)
    ]
    doubled = write_run(tmp_path / "doubled", make_outcomes([*rows, *rows], patients=len(rows)))
    everything = np.ones(2 * len(rows), dtype=bool)
    twice = presence_auc(read_scores(doubled / "results.parquet"), everything)
    single = presence_auc(once, everything[: len(rows)])
    assert twice.estimate == pytest.approx(single.estimate)
    assert (twice.low, twice.high) == pytest.approx((single.low, single.high))


def test_an_area_that_cannot_be_had_says_why(tmp_path: Path) -> None:
    kinds = {"apart": ((0.9, "normal"), (0.1, "reference empty")) * 3, "alone": ((0.9, "normal"),) * 3}
    notes = {}
    for name, cases in kinds.items():
        run = write_run(tmp_path / name, make_outcomes([row(score=score, outcome=kind) for score, kind in cases]))
        scores = read_scores(run / "results.parquet")
        notes[name] = presence_auc(scores, np.ones(scores.rows, dtype=bool))
    assert notes["apart"].estimate == 1
    assert "do not overlap" in notes["apart"].note
    assert np.isnan(notes["alone"].estimate)
    assert "cases of one kind only" in notes["alone"].note


def test_volumes_agree_as_far_as_was_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = _scores(tmp_path)
    (one,) = volume_agreement(scores, FEW)
    volumes = [scores.numbers[name][scores.positives] for name in agreement.VOLUMES]
    differences = volumes[1] - volumes[0]
    assert one.found.cases == 40
    assert one.found.bias.estimate == pytest.approx(differences.mean())
    assert one.found.upper.estimate == pytest.approx(differences.mean() + 1.959964 * differences.std(ddof=1))
    assert one.found.trend > 0.3  # an error of a share grows with the size
    monkeypatch.setattr(of_volumes, "MANY", 10)
    (many,) = volume_agreement(scores, FEW)
    for name in ("bias", "lower", "upper"):
        drawn, worked = getattr(one.found, name), getattr(many.found, name)
        assert worked.estimate == pytest.approx(drawn.estimate)
        assert (worked.low, worked.high) == pytest.approx((drawn.low, drawn.high), abs=0.5 * (drawn.high - drawn.low))


def test_lesions_against_false_alarms(tmp_path: Path) -> None:
    scores = _scores(tmp_path)
    (one,) = lesion_curves(scores)
    assert (one.found.lesions, one.found.studies) == (40, 60)
    false = np.sort(scores.score[scores.negatives])[::-1]
    least = false[int(0.25 * 60) - 1]  # with a quarter of a false alarm a study, scores from here on count
    assert one.found.at(0.25) == pytest.approx((scores.score[scores.positives] >= least).mean(), abs=0.06)
    assert one.found.at(8.0) == 1


def test_nothing_scored_draws_nothing(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", make_outcomes([row(dsc=0.5)] * 3))
    scores = read_scores(run / "results.parquet")
    assert list(volume_agreement(scores)) == list(lesion_curves(scores)) == list(presence_curves(scores)) == []
    assert draw_curves({"": Curves()}) == []


def test_what_is_drawn(tmp_path: Path) -> None:
    scores = _scores(tmp_path, patients=30)
    curves = Curves(
        presence=tuple(presence_curves(scores)), volumes=tuple(volume_agreement(scores, FEW)),
        lesions=tuple(lesion_curves(scores)),
    )  # fmt: skip
    plots = draw_curves({"base": curves, "KT": curves})
    assert [plot.alt.split(" of ")[0] for plot in plots] == [
        "ROC curve", "Bland-Altman plot", "Bland-Altman plot", "FROC curve",
    ]  # fmt: skip
    again = draw_curves({"base": curves, "KT": curves})
    assert [plot.svg for plot in plots] == [plot.svg for plot in again]
    for plot in plots:
        text = base64.b64decode(plot.svg.removeprefix("data:image/svg+xml;base64,")).decode("utf-8")
        assert "<svg" in text
        assert "cyst" in plot.alt
        assert "cyst" in plot.caption
    assert [len(presence_row(curves.presence[0])), len(volume_row(curves.volumes[0]))] == [6, 7]
    assert lesion_row(curves.lesions[0])[:3] == ("cyst", "40", "60")
