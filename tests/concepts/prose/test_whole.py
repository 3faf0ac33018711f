"""The first caption: what several sentences say of the whole finding."""

from medkt.concepts.prose.names import names_of
from medkt.concepts.prose.rewriting import CaptionDraft, rewritten
from medkt.concepts.prose.whole import whole_look

NAMES = names_of("Zeller cyst", "")


def captions(*sentences: str) -> list[CaptionDraft]:
    return [one for text in sentences for one in rewritten(text, names=NAMES, modality="ct")[0]]


def whole(*sentences: str, most_words: int = 26) -> str:
    return whole_look(captions(*sentences), names=NAMES, modality="ct", most_words=most_words)


def test_each_sentence_adds_what_is_not_told_yet() -> None:
    assert whole("It is round.", "It is a bright oval mass.", "Its edge is sharp.", "It is solitary.") == (
        "a bright oval mass, the edge is sharp, solitary"
    )


def test_parts_that_are_not_the_finding_add_nothing() -> None:
    assert whole("It is a bright oval mass.", "A hazy rim surrounds it.") == "a bright oval mass"


def test_what_contradicts_or_is_too_long_is_not_added() -> None:
    assert whole("It is a bright oval mass.", "It is dark and sharp.", most_words=5) == "a bright oval mass"
    assert whole("It is a bright oval mass.", "Its edge is sharp.", most_words=5) == "a bright oval mass"


def test_kinds_of_the_finding_are_not_put_together() -> None:
    kinds = ("The papillary type is round and grey.", "The other type is a lobulated bright mass.")
    assert whole(*kinds) in ("the lesion is round and grey", "a lobulated bright mass")
    assert not any(one.of_whole for one in captions(*kinds))


def test_a_tail_that_tells_no_look_makes_room() -> None:
    first = "It is round with a smooth edge, lies behind the ventricle, and is 5 mm large."
    assert (
        whole(first, "Its fluid is bright.", most_words=15)
        == "the lesion is round with a smooth edge, the fluid is bright"
    )


def test_what_an_encoder_does_not_read_to_its_end_is_not_added() -> None:
    found = captions("It is a bright oval mass.", "Its edge is sharp.")
    assert whole_look(found, names=NAMES, modality="ct", fits=lambda text: len(text) < 30) == "a bright oval mass"


def test_one_caption_is_its_own_whole() -> None:
    assert whole("The wall is thickened.") == "the wall is thickened"
