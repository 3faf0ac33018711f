"""The distance from each of many points to the nearest of many others that are all far away, exactly.

A tree has to look at every point that is about as far as the nearest one, and of a surface far away these are many. Here both
the points that ask and the others lie in cells, which are halved again and again. Of a cell that asks, those others are kept that
may hold the nearest point of anywhere in it: one is given up as soon as some point is nearer in all of the asking cell, which
is so where no plane halfway between the two cuts it. The smaller the cells, the fewer are left, however far they are.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64, Int64
from numpy.typing import NDArray

from medkt.metrics.cells import Cells, Columns, Indices

AT_ONCE = 100_000  # pairs of two cells, so that they stay in the processor's cache
LARGE = 0.5  # of the side of a cell that asks: the others are halved first where theirs are not shorter

OfBoxes = Int64[np.ndarray, " boxes"]


def far_distances(
    asking: Float64[np.ndarray, "asking axes"], points: Float64[np.ndarray, "points axes"]
) -> Float64[np.ndarray, " asking"]:
    """From each that asks to the nearest point; at least one of each has to be there."""
    return _Search(Cells.of(asking), Cells.of(points)).away


@dataclass(frozen=True, slots=True, kw_only=True)
class _Boxes:
    """Cells that ask, of one level, and where in the list of what is left that of each begins and how long it is.

    Attributes:
        level, cells: those that ask.
        other, left_over: the level of the others, one beyond the last for points, and which of them.
        first, left: of each cell.
    """

    level: int
    cells: OfBoxes
    other: int
    first: OfBoxes
    left: OfBoxes
    left_over: Int64[np.ndarray, " others"]

    def __getitem__(self, which: slice) -> "_Boxes":
        return replace(self, cells=self.cells[which], first=self.first[which], left=self.left[which])


class _Search:
    """Answers all that ask, in the order in which they came."""

    def __init__(self, asking: Cells, others: Cells) -> None:
        self._asking, self._others = asking, others
        self.away = np.zeros(len(asking.order))
        zero = np.zeros(1, np.int64)
        waiting = [_Boxes(level=0, cells=zero, other=0, first=zero, left=zero + 1, left_over=zero)]
        while waiting:
            boxes = waiting.pop()
            half = len(boxes.cells) // 2
            if half and boxes.left.sum() > AT_ONCE:
                waiting += [boxes[:half], boxes[half:]]
                continue
            boxes = self._pruned(boxes)
            if boxes.other == len(others.levels) and boxes.level == len(asking.levels) - 1:
                self._answer(boxes)
            else:
                waiting.append(self._halved(boxes))

    def _pruned(self, boxes: _Boxes) -> _Boxes:
        """The boxes without the others that a point is nearer than in all of the box.

        From the middle m to a corner the difference of two squared distances, to p and to q, changes by twice
        (p - q) . (corner - m), so at most by |p - q| . sides.
        """
        level = self._asking.levels[boxes.level]
        low, high = level.low[:, boxes.cells], level.high[:, boxes.cells]
        middle, sides = (low + high) / 2, high - low
        over, begins = boxes.left_over[_spread(boxes.first, boxes.left)], _begins(boxes.left)
        apart = self._one_of(boxes.other, over) - np.repeat(middle, boxes.left, axis=1)
        squares = np.einsum("ij,ij->j", apart, apart)
        least = np.repeat(np.minimum.reduceat(squares, begins), boxes.left)
        nearest = np.flatnonzero(squares == least)
        nearest = nearest[np.searchsorted(nearest, begins)]  # one of each box
        near = apart[:, nearest]
        if boxes.other == len(self._others.levels):
            apart -= np.repeat(near, boxes.left, axis=1)
            np.abs(apart, out=apart)
            apart *= np.repeat(sides, boxes.left, axis=1)
            lowest = squares - sum(apart[1:], start=apart[0])  # quicker than a sum along so short an axis
        else:
            lowest = self._lowest(boxes, over, middle, sides, near)
        kept = lowest <= least
        kept[nearest] = True
        left = np.add.reduceat(kept, begins, dtype=np.int64)
        return replace(boxes, left_over=over[kept], first=_begins(left), left=left)

    def _lowest(
        self, boxes: _Boxes, over: Indices, middle: Columns, sides: Columns, near: Columns
    ) -> NDArray[np.float64]:
        """The least that |p - m|² - |p - q| . sides is for any p in each cell: axis by axis, half a side from the middle m.

        There either half of the function turns; at q, `near`, between them it has no least value.
        """
        cells, whole = self._others.levels[boxes.other], np.zeros(len(over))
        for low, high, m, side, q in zip(cells.low, cells.high, middle, sides, near, strict=True):
            m, side, q = (np.repeat(one, boxes.left) for one in (m, side, q))
            start, end, turn = low[over] - m, high[over] - m, side / 2
            right = np.minimum(np.maximum(turn, start), end)
            left = np.minimum(np.maximum(-turn, start), end)
            whole += np.minimum(right * right - np.abs(right - q) * side, left * left - np.abs(left - q) * side)
        return whole

    def _one_of(self, other: int, over: Indices) -> Columns:
        """A point of each cell, from amid it; of points themselves."""
        if other < len(self._others.levels):
            cells = self._others.levels[other]
            over = (cells.first + cells.counts // 2)[over]
        return self._others.points[:, over]

    def _halved(self, boxes: _Boxes) -> _Boxes:
        """The others one level down, or those that ask: never both, for either makes the list longer before it is pruned."""
        finest = boxes.level == len(self._asking.levels) - 1
        large = self._others.side / 2**boxes.other >= LARGE * self._asking.side / 2**boxes.level
        if boxes.other < len(self._others.levels) and (finest or large):
            cells = self._others.levels[boxes.other]
            children = cells.children[boxes.left_over]
            left = np.add.reduceat(children, boxes.first)
            over = _spread(cells.child[boxes.left_over], children)
            return replace(boxes, other=boxes.other + 1, left_over=over, first=_begins(left), left=left)
        own = self._asking.levels[boxes.level]
        counts = own.children[boxes.cells]
        return replace(
            boxes, level=boxes.level + 1, cells=_spread(own.child[boxes.cells], counts),
            first=np.repeat(boxes.first, counts), left=np.repeat(boxes.left, counts),
        )  # fmt: skip

    def _answer(self, boxes: _Boxes) -> None:
        """Look at all that is left of each box, for each that asks in it."""
        cells = self._asking.levels[boxes.level]
        counts = cells.counts[boxes.cells]
        who = _spread(cells.first[boxes.cells], counts)
        first, left = np.repeat(boxes.first, counts), np.repeat(boxes.left, counts)
        ends, begin = np.cumsum(left), 0
        while begin < len(who):
            end = max(begin + 1, int(np.searchsorted(ends, ends[begin] + AT_ONCE)))
            some = slice(begin, end)
            apart = self._others.points[:, boxes.left_over[_spread(first[some], left[some])]]
            apart -= np.repeat(self._asking.points[:, who[some]], left[some], axis=1)
            squares = np.einsum("ij,ij->j", apart, apart)
            self.away[self._asking.order[who[some]]] = np.sqrt(np.minimum.reduceat(squares, _begins(left[some])))
            begin = end


def _begins(counts: Indices) -> Indices:
    """Where each part begins in a list of all parts, one after the other."""
    return np.cumsum(counts) - counts


def _spread(starts: Indices, counts: Indices) -> Indices:
    """The indices of all parts: from each start so many."""
    return np.arange(int(counts.sum())) + np.repeat(starts - _begins(counts), counts)
