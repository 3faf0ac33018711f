"""What no study of a modality is, whatever a model makes of it: colour, few grey levels, noise, a size that no patient has."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from medkt.guard.greys import content, grain_of
from medkt.presence import Sight
from medkt.resources import data_yaml

_ASKED = 1 << 16  # pixels of a plane whose grey levels are counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """One thing that a study of a modality does not do.

    Attributes:
        code: of a `Reason`.
        said: what it is, to be read after "it".
        figures: what was measured and the limit, by name.
    """

    code: str
    said: str
    figures: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Of `configs/guard.yaml`; by modality where they differ."""

    fewest_levels: int
    least_grain: float
    most_colour: Mapping[str, float]
    smallest_mm: Mapping[str, float]


@cache
def limits() -> Limits:
    """Those that ship with medkt."""
    raw: Any = data_yaml("configs/guard.yaml")
    return Limits(
        fewest_levels=int(raw["levels"]["fewest"]), least_grain=float(raw["noise"]["least"]),
        most_colour={name: float(most) for name, most in raw["colour"].items() if name != "source"},
        smallest_mm={name: float(least) for name, least in raw["smallest_mm"].items() if name != "source"},
    )  # fmt: skip


def plain_doubts(sight: Sight) -> tuple[Doubt, ...]:
    """What can be said against a study without asking a model."""
    return tuple(_doubts(sight, limits(), sight.domain.name))


def _doubts(sight: Sight, known: Limits, modality: str) -> Iterator[Doubt]:
    colour = sight.image.colour
    if colour > known.most_colour.get(modality, 1.0):
        figures = {"colour": colour, "most_colour": known.most_colour[modality]}
        yield Doubt(code="colour", said=f"is a picture in colour ({colour:.0%} of it)", figures=figures)
    plane = sight.show(sight.indices[len(sight.indices) // 2])
    levels = len(np.unique(plane.ravel()[:: max(1, plane.size // _ASKED)]))
    if levels < known.fewest_levels:
        figures = {"levels": float(levels), "fewest_levels": float(known.fewest_levels)}
        yield Doubt(code="few-levels", said=f"has {levels} grey levels, as a drawing or a mask has", figures=figures)
    grain = grain_of(content(plane))
    if grain < known.least_grain and levels >= known.fewest_levels:
        said = "is noise: neighbouring pixels have nothing to do with each other"
        yield Doubt(code="noise", said=said, figures={"likeness": grain, "least_likeness": known.least_grain})
    yield from _size(sight, known.smallest_mm.get(modality, 0.0))


def _size(sight: Sight, least: float) -> Iterator[Doubt]:
    geometry = sight.image.geometry
    sides = [n * step for axis, (n, step) in enumerate(zip(geometry.shape, geometry.spacing, strict=True))
             if axis != sight.planes.axis]  # fmt: skip
    if geometry.unit == "mm" and max(sides) < least:
        said = f"is {max(sides):.3g} mm large, smaller than a patient is shown"
        yield Doubt(code="small", said=said, figures={"longer_side_mm": max(sides), "smallest_mm": least})
