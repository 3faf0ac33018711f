"""A draft as a concepts file, as lines and as JSON."""

import json
from pathlib import Path

import pytest

from medkt.concepts import parse_concepts
from medkt.concepts.document import parse_document
from medkt.concepts.lint import lint
from medkt.concepts.prose import as_concepts_file, as_json, as_lines, concept_from_prose, draft_of, read_draft
from medkt.concepts.schema import HOLDS
from medkt.errors import UnreadableError

TEXT = "A zorn stone (ZS) is a round, very bright spot with a sharp margin in the kidney. It may be mistaken for a renal stone."


def test_the_file_is_linted_without_an_error_and_holds_what_the_draft_holds() -> None:
    draft = draft_of(TEXT, name="zorn stone", modality="ct")
    text = as_concepts_file(draft, digest="ab" * 32, licence="CC0-1.0", author="me", source="a page")
    assert not [one for one in lint(parse_document(text, "x", holds=HOLDS)) if one.level != "note"]
    (concept,) = parse_concepts(text, "x")
    assert (concept.id, concept.name, concept.synonyms, concept.modality) == (
        "ct_zorn_stone",
        "zorn stone",
        ("ZS",),
        "ct",
    )
    assert (concept.body, concept.window, concept.licence, concept.source) == (
        "abdomen",
        "abdomen",
        "CC0-1.0",
        "a page",
    )
    assert concept.texts("inversion") == ("a round, very bright spot with a sharp margin in the kidney",)
    assert concept.texts("finetune") == ("a zorn stone is a round, very bright spot with a sharp margin in the kidney",)
    assert concept.texts("prompt") == ("an axial CT slice of the abdomen showing a zorn stone",)
    assert concept.texts("contrast") == ("an axial CT slice of the abdomen showing a renal stone",)
    assert "of 2 sentences (SHA-256 abab" in text.splitlines()[0]


def test_what_is_not_stated_is_asked_for() -> None:
    text = as_concepts_file(draft_of(TEXT, name="zorn stone", modality="ct"), digest="x")
    assert {one.rule for one in lint(parse_document(text, "x", holds=HOLDS))} == {"unstated"}


def test_lines_and_json_tell_of_every_sentence() -> None:
    draft = draft_of(TEXT, name="zorn stone", modality="ct")
    said = "\n".join(as_lines(draft))
    assert "zorn stone, ct: 2 sentences, 1 say what is seen" in said
    assert "-> a round, very bright spot" in said
    assert "could be taken for: renal stone (ct_renal_stone)" in said
    assert "also called: ZS" in said
    record = json.loads(json.dumps(as_json(draft), allow_nan=False))
    assert [(one["role"], one["kept"]) for one in record["sentences"]] == [("seen", True), ("differential", False)]
    assert record["confusables"] == [{"said": "renal stone", "id": "ct_renal_stone"}]


def test_a_text_mostly_on_another_modality_is_told() -> None:
    text = "On MRI it is round. On MRI it is bright. On CT it is a dark ball."
    assert "2 sentences describe another way of imaging than ct, 1 this one" in "\n".join(
        as_lines(draft_of(text, name="x ball", modality="ct"))
    )


def test_a_file_as_a_concept(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text(TEXT, encoding="utf-8-sig")
    concept, draft = concept_from_prose(path, name="zorn stone", modality="ct")
    assert concept.texts("inversion") == draft.looks
    assert read_draft(path, name="zorn stone", modality="ct")[0] == draft
    path.write_bytes(b"r\xf6und")
    with pytest.raises(UnreadableError, match="is not UTF-8 text"):
        concept_from_prose(path, name="zorn stone", modality="ct")
    with pytest.raises(UnreadableError, match="cannot be read"):
        concept_from_prose(tmp_path / "absent.txt", name="zorn stone", modality="ct")
