"""The distance from each of many points to the nearest of many others that are all far away, exactly.

A tree has to look at every point that is about as far as the nearest one, and of a surface far away these are many. Here the
points that ask lie in boxes, which are halved again and again. Of a box, those that could be nearest anywhere in it are kept:
one is given up as soon as the point nearest to the middle is nearer in all of the box, which is so where the plane halfway
between the two does not cut it. The smaller the box, the fewer are left, however far they are.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64, Int64
from numpy.typing import NDArray

AT_ONCE = 100_000  # pairs of a box and a point, so that they stay in the processor's cache
FEW_ASK = 16  # in a box that is not halved any more
FEW_LEFT = 4  # points, among which it is quicker to look

Columns = Float64[np.ndarray, "axes points"]
OfBoxes = Int64[np.ndarray, " boxes"]
Indices = NDArray[np.int64]


def far_distances(
    asking: Float64[np.ndarray, "asking axes"], points: Float64[np.ndarray, "points axes"]
) -> Float64[np.ndarray, " asking"]:
    """From each that asks to the nearest point; at least one of each has to be there."""
    search = _Search(asking, points)
    return search.away


@dataclass(frozen=True, slots=True, kw_only=True)
class _Boxes:
    """Parts of two lists: where each box begins among those that ask, how many they are, and the same of what is left for it."""

    asks: OfBoxes
    asking: OfBoxes
    first: OfBoxes
    left: OfBoxes
    candidates: Int64[np.ndarray, " candidates"]

    def __getitem__(self, which: "slice | Indices") -> "_Boxes":
        return replace(
            self, asks=self.asks[which], asking=self.asking[which], first=self.first[which], left=self.left[which]
        )


class _Search:
    """Answers all that ask; `order` is changed so that those of a box stand side by side."""

    def __init__(self, asking: NDArray[np.float64], points: NDArray[np.float64]) -> None:
        self.asking, self.points = np.ascontiguousarray(asking.T), np.ascontiguousarray(points.T)
        self.order, self.away = np.arange(len(asking)), np.zeros(len(asking))
        zero, all_points = np.zeros(1, np.int64), np.arange(len(points))
        waiting = [
            _Boxes(asks=zero, asking=zero + len(asking), first=zero, left=zero + len(points), candidates=all_points)
        ]
        while waiting:
            boxes = waiting.pop()
            half = len(boxes.asks) // 2
            if half and boxes.left.sum() > AT_ONCE:
                waiting += [boxes[:half], boxes[half:]]
            else:
                waiting += self._smaller(boxes)

    def _smaller(self, boxes: _Boxes) -> list[_Boxes]:
        """Halves of the boxes with what is left for them; small ones are answered."""
        here = self.asking[:, self.order[_spread(boxes.asks, boxes.asking)]]
        begins = _begins(boxes.asking)
        low, high = np.minimum.reduceat(here, begins, axis=1), np.maximum.reduceat(here, begins, axis=1)
        middle, sides = (low + high) / 2, high - low
        boxes = self._pruned(boxes, middle, sides)
        small = (boxes.asking <= FEW_ASK) | (boxes.left <= FEW_LEFT) | ~sides.any(axis=0)
        if small.any():
            self._answer(boxes[np.flatnonzero(small)])
        large = np.flatnonzero(~small)
        return [self._halved(boxes[large], middle[:, large], sides[:, large])] if len(large) else []

    def _pruned(self, boxes: _Boxes, middle: Columns, sides: Columns) -> _Boxes:
        """The boxes without the points that another one is nearer than in all of the box.

        From the middle m to a corner the difference of two squared distances, to p and to q, changes by twice
        (p - q) . (corner - m), so at most by |p - q| . sides.
        """
        candidates, begins = boxes.candidates[_spread(boxes.first, boxes.left)], _begins(boxes.left)
        apart = self.points[:, candidates] - np.repeat(middle, boxes.left, axis=1)
        farther = np.einsum("ij,ij->j", apart, apart)
        farther -= np.repeat(np.minimum.reduceat(farther, begins), boxes.left)
        nearest = np.flatnonzero(farther == 0)
        nearest = nearest[np.searchsorted(nearest, begins)]  # one of each box
        apart -= np.repeat(apart[:, nearest], boxes.left, axis=1)
        np.abs(apart, out=apart)
        apart *= np.repeat(sides, boxes.left, axis=1)
        kept = farther <= sum(apart[1:], start=apart[0])  # quicker than a sum along so short an axis
        left = np.add.reduceat(kept, begins, dtype=np.int64)
        return replace(boxes, candidates=candidates[kept], first=_begins(left), left=left)

    def _halved(self, boxes: _Boxes, middle: Columns, sides: Columns) -> _Boxes:
        """Each box cut across its longest side."""
        at, number = _spread(boxes.asks, boxes.asking), np.arange(len(boxes.asks))
        axis, who = np.argmax(sides, axis=0), self.order[at]
        of = np.repeat(number, boxes.asking)
        upper = self.asking[axis[of], who] > middle[axis, number][of]
        self.order[at] = who[np.argsort(2 * of + upper, kind="stable")]
        above = np.add.reduceat(upper, _begins(boxes.asking), dtype=np.int64)
        below = boxes.asking - above
        return _Boxes(
            asks=np.stack([boxes.asks, boxes.asks + below], axis=1).ravel(),
            asking=np.stack([below, above], axis=1).ravel(), first=np.repeat(boxes.first, 2), left=np.repeat(boxes.left, 2),
            candidates=boxes.candidates,
        )  # fmt: skip

    def _answer(self, boxes: _Boxes) -> None:
        """Look at all that is left of each box, for each that asks in it."""
        who = self.order[_spread(boxes.asks, boxes.asking)]
        first, left = np.repeat(boxes.first, boxes.asking), np.repeat(boxes.left, boxes.asking)
        ends, begin = np.cumsum(left), 0
        while begin < len(who):
            end = max(begin + 1, int(np.searchsorted(ends, ends[begin] + AT_ONCE)))
            some = slice(begin, end)
            apart = self.points[:, boxes.candidates[_spread(first[some], left[some])]]
            apart -= np.repeat(self.asking[:, who[some]], left[some], axis=1)
            squares = np.einsum("ij,ij->j", apart, apart)
            self.away[who[some]] = np.sqrt(np.minimum.reduceat(squares, _begins(left[some])))
            begin = end


def _begins(counts: Indices) -> Indices:
    """Where each part begins in a list of all parts, one after the other."""
    return np.cumsum(counts) - counts


def _spread(starts: Indices, counts: Indices) -> Indices:
    """The indices of all parts: from each start so many."""
    return np.arange(int(counts.sum())) + np.repeat(starts - _begins(counts), counts)
