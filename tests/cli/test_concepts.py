"""`medkt concepts`: every finding that there are words for, and one of them whole."""

import json

import pytest
from whole_line import Command

from medkt.concepts import concepts


def test_all_are_listed(medkt: Command) -> None:
    ran = medkt("concepts")
    assert ran.code == 0
    assert [line.split()[1] for line in ran.out.splitlines()] == list(concepts())
    assert all(line.split()[0] in ("cxr", "ct", "mri", "ultrasound") for line in ran.out.splitlines())


def test_of_one_modality(medkt: Command) -> None:
    ran = medkt("concepts", "--modality", "mri")
    assert {line.split()[0] for line in ran.out.splitlines()} == {"mri"}


@pytest.mark.parametrize("name", ["ct_nodule", "solid nodule"])
def test_one_whole_by_id_or_name(name: str, medkt: Command) -> None:
    shown = json.loads(medkt("concepts", name).out)
    assert shown["id"] == "ct_nodule"
    assert [caption["text"] for caption in shown["captions"] if "prompt" in caption["roles"]]


def test_as_json(medkt: Command) -> None:
    shown = json.loads(medkt("concepts", "--json").out)
    assert [one["id"] for one in shown] == list(concepts())


def test_an_unknown_one(medkt: Command) -> None:
    ran = medkt("concepts", "solid nodul")
    assert ran.code == 2
    assert "nearest: solid nodule (ct_nodule)" in ran.err
    assert ran.err.count("\n") == 1
