"""A text as the words of a concept, and the texts that are refused."""

import re
import time
from contextlib import suppress

import pytest

from medkt.concepts.prose import Draft, draft_of
from medkt.concepts.prose.draft import MOST_SENTENCES, concept_id
from medkt.errors import InputError, MedktError, SettingsError, UnknownNameError, UnreadableError

ZORN = """\
A zorn nodule (ZN) is a benign growth that was first described in 1931 [1].
It affects women between 20 and 40 years of age and is rare.

On ultrasound, the zorn nodule is a round, bright mass of 1-3 cm with a sharp margin in the liver. Its texture is stippled.
No blood flow is seen inside. On MRI it is dark. Treatment is by excision.
It must be told from gallstones, a liver haemangioma and a biliary seroma.
"""


def draft(text: str = ZORN, *, name: str = "zorn nodule", modality: str = "ultrasound") -> Draft:
    return draft_of(text, name=name, modality=modality, shown="x.txt")


def test_what_becomes_of_each_sentence() -> None:
    made = draft()
    assert [(one.line, one.role, bool(one.captions)) for one in made.sentences] == [
        (1, "cause", False), (2, "age", False), (4, "seen", True), (4, "seen", True), (5, "denied", False),
        (5, "other_modality", False), (5, "treatment", False), (6, "differential", False),
    ]  # fmt: skip
    assert made.names.synonyms == ("ZN",)
    assert made.body.name == "abdomen"
    assert [one.id for one in made.confusables] == ["us_gallstones", "us_liver_haemangioma"]  # not "biliary seroma"
    assert made.looks == ("a round, bright mass of 1-3 cm with a sharp margin in the liver, the texture is stippled",)
    assert made.joined[1] == "in a zorn nodule, the texture is stippled"


def test_a_windowed_body_of_ct_is_read_from_the_text() -> None:
    body = draft("It is a bright round spot in the kidney.", modality="ct").body
    assert (body.name, body.window) == ("abdomen", "abdomen")
    body = draft("It is a bright round spot in the lung beside the liver.", name="lung spot", modality="ct").body
    assert (body.name, body.window) == ("chest", "")


def test_images_are_made_from_something_also_where_little_is_told() -> None:
    assert draft("Its wall is thickened.").looks == ("the wall is thickened",)


def test_one_finding_is_no_contrast_to_itself() -> None:
    text = "It is a round bright mass. It may be mistaken for gallstones or a lipoma."
    assert [one.id for one in draft(text, name="gallstones").confusables] == ["us_lipoma"]


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("", InputError, "x.txt: is empty; give a plain text"), (" \n\t\n", InputError, "is empty"),
        ("12. 34 ... 5 %", InputError, "holds no word"), ("a\x00b", UnreadableError, r"x.txt:1: holds the control character U\+0000"),
        ("%PDF-1.7 x", UnreadableError, "is a PDF and no plain text"), ("{\\rtf1 x}", UnreadableError, "an RTF document"),
        ("<!DOCTYPE html><p>round</p>", UnreadableError, "a web page"), ("<p>round</p><p>x</p>", UnreadableError, "HTML tags"),
        ("version: 1\nmodality: ct\nconcepts: []\n", InputError, "looks like a concepts file"),
        ("Die Zyste ist eine runde, dunkle Läsion mit einem scharfen Rand und wird meist nicht operiert.", InputError, "reads as German"),
        ("Le kyste est une lésion ronde et sombre dans le foie avec un contour net.", InputError, "reads as French"),
        ("Эта киста круглая и темная с резким краем.", InputError, "another script"), ("囊肿是圆形的暗影，边缘清晰。", InputError, "another script"),
        ("It is caused by a virus. Women are affected.", InputError, r"x.txt: has no sentence that says what is seen in ultrasound \(read 2: "),
        ("On MRI it is a round dark mass.", InputError, "it describes another way of imaging: give that one's --modality"),
        ("It is a round hypodense mass.", InputError, "x.txt:1: speaks of a look, but nothing of it can stand: holds 'hypodense'"),
        ("It is a round mass and " * 100, InputError, "x.txt:1: is longer than 1500 characters, which is no sentence"),
        ("round " * 20_000, InputError, "has 120000 characters, more than 100000"), ("# Title\n", InputError, "read 0: none"),
        ("It is round. " * (MOST_SENTENCES + 1), InputError, f"has {MOST_SENTENCES + 1} sentences, more than {MOST_SENTENCES}"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_what_it_is(text: str, kind: type[MedktError], said: str) -> None:
    with pytest.raises(kind, match=said):
        draft(text)


@pytest.mark.parametrize("name", ["", "  ", "123", "n" * 81, "the", "it", "lesion", "a condition"])
def test_a_name_that_is_none(name: str) -> None:
    with pytest.raises(SettingsError, match="name"):
        draft(name=name)


def test_a_modality_that_is_none() -> None:
    with pytest.raises(UnknownNameError, match="no modality 'pet'"):
        draft(modality="pet")


def test_ids_are_those_of_files() -> None:
    assert concept_id("Zörn's nodule", "ultrasound") == "us_z_rn_s_nodule"
    assert re.fullmatch("ct_[a-z0-9_]{1,45}", concept_id("a" * 80, "ct"))
    assert concept_id("囊肿", "ct") == "ct_finding"


def test_english_is_not_taken_for_another_language() -> None:
    assert draft("Round, bright, sharp mass. Duct e.g. in the hilum. Les lesions, die, was, de novo, in situ.").kept


@pytest.mark.parametrize("part", ["\t", " ", "#", "=", "*", "(", "|", "_", '"', "- ", "1 ", "in ", "a-", ", "])
def test_the_time_that_a_text_takes_grows_with_its_length_and_not_faster(part: str) -> None:
    """Of these, tabs took minutes once: an expression tried every beginning and every end."""
    began = time.process_time()
    with suppress(InputError):
        draft(f"It is round {part * 20_000} bright."[:90_000])
    assert time.process_time() - began < 10
