import pytest

from medkt.concepts import Caption, Concept, mentions


def test_texts_by_role_in_file_order() -> None:
    captions = (
        Caption(text="a", roles=("prompt",)),
        Caption(text="b", roles=("inversion", "prompt")),
        Caption(text="c", roles=("contrast",)),
    )
    concept = Concept(id="x", name="x", captions=captions, synonyms=("y",))
    assert concept.texts() == ("a", "b")
    assert concept.texts("inversion") == ("b",)
    assert concept.texts("finetune") == ()
    assert concept.names == ("x", "y")


@pytest.mark.parametrize(
    ("text", "names", "expected"),
    [
        ("Two Lung Nodules", ["lung nodule"], True),
        ("one mass", ["mass"], True),
        ("masses", ["mass"], True),
        ("massive heart", ["mass"], False),
        ("nodular change", ["nodule"], False),
        ("plate-like collapse of the lung", ["plate-like collapse"], True),
        ("anything", [], False),
    ],
)
def test_mentions_whole_words_only(text: str, names: list[str], expected: bool) -> None:
    assert mentions(text, names) is expected
