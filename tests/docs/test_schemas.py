"""The schemas that ship are those of the code, and what medkt writes fits them."""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from jsonschema import Draft202012Validator
from run_tables import make_outcomes, row, write_run
from schemas import FOLDER, FORMS, STUDY, file_of, text_of
from study_records import earlier_result

from medkt.cli.main import main
from medkt.errors import UnsupportedError
from medkt.examine.store import SHIPPED
from medkt.inversion import InversionSettings, InvertedImages
from medkt.inversion.files import write_inversion
from medkt.records import RecordForm
from medkt.statistics import BootstrapSettings, Interval
from medkt.tasks.classify.comparison import ComparedClass
from medkt.tasks.evaluation_record import comparison_record

PACKAGE = Path(__file__).parents[1] / "concepts" / "version_1.medkt"


def faults(form: RecordForm[Any], plain: object) -> list[str]:
    """What of a record does not fit its schema."""
    schema = json.loads(file_of(form).read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return [f"{one.json_path}: {one.message}" for one in Draft202012Validator(schema).iter_errors(plain)]


@pytest.mark.parametrize("form", [form for form, _ in FORMS], ids=lambda form: form.name)
def test_they_are_those_of_the_code(form: RecordForm[Any]) -> None:
    assert file_of(form).read_text(encoding="utf-8") == text_of(form), "run `python tests/docs/schemas.py`"


def test_no_other_schema_ships() -> None:
    assert sorted(FOLDER.iterdir()) == sorted(file_of(form) for form, _ in FORMS)


def test_what_is_wrong_does_not_fit() -> None:
    today = STUDY.write(STUDY.read(earlier_result(), where="a result"))
    assert faults(STUDY, today) == []
    assert faults(STUDY, today | {"added later": 1}) == []
    assert faults(STUDY, today | {"planes": "3"}) == ["$.planes: '3' is not of type 'integer'"]
    assert faults(STUDY, {name: value for name, value in today.items() if name != "domain"}) == [
        "$: 'domain' is a required property"
    ]
    assert faults(STUDY, earlier_result()) != []  # form 1, which named no number


def test_what_commands_write_fits(tmp_path: Path) -> None:
    forms = {form.name: form for form, _ in FORMS}
    with zipfile.ZipFile(PACKAGE) as package:  # of version 1
        manifest = json.loads(package.read("manifest.json"))
    assert faults(forms["concept package"], manifest) == []
    assert faults(forms["concept package"], manifest | {"version": 4}) == ["$.version: 4 is not one of [1, 2, 3]"]
    assert faults(forms["examination"], json.loads(SHIPPED.read_text(encoding="utf-8"))) == []
    far = row(dsc=0.0, hd95_mm=None, infinite="hd95_mm", outcome="prediction empty")
    run = write_run(tmp_path / "run", make_outcomes([row(dsc=0.5, hd95_mm=2.0), far]))
    assert faults(forms["run"], json.loads((run / "run.json").read_text(encoding="utf-8"))) == []
    assert main(["evaluate", str(run), "--resamples", "100", "-q"]) == 0
    held = json.loads((run / "evaluation.json").read_text(encoding="utf-8"))
    assert faults(forms["evaluation"], held) == []
    read = forms["evaluation"].read(held, where="evaluation.json")
    assert forms["evaluation"].write(read) == held
    _as_of_0_1(forms["evaluation"], held)


def test_what_is_written_beside_two_arms_fits(tmp_path: Path) -> None:
    forms = {form.name: form for form, _ in FORMS}
    for arm in ("base", "kt"):
        write_run(tmp_path / arm, make_outcomes([row(dsc=0.5), row(dsc=0.25), row(dsc=0.1)]))
    assert main(["evaluate", str(tmp_path), "--resamples", "100", "-q"]) == 0
    held = json.loads((tmp_path / "comparison.json").read_text(encoding="utf-8"))
    assert (held["schema"], held["arms"]) == (1, ["base", "kt"])
    _as_of_0_1(forms["comparison"], held)
    line = ComparedClass(
        target="cyst", metric="accuracy", cases=3, patients=3, first=0.5, second=1.0, found=Interval(estimate=0.5)
    )
    _as_of_0_1(
        forms["class_comparison"],
        comparison_record(("base", "kt"), [line], BootstrapSettings(), forms["class_comparison"]),
    )
    of_a_package = comparison_record(("base", "kt"), [Interval(estimate=0.5)], BootstrapSettings())
    assert "schema" not in of_a_package
    assert of_a_package["lines"][0]["estimate"] == 0.5


def test_an_inversion_and_a_way_of_asking_fit(tmp_path: Path) -> None:
    forms = {form.name: form for form, _ in FORMS}
    found = InvertedImages(
        pixels=torch.zeros(1, 1, 3, 8, 8), similarity=torch.full((1, 1), 0.5), curves=torch.tensor([[0.25, torch.nan]]),
        texts=("a cyst",), settings=InversionSettings(steps=2), seed=0, seconds=0.1,
    )  # fmt: skip
    record = write_inversion(found, tmp_path / "images", encoder={"name": "toy"})
    assert (record["schema"], record["texts"][0]["curve"]) == (1, [0.25, None])
    _as_of_0_1(forms["inversion"], record)
    assert record["settings"]["steps"] == 2
    with zipfile.ZipFile(PACKAGE.with_name("version_2.medkt")) as package:
        asking = json.loads(package.read("asking.json"))
    assert faults(forms["asking"], asking) == []
    assert faults(forms["asking"], asking | {"normal": ["a clear lung"], "handicap": 0.1, "sharpness": 20.0}) == []
    assert faults(forms["asking"], asking | {"bias": "much"}) == ["$.bias: 'much' is not of type 'number', 'null'"]


def _as_of_0_1(form: RecordForm[Any], held: Mapping[str, Any]) -> None:
    """It fits its schema, reads back, and reads alike where it names no number, as medkt 0.1 wrote it."""
    assert faults(form, held) == []
    earlier = {key: value for key, value in held.items() if key != "schema"}
    assert form.write(form.read(earlier, where=form.name)) == held
    with pytest.raises(UnsupportedError, match=r"schema 2, this medkt reads 1 to 1; update medkt"):
        form.read({**held, "schema": 2}, where=form.name)
