"""The thirty paragraphs: the table of `evaluation/prose` is what the rules read, and the bar holds."""

import importlib
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from medkt.concepts.prose import SENTENCE_ROLES
from medkt.models.registry import load_encoder

FOLDER = Path(__file__).resolve().parents[3] / "evaluation" / "prose"
MODULES = ("run", "texts", "meaning")
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the evaluation stands beside the checkout's tests alone")


@pytest.fixture(scope="module")
def prose() -> Iterator[SimpleNamespace]:
    """Its scripts, which import one another by their bare names; gone again after these tests."""
    sys.path.insert(0, str(FOLDER))
    there = {name: sys.modules.pop(name, None) for name in MODULES}
    try:
        yield SimpleNamespace(**{name: importlib.import_module(name) for name in MODULES})
    finally:
        sys.path.remove(str(FOLDER))
        for name, module in there.items():
            sys.modules.pop(name, None)
            if isinstance(module, ModuleType):
                sys.modules[name] = module


def test_the_sets_are_what_was_asked_for(prose: SimpleNamespace) -> None:
    sets = {name: list(prose.texts.paragraphs(name)) for name in prose.texts.SETS}
    assert {name: len(texts) for name, texts in sets.items()} == {"development": 20, "blind": 10}
    every = [one for texts in sets.values() for one in texts]
    assert sum(one.in_catalogue for one in every) <= 10  # two thirds are of findings that are not in the catalogue
    assert min(Counter(one.modality for one in every).values()) >= 7
    assert {modality for one in sets["blind"] for modality in [one.modality]} == {"cxr", "ct", "mri", "ultrasound"}
    for one in every:
        assert one.source
        assert all(set(said.roles) <= set(SENTENCE_ROLES) and 1 <= len(said.roles) <= 2 for said in one.sentences), (
            one.id
        )


@pytest.mark.slow
def test_the_table_is_what_the_rules_read_and_the_bar_holds(prose: SimpleNamespace) -> None:
    found = {name: [prose.run.read(one) for one in prose.texts.paragraphs(name)] for name in prose.texts.SETS}
    table = (FOLDER / "results" / "prose.md").read_text(encoding="utf-8")
    assert prose.run.table(found) == table, "run `python evaluation/prose/run.py`"
    for reads in found.values():
        pairs = [pair for one in reads for pair in one.pairs]
        assert sum(read in said for said, read in pairs) / len(pairs) >= 0.9
        assert sum(one.errors for one in reads) == 0


@pytest.mark.slow
def test_what_the_captions_mean_is_what_the_page_says(prose: SimpleNamespace) -> None:
    page = (FOLDER / "results" / "meaning.md").read_text(encoding="utf-8")
    assert prose.meaning.table(load_encoder("small")) == page, "run `python evaluation/prose/meaning.py`"


def test_a_text_that_falls_apart_otherwise_is_not_scored(prose: SimpleNamespace) -> None:
    one = next(prose.texts.paragraphs("development"))
    with pytest.raises(ValueError, match=r"15 sentences read, 14 written"):
        prose.run.require_same_sentences(one, SimpleNamespace(sentences=range(15)))


def test_labels_and_headings_are_read_as_written(prose: SimpleNamespace, tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text(
        "name: x\nmodality: ct\nsource: me: 1\nin_catalogue: yes\n\ncause, age | A.\nseen | B.\n\nheading | CT\nseen | - c\n"
    )
    one = prose.texts.read_paragraph(path)
    assert (one.id, one.source, one.in_catalogue) == ("x", "me: 1", True)
    assert [(said.text, said.roles) for said in one.sentences] == [
        ("A.", ("cause", "age")),
        ("B.", ("seen",)),
        ("c", ("seen",)),
    ]
    assert one.text == "A. B. \n\n\nCT\n\n- c\n"
