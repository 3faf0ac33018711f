"""Texts taken apart as people paste them."""

import pytest

from medkt.concepts.prose import sentences_of


def texts(text: str) -> list[str]:
    return [sentence.text for sentence in sentences_of(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It is 2.5 cm wide. It is round.", ["It is 2.5 cm wide.", "It is round."]),
        ("It is bright, e.g. White. It is round.", ["It is bright, e.g. White.", "It is round."]),
        ("Approx. 3 in 10 calcify. Cf. Fig. 2 and Dr. Roe.", ["Approx. 3 in 10 calcify.", "Cf. Fig. 2 and Dr. Roe."]),
        ("Lines are called Kerley B. They are thin.", ["Lines are called Kerley B.", "They are thin."]),
        ("It is due to hepatitis B. Most are round.", ["It is due to hepatitis B.", "Most are round."]),
        ("J. B. Smith named it. It is round.", ["J. B. Smith named it.", "It is round."]),
        ("It measures 5 mm. 3 in 10 are larger.", ["It measures 5 mm.", "3 in 10 are larger."]),
        ('It is called "coin." It is round.', ['It is called "coin."', "It is round."]),
        ("Is it round? It is! Yes.", ["Is it round?", "It is!", "Yes."]),
        ("no stop at the end", ["no stop at the end"]),
    ],
)  # fmt: skip
def test_where_a_sentence_ends(text: str, expected: list[str]) -> None:
    assert texts(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "It is round.[1] It is bright.", "It is round [1-3]. It is bright [4,5].", "It is round.1,2 It is bright.3",
        "It is round (1, 2). It is bright.", "It is round.[citation needed] It is bright.", "It is **round**. It is _bright_.",
        "It is [round](http://x). It is bright.", "It is round. It is bright 😀.",
    ],
)  # fmt: skip
def test_references_and_marks_go(text: str) -> None:
    assert texts(text) == ["It is round.", "It is bright."]


def test_line_breaks_are_blanks_and_lines_are_kept() -> None:
    found = sentences_of("The lesion is\r\nround. It is\r\nbright.\r\n\r\nA new paragraph.")
    assert [(one.text, one.line, one.paragraph) for one in found] == [
        ("The lesion is round.", 1, 0), ("It is bright.", 2, 0), ("A new paragraph.", 5, 1),
    ]  # fmt: skip


ARTICLE = """\
# Zeller cyst

== Treatment ==
Usually none.

**CT**
- round, 2-5 cm
- does not enhance

Ultrasound
----------
1. dark
2) bright rim behind

Differential diagnosis
• simple cyst
"""


def test_headings_and_lists_of_any_style() -> None:
    assert [(one.text, one.heading, one.is_item) for one in sentences_of(ARTICLE)] == [
        ("Usually none.", "Treatment", False), ("round, 2-5 cm", "CT", True), ("does not enhance", "CT", True),
        ("dark", "Ultrasound", True), ("bright rim behind", "Ultrasound", True), ("simple cyst", "Differential diagnosis", True),
    ]  # fmt: skip


def test_headings_between_items_and_ways_of_imaging_as_items() -> None:
    text = "Zeller cyst\nSummary\n- a lump\nImaging\n- CT:\n- dark\n- MRI\n- bright\nTreatment\n- none"
    assert [(one.text, one.heading) for one in sentences_of(text)] == [
        ("a lump", "Summary"), ("dark", "CT"), ("bright", "MRI"), ("none", "Treatment"),
    ]  # fmt: skip


def test_a_label_heads_what_follows_and_a_colon_in_a_sentence_does_not() -> None:
    found = sentences_of("Treatment: it is left alone. Nothing else. It looks like a cone: a ball with a stalk.")
    assert [(one.text, one.heading) for one in found] == [
        ("it is left alone.", "Treatment"), ("Nothing else.", "Treatment"),
        ("It looks like a cone: a ball with a stalk.", "Treatment"),
    ]  # fmt: skip


def test_a_table_is_a_list() -> None:
    found = sentences_of("Differential diagnosis\n\n| Cyst | Rim |\n|---|---|\n| Abscess | thick |")
    assert [(one.text, one.is_item, one.heading) for one in found] == [
        ("Cyst: Rim", True, "Differential diagnosis"), ("Abscess: thick", True, "Differential diagnosis"),
    ]  # fmt: skip


def test_lines_without_stops_are_items_and_capitals_are_lowered() -> None:
    found = sentences_of("bright line\nround shadow\nin the lung")
    assert [(one.text, one.is_item) for one in found] == [
        ("bright line", True),
        ("round shadow", True),
        ("in the lung", True),
    ]
    assert texts("THE LESION IS ROUND AND BRIGHT.") == ["The lesion is round and bright."]


def test_a_text_without_a_letter_has_no_sentence() -> None:
    assert sentences_of("1. 2. 3.\n---\n") == ()
