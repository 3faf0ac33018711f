"""Points in cells of a grid that is halved along every axis again and again, so that those of a cell stand side by side."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray

MOST_HALVINGS = 10  # the last digits of so many along three axes fit into one number
IN_A_CELL = 22  # a surface of n points has a cell for so many at the finest level, or a few times as many
Columns = Float64[np.ndarray, "axes points"]
Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class CellLevel:
    """The cells after so many halvings that hold a point, in order.

    Attributes:
        first: point of each.
        counts: how many points each holds.
        low, high: (axes, cells) of the box around them.
        child, children: the first cell of the next level that lies in it, and how many do; of the last level, points.
    """

    first: Indices
    counts: Indices
    low: Columns
    high: Columns
    child: Indices
    children: Indices


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """Points by cell.

    Attributes:
        points: (axes, points), those of a cell one after the other.
        order: where each stood.
        side: of the first cell.
        levels: from one cell that holds all to the finest.
    """

    points: Columns
    order: Indices
    side: float
    levels: tuple[CellLevel, ...]

    @classmethod
    def of(cls, points: Float64[np.ndarray, "points axes"]) -> "Cells":
        """At least one point."""
        halvings = min(MOST_HALVINGS, max(1, round(np.log2(len(points) / IN_A_CELL) / 2)))
        side = float(np.ptp(points, axis=0).max())
        codes = _codes(points, halvings, side)
        order = np.argsort(codes, kind="stable")
        codes, ordered = codes[order], np.ascontiguousarray(points[order].T)
        levels: list[CellLevel] = []
        low, high, starts = ordered, ordered, np.arange(len(points))
        for left in range(halvings + 1):  # from the finest up
            within = codes[starts] >> (left * points.shape[1])
            child = np.flatnonzero(np.concatenate([[True], within[1:] != within[:-1]]))
            low, high = np.minimum.reduceat(low, child, axis=1), np.maximum.reduceat(high, child, axis=1)
            children, starts = np.diff(child, append=len(starts)), starts[child]
            levels.append(
                CellLevel(
                    first=starts, counts=np.diff(starts, append=len(points)), low=low, high=high, child=child,
                    children=children,
                )
            )  # fmt: skip
        return cls(points=ordered, order=order, side=side, levels=tuple(reversed(levels)))


def _codes(points: Float64[np.ndarray, "points axes"], halvings: int, side: float) -> Indices:
    """Of each point the cell that holds it, so that cells which lie in one cell of a level follow each other (Morton's order)."""
    places = ((points - points.min(axis=0)) * ((2**halvings - 0.5) / (side or 1.0))).astype(np.int64)
    codes = np.zeros(len(points), np.int64)
    for bit in range(halvings):
        for axis, place in enumerate(places.T):
            codes |= (place >> bit & 1) << (bit * points.shape[1] + axis)
    return codes
