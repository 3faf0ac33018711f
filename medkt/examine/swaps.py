"""Pairs of sentences that differ in one thing, each with a drawn picture that decides which of the two is right.

Thirteen rows: a value of one attribute is another (brightness, shape, margin, texture, size, number, side, position); "no" is put
before what is there, or left out before what is not (negation); two lesions stand in one picture, and their places are
exchanged (order), or their shapes (binding), or one of them is said with the other's shape (chimera); or the modality is another.
In "order" and "binding" both sentences have the same words. Guessing gets half of each row.

Pair n of a row is drawn from the seed, the row, the domain and n alone: more pairs add to those there are.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from medkt.errors import SettingsError, UnknownNameError
from medkt.examine.looks import COMPACT, counterparts, draw_look, is_seen, parts_seen, told_apart
from medkt.examine.wording import ALL_OF_A_LOOK, Wording
from medkt.phantom.drawers import DRAWERS
from medkt.phantom.finding import DOMAINS, Attributes, DomainName, TwoLesions
from medkt.phantom.two import draw_two
from medkt.shapes import MaskPlane, Plane

SEED = 17_000
"""Of the pairs in the recipe's table; training draws its planes from other streams."""
SIDE = 128
"""Of the pictures, in pixels: what the small model sees."""

_COLUMNS = {"brightness": "intensity", "position": "place"}  # the other rows are called as their attribute
_NUMBER = {"single": (1, 1), "several": (2, 4), "many": (5, 10_000)}  # lesions that the picture must show


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SentencePair:
    """One question, which of two sentences is of this picture.

    Attributes:
        row: what the sentences differ in, one of `ROWS`.
        domain: of the picture.
        number: of the draw within row and domain; with the seed it names the picture.
        plane: (side, side) in [0, 1].
        masks: of the lesions that are spoken of.
        right, wrong: the sentences.
    """

    row: str
    domain: DomainName
    number: int
    plane: Plane
    masks: tuple[MaskPlane, ...]
    right: str
    wrong: str

    @property
    def key(self) -> str:
        """Row, domain and number: the same for the same picture, whichever model is asked."""
        return f"{self.row}/{self.domain}/{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Asked:
    plane: Plane
    masks: tuple[MaskPlane, ...]
    right: str
    wrong: str


_Draw = Callable[[DomainName, str, np.random.Generator, int], _Asked | None]


def draw_pairs(
    row: str, *, each: int, seed: int = SEED, side: int = SIDE, domains: Sequence[DomainName] = DOMAINS
) -> Iterator[SentencePair]:
    """The pairs of one row, domain by domain, as evenly over the domains as `each` allows; none where no domain has the row.

    Args:
        row: one of `ROWS`.
        each: how many pairs.
        seed: of all draws.
        side: of the pictures, in pixels; another side gives other pictures.
        domains: whose pictures; one that does not have the row is passed over.

    Raises:
        UnknownNameError: there is no such row.
        SettingsError: `each` is below the number of domains.
    """
    if row not in ROWS:
        raise UnknownNameError(f"no row {row!r} of word swaps; known: {', '.join(ROWS)}")
    asked = [name for name in domains_of(row) if name in domains]
    if each < len(asked):
        raise SettingsError(f"word swaps: {row} needs at least {len(asked)} pairs, one a domain, got {each}")
    for index, domain in enumerate(asked):
        wanted = each // len(asked) + (index < each % len(asked))
        yield from _of_domain(row, domain, wanted, seed, side)


def domains_of(row: str) -> tuple[DomainName, ...]:
    """Those that have a row: ultrasound of a breast has no sides."""
    return tuple(name for name in DOMAINS if row != "side" or name != "ultrasound")


def _of_domain(row: str, domain: DomainName, wanted: int, seed: int, side: int) -> Iterator[SentencePair]:
    number = 0
    while wanted:
        rng = np.random.default_rng((seed, list(ROWS).index(row), DOMAINS.index(domain), number))
        asked = ROWS[row](domain, row, rng, side)
        if asked is not None:
            wanted -= 1
            yield SentencePair(
                row=row, domain=domain, number=number, plane=asked.plane, masks=asked.masks, right=asked.right,
                wrong=asked.wrong,
            )  # fmt: skip
        number += 1


def _attribute(domain: DomainName, row: str, rng: np.random.Generator, side: int) -> _Asked | None:
    """One lesion, all of its look said, and one value of it exchanged."""
    attribute = _COLUMNS.get(row, row)
    look = _look_for(attribute, domain, rng)
    others = () if look is None else counterparts(domain, look, attribute)
    if look is None or not others:
        return None
    other = others[int(rng.integers(len(others)))]
    drawn = _drawn(domain, look, rng, side)
    if drawn is None:
        return None
    wording = Wording.draw(domain, rng)
    said = (*ALL_OF_A_LOOK, attribute)
    right, wrong = (wording.sentence(wording.lesion(one, said)) for one in (look, other))
    return _Asked(plane=drawn[0], masks=(drawn[1],), right=right, wrong=wrong)


def _look_for(attribute: str, domain: DomainName, rng: np.random.Generator) -> Attributes | None:
    """A look of which this attribute can be judged by eye; None where this draw gives none."""
    look = draw_look(domain, rng)
    if attribute == "size":
        plain = look.shape in COMPACT and look.texture == "uniform"
        return replace(look, size=str(rng.choice(("small", "large")))) if plain else None
    if attribute == "intensity":
        return look if look.texture != "hollow" else None  # its centre is of the other brightness
    if attribute == "texture":
        return look if look.shape in COMPACT and look.margin == "sharp" else None
    if attribute == "margin":
        plain = look.shape in COMPACT and look.texture == "uniform" and look.intensity != "faint"
        return look if plain else None
    if attribute == "shape":
        return look if look.margin == "sharp" else None
    return look


def _side(domain: DomainName, row: str, rng: np.random.Generator, side: int) -> _Asked | None:
    """One lesion on the patient's left or right, and the other side said."""
    look = draw_look(domain, rng)
    drawn = _drawn(domain, look, rng, side)
    if drawn is None or (np.nonzero(drawn[1])[1].mean() > (side - 1) / 2) != (look.side == "left"):
        return None  # the patient's left is on the picture's right
    wording = Wording.draw(domain, rng)
    other = replace(look, side="right" if look.side == "left" else "left")
    right, wrong = (wording.sentence(wording.lesion(one, (*ALL_OF_A_LOOK, "side"))) for one in (look, other))
    return _Asked(plane=drawn[0], masks=(drawn[1],), right=right, wrong=wrong)


def _number(domain: DomainName, row: str, rng: np.random.Generator, side: int) -> _Asked | None:
    """One, a few or many small lesions that look alike, and another number said."""
    look = replace(
        draw_look(domain, rng), shape=str(rng.choice(("round", "oval"))), size="small", margin="sharp", texture="uniform",
        number=str(rng.choice(("single", "single", "several", "many"))),
    )  # fmt: skip
    others = counterparts(domain, look, "number")
    if not others:
        return None
    other = others[int(rng.integers(len(others)))]
    drawn = _drawn(domain, look, rng, side)
    low, high = _NUMBER[look.number]
    if drawn is None or not low <= parts_seen(drawn[1]) <= high:
        return None
    wording = Wording.draw(domain, rng)
    said = ("size", "intensity", "shape")
    right, wrong = (wording.sentence(wording.lesion(one, said, count="number")) for one in (look, other))
    return _Asked(plane=drawn[0], masks=(drawn[1],), right=right, wrong=wrong)


def _negation(domain: DomainName, row: str, rng: np.random.Generator, side: int) -> _Asked | None:
    """The word "no" before a lesion that is there, or left out before one of another shape and brightness that is not."""
    look = draw_look(domain, rng)
    there = bool(rng.random() < 0.5)
    spoken_of = look if there else _quite_other(domain, look, rng)
    drawn = None if spoken_of is None else _drawn(domain, look, rng, side)
    if spoken_of is None or drawn is None:
        return None
    wording = Wording.draw(domain, rng)
    said = ("intensity", "shape")
    with_it, without = (wording.sentence(wording.lesion(spoken_of, said, count=count)) for count in ("a", "no"))
    right, wrong = (with_it, without) if there else (without, with_it)
    return _Asked(plane=drawn[0], masks=(drawn[1],), right=right, wrong=wrong)


def _modality(domain: DomainName, row: str, rng: np.random.Generator, side: int) -> _Asked | None:
    """The lesion said as it is, in a picture of another modality."""
    look = draw_look(domain, rng)
    drawn = _drawn(domain, look, rng, side)
    if drawn is None:
        return None
    wording = Wording.draw(domain, rng)
    seen = wording.lesion(look)
    wrong = wording.sentence(seen, modality=wording.other_modality(rng))
    return _Asked(plane=drawn[0], masks=(drawn[1],), right=wording.sentence(seen), wrong=wrong)


def _order(domain: DomainName, row: str, rng: np.random.Generator, side: int) -> _Asked | None:
    """Two lesions, each said with its place, and the places exchanged: the same words in another order."""
    attribute, places = ("place", ("superficial", "deep")) if domain == "ultrasound" else ("side", ("left", "right"))
    first, second = draw_look(domain, rng), draw_look(domain, rng)
    hollow = "hollow" in (first.texture, second.texture)
    if hollow or not told_apart(domain, "intensity", first.intensity, second.intensity):
        return None
    first, second = (replace(one, **{attribute: at}) for one, at in zip((first, second), places, strict=True))
    drawn = _drawn_two(domain, first, second, rng, side)
    if drawn is None:
        return None
    wording = Wording.draw(domain, rng)
    looks = (first, second) if rng.random() < 0.5 else (second, first)
    exchanged = tuple(
        replace(one, **{attribute: getattr(at, attribute)}) for one, at in zip(looks, looks[::-1], strict=True)
    )
    right, wrong = (
        wording.sentence(" and ".join(wording.lesion(one, ("intensity", attribute)) for one in pair))
        for pair in (looks, exchanged)
    )
    return _Asked(plane=drawn.plane, masks=drawn.masks, right=right, wrong=wrong)


def _binding(domain: DomainName, row: str, rng: np.random.Generator, side: int) -> _Asked | None:
    """Two lesions of different brightness and shape; which has which exchanged, or one said with the other's shape."""
    first, second = draw_look(domain, rng), draw_look(domain, rng)
    plain = all(one.margin != "hazy" and one.texture == "uniform" for one in (first, second))
    if not plain or not _differ(domain, first, second):
        return None
    drawn = _drawn_two(domain, first, second, rng, side)
    if drawn is None:
        return None
    wording = Wording.draw(domain, rng)
    looks = (first, second) if row == "binding" else (first,)
    others = (second, first) if row == "binding" else (second,)
    mixed = [replace(one, shape=other.shape) for one, other in zip(looks, others, strict=True)]
    right, wrong = (
        wording.sentence(" and ".join(wording.lesion(one, ("intensity", "shape")) for one in pair))
        for pair in (looks, mixed)
    )
    return _Asked(plane=drawn.plane, masks=drawn.masks, right=right, wrong=wrong)


ROWS: Mapping[str, _Draw] = {
    "brightness": _attribute,
    "shape": _attribute,
    "margin": _attribute,
    "texture": _attribute,
    "size": _attribute,
    "number": _number,
    "side": _side,
    "position": _attribute,
    "negation": _negation,
    "order": _order,
    "binding": _binding,
    "chimera": _binding,
    "modality": _modality,
}
"""Every row, and who draws its pairs. New rows come last: a row's place is part of its seed."""


def _differ(domain: DomainName, first: Attributes, second: Attributes) -> bool:
    return all(told_apart(domain, name, getattr(first, name), getattr(second, name)) for name in ("shape", "intensity"))


def _quite_other(domain: DomainName, look: Attributes, rng: np.random.Generator) -> Attributes | None:
    """A look that nobody would see in a picture of this one: another shape and another brightness."""
    mixed = [both for one in counterparts(domain, look, "shape") for both in counterparts(domain, one, "intensity")]
    return mixed[int(rng.integers(len(mixed)))] if mixed else None


def _drawn(domain: DomainName, look: Attributes, rng: np.random.Generator, side: int) -> tuple[Plane, MaskPlane] | None:
    """A picture of this look and its mask; None where the lesion cannot be seen as said."""
    drawn = DRAWERS[domain].draw_plane("unnamed", rng, side=side, attributes=look)
    return (drawn.plane, drawn.mask) if is_seen(domain, look, drawn.plane, drawn.mask) else None


def _drawn_two(
    domain: DomainName, first: Attributes, second: Attributes, rng: np.random.Generator, side: int
) -> TwoLesions | None:
    """A picture of both, apart, each seen as said; None where this draw gives none."""
    drawn = draw_two(domain, first, second, rng, side=side)
    if drawn is None:
        return None
    one, other = drawn.masks
    seen = is_seen(domain, first, drawn.plane, one, other) and is_seen(domain, second, drawn.plane, other, one)
    return drawn if seen else None
