"""The word checks: what they find, what they leave alone, and that our own words pass them."""

from pathlib import Path

import pytest
from bad_concepts import GOOD

from medkt.concepts.document import Document, parse_document, read_document
from medkt.concepts.lint import MOST_WORDS, lint
from medkt.concepts.problem import Problem
from medkt.resources import data_file


def _document(caption: str, *, modality: str = "ct", role: str = "inversion") -> Document:
    text = GOOD.replace("modality: ct", f"modality: {modality}").replace("    window: lung\n", "")
    if modality != "ct":
        text = text.replace("an axial CT slice", "an image")
    before = {"inversion": "      inversion:\n        - ", "prompt": "      prompt:\n        - "}[role]
    start = text.index(before) + len(before)
    return parse_document(text[:start] + caption + text[text.index("\n", start) :], "mine.yaml", holds="x")


def _found(caption: str, **of: str) -> list[Problem]:
    return list(lint(_document(caption, **of)))


@pytest.mark.parametrize("modality", ["cxr", "ct", "mri", "ultrasound"])
def test_our_own_words_pass(modality: str) -> None:
    path = data_file(f"radiology_captions/{modality}.yaml")
    assert lint(read_document(path, holds="x")) == ()


@pytest.mark.parametrize(
    ("caption", "modality", "rule"),
    [
        ("a film, no vessels in it", "ct", "negation"),
        ("a film free of vessels", "ct", "negation"),
        ("a non-uniform film", "ct", "negation"),
        ("a film that often fades", "ct", "hedge"),
        ("a film in elderly men", "ct", "not-visual (epidemiology)"),
        ("a film secondary to smoke", "ct", "not-visual (cause)"),
        ("a film of poor prognosis", "ct", "not-visual (course)"),
        ("a painful film", "ct", "not-visual (complaint)"),
        ("a film, diagnosed by biopsy", "ct", "not-visual (diagnosis)"),
        ("a red film", "ct", "not-visual (other senses)"),
        ("an echogenic film", "ct", "other-modality"),
        ("a hyperdense film", "ultrasound", "other-modality"),
        ("a hyperdense film", "mri", "other-modality"),
        ("a T2 film", "cxr", "other-modality"),
        ("a film with low attenuation", "cxr", "other-modality"),
        ("an opacity", "ultrasound", "other-modality"),
        ("a bright dark film", "ct", "contradiction"),
        ("a film with a sharp margin, seen with a hazy margin", "ct", "contradiction"),
        ("gas that appears white", "cxr", "contradiction"),
        ("dark bone around it", "ct", "contradiction"),
        ("a sac of bright fluid", "ultrasound", "contradiction"),
        ("a film of many " + "grey " * MOST_WORDS, "ct", "long"),
    ],
)
def test_what_is_found(caption: str, modality: str, rule: str) -> None:
    (problem, *_) = [one for one in _found(caption, modality=modality) if one.rule == rule]
    assert (problem.path, problem.line, problem.field) == ("mine.yaml", 17, "ct_veil: captions.inversion[1]")
    assert problem.level == ("warning" if rule in ("hedge", "long") or "margin" in caption else "error")
    assert problem.remedy


@pytest.mark.parametrize(("role", "level"), [("inversion", "error"), ("finetune", "error"), ("prompt", "warning")])
def test_what_is_learnt_from_is_judged_harder_than_what_is_only_asked(role: str, level: str) -> None:
    text = GOOD.replace(f"      {role}:\n", f"      {role}:\n        - a hazy veil, no vessels in it\n")
    found = [one.level for one in lint(parse_document(text, "mine.yaml", holds="x")) if one.rule == "negation"]
    assert found == [level]


@pytest.mark.parametrize(
    ("caption", "modality"),
    [
        ("nodular notches in the northern lung", "ct"),  # no, not, nor are in these words
        ("a bright ring, dark inside", "ct"),
        ("several round dark rings with bright sharp walls", "ct"),
        ("a small spot in a large organ", "mri"),
        ("grains of mixed bright and dark", "mri"),
        ("dark air-filled streaks beside bright air-fluid levels", "ct"),
        ("a bright rim around dark air", "cxr"),
        ("dark air meets bright fluid", "cxr"),
        ("an echogenic film", "ultrasound"),
        ("a hyperdense film", "ct"),
        ("a T2 bright film", "mri"),
        ("a hyperdense echogenic T2 film", "''"),  # words for any modality
    ],
)
def test_what_is_left_alone(caption: str, modality: str) -> None:
    assert _found(caption, modality=modality) == []


def test_a_prompt_is_judged_mildly() -> None:
    (problem,) = _found("a CT of a hazy veil without vessels", role="prompt")
    assert (problem.rule, problem.level) == ("negation", "warning")


def test_a_finding_may_be_called_what_it_is_called() -> None:
    text = GOOD.replace("modality: ct", "modality: mri").replace("an axial CT slice", "a brain")
    text = text.replace("hazy veil", "white matter hyperattenuation").replace("    window: lung\n", "")
    assert lint(parse_document(text, "mine.yaml", holds="x")) == ()


def test_what_is_missing_is_warned_of() -> None:
    text = GOOD.replace("author: someone", "author: ''").replace("showing a hazy veil", "showing it")
    text = text.replace("      inversion:\n        - a thin grey film over the lung\n", "")
    found = lint(parse_document(text, "mine.yaml", holds="x"))
    assert [(one.line, one.rule, one.level) for one in found] == [
        (4, "unstated", "warning"), (16, "no-caption", "warning"), (20, "name-missing", "warning"),
    ]  # fmt: skip


def test_schema_and_words_are_told_together_by_line() -> None:
    text = GOOD.replace("[1, 2, 3]", "[1]").replace("a thin grey film over the lung\n      f", "no film\n      f")
    found = lint(parse_document(text, "mine.yaml", holds="x"))
    assert [(one.line, one.rule) for one in found] == [(13, "colour"), (18, "negation")]


def test_a_file_of_another_kind_is_only_told_that(tmp_path: Path) -> None:
    found = lint(parse_document("a: 1\n", "mine.yaml", holds="x"))
    assert {one.rule for one in found} == {"unknown-field", "missing-field"}


def test_a_body_that_the_modality_lacks() -> None:
    text = GOOD.replace("    window: lung", "    body: foot")
    (problem,) = lint(parse_document(text, "mine.yaml", holds="x"), bodies={"ct": ("chest", "head")})
    assert str(problem) == "mine.yaml:12: ct_veil: body: ct has no body 'foot'; it has chest, head"
