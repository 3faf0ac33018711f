"""Nearest neighbour as OpenCV has it, which published code relies on: a cell takes what its upper left corner falls in.

medkt's own code takes what a cell's centre falls in. The two agree where one side is a multiple of the other and it is
enlarged; else they differ by up to one cell, always towards the beginning.
"""

import numpy as np
from jaxtyping import Int


def corner_nearest(to: int, of: int) -> Int[np.ndarray, " to"]:
    """For each of `to` cells which out of `of` it takes: floor(i / (to / of)), at most the last.

    >>> corner_nearest(5, 3).tolist()
    [0, 0, 1, 1, 2]
    """
    step = 1 / (to / of)  # of / to is another number in some last digits, and another row at 300 x 200
    places: Int[np.ndarray, " to"] = np.minimum(np.floor(np.arange(to) * step).astype(np.int64), of - 1)
    return places
