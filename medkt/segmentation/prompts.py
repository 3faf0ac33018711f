"""Components to SAM's prompts: a box each, or one box in all, and points.

Coordinates are (x, y) = (column, row) with whole numbers at pixel centres. A box runs from the first pixel to one
beyond the last, cut to the plane's last pixel, as the published code draws it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float32, Int64

from medkt.errors import InputError, SettingsError
from medkt.segmentation.threshold import Component
from medkt.shapes import Plane

PromptUse = Literal["boxes", "points", "both"]
Boxes = Literal["each", "one"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptSettings:
    """What the segmenter is shown of a component."""

    use: PromptUse = "boxes"
    """Boxes, points, or both together."""

    boxes: Boxes = "each"
    """A box for "each" component, or "one" around all of them (published)."""

    margin: float = 0.0
    """Added on every side, as a part of the box's side."""

    margin_mm: float = 0.0
    """Added on every side, in millimetres; not where the spacing is unknown."""

    points: int = 3
    """Positive points a region: the highest map values, no two closer than a tenth of the region's box."""

    negatives: int = 0
    """Negative points a region: the lowest map values in its box and outside it."""

    def __post_init__(self) -> None:
        if self.use not in get_args(PromptUse) or self.boxes not in get_args(Boxes):
            raise SettingsError(f"unknown prompts {self.use!r} or boxes {self.boxes!r}")
        for name in ("margin", "margin_mm", "negatives"):
            if getattr(self, name) < 0:
                raise SettingsError(f"prompt setting {name} cannot be {getattr(self, name)!r}")
        if self.points < 1:
            raise SettingsError(f"prompt setting points is at least 1, got {self.points}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prompts:
    """What a segmenter is asked about one plane. Without a region it is asked nothing.

    Attributes:
        boxes_xyxy: (regions, 4) float32, or (0, 4) where no boxes are used.
        points_xy: (points, 2) float32.
        labels: (points,) 1 inside, 0 outside.
        region: (points,) which region a point belongs to.
        regions: how many regions there are.
    """

    boxes_xyxy: Float32[np.ndarray, "boxes 4"]
    points_xy: Float32[np.ndarray, "points 2"]
    labels: Int64[np.ndarray, " points"]
    region: Int64[np.ndarray, " points"]
    regions: int

    def __post_init__(self) -> None:
        if len(self.boxes_xyxy) not in (0, self.regions):
            raise InputError(
                f"prompts need a box for each of {self.regions} regions or none, got {len(self.boxes_xyxy)}"
            )
        if not len(self.boxes_xyxy) and set(range(self.regions)) - set(self.region[self.labels == 1].tolist()):
            raise InputError("prompts: every region without a box needs a positive point")
        if len(self.region) and not 0 <= self.region.min() <= self.region.max() < self.regions:
            raise InputError(f"prompts: points belong to regions 0 to {self.regions - 1}, got {self.region.tolist()}")


def prompts_of(
    components: Sequence[Component],
    map_: Plane,
    settings: PromptSettings,
    *,
    spacing_mm: tuple[float, float] | None,
) -> Prompts:
    """Prompts for the components of one plane; none for none.

    Args:
        components: from `threshold.components`.
        map_: (rows, columns) saliency, for the points.
        settings: of the prompts.
        spacing_mm: (row, column) step, or None where unknown.
    """
    groups = [list(components)] if settings.boxes == "one" and components else [[c] for c in components]
    boxes = [_box(group, map_.shape, settings, spacing_mm) for group in groups] if settings.use != "points" else []
    points, labels, region = [], [], []
    if settings.use != "boxes":
        for index, group in enumerate(groups):
            inside = np.logical_or.reduce([component.mask for component in group])
            positive, negative = _points(inside, map_, settings)
            points += positive + negative
            labels += [1] * len(positive) + [0] * len(negative)
            region += [index] * (len(positive) + len(negative))
    return Prompts(
        boxes_xyxy=np.array(boxes, dtype=np.float32).reshape(-1, 4),
        points_xy=np.array(points, dtype=np.float32).reshape(-1, 2),
        labels=np.array(labels, dtype=np.int64),
        region=np.array(region, dtype=np.int64),
        regions=len(groups),
    )


def _box(
    group: Sequence[Component],
    shape: tuple[int, ...],
    settings: PromptSettings,
    spacing_mm: tuple[float, float] | None,
) -> list[float]:
    top, left = (min(c.box[k] for c in group) for k in (0, 1))
    bottom, right = (max(c.box[k] for c in group) for k in (2, 3))
    row_mm, column_mm = (settings.margin_mm / step for step in spacing_mm) if spacing_mm else (0.0, 0.0)
    dy = settings.margin * (bottom - top) + row_mm
    dx = settings.margin * (right - left) + column_mm
    last_row, last_column = shape[0] - 1, shape[1] - 1
    return [
        float(v)
        for v in (max(left - dx, 0), max(top - dy, 0), min(right + dx, last_column), min(bottom + dy, last_row))
    ]


def _points(
    inside: np.ndarray, map_: Plane, settings: PromptSettings
) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    rows, columns = np.nonzero(inside)
    box = (slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1))
    apart = 0.1 * max(box[0].stop - box[0].start, box[1].stop - box[1].start)
    positive = _extremes(rows, columns, map_[rows, columns], settings.points, apart)
    out_rows, out_columns = np.nonzero(~inside[box])
    out_rows, out_columns = out_rows + box[0].start, out_columns + box[1].start
    negative = _extremes(out_rows, out_columns, -map_[out_rows, out_columns], settings.negatives, apart)
    return positive, negative


def _extremes(
    rows: np.ndarray, columns: np.ndarray, values: np.ndarray, count: int, apart: float
) -> list[tuple[float, float]]:
    """The (x, y) of the `count` highest values, each at least `apart` from those before; ties in reading order."""
    chosen: list[tuple[float, float]] = []
    free = np.ones(len(values), dtype=bool)
    while len(chosen) < count and free.any():
        best = int(np.argmax(np.where(free, values, -np.inf)))
        chosen.append((float(columns[best]), float(rows[best])))
        free &= np.hypot(rows - rows[best], columns - columns[best]) >= max(apart, 1.0)
    return chosen
