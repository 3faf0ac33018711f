"""The boundary of a mask in elements: where it passes between pixels or voxels, and how long or large each piece is.

An element sits at a corner where 2 x 2 pixels, or 2 x 2 x 2 voxels, do not all agree; which of them are inside (a code of 4
or 8 bits) says how the boundary passes there. In a plane it joins the middles of the edges that it crosses. In a volume
it is the surface that marching cubes (Lorensen and Cline 1987) lay between them; where more than half of the voxels are inside, that
of the voxels outside. So it is in DeepMind's surface-distance (Nikolov et al. 2021, arXiv:1809.04430) and in MONAI.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import scipy
from jaxtyping import Float64, Int64
from numpy.typing import NDArray

from medkt.metrics.far import far_distances
from medkt.metrics.overlap import BoolArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Boundary:
    """The elements of one mask, in the order of the corners of its grid.

    Attributes:
        corners: the flat index of each among the corners of the grid; a grid of n pixels has n + 1 corners along an axis.
        sizes: the length (plane) or area (volume) of each.
        grid: the number of corners along each axis.
        steps: the spacing.
    """

    corners: Int64[np.ndarray, " elements"]
    sizes: Float64[np.ndarray, " elements"]
    grid: tuple[int, ...]
    steps: tuple[float, ...]

    def points(self) -> Float64[np.ndarray, "elements axes"]:
        """(elements, axes), in the spacing's unit from the first corner."""
        places: Float64[np.ndarray, "elements axes"] = (
            np.stack(np.unravel_index(self.corners, self.grid), axis=1) * self.steps
        )
        return places


def boundary_of(mask: BoolArray, spacing: Sequence[float]) -> Boundary:
    """The elements of a mask, (rows, columns) or (slices, rows, columns); the grid's edge counts as boundary.

    Args:
        mask: where it is.
        spacing: one positive step along each axis.
    """
    corners, codes = _elements(mask if mask.ndim == 3 else mask[None])
    if mask.ndim == 2:  # between nothing and the plane: the code of the plane stands in the upper four bits
        first = corners < (mask.shape[0] + 1) * (mask.shape[1] + 1)
        corners, codes = corners[first], codes[first] >> 4
        kept = codes < 15  # amid the plane
        corners, codes = corners[kept], codes[kept]
    steps = tuple(spacing)
    table = _areas(steps) if mask.ndim == 3 else _lengths(steps)
    return Boundary(corners=corners, sizes=table[codes], grid=tuple(n + 1 for n in mask.shape), steps=steps)


def _elements(mask: BoolArray) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Corners whose eight voxels do not all agree, and their codes: plane by plane, so that memory is that of a plane."""
    slices, rows, columns = mask.shape
    padded = np.zeros((rows + 2, columns + 2), np.uint8)
    before = np.zeros((rows + 1, columns + 1), np.uint8)
    corners, codes = [], []
    for number in range(slices + 1):
        padded[1:-1, 1:-1] = mask[number] if number < slices else False
        after = _plane_codes(padded)
        code = np.asarray(before | after << 4).ravel()
        here = np.flatnonzero(code - np.uint8(1) < 254)  # neither 0, which becomes 255, nor 255
        corners.append(here + number * code.size)
        codes.append(code[here])
        before = after
    return np.concatenate(corners), np.concatenate(codes)


def _plane_codes(padded: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The code of each 2 x 2 pixels: bit 0 here, bit 1 the next column, bits 2 and 3 the same in the next row."""
    pairs = padded[:, :-1] | padded[:, 1:] << 1
    return np.asarray(pairs[:-1] | pairs[1:] << 2)


@lru_cache(maxsize=64)  # a cohort has few spacings
def _lengths(spacing: tuple[float, float]) -> Float64[np.ndarray, "16"]:
    """The length of boundary by code of four pixels: half a step where two neighbours face two, else cut corners."""
    row, column = spacing
    cut = np.hypot(row, column) / 2
    table = np.full(16, cut)
    table[[0b0000, 0b1111]] = 0
    table[[0b0011, 0b1100]] = column  # two rows differ: the boundary runs along the columns
    table[[0b0101, 0b1010]] = row
    table[[0b0110, 0b1001]] = 2 * cut
    table.setflags(write=False)
    return table


@lru_cache(maxsize=64)
def _areas(spacing: tuple[float, float, float]) -> Float64[np.ndarray, "256"]:
    """The area of surface by code of eight voxels."""
    a, b, c = spacing
    across = np.array([b * c, a * c, a * b])  # what a unit square across each axis measures
    table: NDArray[np.float64] = np.linalg.norm(_triangles() * across, axis=2).sum(axis=1)
    table.setflags(write=False)
    return table


@lru_cache(maxsize=1)
def _triangles() -> Float64[np.ndarray, "256 triangles 3"]:
    """The triangles of each code as vectors across them, as long as their area on a grid of step 1; unused ones are 0."""
    from skimage.measure import marching_cubes

    find: Any = marching_cubes  # it has no types
    vectors = np.zeros((256, 5, 3))
    for code in range(1, 255):
        few = code if code.bit_count() <= 4 else 255 - code
        inside = np.array([few >> bit & 1 for bit in range(8)], np.float32).reshape(2, 2, 2)
        corners, faces, _, _ = find(inside, 0.5, method="lorensen")
        first, second, third = (corners[faces[:, k]].astype(np.float64) for k in range(3))
        vectors[code, : len(faces)] = np.cross(second - first, third - first) / 2
    return vectors


# Microseconds on one core, of which only the ratio counts: a query of the tree for each point that it has to look at, and the
# search in boxes for each element of either boundary.
TREE_US, BOXES_US = 0.025, 2.0
SAMPLED = 32
FEW = 500_000  # so few that the tree is asked in no time, and a sample would take longer


def distances_between(start: Boundary, end: Boundary) -> Float64[np.ndarray, " elements"]:
    """From each element of one boundary to the nearest of the other on the same grid, in the spacing's unit.

    Infinite where the other one is empty. Exact by either of two ways, of which the one that takes less time is gone: a tree of
    the other's elements, or where both are large and far apart, a search in boxes.
    """
    if not len(end.corners):
        return np.full(len(start.corners), np.inf)
    away = np.zeros(len(start.corners))
    apart = ~np.isin(start.corners, end.corners, assume_unique=True)  # what both share is 0 away
    points, others = start.points()[apart], end.points()
    if _looked_at(points, others, end.steps) * TREE_US <= (len(points) + len(others)) * BOXES_US:
        # neither balanced nor compact: a tree is asked once, and building it so would take longer than it saves
        tree = scipy.spatial.KDTree(others, balanced_tree=False, compact_nodes=False)
        away[apart] = tree.query(points)[0]
    else:
        away[apart] = far_distances(points, others)
    return away


def _looked_at(points: NDArray[np.float64], others: NDArray[np.float64], steps: Sequence[float]) -> float:
    """How many points of a tree the queries would have to look at, by a sample: those about as far as the nearest one."""
    if len(points) * len(others) <= FEW:
        return 0.0
    sample, columns = points[:: max(1, len(points) // SAMPLED)], np.ascontiguousarray(others.T)
    looked = 0
    for point in sample:
        away = np.sqrt(sum((column - x) ** 2 for column, x in zip(columns, point, strict=True)))
        looked += int(np.count_nonzero(away <= away.min() + 2 * float(np.mean(steps))))
    return looked * len(points) / len(sample)
