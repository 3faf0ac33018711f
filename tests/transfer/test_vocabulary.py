import pytest

from medkt.concepts import Caption, Concept, load_concept
from medkt.domains import domain
from medkt.errors import InputError
from medkt.transfer.vocabulary import vocabulary_of


def _concept(*texts: str) -> Concept:
    captions = tuple(Caption(text=text, roles=("inversion",)) for text in texts)
    return Concept(id="zelloma", name="zelloma", captions=captions, modality="ct")


def test_own_texts_are_the_papers_sentence_the_name_and_the_description() -> None:
    words = vocabulary_of(_concept("a bright wedge"), domain("ct"), known=[load_concept("ct_bulla")])
    assert words.own[0] == "A zelloma is a bright wedge"
    assert words.own[1] == "zelloma"
    assert words.own[-1] == "a bright wedge"
    assert words.prompt == "a chest CT showing zelloma"
    assert words.known_prompts == ("a chest CT showing bulla",)


def test_what_is_rehearsed_is_one_caption_a_normal_study_and_the_name() -> None:
    bulla = load_concept("ct_bulla")
    words = vocabulary_of(_concept("a bright wedge"), domain("ct"), known=[bulla])
    assert words.rehearsed == (bulla.texts("inversion")[0], "a normal chest CT", "a chest CT showing bulla")


def test_no_own_text_is_among_the_others() -> None:
    words = vocabulary_of(load_concept("ct_hamartoma"), domain("ct"))
    assert not set(words.own) & set(words.others)
    assert "ct_hamartoma" not in words.known
    assert "ct_nodule" not in words.known, "a finding that may be the same thing is no contrast"


def test_a_concept_without_a_description_is_refused() -> None:
    with pytest.raises(InputError, match="no caption for inversion; add a description"):
        vocabulary_of(_concept(), domain("ct"))


def test_a_description_that_names_the_finding_is_refused() -> None:
    with pytest.raises(InputError, match="holds the finding's name: 'a bright zelloma'"):
        vocabulary_of(_concept("a bright zelloma"), domain("ct"))


def test_there_must_be_something_to_tell_it_apart_from() -> None:
    with pytest.raises(InputError, match="no known finding of CT"):
        vocabulary_of(_concept("a bright wedge"), domain("ct"), known=[])
