from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medkt.concepts import (
    Caption,
    Code,
    Concept,
    concept_from_text,
    concepts,
    convert_caption_list,
    parse_concepts,
    read_concepts,
)
from medkt.concepts.captions import as_yaml
from medkt.errors import InputError, SettingsError

FILE = """\
version: 1
modality: ct
licence: CC-BY-4.0
author: someone
sources: {own: our own words, book: a book}
concepts:
  - id: one
    name: ground-glass opacity
    synonyms: [ground-glass change]
    source: [own, book]
    window: lung
    colour: [1, 2, 3]
    smallest_visible_mm: 4.5
    type: {value: "1", scheme: SCT, meaning: m}
    captions:
      inversion: [a thin grey veil]
      finetune: [a ground-glass opacity is a thin grey veil, a thin grey veil]
      prompt: [a CT of a veil]
"""


def _file(folder: Path, text: str = FILE) -> Path:
    path = folder / "some.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_field_arrives(tmp_path: Path) -> None:
    (one,) = read_concepts(_file(tmp_path))
    assert (one.id, one.name, one.synonyms, one.modality) == (
        "one",
        "ground-glass opacity",
        ("ground-glass change",),
        "ct",
    )
    assert (one.window, one.colour, one.smallest_visible_mm) == ("lung", (1, 2, 3), 4.5)
    assert one.type == Code(value="1", scheme="SCT", meaning="m")
    owed = {"source": "our own words; a book", "licence": "CC-BY-4.0", "author": "someone"}
    assert one.captions == (
        Caption(text="a thin grey veil", roles=("inversion", "finetune"), **owed),
        Caption(text="a ground-glass opacity is a thin grey veil", roles=("finetune",), **owed),
        Caption(text="a CT of a veil", roles=("prompt",), **owed),
    )
    assert (one.licence, one.author, one.source) == ("CC-BY-4.0", "someone", "our own words; a book")


def test_the_digest_is_of_the_words(tmp_path: Path) -> None:
    before = read_concepts(_file(tmp_path))[0].digest
    assert read_concepts(_file(tmp_path, FILE.replace("colour: [1", "colour: [9")))[0].digest == before
    assert read_concepts(_file(tmp_path, FILE.replace("CT of a veil", "CT of a sail")))[0].digest != before


def test_an_id_that_stands_twice_is_refused(tmp_path: Path) -> None:
    entry = FILE[FILE.index("  - id") :]
    with pytest.raises(SettingsError, match="concept ids used twice: one"):
        read_concepts(_file(tmp_path, FILE + entry))


def test_the_first_error_is_told_and_the_others_counted(tmp_path: Path) -> None:
    broken = FILE.replace("[1, 2, 3]", "[1]").replace("[a CT of a veil]", "[]")
    with pytest.raises(SettingsError, match=r"some\.yaml:12: one: colour: .*\(1 more in this file\)"):
        read_concepts(_file(tmp_path, broken))


@pytest.mark.parametrize("concept", concepts().values(), ids=lambda concept: concept.id)
def test_written_and_read_a_concept_is_the_same(concept: Concept) -> None:
    (again,) = parse_concepts(as_yaml(concept), "written.yaml")
    assert again.name == concept.name
    assert again == concept
    assert as_yaml(again) == as_yaml(concept)


@given(st.text(min_size=1, max_size=60).filter(lambda text: text.strip() and text.isprintable()))
def test_free_text_written_and_read_is_the_same(text: str) -> None:
    concept = concept_from_text(text, modality="ct")
    assert parse_concepts(as_yaml(concept), "written.yaml") == (concept,)


def test_a_plain_list_becomes_a_file_that_reads_back(tmp_path: Path) -> None:
    plain = tmp_path / "list.tsv"
    plain.write_text(
        "# name, caption\nGrüne Insel!\ta round green spot\n\nGrüne Insel!\ta grüne insel! in the sea\nRing\ta ring\n"
    )
    text = convert_caption_list(plain, modality="", licence="CC0-1.0", author="me", source="my notes")
    island, ring = read_concepts(_file(tmp_path, text))
    assert island.id.startswith("gr_ne_insel_")
    assert island.texts("prompt") == ("a round green spot", "a grüne insel! in the sea")
    assert island.texts("inversion")[0] == "a round green spot"
    assert (ring.texts("prompt"), ring.texts("inversion")) == (("a ring",), ())  # it holds the name
    assert (ring.source, ring.licence, ring.author) == ("my notes", "CC0-1.0", "me")


@pytest.mark.parametrize("line", ["no tab here", "\tno name", "no caption\t "])
def test_a_plain_list_with_a_broken_line_is_refused(tmp_path: Path, line: str) -> None:
    plain = tmp_path / "list.tsv"
    plain.write_text(f"a\tb\n{line}\n")
    with pytest.raises(InputError, match=r"list\.tsv:2: expected name<TAB>caption"):
        convert_caption_list(plain, modality="", licence="", author="", source="")
