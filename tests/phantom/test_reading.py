import re

import numpy as np
import pytest

from medkt.concepts import concepts, load_concept
from medkt.concepts.lexicon import look_words, phrases_in
from medkt.domains import domain
from medkt.examine.looks import told_apart
from medkt.phantom.descriptions import canonical_descriptions
from medkt.phantom.drawers import DRAWN_BODY
from medkt.phantom.finding import DOMAINS, DomainName, find, findings_of
from medkt.phantom.reading import TELLING, foreign_words, read, retold

LESIONS = [
    finding for name in DOMAINS for finding in findings_of(name) if finding.drawn_by == "lesion" and finding.shape != "organ"
]  # fmt: skip


@pytest.mark.parametrize("finding", LESIONS, ids=lambda finding: finding.id)
def test_a_shipped_caption_says_the_look_that_is_drawn(finding) -> None:  # type: ignore[no-untyped-def]
    reading = read(load_concept(finding.id).texts("inversion")[0], finding.domain)
    said = {name: reading.said[name] for name in TELLING if name in reading.said}
    assert said == {name: getattr(finding, name) for name in said}
    assert len(said) >= 2
    assert reading.says_the_look_of(finding)
    assert [one.id for one in findings_of(finding.domain) if reading.says_the_look_of(one)] == [finding.id]


def test_the_words_of_the_phantoms_own_reports_are_read() -> None:
    for text in canonical_descriptions(find("us_phyllodes")):
        reading = read(text, "ultrasound")
        assert not reading.why_not, text
        assert (reading.said["shape"], reading.said["intensity"], reading.said["texture"]) == (
            "lobulated",
            "dark",
            "septated",
        )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a round bright parking budget", "names no thing"),
        ("the committee agreed on the money for new desks", "names no thing"),
        ("a bright lesion", "fewer than two of shape, brightness and texture"),
        ("a round bright spot in the municipal parking budget", "too many of its words .*municipal, parking, budget"),
        ("a large layered bright area", "only the anatomy itself can be drawn layered"),
    ],
)
def test_what_cannot_be_drawn_says_why(text: str, why: str) -> None:

    assert re.search(why, read(text, "cxr").why_not)


def test_a_look_is_read_by_the_lexicon_that_warns_of_it() -> None:
    """One list of words: what `segment` warns of is what the audit draws; places alone are the modality's own."""
    names = {"brightness": "intensity"}
    for (*phrase,), (attribute, value) in look_words().items():
        text = f"x {' '.join(phrase)} x"
        told = {names.get(name, name): one.value for one in phrases_in(text) for name in (one.attribute,)}
        if attribute in ("position", "modality") or value in ("nothing", "both", "organ"):
            continue
        for domain_ in DOMAINS:
            assert read(text, domain_).said == told, (text, domain_)


@pytest.mark.parametrize(
    ("text", "said", "thing"),
    [
        ("a round opacity", {"shape": "round", "intensity": "bright"}, "opacity"),
        ("a round opacity, faint", {"shape": "round", "intensity": "faint"}, "opacity"),  # the adjective counts
        ("a lucency with a sharp margin", {"intensity": "dark", "margin": "sharp"}, "lucency"),
        ("a dark, centre", {"intensity": "dark"}, ""),  # no phrase over a comma
        ("a medium round spot in the lower lung", {"size": "medium", "shape": "round", "place": "lower"}, "spot"),
        ("contrast medium in the upper lobes", {}, ""),
    ],
)
def test_nouns_say_a_look_where_no_adjective_does(text: str, said: dict[str, str], thing: str) -> None:
    reading = read(text, "cxr")
    assert (dict(reading.said), reading.thing) == (said, thing)


def test_an_attribute_said_often_makes_up_for_no_unread_word() -> None:
    """Else a list of looks would hide what they are said of."""
    once = read("a round thing of the tax office", "cxr")
    often = read("a round, circular, spherical, rounded thing of the tax office", "cxr")
    assert often.share_unread == once.share_unread == 0.5


def test_of_two_values_the_first_said_is_taken_and_the_longest_phrase_wins() -> None:
    reading = read("a very bright round spot on a dark ground with a sharp margin", "ct")
    assert reading.said["intensity"] == "very_bright"
    assert reading.said["margin"] == "sharp"


def test_a_look_has_what_is_said_and_draws_the_rest() -> None:
    reading = read("a large dark wedge with a hazy margin", "mri")
    looks = [reading.look(np.random.default_rng(seed)) for seed in range(12)]
    assert {(one.shape, one.intensity, one.size, one.margin) for one in looks} == {("wedge", "dark", "large", "hazy")}
    assert len({one.place for one in looks}) > 1


def test_words_of_another_modality_or_body_are_found_and_shipped_captions_hold_none() -> None:
    assert foreign_words(["a hyperintense mass in the brain"], "ultrasound") == ("hyperintense", "brain")
    assert (
        foreign_words(["a dark gap between the lung and the bright skin"], "cxr") == ()
    )  # a part of the chest is named
    assert foreign_words(["a dense round shadow"], "ct") == ()
    for concept in concepts().values():
        if concept.modality and not concept.body:
            here = next(name for name in DOMAINS if name == concept.modality)
            assert DRAWN_BODY[here] == domain(here).default_body
            assert foreign_words(concept.texts("inversion"), here) == (), concept.id


@pytest.mark.parametrize("domain_", DOMAINS)
def test_retold_words_say_another_look(domain_: DomainName) -> None:
    reading = read("a single medium round bright mass with a sharp margin and stippled texture", domain_)
    told = read(retold(reading, lambda *one: told_apart(domain_, *one), np.random.default_rng(3)), domain_)
    assert all(told_apart(domain_, name, reading.said[name], told.said[name]) for name in TELLING)
    assert told.said["margin"] == "sharp"
    assert retold(read("a mass in the lung", domain_), lambda *_: True, np.random.default_rng(0)) == ""


OTHERWISE = {"shape": "irregular", "intensity": "faint", "texture": "hollow"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a large dark crescent with uniform texture", "a large faint irregular area with hollow texture"),
        ("a single linear bright band at the lung base", "a single irregular faint area at the lung base"),
        ("a single medium wedge of bright opacity", "a single medium irregular area of faint opacity"),
        (
            "a bubble, and many bright dots in both lungs",
            "an irregular area, and many faint irregular areas in both lungs",
        ),
        ("one smooth dark oval wider than tall", "one smooth faint irregular area wider than tall"),
        ("an oval dark plug with an even interior", "an irregular faint plug with a hollow interior"),
        (
            "the lesion is round or oval, with a bright rim",
            "the lesion is irregular or irregular, with a faint hollow area",
        ),
        ("a dark mass divided by thin walls", "a faint mass hollow"),
        ("a bright opacity shaped like a band", "a faint opacity irregular"),
    ],
)
def test_what_is_retold_keeps_the_thing_that_it_is_said_of(text: str, told: str) -> None:
    def otherwise(attribute: str, _: str, other: str) -> bool:
        return other == OTHERWISE.get(attribute)

    assert retold(read(text, "ct"), otherwise, np.random.default_rng(0)) == told
