"""Which studies of an unlabelled pool show the finding, as far as asking tells: those that stand out, or none.

A study of the pool stands out where it leads by more than every study of a comparison that does not show the finding. If the pool
held no study of the finding, its studies and those of the comparison could change places; that the m highest of all then lie in the pool has
the probability n (n-1) ... / (n+c) (n+c-1) ..., m factors each, for n studies of the pool and c to compare with. Where that is not
small, nothing stands out, and nothing is picked: learning from wrong picks would teach the wrong thing.
"""

import math

import numpy as np
from jaxtyping import Float64, Int64
from numpy.typing import NDArray

from medkt.errors import InputError

MOST_PICKED = 16
CHANCE = 0.01
"""The probability from which on nothing stands out."""


def pick(
    pool: Float64[np.ndarray, " pool"], comparison: Float64[np.ndarray, " comparison"], *, most: int = MOST_PICKED
) -> Int64[np.ndarray, " picked"]:
    """Which studies of a pool are taken to show the finding, the one that leads most first.

    Args:
        pool: by how much each study leads.
        comparison: the same of studies that do not show the finding, of the same kind as the pool's.
        most: picked at most.

    Raises:
        InputError: nothing stands out, or there is nothing to compare with.
    """
    if not len(pool) or not len(comparison):
        raise InputError(f"a pool is picked from beside other studies; got {len(pool)} and {len(comparison)} of them")
    above = int((pool > comparison.max()).sum())
    chance = by_chance(above, len(pool), len(comparison))
    if chance > CHANCE:
        raise InputError(
            f"nothing stands out in the pool: {above} of its {len(pool)} studies lead by more than all {len(comparison)} that they are "
            f"compared with, which happens by chance with a probability of {chance:.2g}; give labelled studies with --images, or a "
            "larger pool, or learn from words alone"
        )
    order: NDArray[np.int64] = np.argsort(-pool, kind="stable")
    return order[: min(above, most)]


def by_chance(above: int, pool: int, comparison: int) -> float:
    """The probability that so many of the highest all lie in the pool, if nothing tells its studies from the others.

    >>> by_chance(1, 50, 50), round(by_chance(2, 50, 50), 4)
    (0.5, 0.2475)
    """
    every = pool + comparison
    return math.prod(((pool - place) / (every - place) for place in range(above)), start=1.0)
