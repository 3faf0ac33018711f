"""What a sentence speaks of."""

import pytest

from medkt.concepts.prose import SENTENCE_ROLES, read_roles, sentences_of
from medkt.concepts.prose.roles import first_way, is_denied, look_weight
from medkt.concepts.prose.words import pattern_of, role_words


def roles(text: str, *, name: str = "Zeller cyst", modality: str = "ct") -> list[str]:
    return [reading.role for reading in read_roles(sentences_of(text), names=[name], modality=modality)]


@pytest.mark.parametrize(
    ("text", "role"),
    [
        ("The lesion is a round bright mass with a sharp margin.", "seen"),
        ("There is no calcification.", "denied"),
        ("On ultrasound it is a round dark mass.", "other_modality"),
        ("It may be mistaken for a lipoma or an abscess.", "differential"),
        ("It arises from remnants of the notochord.", "cause"),
        ("Women between 20 and 40 years are affected.", "age"),
        ("It is rare, with an incidence of 2 per 100,000.", "frequency"),
        ("Patients complain of pain and fever.", "complaint"),
        ("A biopsy confirms the diagnosis.", "diagnosis"),
        ("Surgery is the treatment of choice.", "treatment"),
        ("The prognosis is excellent and it hardly ever recurs.", "prognosis"),
        ("It was first described by Zeller in 1931.", "other"),
    ],
)
def test_one_sentence_of_every_role(text: str, role: str) -> None:
    assert roles(text) == [role]


def test_every_role_has_a_reason() -> None:
    assert set(role_words().reasons) == set(SENTENCE_ROLES)


@pytest.mark.parametrize("modality", ["ct", "mri", "ultrasound", "cxr"])
def test_a_look_counts_in_its_own_modality_alone(modality: str) -> None:
    ways = {"ct": "CT", "mri": "MRI", "ultrasound": "Ultrasound", "cxr": "The chest radiograph"}
    for other, way in ways.items():
        expected = "seen" if other == modality else "other_modality"
        assert roles(f"{way} shows a round bright mass.", modality=modality) == [expected]


def test_a_heading_says_what_stands_below() -> None:
    text = "CT\n\nA round mass.\n\nUltrasound\n\nA round mass.\n\nDifferential diagnosis\n\n- round bright cyst\n"
    assert roles(text) == ["seen", "other_modality", "differential"]


def test_what_goes_on_after_another_modality_belongs_to_it() -> None:
    assert roles("On MRI it is dark. It has a bright rim. The wall is thick.") == [
        "other_modality",
        "other_modality",
        "seen",
    ]
    assert roles("On MRI it is dark. On CT it has a bright rim.") == ["other_modality", "seen"]


def test_the_first_sentence_defines() -> None:
    assert roles("A Zeller cyst is a hollow within the liver.") == ["cause"]
    assert roles("A Zeller cyst is a round bright mass with a sharp margin.") == ["seen"]


def test_a_sentence_that_denies_and_affirms_is_seen() -> None:
    assert roles("It is not calcified but has a bright rim.") == ["seen"]
    assert roles("Neither calcification nor enhancement is seen.") == ["denied"]
    assert roles("A dark halo is lacking.") == ["denied"]


def test_brackets_do_not_decide_whose_look_it_is() -> None:
    assert roles("It is a round mass with a smooth wall (dark on MRI and bright on CT).") == ["seen"]


def test_the_parts_of_the_rules() -> None:
    assert look_weight("nothing of the kind") == 0
    assert look_weight("a round bright mass") > look_weight("a mass") > 0
    assert is_denied("no rim")
    assert not is_denied("a rim")
    assert first_way("dark on MRI, bright on CT", "ct") == "mri"
    assert first_way("bright on CT, dark on MRI", "ct") == "ct"
    assert first_way("round", "ct") == ""


def test_terms_are_whole_words_and_stars_numbers_and_gaps_work() -> None:
    found = pattern_of(["# mm", "made ... of", "*oma", "calcif*", "fat"])
    assert [one.group() for one in found.finditer("made largely of fatty lipoma, calcified, 2.5 mm, 3mm, fat")] == [
        "made largely of", "lipoma", "calcified", "2.5 mm", "3mm", "fat",
    ]  # fmt: skip
    assert pattern_of([]).search("anything") is None
