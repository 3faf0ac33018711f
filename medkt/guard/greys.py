"""What a plane looks like in numbers that no model makes: contrast by scale, grey levels, symmetry, and where light lies.

Noise, drawings, text and photographs differ from studies in these whatever they show. All are of the part of the plane that
holds something, so that padding changes none of them, and of a copy whose longest side is 128 pixels, so that a finer grid
changes little.
"""

from itertools import pairwise

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray
from PIL import Image as Picture

from medkt.shapes import Plane

Numbers = Float64[np.ndarray, " numbers"]
Grey = NDArray[np.float32]

SIDE = 128  # pixels of the longest side
_LEVELS = 4  # of the pyramid: bands of 1 to 16 pixels
_EVEN = 1 << _LEVELS
_NOTHING = 2 / 255  # a row or column that varies less is border
_FEWEST = 8  # rows and columns that make a picture
_FLAT = 1 / 512
_LEAST = 1e-3
_CELLS = 8  # of the coarse picture, along each side
_PERCENTS = (2, 10, 25, 50, 75, 90, 98)
GREYS = 94


def greys_of(plane: Plane) -> Numbers:
    """(`GREYS`,) numbers of a plane in [0, 1]: 30 of contrast, grey levels and symmetry, then 8 x 8 cells of the plane."""
    held = content(plane)
    rows, columns = held.shape
    scale = SIDE / max(rows, columns)
    small = _resized(held, *(max(_EVEN, round(side * scale) // _EVEN * _EVEN) for side in (rows, columns)))
    coarse = _resized(held, 2 * _CELLS, 2 * _CELLS)
    shape = [
        _alike(coarse, coarse[:, ::-1]),
        _alike(coarse, coarse[::-1]),
        grain_of(held),
        float(np.log(rows / columns)),
    ]
    return np.array([*_contrast(small), *_histogram(small), *shape, *_halved(coarse).ravel()], np.float64)


def content(plane: Plane) -> Grey:
    """The plane without border rows and columns that hold one grey level; the whole plane where nothing else is left."""
    rows, columns = (np.flatnonzero(plane.max(axis) - plane.min(axis) > _NOTHING) for axis in (1, 0))
    if min(len(rows), len(columns)) < _FEWEST:
        return np.asarray(plane, np.float32)
    return np.asarray(plane[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], np.float32)


def _contrast(small: Grey) -> list[float]:
    """Of each band of a pyramid its share, its tails, and how much of it runs across; then how alike bands lie."""
    spread = max(float(small.std()), _LEAST)
    numbers, places, level = [float(np.log(spread))], [], small
    for _ in range(_LEVELS):
        coarser = _halved(level)
        band = level - coarser.repeat(2, 0).repeat(2, 1)
        squared = band * band
        power = float(squared.mean())
        tails = float((squared * squared).mean()) / max(power * power, 1e-12)
        down, across = (float(np.abs(np.diff(level, axis=axis)).mean()) + _LEAST / 10 for axis in (0, 1))
        numbers += [
            0.5 * float(np.log(power / spread**2 + 1e-6)),
            float(np.log(tails + 1)),
            float(np.log(down / across)),
        ]
        places.append(_halved(np.abs(band)))
        level = coarser
    return numbers + [_alike(_halved(fine), coarse) for fine, coarse in pairwise(places)]


def _histogram(small: Grey) -> list[float]:
    shares = np.histogram(small, 32, (0, 1))[0] / small.size
    entropy = -float(sum(share * np.log(share) for share in shares[shares > 0]))
    flat = float((np.abs(np.diff(small, axis=1)) < _FLAT).mean())
    return [*map(float, np.percentile(small, _PERCENTS)), float(small.mean()), entropy, flat]


def grain_of(held: Grey) -> float:
    """How like its neighbour a pixel is, at the picture's own resolution: 0 for noise, near 1 for what a machine makes."""
    some = held[:512, :512] if held.size > 512 * 512 else held
    return _alike(some[:, 1:], some[:, :-1])


def _alike(one: Grey, other: Grey) -> float:
    a, b = (values.astype(np.float64).ravel() - float(values.mean()) for values in (one, other))
    length = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / length if length > 1e-9 else 0.0


def _halved(values: Grey) -> Grey:
    rows, columns = values.shape
    return np.asarray(values.reshape(rows // 2, 2, columns // 2, 2).mean((1, 3)), np.float32)


def _resized(values: Grey, rows: int, columns: int) -> Grey:
    shrunk = Picture.fromarray(np.ascontiguousarray(values)).resize(
        (columns, rows), Picture.Resampling.BILINEAR, reducing_gap=3.0
    )
    return np.asarray(shrunk, np.float32)
