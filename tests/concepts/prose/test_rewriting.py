"""Sentences of a look as captions."""

import pytest

from medkt.concepts.prose.names import names_of
from medkt.concepts.prose.rewriting import CaptionDraft, holds_look, rewritten


def captions(text: str, *, name: str = "Zeller cyst", modality: str = "ct", **given: bool) -> tuple[CaptionDraft, ...]:
    return rewritten(text, names=names_of(name, text), modality=modality, **given)[0]


@pytest.mark.parametrize(
    ("text", "look", "joined"),
    [
        ("The Zeller cyst is a round bright mass.", "a round bright mass", "a Zeller cyst is a round bright mass"),
        ("It is a round bright mass.", "a round bright mass", "a Zeller cyst is a round bright mass"),
        ("On CT, the typical lesion is a round bright mass.", "a round bright mass", "a Zeller cyst is a round bright mass"),
        ("CT shows a round bright mass.", "a round bright mass", "a Zeller cyst with a round bright mass"),
        ("There is a round bright mass in the lung.", "a round bright mass in the lung",
         "a Zeller cyst with a round bright mass in the lung"),
        ("Behind the heart there is a round mass.", "a round mass behind the heart", "a Zeller cyst with a round mass behind the heart"),
        ("A bright dot can be seen in its wall.", "a bright dot in the wall", "a Zeller cyst with a bright dot in the wall"),
        ("It is usually round and may be lobulated.", "the lesion is round and is lobulated", "the Zeller cyst is round and is lobulated"),
        ("Its wall is thick in 20 % of cases.", "the wall is thick", "in a Zeller cyst, the wall is thick"),
        ("They are round and bright.", "the lesions are round and bright", "Zeller cysts are round and bright"),
        ("Most are round.", "the lesions are round", "Zeller cysts are round"),
        ("Many cysts are dark.", "many cysts are dark", "in a Zeller cyst, many cysts are dark"),
        ("Both ventricles may be enlarged.", "both ventricles are enlarged", "in a Zeller cyst, both ventricles are enlarged"),
        ("A bright rim surrounds it.", "a bright rim surrounds the lesion", "in a Zeller cyst, a bright rim surrounds the lesion"),
        ("The rim may enhance (see [2]).", "the rim enhances", "in a Zeller cyst, the rim enhances"),
        ("On an axial slice the lesion is a smooth, round or oval mass.", "a smooth, round or oval mass",
         "a Zeller cyst is a smooth, round or oval mass"),
        ("They are grey with a bright edge; those over 2 cm are patchy with cysts.",
         "the lesions are grey with a bright edge; those over 2 cm are patchy with cysts",
         "Zeller cysts are grey with a bright edge; those over 2 cm are patchy with cysts"),
        ("It is a bright nodule of >3 cm.", "a bright nodule of more than 3 cm", "a Zeller cyst is a bright nodule of more than 3 cm"),
        ("The wall is thick, < 5 mm in the lung.", "the wall is thick, less than 5 mm in the lung",
         "in a Zeller cyst, the wall is thick, less than 5 mm in the lung"),
        ("It is a bright nodule of ≥ 3 cm.", "a bright nodule of at least 3 cm", "a Zeller cyst is a bright nodule of at least 3 cm"),
        ("It is a bright nodule of ~3 cm.", "a bright nodule of about 3 cm", "a Zeller cyst is a bright nodule of about 3 cm"),
        ("It is a bright nodule of 5 ± 2 mm.", "a bright nodule of 5 mm", "a Zeller cyst is a bright nodule of 5 mm"),
        ("They are round bright spots.", "round bright spots", "a Zeller cyst is round bright spots"),
        ("It holds bright islands of dense, almost cell-free collagen.", "the lesion holds bright islands",
         "the Zeller cyst holds bright islands"),
        ("It is round and of middle grey.", "the lesion is round and of middle grey", "the Zeller cyst is round and of middle grey"),
        ("It presents with a round shape.", "the lesion has a round shape", "the Zeller cyst has a round shape"),
    ],
)  # fmt: skip
def test_a_sentence_becomes_a_caption(text: str, look: str, joined: str) -> None:
    (caption,) = captions(text)
    assert (caption.look, caption.joined) == (look, joined)


@pytest.mark.parametrize(
    ("text", "kept", "left", "reason"),
    [
        ("It is round, which is rare.", "the lesion is round", "which is rare", "holds 'rare'"),
        ("It is round and does not enhance.", "the lesion is round", "and does not enhance", "a denial"),
        ("It is bright, and MRI shows a dark rim.", "the lesion is bright", "MRI shows a dark rim", "another way of imaging"),
        ("It is round, although it can be oval.", "the lesion is round", "it can be oval", "an exception"),
        ("It is bright and is rarely larger than 5 cm.", "the lesion is bright", "and is rarely larger than 5 cm", "a denial"),
        ("It is round; children have smaller ones.", "the lesion is round", "children have smaller ones", "holds 'children'"),
        ("It is bright (in 20 %).", "the lesion is bright", "(in 20 %)", "in brackets"),
    ],
)  # fmt: skip
def test_pieces_that_say_something_else_are_left_out(text: str, kept: str, left: str, reason: str) -> None:
    made, out = rewritten(text, names=names_of("Zeller cyst", text), modality="ct")
    assert [caption.look for caption in made] == [kept]
    assert (left, reason) in [(one.text, one.reason) for one in out]


def test_a_piece_goes_with_what_it_leans_on() -> None:
    made, out = rewritten("Children have a lump, round and bright.", names=names_of("x", ""), modality="ct")
    assert made == ()
    assert ("round and bright", "what it belongs to is left out") in [(one.text, one.reason) for one in out]


def test_a_look_in_a_sentence_on_something_else() -> None:
    text = "A Zeller cyst is a rare tumour of children that appears as a round bright mass in the lung."
    assert holds_look(text)
    assert not holds_look("A Zeller cyst is a rare tumour of children.")
    assert [one.look for one in captions(text, is_mixed=True)] == ["a round bright mass in the lung"]


def test_no_caption_holds_the_name() -> None:
    (caption,) = captions(
        "A bright rim lies between the two angiomyolipomas and the cortex.", name="renal angiomyolipoma"
    )
    assert "angiomyolipoma" not in caption.look


@pytest.mark.parametrize(
    ("name", "look"),
    [("mass", "a round bright lesion in the lung"), ("bright mass", "a round lesion in the lung"), ("zorn", "a round bright mass in the lung")],
)  # fmt: skip
def test_a_name_of_plain_words_leaves_a_sentence(name: str, look: str) -> None:
    assert [one.look for one in captions("It is a round bright mass in the lung.", name=name)] == [look]


def test_words_of_a_look_in_another_modality_leave_nothing() -> None:
    made, out = rewritten("It is hyperechoic and round.", names=names_of("x", ""), modality="ct")
    assert made == ()
    assert "which is no word of ct" in out[0].reason


LONG = (
    "The lesion is a round, sharply outlined, bright mass that lies in the periphery of the upper lobe of the right lung beside the "
    "pleura and bulges into the fissure above the hilum, and the vessels around it are pushed aside."
)


def test_long_sentences_are_cut_at_a_phrase_and_told() -> None:
    made, out = rewritten(LONG, names=names_of("x", ""), modality="ct", most_words=12)
    assert [len(caption.look.split()) <= 12 for caption in made] == [True, True]
    assert made[0].look == "a round, sharply outlined, bright mass that lies in the periphery"
    assert made[1].look == "the vessels around the lesion are pushed aside"
    assert any(one.reason == "more than an encoder reads" for one in out)


def test_what_an_encoder_does_not_read_to_its_end_is_cut_too() -> None:
    made, _ = rewritten(LONG, names=names_of("x", ""), modality="ct", fits=lambda text: len(text) <= 60)
    assert made
    assert all(len(caption.joined) <= 60 for caption in made)
    made, out = rewritten(LONG, names=names_of("x", ""), modality="ct", fits=lambda text: False)
    assert made == ()
    assert out[-1].reason in ("more than an encoder reads", "no word of a look is left")


def test_an_item_of_a_list_needs_no_verb() -> None:
    (caption,) = captions("hazy white clouds around both hila", modality="cxr", name="zeller oedema", is_item=True)
    assert caption.joined == "zeller oedema with hazy white clouds around both hila"
    assert caption.told == ("brightness", "margin")
