"""What a text tower makes of the words, with a toy tower whose answers are plain."""

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from bad_concepts import GOOD

from medkt.concepts import Caption, Concept
from medkt.concepts.document import parse_document
from medkt.concepts.encoder_lint import forecast, lint_with, pieces_of

ANGLES = {"north": 90.0, "east": 0.0, "west": 180.0, "up": 89.0, "mid": 45.0}


class Compass:
    """Knows five words and the letters of "veil"; a text points where its first known word does."""

    spec = SimpleNamespace(name="compass", text_length=8)

    def tokenize(self, texts: Sequence[str]) -> Any:
        rows = [[1, *(token for word in text.split() for token in self._of(word)), 2] for text in texts]
        cut = tuple(len(row) > self.spec.text_length for row in rows)
        rows = [row[: self.spec.text_length] for row in rows]
        longest = max(map(len, rows))
        ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
        return SimpleNamespace(ids=ids, mask=ids != 0, truncated=cut)

    def _of(self, word: str) -> list[int]:
        if word in ANGLES:
            return [10 + list(ANGLES).index(word)]
        return [100 + ord(letter) for letter in word] if set(word) <= set("veil") else [3]

    def encode_text(self, tokens: Any) -> torch.Tensor:
        known = [next((int(i) - 10 for i in row if 10 <= i < 20), 0) for row in tokens.ids]
        angles = torch.deg2rad(torch.tensor([list(ANGLES.values())[i] for i in known]))
        return 3 * torch.stack([angles.cos(), angles.sin()], dim=1)


def _concept(identifier: str, name: str, look: str, **other: Any) -> Concept:
    captions = (Caption(text=look, roles=("inversion",)), Caption(text=name, roles=("prompt",)))
    return Concept(id=identifier, name=name, captions=captions, modality="ct", **other)


KNOWN = (
    _concept("a", "east", "east"), _concept("b", "west", "west"), _concept("c", "mid", "mid"), _concept("d", "up", "up"),
)  # fmt: skip


def test_pieces_of_words() -> None:
    assert pieces_of(Compass(), ["north", "veil", "unheard", ""]) == {"north": 1, "veil": 4, "unheard": 0, "": 0}


def test_cut_off_and_unknown_words_say_where() -> None:
    text = GOOD.replace("a thin grey film over the lung\n      f", "north veilveil\n      f")
    found = lint_with(Compass(), parse_document(text, "mine.yaml", holds="x"))
    said = [(one.line, one.rule, one.level, one.message) for one in found if one.line == 18]
    assert said == [
        (18, "cut-off", "error", "is longer than the 8 tokens that compass reads; its end is lost"),
        (18, "unknown-word", "warning", "compass breaks into 6 pieces 'veilveil'"),
    ]
    assert (20, "compass does not know 'grey'") in [(one.line, one.message) for one in found]


def test_the_forecast_names_the_nearest_and_the_margin() -> None:
    made = forecast(Compass(), _concept("new", "north", "north"), KNOWN)
    assert made is not None
    assert [one.id for one in made.nearest][:2] == ["d", "c"]
    assert made.nearest[0].cosine == pytest.approx(0.9998, abs=1e-4)
    assert made.margin == pytest.approx(0.0002, abs=1e-4)
    # among themselves: east and mid 45 degrees apart, mid and up 44, west and up 91
    assert made.usual == pytest.approx((0.2807, 0.2868, 0.8001), abs=1e-3)
    assert (made.name_rank, made.names) == (1, 5)
    assert "expect it to confuse the two" in made.sentence
    assert made.sentence.endswith("no image was looked at.")


def test_a_name_that_means_something_else_has_to_be_learnt() -> None:
    made = forecast(Compass(), _concept("new", "west", "north"), KNOWN[:1] + KNOWN[2:] + (_concept("e", "x", "east"),))
    assert made is not None
    assert made.name_rank > 1
    assert "has to be learnt" in made.sentence


def test_far_from_everything_is_said() -> None:
    known = tuple(_concept(str(i), f"n{i}", "east") for i in range(4))
    made = forecast(Compass(), _concept("new", "west", "west"), known)
    assert made is not None
    assert made.margin == pytest.approx(2)
    assert "far from all" in made.sentence


def test_related_and_own_concepts_are_no_neighbours() -> None:
    new = _concept("new", "north", "north", related=("d",))
    assert forecast(Compass(), new, KNOWN) is None  # three are left
    made = forecast(Compass(), replace(new, related=()), (*KNOWN, _concept("other", "North", "north")))
    assert made is not None
    assert made.nearest[0].id == "d"
