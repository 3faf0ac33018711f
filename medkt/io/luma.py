"""Colour to grey: BT.601 luma, in the type that the colours have."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_ROWS_AT_ONCE = 1 << 20  # pixels


def luma(colour: Array, photometric: str) -> Array:
    """BT.601 luma of (rows, columns, channels), in the same whole type; YBR's first channel is luma already."""
    if photometric.startswith("YBR_PARTIAL"):  # studio range: black 16, white 235
        levels = (colour[..., 0].astype(np.float64) - 16) * (255 / 219)
        return np.clip(np.rint(levels), 0, 255).astype(colour.dtype)
    if photometric.startswith("YBR"):
        return np.ascontiguousarray(colour[..., 0])
    grey: Array = np.empty(colour.shape[:-1], dtype=colour.dtype)
    step = max(1, _ROWS_AT_ONCE // max(1, colour.shape[1]))
    for first in range(0, len(colour), step):  # as floats the whole picture would take eight times its size
        rows = colour[first : first + step, ..., :3].astype(np.float64)
        grey[first : first + step] = np.rint(rows @ np.array([0.299, 0.587, 0.114])).astype(colour.dtype)
    return grey
