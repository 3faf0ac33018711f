"""Drawn pictures to ask about: what a caption says, lesions beside it, normal studies, and known findings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from medkt.examine.looks import counterparts, is_seen
from medkt.phantom.drawers import DRAWERS, draw_normal
from medkt.phantom.finding import Attributes, DomainName, findings
from medkt.phantom.reading import TELLING, Reading
from medkt.shapes import Plane

FINDING, OTHERS, NORMAL = "finding", "others", "normal"
SIDE = 128
"""Of the pictures, in pixels."""
_TRIES = 8
_CONTRAST, _BRIGHTNESS = (0.8, 1.2), (-0.06, 0.06)


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureCounts:
    """How many pictures of each kind; of `known`, for each finding."""

    finding: int = 80
    others: int = 48
    normal: int = 24
    known: int = 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pictures:
    """Drawn planes in [0, 1], kind after kind.

    Attributes:
        planes: each (side, side).
        kinds: for each: `FINDING`, `OTHERS`, `NORMAL` or the id of a known finding.
        known: ids of the known findings that are drawn.
    """

    planes: tuple[Plane, ...]
    kinds: tuple[str, ...]
    known: tuple[str, ...]


def draw_pictures(reading: Reading, *, known: Sequence[str], counts: PictureCounts, seed: int) -> Pictures:
    """Pictures of what a caption says, of lesions beside it, of known findings, and of normal studies.

    Args:
        reading: of the caption.
        known: ids of the findings that the model is taken to know; those that medkt draws take part.
        counts: how many.
        seed: of all draws; pictures of another seed are others.
    """
    domain, drawn = reading.domain, drawn_of(reading.domain, known)
    makers: list[_Maker] = [
        (FINDING, counts.finding, lambda rng: _lesion(domain, reading.look(rng), rng)),
        (OTHERS, counts.others, lambda rng: _beside(reading, drawn, rng)),
        *_unlesioned(domain, drawn, counts),
    ]
    return _pictures(makers, drawn, (seed,))


def draw_calibration(domain: DomainName, *, known: Sequence[str], counts: PictureCounts, seed: int) -> Pictures:
    """Normal studies and known findings alone, the same for every description of the domain."""
    drawn = drawn_of(domain, known)
    return _pictures(_unlesioned(domain, drawn, counts), drawn, (seed, *domain.encode()))


def drawn_of(domain: DomainName, known: Sequence[str]) -> tuple[str, ...]:
    """Those of the findings that medkt draws in a domain."""
    return tuple(one for one in known if one in findings() and findings()[one].domain == domain)


_Make = Callable[[np.random.Generator], Plane | None]
_Maker = tuple[str, int, _Make]


def _unlesioned(domain: DomainName, drawn: Sequence[str], counts: PictureCounts) -> list[_Maker]:
    normal: _Maker = (NORMAL, counts.normal, lambda rng: draw_normal(domain, rng, side=SIDE))
    return [normal, *((one, counts.known, _known(domain, one)) for one in drawn)]


def _pictures(makers: Sequence[_Maker], known: tuple[str, ...], seed: tuple[int, ...]) -> Pictures:
    planes, kinds = list[Plane](), list[str]()
    for place, (kind, count, make) in enumerate(makers):
        made = _made(make, count, (*seed, place))
        planes += made
        kinds += [kind] * len(made)
    return Pictures(planes=tuple(planes), kinds=tuple(kinds), known=known)


def _made(make: Callable[[np.random.Generator], Plane | None], count: int, seed: tuple[int, ...]) -> list[Plane]:
    """So many pictures, each with other contrast; a draw that does not show what it should is drawn again, a few times."""
    planes: list[Plane] = []
    for number in range(count * _TRIES):
        if len(planes) == count:
            break
        rng = np.random.default_rng((*seed, number))
        plane = make(rng)
        if plane is not None:
            planes.append(_shown(plane, rng))
    return planes


def _shown(plane: Plane, rng: np.random.Generator) -> Plane:
    """Another contrast and brightness, on 256 grey levels."""
    middle, gain, shift = float(plane.mean()), float(rng.uniform(*_CONTRAST)), float(rng.uniform(*_BRIGHTNESS))
    changed = np.clip((plane - middle) * gain + middle + shift, 0, 1)
    return np.asarray(np.rint(changed * 255) / 255, np.float32)


def _lesion(domain: DomainName, attributes: Attributes, rng: np.random.Generator) -> Plane | None:
    drawn = DRAWERS[domain].draw_plane("unnamed", rng, side=SIDE, attributes=attributes)
    return drawn.plane if is_seen(domain, attributes, drawn.plane, drawn.mask) else None


def _beside(reading: Reading, known: Sequence[str], rng: np.random.Generator) -> Plane | None:
    """A lesion that differs in one of shape, brightness and texture, and has no known finding's look."""
    wanted = reading.look(rng)
    identities = {findings()[one].identity for one in known}
    said = [name for name in TELLING if name in reading.said]
    found = [
        one for one in counterparts(reading.domain, wanted, str(rng.choice(said))) if one.identity not in identities
    ]
    return _lesion(reading.domain, found[int(rng.integers(len(found)))], rng) if found else None


def _known(domain: DomainName, finding: str) -> Callable[[np.random.Generator], Plane]:
    def make(rng: np.random.Generator) -> Plane:
        plane: Plane = DRAWERS[domain].draw_plane(finding, rng, side=SIDE).plane
        return plane

    return make
