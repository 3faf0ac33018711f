"""The schemas that ship are those of the code, and what medkt writes fits them."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from run_tables import make_outcomes, row, write_run
from schemas import FOLDER, FORMS, STUDY, file_of, text_of
from study_records import earlier_result

from medkt.cli.main import main
from medkt.examine.store import SHIPPED
from medkt.records import RecordForm

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
