"""A result table as columns, and its statistics against those of rows of objects."""

import math
from pathlib import Path

import numpy as np
import pytest
from row_wise import CaseRow, CaseTable, summarise
from run_tables import make_outcomes, row, write_run

from medkt.errors import InputError, SettingsError, UnreadableError
from medkt.statistics import BootstrapSettings
from medkt.tasks.masks.evaluation import Evaluation, evaluate_scores
from medkt.tasks.masks.scores import read_scores
from medkt.tasks.masks.words import csv_row, text_lines

FEW = BootstrapSettings(resamples=200)
ROWS = [
    row(dsc=0.9, hd95_mm=2.0, sex="F"),
    row(dsc=0.4, hd95_mm=8.0, sex="M"),
    row(dsc=0.0, hd95_mm=None, infinite="hd95_mm", outcome="prediction empty", present=False, sex="F"),
    row(dsc=0.0, hd95_mm=None, infinite="hd95_mm", outcome="reference empty", sex=""),
    row(dsc=None, hd95_mm=None, outcome="both empty", present=False, no_number="both masks are empty", sex="M"),
    {"concept": "cyst", "kind": "timeout", "sex": "F"},
    row("nodule", dsc=0.5, hd95_mm=1.0, sex="F"),
]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", make_outcomes(ROWS, patients=4)) / "results.parquet"


def _evaluated(table: Path, *by: str) -> Evaluation:
    return evaluate_scores(read_scores(table, by=by), FEW)


def test_the_columns_hold_what_the_rows_say(table: Path) -> None:
    scores = read_scores(table, by=["sex"])
    assert scores.rows == 7
    assert tuple(scores.numbers) == ("dsc", "hd95_mm")
    np.testing.assert_array_equal(scores.numbers["dsc"], [0.9, 0.4, 0.0, 0.0, np.nan, np.nan, 0.5])
    np.testing.assert_array_equal(scores.numbers["hd95_mm"], [2, 8, np.inf, np.inf, np.nan, np.nan, 1])
    assert scores.positives.tolist() == [True, True, True, False, False, False, True]
    assert scores.negatives.tolist() == [False, False, False, True, True, False, False]
    assert scores.groups["sex"].words[scores.groups["sex"].codes[3]] == "(not stated)"
    assert len(set(scores.patient.codes.tolist())) == 4


def test_the_summary_is_that_of_the_case_table(table: Path) -> None:
    """Two routes to one number: columns here, rows of objects in the oracle."""
    found = _evaluated(table).line("dsc", concept="cyst")
    rows = [
        CaseRow(
            case_id=one.key, patient_id=str(one.rows[0]["patient"]), status="failed" if one.kind else "ok",
            outcome=str(one.rows[0].get("outcome", "normal")),
            numbers={} if one.kind else {"dsc": float("nan") if (v := one.rows[0]["dsc"]) is None else float(v)},
            missing={"dsc": "both masks are empty"},
        )
        for one in make_outcomes(ROWS, patients=4)
        if one.rows[0]["concept"] == "cyst"
    ]  # fmt: skip
    wanted = summarise(CaseTable.of(rows), "dsc", FEW)
    assert found is not None
    assert found.summary.counts == wanted.counts
    assert found.summary.mean.estimate == pytest.approx(wanted.mean.estimate)
    assert found.summary.median == wanted.median
    assert found.summary.quartiles == pytest.approx(wanted.quartiles)


def test_positives_negatives_and_subgroups_stand_apart(table: Path) -> None:
    evaluation = _evaluated(table, "sex")
    positives = evaluation.line("dsc", concept="cyst", part="positives")
    negatives = evaluation.line("dsc", concept="cyst", part="negatives")
    women = evaluation.line("dsc", concept="cyst", group="sex", value="F")
    assert positives is not None
    assert negatives is not None
    assert women is not None
    assert positives.summary.mean.estimate == pytest.approx((0.9 + 0.4 + 0.0) / 3)
    assert (positives.summary.counts.used, positives.summary.counts.failed) == (3, 1)
    assert (negatives.summary.counts.used, negatives.summary.counts.no_number) == (1, 1)
    assert negatives.summary.counts.why == {"both masks are empty": 1}
    assert women.summary.mean.estimate == pytest.approx(0.45)
    assert evaluation.line("dsc", concept="cyst", group="sex", value="X") is None
    infinite = evaluation.line("hd95_mm", concept="cyst", part="positives")
    assert infinite is not None
    assert infinite.summary.counts.infinite == 1
    assert math.isinf(infinite.summary.mean.estimate)


def test_decisions_and_counts(table: Path) -> None:
    evaluation = _evaluated(table)
    cyst = next(one for one in evaluation.decisions if one.concept == "cyst")
    assert (cyst.positives, cyst.negatives) == (3, 2)
    assert cyst.sensitivity.estimate == pytest.approx(2 / 3)
    assert cyst.specificity.estimate == pytest.approx(1 / 2)
    counts = evaluation.counts[0]
    assert (counts.concept, counts.rows, counts.done, counts.failed, counts.scored, counts.seen) == (
        "cyst",
        6,
        5,
        1,
        5,
        3,
    )
    assert evaluation.failures == {"timeout": 1}
    said = "\n".join(text_lines(evaluation))
    assert "cyst: 5 of 6 cases done, 1 failed, 5 scored" in said
    assert "no number: both masks are empty" in said
    assert "fewer than 20 patients" in said
    assert csv_row(evaluation.lines[0])["median"]


def test_a_run_without_references_has_counts_only(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", make_outcomes([{"concept": "cyst", "present": True, "score": 0.6}] * 3))
    evaluation = _evaluated(run / "results.parquet")
    assert evaluation.lines == evaluation.decisions == ()
    assert evaluation.counts[0].seen == 3


def test_what_is_refused(table: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no table results\.parquet; it is no run"):
        read_scores(tmp_path / "results.parquet")
    with pytest.raises(SettingsError, match="--by scanner: the result table has no such column; it has case"):
        read_scores(table, by=["scanner"])
    (tmp_path / "results.parquet").write_bytes(b"no table")
    with pytest.raises(UnreadableError, match="damaged or no Parquet file"):
        read_scores(tmp_path / "results.parquet")
    empty = write_run(tmp_path / "empty", [])
    with pytest.raises(InputError, match="holds no row; no case has ended yet"):
        read_scores(empty / "results.parquet")
    import pyarrow as pa
    from pyarrow.parquet import write_table

    write_table(pa.table({"case": ["a"], "concept": ["b"]}), tmp_path / "results.parquet")
    with pytest.raises(UnreadableError, match="has no column status; it is no result table of medkt"):
        read_scores(tmp_path / "results.parquet")
