from pathlib import Path

import pytest

from medkt.concepts import Caption, Code, convert_caption_list, read_concepts
from medkt.errors import InputError, SettingsError, UnreadableError

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


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("    window: lung", "    windows: lung", r"some.yaml:7: unknown field 'windows'; did you mean 'window'\?"),
        ("    name: ground-glass opacity\n", "", r"some.yaml:7: field 'name' is missing"),
        ("window: lung", "window: 3", r"some.yaml:7: window: expected text, got 3"),
        (
            "smallest_visible_mm: 4.5",
            "smallest_visible_mm: small",
            "smallest_visible_mm: expected a number, got 'small'",
        ),
        ("version: 1", "version: true", "some.yaml:1: version: expected a whole number, got True"),
        ("author: someone\n", "", r"some.yaml:1: field 'author' is missing"),
        ("modality: ct", "modality: pet", "modality is 'pet', expected one of cxr, ct, mri, ultrasound"),
        ("id: one", "id: One Thing", "id: lower-case letters, digits and single underscores, at most 48"),
        ("source: [own, book]", "source: [film]", "one: source: no source 'film' in this file; it has own, book"),
        ("[1, 2, 3]", "[1, 2, 300]", "one: colour: expected three whole numbers from 0 to 255"),
        ('value: "1"', "value: 1", "one: type: expected value, scheme and meaning as text"),
        ("scheme: SCT, ", "", "one: type: expected value, scheme and meaning as text"),
        ("prompt: [a CT of a veil]", "prompt: []", "one: captions: prompt: at least one caption is needed"),
        ("prompt: [a CT", "prompts: [a CT", "one: captions: unknown role prompts; known: inversion, finetune"),
        ("[a CT of a veil]", "a CT of a veil", "one: captions: prompt: expected a list of texts"),
        ("[a CT of a veil]", "[7]", "one: captions: prompt: expected a list of texts"),
        (
            "inversion: [a thin grey veil]",
            "inversion: [Ground-glass changes]",
            "one: captions: inversion: holds the finding's name: 'Ground-glass changes'",
        ),
        (
            "  - id: one",
            "  - just words\n  - id: one",
            "each is a mapping with id, name, captions, source; got 'just words'",
        ),
    ],
)
def test_a_broken_file_says_where(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in FILE
    with pytest.raises(SettingsError, match=message):
        read_concepts(_file(tmp_path, FILE.replace(old, new)))


def test_an_id_that_stands_twice_is_refused(tmp_path: Path) -> None:
    entry = FILE[FILE.index("  - id") :]
    with pytest.raises(SettingsError, match="concept ids used twice: one"):
        read_concepts(_file(tmp_path, FILE + entry))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "is not valid YAML"),
        ("a: 1\na: 2\n", "a key stands twice in one mapping"),
        ("just words", "is not a concepts file"),
    ],
)
def test_no_yaml_is_unreadable(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UnreadableError, match=message):
        read_concepts(_file(tmp_path, text))


def test_a_missing_file_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match=r"none\.yaml cannot be read as UTF-8 text"):
        read_concepts(tmp_path / "none.yaml")


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
