"""Words that are only half understood are held back, and none of medkt's own."""

import pytest

from medkt.concepts import Concept, concept_from_text, concepts
from medkt.domains import domain
from medkt.guard.words import depends_on, words_against, words_of_a_look
from medkt.models.small import SmallEncoder, load_small


@pytest.fixture(scope="module")
def encoder() -> SmallEncoder:
    return load_small()


def codes(encoder: SmallEncoder, concept: Concept, modality: str = "ct", *, is_taught: bool = False) -> list[str]:
    prompts = domain(modality).prompts(concept)
    return [reason.code for reason in words_against(encoder, concept, prompts, modality, is_taught=is_taught)]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("no pleural effusion", "words-denied"),
        ("the lungs are clear of nodules, without effusion", "words-denied"),
        ("is there a nodule in the lung?", "words-ask"),
        ("a round bright parking budget", "words-unknown"),
        ("a zorblax in the lung", "words-unknown"),
        ("a committee meeting in the afternoon", "words-not-visual"),
    ],
)
def test_half_understood(encoder: SmallEncoder, text: str, code: str) -> None:
    concept = concept_from_text(text)
    assert code in codes(encoder, concept)
    (first, *_) = words_against(encoder, concept, [text], "ct", is_taught=False)
    assert first.sentence.startswith(text[:60])


@pytest.mark.parametrize(
    "text", ["a small round bright spot in the lung", "sarcoidosis", "a large irregular dark mass", "tumours", "WMH"]
)
def test_understood(encoder: SmallEncoder, text: str) -> None:
    assert not codes(encoder, concept_from_text(text))


@pytest.mark.parametrize("text", ["pectus excavatum", "tumours", "WMH", "Hirschsprung", "a rheumatoid lung", "pleural"])
def test_names_of_findings_and_places_say_a_look(text: str) -> None:
    assert words_of_a_look(text)


@pytest.mark.parametrize("text", ["a meeting this afternoon", "chronic, in women after treatment", "the way home"])
def test_a_story_says_none(text: str) -> None:
    assert not words_of_a_look(text)


@pytest.mark.slow
def test_no_catalogued_finding_is_held_back(encoder: SmallEncoder) -> None:
    held = {name: codes(encoder, one, one.modality) for name, one in concepts().items()}
    assert not {name: found for name, found in held.items() if found}


def test_one_prompt_that_is_understood_is_enough(encoder: SmallEncoder) -> None:
    half, whole = "a zorblax", "a bright spot in the lung"
    concept = concept_from_text(half)
    assert [one.code for one in words_against(encoder, concept, [half], "ct", is_taught=False)] == ["words-unknown"]
    assert not list(words_against(encoder, concept, [half, whole], "ct", is_taught=False))


def test_a_learnt_name_is_no_strange_word(encoder: SmallEncoder) -> None:
    assert codes(encoder, concept_from_text("a zorblax")) == ["words-unknown"]
    assert not codes(encoder, concept_from_text("a zorblax"), is_taught=True)
    assert codes(encoder, concept_from_text("no zorblax"), is_taught=True) == ["words-denied"]


def test_a_finding_behind_the_end_of_what_is_read_has_no_effect(encoder: SmallEncoder) -> None:
    text = "a committee meeting in the afternoon and " * 8 + "a nodule"
    assert not depends_on(encoder, text, words_of_a_look("nodule"))
    assert "words-without-effect" in codes(encoder, concept_from_text(text))
    assert depends_on(encoder, "a committee meeting and a nodule", words_of_a_look("nodule"))
