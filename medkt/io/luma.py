"""Colour to grey: BT.601 luma, in the type that the colours have; and how much of a picture is in colour at all."""

import math

import numpy as np

from medkt.shapes import Array

_ROWS_AT_ONCE = 1 << 20  # pixels
_COLOURED = 0.15  # of the range, between two channels: above what JPEG and a scanner's tint do to grey
_MOST_ASKED = 1 << 18  # pixels; of larger pictures every so manieth row and column


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


def coloured(colour: Array, photometric: str) -> float:
    """The share of (rows, columns, channels) pixels that are clearly no grey, in [0, 1]; 0 for grey saved as colour."""
    step = max(1, math.isqrt(colour.shape[0] * colour.shape[1] // _MOST_ASKED))
    pixels = colour[::step, ::step, :3].astype(np.float64) / _range(colour)
    if photometric.startswith("YBR"):
        blue, red = pixels[..., 1] - 0.5, pixels[..., 2] - 0.5
        pixels = np.stack([1.402 * red, -0.344136 * blue - 0.714136 * red, 1.772 * blue], axis=-1)
    return float((np.ptp(pixels, axis=-1) > _COLOURED).mean())


def _range(colour: Array) -> float:
    return float(np.iinfo(colour.dtype).max) if colour.dtype.kind in "iu" else max(1.0, float(colour.max()))
