"""JSON has neither NaN nor infinity: what medkt writes and prints never holds them, and says why a number is null."""

import ast
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_tables import make_outcomes, row, write_run
from whole_line import Command, Studies, bright_pipeline

from medkt.concepts import concept_from_text
from medkt.config import resolve
from medkt.io import read_image
from medkt.metrics import MetricSettings, evaluate_case
from medkt.report.study_folder import Formats, write_result
from medkt.runs.query import lines_of, query
from medkt.segmentation.slicewise import SegmentationSettings

FAST = resolve(SegmentationSettings, sets=("m2ib.steps=2", "m2ib.samples=2"))
SOURCE = Path(__file__).parents[2] / "medkt"
WRITERS = sorted(
    path for path in SOURCE.rglob("*.py")
    if "json.dump" in path.read_text(encoding="utf-8")
    and str(path.relative_to(SOURCE)) not in {"concepts/skeleton.py"}  # a YAML string
)  # fmt: skip


def strictly(text: str) -> Any:
    """The JSON of a text; NaN and infinity, which Python reads though they are none, fail the test."""

    def refuse(word: str) -> Any:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_a_distance_to_nothing_is_null_with_its_reason(studies: Studies, tmp_path: Path) -> None:
    result = bright_pipeline(FAST).segment(read_image(studies["dx"]), [concept_from_text("a bright spot")])
    (finding,) = result.findings
    mask = result.mask(finding)
    assert mask.values.any()
    nothing = replace(mask, values=np.zeros_like(mask.values))
    settings = MetricSettings(metrics=("dsc", "hd95", "assd"))
    case = evaluate_case(reference=nothing, prediction=mask, settings=settings)
    assert case.infinite == ("hd95_mm", "assd_mm")
    scored = replace(result, findings=(replace(finding, case=case, reference=nothing),))
    written = write_result(scored, tmp_path, formats=Formats(nifti=False), name="x")
    (record,) = strictly((tmp_path / "result.json").read_text(encoding="utf-8"))["findings"]
    scores = record["reference_scores"]
    assert scores["numbers"] == {"dsc": 0.0, "hd95_mm": None, "assd_mm": None}
    assert scores["missing"] == dict.fromkeys(case.infinite, "infinite by the rule for empty masks: reference empty")
    strictly(json.dumps(written.record))
    assert "hd95_mm –" in written.summary
    assert "infinite by the rule for empty masks" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_statistics_of_infinite_numbers(tmp_path: Path, medkt: Command) -> None:
    rows = [
        row(dsc=0.5, hd95_mm=2.0),
        row(dsc=0.0, hd95_mm=None, infinite="hd95_mm", outcome="prediction empty"),
    ]
    run = write_run(tmp_path / "run", make_outcomes(rows))
    ran = medkt("evaluate", run, "--resamples", "200", "--json")
    assert ran.code == 0, ran.err
    for text in (ran.out, (run / "evaluation.json").read_text(encoding="utf-8")):
        lines = strictly(text)["lines"]
        (far,) = [one["summary"] for one in lines if (one["summary"]["metric"], one["part"]) == ("hd95_mm", "all")]
        assert (far["mean"]["estimate"], far["counts"]["infinite"]) == (None, 1)
        assert far["mean"]["note"] == "1 values are infinite: no interval"


def test_an_answer_is_json_whatever_was_asked(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", make_outcomes([row(dsc=0.5)]))
    asked = (
        "SELECT 'inf'::DOUBLE AS far, 'nan'::DOUBLE AS none, [1.5, 'nan'::DOUBLE] AS some, 0.1::DECIMAL(3, 1) AS tenth"
    )
    (line,) = lines_of(query([run], asked), "json")
    assert strictly(line) == {"far": None, "none": None, "some": [1.5, None], "tenth": "0.1"}


@pytest.mark.parametrize("path", WRITERS, ids=lambda path: str(path.relative_to(SOURCE)))
def test_every_writer_is_strict(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("json.dump", "json.dumps"):
            given = {one.arg: ast.unparse(one.value) for one in node.keywords}
            assert given.get("allow_nan") == "False", f"line {node.lineno} would write NaN"
