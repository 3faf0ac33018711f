"""What a text calls its finding."""

import re

import pytest

from medkt.concepts.prose.names import inflected, names_of, plural, with_article


def test_abbreviations_and_other_names_of_the_text_are_synonyms() -> None:
    text = "Focal nodular hyperplasia (FNH), also known as a Zeller lump or liver bulge, is benign (see Fig)."
    names = names_of("focal nodular hyperplasia", text)
    assert names.synonyms == ("FNH", "Zeller lump", "liver bulge")
    assert names.all[0] == "focal nodular hyperplasia"
    assert names_of("cyst", "A cyst (as in CT) is round.").synonyms == ()


@pytest.mark.parametrize(
    ("name", "telling"),
    [
        ("renal angiomyolipoma", ("angiomyolipoma",)), ("pineal cyst", ()), ("azygos lobe", ()), ("rib fracture", ()),
        ("galactocele", ("galactocele",)), ("acute appendicitis", ()),
    ],
)  # fmt: skip
def test_words_that_give_the_name_away(name: str, telling: tuple[str, ...]) -> None:
    assert names_of(name, "").telling == telling


@pytest.mark.parametrize(
    ("name", "others"),
    [
        ("renal angiomyolipoma", ["Renal angiomyolipomas", "angiomyolipomata", "the ANGIOMYOLIPOMA"]),
        ("Rathke cleft cyst", ["Rathke's cleft cyst", "Rathke cleft cysts"]), ("gallstones", ["a gallstone"]),
        ("developmental venous anomaly", ["developmental venous anomalies"]),
    ],
)  # fmt: skip
def test_a_name_is_found_in_every_form(name: str, others: list[str]) -> None:
    for other in others:
        assert names_of(name, "").pattern.search(other), other
    assert not names_of(name, "").pattern.search("a round lesion")


@pytest.mark.parametrize(
    ("name", "article", "several"),
    [
        ("angioma", "an angioma", "angiomas"), ("gallstones", "gallstones", "gallstones"),
        ("pulmonary oedema", "pulmonary oedema", "pulmonary oedemas"), ("acute appendicitis", "acute appendicitis", "acute appendicitises"),
        ("venous anomaly", "a venous anomaly", "venous anomalies"), ("abscess", "an abscess", "abscesses"),
    ],
)  # fmt: skip
def test_articles_and_plurals(name: str, article: str, several: str) -> None:
    assert with_article(name) == article
    assert plural(name) == several


def test_an_expression_of_a_name_with_signs_is_safe() -> None:
    assert re.fullmatch(inflected("sign (of X)+"), "sign (of X)+")
