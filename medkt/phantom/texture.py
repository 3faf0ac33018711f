"""Random textures for the phantoms: smooth fields, grain, ultrasound speckle. NumPy only, and fast at 128 pixels."""

from functools import cache

import numpy as np
from jaxtyping import Float32
from scipy import ndimage


def smooth_noise(
    shape: tuple[int, ...], rng: np.random.Generator, scale_px: float | tuple[float, ...]
) -> Float32[np.ndarray, "..."]:
    """Gaussian noise of mean 0 and variance 1 whose blotches are about `scale_px` wide, on any number of axes.

    A coarse grid of random numbers is spread by one small matrix per axis, so the cost does not grow with the scale.

    Example:
        >>> smooth_noise((64, 48), np.random.default_rng(0), 12).shape
        (64, 48)
    """
    scales = scale_px if isinstance(scale_px, tuple) else (scale_px,) * len(shape)
    spreads = [_spread(length, max(float(scale), 1.0)) for length, scale in zip(shape, scales, strict=True)]
    field = rng.standard_normal([m.shape[1] for m in spreads], dtype=np.float32)
    for matrix in spreads:  # each takes the first, coarse axis away and appends its fine one
        rest = field.shape[1:]
        field = _contract(field.reshape(matrix.shape[1], -1), matrix).reshape(*rest, matrix.shape[0])
    return field


def _contract(
    coarse: Float32[np.ndarray, "coarse others"], spread: Float32[np.ndarray, "length coarse"]
) -> Float32[np.ndarray, "others length"]:
    """`coarse.T @ spread.T` in pieces too small for BLAS to start its threads, whose start costs more than the work."""
    others = coarse.shape[1]
    product = np.empty((others, spread.shape[0]), np.float32)
    step = max(1, 130_000 // spread.size)
    for start in range(0, others, step):
        product[start : start + step] = coarse[:, start : start + step].T @ spread.T
    return product


@cache
def _spread(length: int, scale: float) -> Float32[np.ndarray, "length coarse"]:
    """Weights from a coarse axis to `length` samples; each row has Euclidean norm 1, which keeps the variance at 1."""
    knots = np.arange(-2.0, length / scale + 3.0)
    offset = np.arange(length)[:, None] / scale - knots[None, :]
    weights = np.exp(-0.5 * (offset / 0.6) ** 2)
    weights[np.abs(offset) > 2.5] = 0.0
    spread: Float32[np.ndarray, "length coarse"] = (weights / np.linalg.norm(weights, axis=1, keepdims=True)).astype(
        np.float32
    )
    return spread


def fractal_noise(
    shape: tuple[int, ...], rng: np.random.Generator, scale_px: float, octaves: int = 3, falloff: float = 0.6
) -> Float32[np.ndarray, "..."]:
    """Smooth noise at `scale_px` and at finer scales, each half as wide and `falloff` as strong; variance 1."""
    gains = falloff ** np.arange(octaves)
    total = np.zeros(shape, np.float32)
    for octave, gain in enumerate(gains):
        total += np.float32(gain) * smooth_noise(shape, rng, scale_px / 2**octave)
    return total / np.float32(np.linalg.norm(gains))


def grain(shape: tuple[int, ...], rng: np.random.Generator, blur_px: float = 0.6) -> Float32[np.ndarray, "..."]:
    """Detector noise of mean 0 and variance 1, slightly correlated as after a scanner's own smoothing."""
    noise = rng.standard_normal(shape, dtype=np.float32)
    if blur_px <= 0:
        return noise
    noise = ndimage.gaussian_filter(noise, blur_px, truncate=3.0)
    return np.asarray(noise / np.float32(max(float(noise.std()), 1e-6)), np.float32)


def speckle(
    shape: tuple[int, int], rng: np.random.Generator, size_px: tuple[float, float] = (0.7, 1.2)
) -> Float32[np.ndarray, "rows columns"]:
    """Fully developed speckle: a Rayleigh amplitude of mean 1, its grains about `size_px` (rows, columns) wide.

    Multiply an echo amplitude by it before log compression.
    """
    real, imaginary = (
        ndimage.gaussian_filter(rng.standard_normal(shape, dtype=np.float32), size_px, truncate=3.0) for _ in range(2)
    )
    amplitude = np.hypot(real, imaginary)
    return np.asarray(amplitude / np.float32(amplitude.mean()), np.float32)
