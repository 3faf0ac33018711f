"""What a text says of a look, by attribute: the phantoms' own words, and words that only hold one."""

import pytest

from medkt.concepts.lexicon import attributes_in, denials_in
from medkt.examine import ROWS
from medkt.phantom.descriptions import INTENSITY, MARGIN, PLACE, SHAPE, SIDE, SIZE, TEXTURE
from medkt.phantom.finding import DOMAINS


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a very bright round lesion on the left", {"brightness": ("very_bright",), "shape": ("round",), "side": ("left",)}),
        ("Ill-defined  patchy opacities in both lungs", {
            "brightness": ("bright",), "margin": ("hazy",), "texture": ("mottled",), "side": ("both",)}),
        ("numerous small hypodense foci in the white matter", {
            "brightness": ("dark",), "size": ("small",), "number": ("many",)}),
        ("pleural effusion", {}),
        ("no nodule on the chest radiograph", {"modality": ("cxr",), "negation": ("no",)}),
        ("a wedge, dark and then bright", {"brightness": ("dark", "bright"), "shape": ("wedge",)}),
        ("a non-round thing near the small bowel", {}),
    ],
)  # fmt: skip
def test_what_a_text_says(text: str, said: dict[str, tuple[str, ...]]) -> None:
    assert attributes_in(text) == said


def test_every_word_of_the_phantoms_is_read_as_its_own_value() -> None:
    """By the lists of the reports, written apart from these; a clause counts where any of its words is known."""
    tables = {"shape": SHAPE, "margin": MARGIN, "texture": TEXTURE, "size": SIZE}
    wrong = [
        (name, value, word)
        for name, table in tables.items()
        for value, (before, _) in table.items()
        for word in before
        if value != "organ" and attributes_in(f"a {word} lesion").get(name) != (value,)
    ]
    wrong += [
        ("brightness", value, word)
        for domain in DOMAINS
        for value, words in INTENSITY[domain].items()
        for word in words
        if attributes_in(f"a {word} lesion").get("brightness") != (value,)
    ]
    wrong += [
        ("side", value, word)
        for value, words in SIDE.items()
        for word in words
        if not {value, "both"} & set(attributes_in(f"a lesion {word}").get("side", ()))
    ]
    assert wrong == []
    places = [word for domain in DOMAINS for words in PLACE[domain].values() for word in words]
    missed = [word for word in places if "position" not in attributes_in(f"a lesion {word}")]
    assert len(missed) <= len(places) // 5, missed  # such as "at the back of the chest", which no row asks of


def test_every_attribute_is_a_row_of_the_examination() -> None:
    said = attributes_in(
        "no single small bright round sharp uniform lesion in the upper left of the chest radiograph"
    )  # one word of each
    assert set(said) == set(ROWS) - {"order", "binding", "chimera"}


def test_what_only_looks_like_a_denial_is_none() -> None:
    assert denials_in("CT without contrast, nodule no. 2") == ()
    assert denials_in("no effusion, lungs not clear") == ("no", "not")
