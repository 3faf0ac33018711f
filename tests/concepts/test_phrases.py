"""Which phrases a sentence has, and which of them are denied."""

import pytest

from medkt.concepts.phrases import Phrase, phrases_of


def texts(text: str) -> list[str]:
    return [phrase.text for phrase in phrases_of(text)]


@pytest.mark.parametrize("joint", [" and ", ", and ", "; ", " as well as ", " beside ", " and also "])
def test_two_things_are_two_phrases(joint: str) -> None:
    assert texts(f"a bright nodule on the left{joint}a dark cyst") == ["a bright nodule on the left", "a dark cyst"]


@pytest.mark.parametrize(
    "text",
    [
        "a round and bright lesion",
        "a lesion that is round and bright",
        "deep grey and white matter",
        "a mass with spiculated margins and stippled texture",
        "lungs",
        "",
    ],
)
def test_words_of_one_thing_are_one_phrase(text: str) -> None:
    assert phrases_of(text) == (Phrase(text=text),)


def test_a_third_and_the_words_between_stay_with_their_own() -> None:
    assert texts("a round and bright lesion, and a dark focus and three cysts") == [
        "a round and bright lesion",
        "a dark focus",
        "three cysts",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no round lesion", "a round lesion"),
        ("no oval lesion", "an oval lesion"),
        ("a chest ct without any bright nodule", "a chest ct a bright nodule"),
        ("absence of a dark cyst", "a dark cyst"),
        ("No evidence of effusion", "an effusion"),
        ("observe no dark lesion in the ct", "observe a dark lesion in the ct"),
    ],
)
def test_what_is_denied_is_said_without_the_denial(text: str, said: str) -> None:
    assert phrases_of(text) == (Phrase(text=said, denied=True),)


@pytest.mark.parametrize(
    "text", ["a ct without contrast of a nodule", "lesion no. 3", "a normal brain", "not only a cyst"]
)
def test_what_denies_no_finding_is_left_as_it_is(text: str) -> None:
    assert [(phrase.text, phrase.denied) for phrase in phrases_of(text)] == [(text, False)]


def test_one_of_two_is_denied() -> None:
    assert phrases_of("a bright nodule and no cyst") == (
        Phrase(text="a bright nodule"),
        Phrase(text="a cyst", denied=True),
    )
