"""What is lowest, highest and at a percentile among all voxels of a volume.

Exact, from every voxel, and in double precision whatever the type: the same values give the same numbers in whichever order
and type they are stored. Values are counted in buckets that keep their order, and only the few buckets in which a percentile
lies are sorted: a volume is passed over twice and never copied.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64, Shaped
from numpy.typing import NDArray

from medkt.errors import InputError
from medkt.shapes import Voxels

AT_ONCE = 1 << 17  # voxels
MOST_LEVELS = 1 << 20  # whole numbers of a wider range go by their leading bits, like real ones
BUCKET_BITS = 16  # of a real number: sign, exponent and the beginning of its fraction

Flat = Shaped[np.ndarray, " voxels"]
_Pair = tuple[float, float]


def extent(values: Voxels) -> _Pair:
    """The lowest and the highest of all voxels.

    Raises:
        InputError: there is NaN or infinity among them.
    """
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise InputError("the image holds NaN or infinity; replace them by the value of air before reading it")
    return low, high


def percentiles(values: Voxels, low: float | int, high: float | int, *, non_zero: bool = False) -> tuple[_Pair, int]:
    """Two percentiles, linear between neighbours in rank, and of how many voxels they are; zeros where of none.

    Args:
        values: of a whole volume.
        low: in percent.
        high: in percent.
        non_zero: leave out the voxels that are zero.

    Raises:
        InputError: there is NaN or infinity among the voxels.
    """
    lowest, highest = extent(values)
    whole = values.dtype.kind in "iu" and highest - lowest < MOST_LEVELS
    first = int(lowest) if whole else -(1 << (BUCKET_BITS - 1))
    counts = np.zeros(int(highest) - first + 1 if whole else 1 << BUCKET_BITS, dtype=np.int64)
    for part in _parts(values, non_zero=non_zero):
        places = (part.astype(np.int64) if whole else _buckets(part)) - first
        counts += np.bincount(places, minlength=len(counts))
    reached = counts.cumsum()
    number = int(reached[-1])
    if not number:
        return (0.0, 0.0), 0
    ranks, shares = _ranks(low, high, number)
    buckets = np.searchsorted(reached, ranks, side="right")
    at = (
        first + buckets
        if whole
        else _in_buckets(values, buckets + first, ranks - (reached - counts)[buckets], non_zero)
    )
    below, above = at[:2].astype(np.float64), at[2:].astype(np.float64)
    ends = below + (above - below) * shares
    return (float(ends[0]), float(ends[1])), number


def _ranks(
    low: float | int, high: float | int, number: int
) -> tuple[Int64[np.ndarray, " four"], Float64[np.ndarray, " two"]]:
    """The ranks below the two percentiles and those above them, and how far each percentile lies between its two."""
    places = np.array([low, high], np.float64) / 100 * (number - 1)
    below = places.astype(np.int64)
    return np.concatenate([below, np.minimum(below + 1, number - 1)]), places - below


def _parts(values: Voxels, *, non_zero: bool) -> Iterator[Flat]:
    """All voxels, some at a time, in the order in which they lie in memory."""
    flat = values.ravel(order="K")
    for start in range(0, flat.size, AT_ONCE):
        part = flat[start : start + AT_ONCE]
        yield part[part != 0] if non_zero else part


def _buckets(part: Flat) -> NDArray[np.int64]:
    """The leading bits of each number, so that a larger number never has a smaller bucket."""
    single = part.dtype.kind == "f" and part.dtype.itemsize <= 4
    real = np.ascontiguousarray(part, dtype=np.float32 if single else np.float64)
    width = 32 if single else 64
    bits: NDArray[Any] = real.view(np.int32 if single else np.int64)
    ordered = bits ^ ((bits >> (width - 1)) & ((1 << (width - 1)) - 1))  # the bits of negative numbers count backwards
    leading: NDArray[np.int64] = (ordered >> (width - BUCKET_BITS)).astype(np.int64)
    return leading


def _in_buckets(
    values: Voxels, buckets: Int64[np.ndarray, " four"], places: Int64[np.ndarray, " four"], non_zero: bool
) -> Float64[np.ndarray, " four"]:
    """The number at each place of its bucket, counted from the lowest."""
    wanted = np.unique(buckets)
    held: dict[int, list[Flat]] = {int(bucket): [] for bucket in wanted}
    for part in _parts(values, non_zero=non_zero):
        of = _buckets(part)
        for bucket, found in held.items():
            found.append(part[of == bucket])
    ordered = {bucket: np.sort(np.concatenate(found)) for bucket, found in held.items()}
    return np.array(
        [ordered[int(bucket)][place] for bucket, place in zip(buckets, places, strict=True)], dtype=np.float64
    )
