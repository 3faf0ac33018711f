"""Boxes and points as a coarse saliency map would give them, for training the segmenter."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int64
from scipy import ndimage

Outline = Bool[np.ndarray, "rows columns"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prompted:
    """One prompt and the mask that it asks for. `box` is NaN and `points` empty where not given."""

    box_xyxy: Float32[np.ndarray, "4"]
    points_xy: Float32[np.ndarray, "points 2"]
    labels: Int64[np.ndarray, " points"]
    mask: Outline


def draw_prompt(mask: Outline, kind: str, rng: np.random.Generator, *, cell: float) -> Prompted:
    """A prompt for the whole mask or for one connected part of it.

    Args:
        mask: not empty.
        kind: "tight" (the part's own box), "coarse" (a box moved as a map of cells of `cell` pixels would move it),
            "points" (one to three inside, sometimes one outside) or "both" (a coarse box and a point).
        rng: draws.
        cell: side of a saliency map's cell, in pixels of the mask.
    """
    parts, count = ndimage.label(mask)
    one_part = count > 1 and (kind == "points" or rng.random() < 0.5)
    target = parts == int(rng.integers(1, count + 1)) if one_part else mask
    box = np.full(4, np.nan, np.float32)
    points, labels = np.zeros((0, 2), np.float32), np.zeros(0, np.int64)
    if kind != "points":
        box = tight_box(target) if kind == "tight" else coarse_box(target, rng, cell=cell)
    if kind in ("points", "both"):
        points = _inside(target, 1 if kind == "both" else int(rng.integers(1, 4)), rng)
        labels = np.ones(len(points), np.int64)
        if kind == "points" and rng.random() < 0.3:
            points = np.concatenate([points, _inside(~mask, 1, rng)])
            labels = np.append(labels, 0)
    return Prompted(box_xyxy=box, points_xy=points, labels=labels, mask=np.ascontiguousarray(target))


def tight_box(mask: Outline) -> Float32[np.ndarray, "4"]:
    """The smallest box (x0, y0, x1, y1) around the mask, in pixel edges."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float32)


def coarse_box(mask: Outline, rng: np.random.Generator, *, cell: float) -> Float32[np.ndarray, "4"]:
    """The box of the cells that the mask touches, each edge then moved by up to 35 % of the box's side, mostly outward."""
    x0, y0, x1, y1 = tight_box(mask)
    low = np.floor(np.array([x0, y0]) / cell) * cell
    high = np.ceil(np.array([x1, y1]) / cell) * cell
    size = high - low
    amount = rng.uniform(0.0, 0.35)
    low -= rng.uniform(-0.35, 1.0, 2) * amount * size
    high += rng.uniform(-0.35, 1.0, 2) * amount * size
    limit = np.array(mask.shape[::-1], np.float64)
    made = np.concatenate([np.clip(low, 0, limit - 1), np.clip(high, 1, limit)])
    return made.astype(np.float32)


def _inside(mask: Outline, count: int, rng: np.random.Generator) -> Float32[np.ndarray, "points 2"]:
    """Random pixels of the mask, or its deepest one in a third of the draws, as (x, y) of the pixel's centre."""
    rows, columns = np.nonzero(mask)
    if len(rows) == 0:
        return np.zeros((0, 2), np.float32)
    chosen = rng.integers(0, len(rows), count)
    points = np.stack([columns[chosen], rows[chosen]], 1).astype(np.float32)
    if rng.random() < 0.33:
        deepest = int(np.argmax(ndimage.distance_transform_edt(mask)))
        points[0] = np.divmod(deepest, mask.shape[1])[::-1]
    return points + np.float32(0.5)
