"""What a reader of a run's numbers must know stands in the statistics, the words for the terminal and the page."""

import re
from pathlib import Path
from typing import Any

import pytest
from run_tables import make_outcomes, row, write_run

from medkt.runs.folder import RunFolder
from medkt.statistics import BootstrapSettings
from medkt.tasks.base import EACH_CASE, PARTLY
from medkt.tasks.masks.evaluation import Evaluation, evaluate_scores
from medkt.tasks.masks.scores import read_scores
from medkt.tasks.masks.sections import Arm, RunReport
from medkt.tasks.masks.words import text_lines
from medkt.tasks.page import render
from medkt.tasks.registry import task_named

QUICK = BootstrapSettings(resamples=100)


def said(folder: Path, rows: list[Any], *, patients: int | None = None, identity: Any = None) -> Evaluation:
    path = write_run(folder / "run", make_outcomes(rows, patients=patients), **(identity or {}))
    record = RunFolder(path).read()
    evaluation = evaluate_scores(read_scores(path / "results.parquet"), QUICK, identity=record.identity)
    page = render(
        task_named("segment"), RunReport(title="a", arms=(Arm(name="", evaluation=evaluation, record=record),))
    )
    for line in evaluation.provisos:
        assert f"note: {line}" in list(text_lines(evaluation))
        assert f"{line[0].upper()}{line[1:]}.".replace("'", "&#39;") in page
    return evaluation


def test_by_which_rules_masks_were_read(tmp_path: Path) -> None:
    rules = ["its only label, 1", "its only label, 1", "nothing is inside"]
    rows = [row(dsc=0.5, reference_rule=one, prediction_rule="0.5 and above") for one in rules]
    evaluation = said(tmp_path, rows)
    assert evaluation.rules == {
        "reference": {"its only label, 1": 2, "nothing is inside": 1}, "prediction": {"0.5 and above": 3},
    }  # fmt: skip
    lines = list(text_lines(evaluation))
    assert "inside a reference: its only label, 1 (2 cases); nothing is inside (1 case)" in lines
    assert "inside a prediction: 0.5 and above (3 cases)" in lines


@pytest.mark.parametrize(
    ("identity", "words"),
    [
        ({"patients": EACH_CASE, "masks": "0"}, "each file counts as one patient: .*--patients or --patient-pattern"),
        ({"patients": EACH_CASE}, "each case counts as one patient: .*the column patient_id"),
        (
            {"patients": f"{PARTLY} 3 cases that named none but the own id"},
            "patients are stated, but for 3 cases .*fill the column patient_id",
        ),
        ({"patients": "stated"}, ""),
        ({}, ""),
    ],
)
def test_a_file_is_not_a_patient(identity: dict[str, str], words: str, tmp_path: Path) -> None:
    provisos = said(tmp_path, [row(dsc=0.5), row(dsc=0.7)], identity=identity).provisos
    assert len(provisos) == bool(words)
    assert not words or re.match(words, provisos[0])


def test_copies_are_noticed_by_digest(tmp_path: Path) -> None:
    """Three of four cases are one image, and one of those is of the same patient."""
    rows = [row(dsc=0.1 * k, input_digest=one) for k, one in enumerate("xxyx")]
    (line,) = said(tmp_path, rows, patients=3).provisos
    assert line.startswith("2 of 4 cases repeat another one's image, voxel for voxel, 1 of them under another patient")
    references = [row(dsc=0.5, reference_digest=one, prediction_digest=one + "p") for one in ("a", "a", "b")]
    lines = said(tmp_path / "b", references).provisos
    assert [line.split(" repeat")[0] for line in lines] == ["1 of 3 cases"] * 2
    assert "reference mask" in lines[0]
    assert "predicted mask" in lines[1]


def test_one_image_asked_for_two_concepts_is_no_copy(tmp_path: Path) -> None:
    rows = [row("cyst", dsc=0.5, input_digest="x"), row("tumour", dsc=0.6, input_digest="x")]
    assert said(tmp_path, rows).provisos == ()
    empty = [row(dsc=0.5, reference_digest=None), row(dsc=0.5, reference_digest=None)]
    assert said(tmp_path / "b", empty).provisos == ()


def test_what_lies_outside_is_told(tmp_path: Path) -> None:
    rows = [row(dsc=0.5, prediction_outside_ml=one, reference_outside_ml=0.0) for one in (1.5, 0.0, 2.0)]
    (line,) = said(tmp_path, rows).provisos
    assert line == (
        "in 2 cases the prediction marks something outside the reference's field of view, 3.5 ml in all: counted as false "
        "(column prediction_outside_ml)"
    )
