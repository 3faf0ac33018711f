"""Where the published k-means stops: two clusters of grey levels by ten k-means++ starts and a tolerance.

MedCLIP-SAMv2 clusters the 8-bit map with scikit-learn 1.0.2, seed 10 (Arthur and Vassilvitskii, k-means++: The Advantages
of Careful Seeding, SODA 2007; Lloyd, Least Squares Quantization in PCM, 1982). The best 2-means partition of grey levels is
Otsu's, but an iteration that ends as soon as its centres move little may stop a level beside it. To have the same level the
same starts are drawn, from NumPy's `RandomState`, whose numbers are promised not to change.
"""

import numpy as np
from jaxtyping import Float64, Int

STARTS, SEED, TOLERANCE, MOST_STEPS = 10, 10, 1e-4, 300
_CANDIDATES = 2  # for the second centre: 2 + floor(ln 2)

Centres = tuple[float, float]


def published_level(levels: Int[np.ndarray, " pixels"]) -> int | None:
    """The last level of the darker cluster; None where fewer than two levels occur.

    Args:
        levels: 0 to 255, in reading order: the starts are drawn by place.
    """
    values, counts = np.unique(levels, return_counts=True)
    if len(values) < 2:
        return None
    pixels = levels / 255
    mean = pixels.mean()
    pixels, weighed = pixels - mean, values / 255 - mean
    small = TOLERANCE * float(pixels.var())
    random = np.random.RandomState(SEED)
    best, level = np.inf, 0
    for _ in range(STARTS):
        darker, inertia = _lloyd(weighed, counts, _start(pixels, random), small)
        if inertia < best:
            best, level = inertia, int(values[darker][-1])
    return level


def _start(pixels: Float64[np.ndarray, " pixels"], random: np.random.RandomState) -> Centres:
    """A pixel drawn evenly; then of two drawn by their squared distance to it the one that leaves less to be explained."""
    first = pixels[random.randint(len(pixels))]
    squares = (pixels - first) ** 2
    drawn = random.random_sample(_CANDIDATES) * squares.sum()
    places = np.minimum(np.searchsorted(np.cumsum(squares), drawn), len(pixels) - 1)
    left = [np.minimum(squares, (pixels - pixels[place]) ** 2).sum() for place in places]
    return float(first), float(pixels[places[int(np.argmin(left))]])


def _lloyd(
    values: Float64[np.ndarray, " levels"], counts: Int[np.ndarray, " levels"], centres: Centres, small: float
) -> tuple[np.ndarray, float]:
    """Which values are of the darker cluster in the end, and the sum of squares within both."""
    low, high = min(centres), max(centres)
    before: np.ndarray | None = None
    for _ in range(MOST_STEPS):
        darker = values <= (low + high) / 2
        if before is not None and np.array_equal(darker, before):
            break
        moved = tuple(float(np.average(values[part], weights=counts[part])) for part in (darker, ~darker))
        shift = (moved[0] - low) ** 2 + (moved[1] - high) ** 2
        (low, high), before = moved, darker
        if shift <= small:  # the clusters are still those of the centres as they were: once more, and no further
            darker = values <= (low + high) / 2
            break
    inertia = np.where(darker, (values - low) ** 2, (values - high) ** 2) @ counts
    return darker, float(inertia)
