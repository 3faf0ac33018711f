"""Two lesions in one picture and a sentence for each: whether a map lies on the one that the sentence means.

Three kinds: "free" looks without a name, two "known" findings, a "held-out" finding beside a known one. The sentences have no
name in them and stand in frames that no training report has. The lesions lie `two.GAP` or more apart.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from scipy import ndimage

from medkt.errors import InputError
from medkt.examine.looks import draw_look, is_seen, told_apart
from medkt.examine.wording import Wording
from medkt.phantom.descriptions import canonical_descriptions
from medkt.phantom.finding import DOMAINS, Attributes, DomainName, Finding, findings_of
from medkt.phantom.two import draw_two
from medkt.shapes import MaskPlane, Plane

LesionKind = Literal["free", "known", "held-out"]
KINDS: tuple[LesionKind, ...] = get_args(LesionKind)
SEED = 18_000
"""Of the pictures in the recipe's table."""
NEAR = 6 / 128
"""A map's largest value counts as on a lesion within this of its mask, as a fraction of the side: less than a token of 8 pixels."""

_SIDES = (("left", "right"), ("right", "left"))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TwoLesionCase:
    """One picture, two questions.

    Attributes:
        kind: of its lesions.
        domain: of the picture.
        number: of the draw within kind and domain; with the seed it names the picture.
        plane: (side, side) in [0, 1].
        masks: of the first and the second lesion.
        sentences: of each.
        findings: ids, "" for a free look.
    """

    kind: LesionKind
    domain: DomainName
    number: int
    plane: Plane
    masks: tuple[MaskPlane, MaskPlane]
    sentences: tuple[str, str]
    findings: tuple[str, str]

    @property
    def key(self) -> str:
        """Kind, domain and number: the same for the same picture, whichever model is asked."""
        return f"{self.kind}/{self.domain}/{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Landing:
    """Where a map lies: right by mean and right by maximum, each 1, 0, or a half where the map cannot tell (it is constant)."""

    by_mean: float
    by_maximum: float


def draw_cases(
    kind: LesionKind, *, each: int, side: int, seed: int = SEED, domains: Sequence[DomainName] = DOMAINS
) -> Iterator[TwoLesionCase]:
    """Pictures of one kind, `each` for every domain.

    Args:
        kind: of the lesions.
        each: how many for a domain.
        side: of the pictures, in pixels.
        seed: of all draws; a case depends on it, its kind, domain and number alone.
        domains: whose pictures.
    """
    for domain in (one for one in DOMAINS if one in domains):
        found = number = 0
        while found < each:
            rng = np.random.default_rng((seed, KINDS.index(kind), DOMAINS.index(domain), number))
            case = _case(kind, domain, number, rng, side)
            number += 1
            if case is not None:
                found += 1
                yield case


def landing(map_: Plane, *, own: MaskPlane, other: MaskPlane) -> Landing:
    """Whether a map over a picture lies on the lesion that was asked for.

    By mean: its mean in the own mask is larger than in the other. By maximum: its largest value lies on the own lesion or
    within `NEAR` of it; anywhere else, in the other lesion or beside both, is wrong.

    Raises:
        InputError: a mask is empty.
    """
    if not (own.any() and other.any()):
        raise InputError(f"a map {map_.shape} needs two masks of its shape that hold some, got an empty one")
    if np.ptp(map_) == 0:
        return Landing(by_mean=0.5, by_maximum=0.5)
    grown = ndimage.distance_transform_edt(~own) <= NEAR * len(map_)
    place = np.unravel_index(int(map_.argmax()), map_.shape)
    mean, away = float(map_[own].mean()), float(map_[other].mean())
    return Landing(by_mean=(np.sign(mean - away) + 1) / 2, by_maximum=float(grown[place]))


def _case(
    kind: LesionKind, domain: DomainName, number: int, rng: np.random.Generator, side: int
) -> TwoLesionCase | None:
    sides = ("", "") if domain == "ultrasound" else _SIDES[int(rng.integers(2))]
    found = _free(domain, rng) if kind == "free" else _named(domain, rng, held_out=kind == "held-out")
    if found is None:
        return None
    looks, sentences, ids = found
    first, second = (replace(look, side=at) for look, at in zip(looks, sides, strict=True))
    drawn = draw_two(domain, first, second, rng, side=side)
    if drawn is None:
        return None
    one, other = drawn.masks
    if not (is_seen(domain, first, drawn.plane, one, other) and is_seen(domain, second, drawn.plane, other, one)):
        return None
    return TwoLesionCase(
        kind=kind, domain=domain, number=number, plane=drawn.plane, masks=drawn.masks, sentences=sentences, findings=ids
    )


_Found = tuple[tuple[Attributes, Attributes], tuple[str, str], tuple[str, str]]


def _free(domain: DomainName, rng: np.random.Generator) -> _Found | None:
    """Two looks that differ in brightness and shape, all of each said."""
    looks = draw_look(domain, rng), draw_look(domain, rng)
    if not all(told_apart(domain, name, *(getattr(one, name) for one in looks)) for name in ("shape", "intensity")):
        return None
    wording = Wording.draw(domain, rng)
    first, second = (wording.sentence(wording.lesion(look)) for look in looks)
    return looks, (first, second), ("", "")


def _named(domain: DomainName, rng: np.random.Generator, *, held_out: bool) -> _Found | None:
    """Two findings of one lesion each, told apart by shape, brightness or texture; the held-out one comes first."""
    pools = [_single(domain, held_out=held_out), _single(domain, held_out=False)]
    first, second = (pool[int(rng.integers(len(pool)))] for pool in pools)
    names = ("shape", "intensity", "texture")
    if not any(told_apart(domain, name, getattr(first, name), getattr(second, name)) for name in names):
        return None
    frame = int(rng.integers(5))
    sentences = canonical_descriptions(first)[frame], canonical_descriptions(second)[frame]
    return (first.draw(rng), second.draw(rng)), sentences, (first.id, second.id)


def _single(domain: DomainName, *, held_out: bool) -> tuple[Finding, ...]:
    """Findings of one lesion that is drawn anywhere in the organ; enlarged nodes have stations of their own."""
    return tuple(
        finding
        for finding in findings_of(domain, held_out=held_out)
        if finding.drawn_by == "lesion" and finding.number == "single" and finding.id != "ct_adenopathy"
    )
