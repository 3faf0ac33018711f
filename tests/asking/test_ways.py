"""Ways of asking: directions worked out on paper for a text tower that is a table, and the real small model's."""

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from medkt.asking import WAYS, AskingWords, BankWay, Directions, leads, way_called
from medkt.asking.bank import one_word_replaced
from medkt.concepts import load_concept
from medkt.domains import domain
from medkt.errors import InputError, UnknownNameError
from medkt.models.encoder import Tokens
from medkt.models.small import load_small

ACROSS, UP, DEEP = (torch.eye(3)[k] for k in range(3))
TABLE = {
    "odd": torch.tensor([1.0, 1.0, 0.0]), "a round spot": UP, "an oval spot": torch.tensor([0.0, 1.0, 1.0]),
    "usual": ACROSS, "a usual shade": DEEP, "a hazy round spot": torch.tensor([1.0, 2.0, 2.0]), "all clear": -DEEP,
}  # fmt: skip


class _Table:
    """An encoder whose text features are a table's, three times as long; it sees no picture."""

    spec = replace(load_small().spec, name="table", digest="table")
    module: nn.Module = nn.Identity()
    logit_scale = 20.0

    def encode_image(self, pixels: Tensor) -> Tensor:
        raise AssertionError("no picture is asked for")

    grid = image_prefix = image_suffix = score = encode_image

    def tokenize(self, texts: Sequence[str]) -> Tokens:
        rows = [list(TABLE).index(text) for text in texts]
        return Tokens(
            ids=torch.tensor(rows)[:, None],
            mask=torch.ones(len(rows), 1, dtype=torch.bool),
            truncated=(False,) * len(rows),
        )

    def encode_text(self, tokens: Tokens) -> Tensor:
        return 3 * torch.stack(list(TABLE.values()))[tokens.ids[:, 0]]


SPOKEN = AskingWords(
    name=("odd",), described=("a round spot",), rival_names=(("usual",),), rival_described=("a usual shade",), replaced=("an oval spot",),
    otherwise_bounded=("a hazy round spot",), normal=("all clear",),
)  # fmt: skip


def _unit(*values: float) -> Tensor:
    return torch.nn.functional.normalize(torch.tensor(values).float(), dim=-1)


@pytest.mark.parametrize(
    ("way", "wanted", "rival"),
    [
        ("name", _unit(1, 1, 0), None),
        ("description", _unit(0, 1, 0), _unit(0, 1, 1)),
        ("name+description", _unit(0.5**0.5, 0.5**0.5 + 1, 0), None),
        ("virtual", _unit(1, 1, -1), _unit(1, 0.5**0.5, 0.5**0.5 - 1)),  # d + (usual - its caption)
    ],
)
def test_the_directions_of_each_way_are_those_worked_out_on_paper(way, wanted, rival):
    asked = way_called(way).directions(_Table(), SPOKEN)
    torch.testing.assert_close(asked.wanted, wanted)
    torch.testing.assert_close(asked.rivals, ACROSS[None])
    banked = way_called(f"{way} with bank").directions(_Table(), SPOKEN)
    torch.testing.assert_close(banked.wanted, wanted)
    torch.testing.assert_close(banked.rivals[0], ACROSS)
    if rival is not None:
        torch.testing.assert_close(banked.rivals[1], rival)


def test_a_lead_is_over_the_nearest_rival():
    asked = way_called("description with bank").directions(_Table(), SPOKEN)
    found = leads(torch.stack([UP, ACROSS, DEEP]), asked)
    torch.testing.assert_close(found, torch.tensor([1 - 0.5**0.5, -1.0, -(0.5**0.5)]))


def test_among_all_are_a_wider_bank_that_weighs_together_and_a_normal_study() -> None:
    asked = way_called("virtual among all").directions(_Table(), SPOKEN)
    moved = ACROSS - DEEP
    torch.testing.assert_close(asked.wanted, _unit(1, 1, -1))
    torch.testing.assert_close(asked.rivals[0], ACROSS)
    torch.testing.assert_close(asked.rivals[1], torch.nn.functional.normalize(_unit(0, 1, 1) + moved, dim=0))
    torch.testing.assert_close(asked.rivals[2], torch.nn.functional.normalize(_unit(1, 2, 2) + moved, dim=0))
    assert asked.normal is not None
    torch.testing.assert_close(asked.normal, -DEEP)
    assert (asked.sharpness, asked.handicap) == (20.0, 0.0)
    without = way_called("virtual among all").directions(_Table(), replace(SPOKEN, otherwise_bounded=(), normal=()))
    assert len(without.rivals) == 2
    assert without.normal is None
    nearest = way_called("virtual with bank and normal").directions(_Table(), SPOKEN)
    assert (len(nearest.rivals), nearest.sharpness) == (2, 0.0)
    torch.testing.assert_close(nearest.normal, -DEEP)


def test_rivals_that_weigh_together_lie_between_their_mean_and_the_highest() -> None:
    pictures = _unit(*[0.3, 0.9, 0.2])[None]
    asked = Directions(wanted=UP, rivals=torch.stack([ACROSS, DEEP]), sharpness=20.0)
    over = float(pictures[0, 1] - leads(pictures, asked)[0])
    across, deep = float(pictures[0, 0]), float(pictures[0, 2])
    assert over == pytest.approx(math.log((math.exp(20 * across) + math.exp(20 * deep)) / 2) / 20, abs=1e-6)
    assert (across + deep) / 2 < over < across
    alone = replace(asked, rivals=ACROSS[None])
    torch.testing.assert_close(leads(pictures, alone), leads(pictures, replace(alone, sharpness=0.0)))


def test_the_lesser_lead_counts_and_that_over_a_normal_study_has_a_handicap() -> None:
    pictures = torch.stack([UP, _unit(0, 1, 1)])
    asked = Directions(wanted=UP, rivals=ACROSS[None], normal=DEEP, handicap=-0.5)
    torch.testing.assert_close(leads(pictures, asked), torch.tensor([1.0, 0.5]))  # 1 < 1.5; 0.5 < 0.7
    torch.testing.assert_close(leads(pictures, replace(asked, handicap=0.25)), torch.tensor([0.75, -0.25]))


def test_a_bank_without_a_text_changes_nothing():
    plain = AskingWords(
        name=("odd",), described=("a round spot",), rival_names=(("usual",),), rival_described=("a usual shade",)
    )
    one, other = (way.directions(_Table(), plain) for way in (way_called("virtual"), BankWay(way_called("virtual"))))
    assert torch.equal(one.rivals, other.rivals)


def test_nothing_is_asked_without_a_known_finding():
    with pytest.raises(InputError, match="no known finding"):
        way_called("virtual").directions(
            _Table(), AskingWords(name=("odd",), described=("a round spot",), rival_names=(), rival_described=())
        )


def test_an_unknown_way_lists_those_there_are():
    with pytest.raises(UnknownNameError, match="no way of asking 'aloud'; known: name, description, "):
        way_called("aloud")


def test_simpler_ways_come_first_and_the_first_is_the_name():
    assert [way.name for way in WAYS][:4] == ["name", "description", "name+description", "virtual"]
    assert all(way.name.endswith("with bank") for way in WAYS[4:8])
    assert [way.name for way in WAYS][8:] == ["virtual with bank and normal", "virtual among all"]


def test_one_word_of_the_look_is_replaced_at_a_time():
    kind = domain("ct")
    made = one_word_replaced("a single round bright lump with a sharp margin and stippled texture in the lung", kind)
    assert "a single oval bright lump with a sharp margin and stippled texture in the lung" in made
    assert "a single round dark lump with a sharp margin and stippled texture in the lung" in made
    assert "a single round bright lump with a sharp margin and hollow in the lung" in made
    assert len(made) == len(set(made)) == 6 + 3 + 5  # shapes of a lesion, brightnesses and textures, without its own
    assert one_word_replaced("it is not well understood", kind) == ()


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("a spot with a sharp margin", ["a spot with a hazy margin", "a spot with a spiculated margin"]),
        ("a spot with ill-defined borders", ["a spot with sharp borders", "a spot with spiculated borders"]),
        ("an ill-defined spot", ["a sharp spot", "a spiculated spot"]),
        ("a round spot", []),
    ],
)
def test_the_word_of_the_margin_is_replaced_by_the_others(text: str, made: list[str]) -> None:
    assert list(one_word_replaced(text, domain("ct"), ("margin",))) == made


def test_a_thing_that_says_a_look_is_left_where_a_word_says_it_too():
    made = one_word_replaced("a bright ring with hollow texture, dark inside", domain("ct"))
    assert all("ring" in text for text in made)
    assert "a bright ring with stippled, dark inside" in made


@pytest.mark.slow
def test_the_small_model_is_asked_by_the_words_of_a_concept():
    encoder, concept = load_small(), load_concept("ct_hamartoma")
    kind = domain("ct")
    spoken = AskingWords.of(concept, kind, kind.others(concept), concept.texts("inversion"))
    for way in WAYS:
        asked = way.directions(encoder, spoken)
        torch.testing.assert_close(asked.wanted.norm(), torch.tensor(1.0))
        torch.testing.assert_close(asked.rivals.norm(dim=-1), torch.ones(len(asked.rivals)))
        bank = len(spoken.replaced) if way.name not in ("name", "description", "name+description", "virtual") else 0
        bank += len(spoken.otherwise_bounded) if way.name.endswith("among all") else 0
        assert (asked.normal is not None) is way.name.endswith(("and normal", "among all"))
        assert len(asked.rivals) == len(spoken.rival_names) + bank
        assert way.texts(spoken)
        assert way.about
