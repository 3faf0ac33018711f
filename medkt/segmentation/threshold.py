"""A map in [0, 1] to a coarse mask, and the mask to components.

The published code clusters 8-bit values with k-means. In one dimension the best 2-means partition is Otsu's threshold
(both minimise the sum of squares within the two classes), and a histogram of 256 levels has only 255 thresholds: here
all are tried, in whole numbers, so the result is exact and has no seed. Where theirs stops short of it is in `kmeans`.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Float32, Int
from scipy import ndimage

from medkt.errors import InputError, NumericalError, SettingsError
from medkt.segmentation.kmeans import published_level
from medkt.shapes import MaskPlane, Plane
from medkt.spatial.nearest import corner_nearest

ThresholdMethod = Literal["otsu", "kmeans", "kmeans++", "fixed"]
Order = Literal["confidence", "mass", "area"]
Ties = Literal["first", "all"]

LEVELS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdSettings:
    """How a map becomes regions."""

    method: ThresholdMethod = "otsu"
    """"otsu": the best of all 255 thresholds; "kmeans": Lloyd's iteration from the two ends of the range, which may
    stop early in another partition; "kmeans++": as MedCLIP-SAMv2 was run, with ten starts, a seed and a tolerance, so that
    it may stop a level short; "fixed": `value`."""

    value: float = 0.3
    """The fixed threshold; a pixel is foreground above it."""

    side: int | None = None
    """Find the mask on a square of this side, resized by OpenCV's nearest neighbour there and back (published: 256)."""

    min_area_mm2: float = 0.0
    """Smaller components are dropped. Not applied where the spacing is unknown."""

    min_area_pixels: int = 1
    """Smaller components are dropped, whatever the spacing."""

    min_confidence: float = 0.0
    """Components whose mean map value is lower are dropped."""

    keep: int | None = None
    """The most components kept a slice; None keeps all."""

    order: Order = "confidence"
    """Which come first: highest mean ("confidence"), highest sum ("mass") or largest ("area")."""

    ties: Ties = "first"
    """Of components that are as good as the last one kept: the "first" in reading order, or "all" (published)."""

    def __post_init__(self) -> None:
        if self.method not in get_args(ThresholdMethod) or self.order not in get_args(Order):
            raise SettingsError(f"unknown threshold method {self.method!r} or order {self.order!r}")
        if self.ties not in get_args(Ties):
            raise SettingsError(f"unknown threshold ties {self.ties!r}; known: {', '.join(get_args(Ties))}")
        checks = {
            "value": 0 <= self.value <= 1,
            "side": self.side is None or self.side >= 2,
            "min_area_mm2": self.min_area_mm2 >= 0,
            "min_area_pixels": self.min_area_pixels >= 1,
            "min_confidence": 0 <= self.min_confidence <= 1,
            "keep": self.keep is None or self.keep >= 1,
        }
        for name, good in checks.items():
            if not good:
                raise SettingsError(f"threshold setting {name} cannot be {getattr(self, name)!r}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Component:
    """One connected region of a plane.

    Attributes:
        mask: (rows, columns) bool.
        confidence: mean map value inside, in [0, 1].
        mass: sum of the map values inside.
        area: pixels.
        box: (top, left, bottom, right) in pixels, the last two one beyond.
    """

    mask: MaskPlane
    confidence: float
    mass: float
    area: int
    box: tuple[int, int, int, int]


def coarse_mask(map_: Plane, settings: ThresholdSettings) -> MaskPlane:
    """The foreground of a map in [0, 1]. A constant map has none.

    Raises:
        NumericalError: NaN or infinity in the map.
        InputError: values outside [0, 1].
    """
    _require_unit_range(map_)
    if settings.side is None:
        return _foreground(map_, settings)
    side, (rows, columns) = settings.side, map_.shape
    small = map_[np.ix_(corner_nearest(side, rows), corner_nearest(side, columns))]
    there = np.ix_(corner_nearest(rows, side), corner_nearest(columns, side))
    mask: MaskPlane = _foreground(small, settings)[there]
    return mask


def components(
    mask: MaskPlane, map_: Plane, settings: ThresholdSettings, *, pixel_area_mm2: float | None
) -> list[Component]:
    """The 8-connected regions that are large and sure enough, first the best; ties by place, in reading order.

    With `ties` "all" there may be more than `keep`.

    Args:
        mask: from `coarse_mask`.
        map_: in [0, 1]; gives the confidence.
        settings: sizes, order, how many.
        pixel_area_mm2: of one pixel; None where the spacing is unknown.
    """
    labels, _ = ndimage.label(mask, structure=np.ones((3, 3), dtype=bool))
    found = [
        _component(where, labels[where] == k, map_, mask.shape)
        for k, where in enumerate(ndimage.find_objects(labels), 1)
    ]
    kept = [
        c
        for c in found
        if c.area >= settings.min_area_pixels
        and (pixel_area_mm2 is None or c.area * pixel_area_mm2 >= settings.min_area_mm2)
        and c.confidence >= settings.min_confidence
    ]
    ordered = sorted(kept, key=lambda c: (-getattr(c, settings.order), _first_pixel(c)))
    if settings.ties == "first" or settings.keep is None or settings.keep >= len(ordered):
        return ordered[: settings.keep]
    last = getattr(ordered[settings.keep - 1], settings.order)
    return [c for c in ordered if getattr(c, settings.order) >= last]


def _first_pixel(component: Component) -> tuple[int, int]:
    top, left = component.box[:2]
    return top, left + int(np.argmax(component.mask[top, left:]))


def histogram(values: Float32[np.ndarray, "..."]) -> Int[np.ndarray, " 256"]:
    """How many values round to each of the 256 levels 0, 1/255, .. 1."""
    return np.bincount(np.rint(values * np.float32(LEVELS - 1)).astype(np.int64).ravel(), minlength=LEVELS)


def otsu_level(counts: Int[np.ndarray, " levels"]) -> int | None:
    """The level that is the last of the background, where the variance between the classes is largest.

    Of equally good levels the lowest. None where fewer than two levels occur. The variance between classes of n0 and n1
    values with sums s0 and s1 is, but for a constant, (n1 s0 - n0 s1)^2 / (n0 n1); compared as fractions of integers.
    """
    number, total = int(counts.sum()), int((counts * np.arange(len(counts))).sum())
    best, level = (0, 1), None
    below, below_sum = 0, 0
    for index, count in enumerate(counts[:-1].tolist()):
        below, below_sum = below + count, below_sum + count * index
        above = number - below
        if not count or not below or not above:
            continue
        score = ((above * below_sum - below * (total - below_sum)) ** 2, below * above)
        if score[0] * best[1] > best[0] * score[1]:
            best, level = score, index
    return level


def kmeans_level(counts: Int[np.ndarray, " levels"]) -> int | None:
    """The last background level of Lloyd's 2-means, begun at the lowest and the highest level that occur."""
    levels = np.flatnonzero(counts)
    if len(levels) < 2:
        return None
    low, high = float(levels[0]), float(levels[-1])
    while True:
        lower = levels <= (low + high) / 2
        moved = tuple(float(np.average(levels[part], weights=counts[levels[part]])) for part in (lower, ~lower))
        if moved == (low, high):
            return int(levels[lower][-1])
        low, high = moved


def _foreground(map_: Plane, settings: ThresholdSettings) -> MaskPlane:
    if settings.method == "fixed":
        return map_ > np.float32(settings.value)
    if settings.method == "kmeans++":
        level = published_level(np.rint(map_ * np.float32(LEVELS - 1)).astype(np.int64).ravel())
    else:
        level = otsu_level(histogram(map_)) if settings.method == "otsu" else kmeans_level(histogram(map_))
    if level is None:
        return np.zeros(map_.shape, dtype=bool)
    mask: MaskPlane = np.rint(map_ * np.float32(LEVELS - 1)) > level
    return mask


def _component(
    where: tuple[slice, slice], inside: Bool[np.ndarray, "part_rows part_columns"], map_: Plane, shape: tuple[int, ...]
) -> Component:
    mask = np.zeros(shape, dtype=bool)
    mask[where] = inside
    mass = float(map_[where][inside].sum(dtype=np.float64))
    area = int(inside.sum())
    box = (where[0].start, where[1].start, where[0].stop, where[1].stop)
    return Component(mask=mask, confidence=mass / area, mass=mass, area=area, box=box)


def _require_unit_range(map_: Plane) -> None:
    low, high = float(map_.min()), float(map_.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise NumericalError("the saliency map holds NaN or infinity")
    if low < 0 or high > 1:
        raise InputError(f"a saliency map to threshold must lie in [0, 1], got {low:g} to {high:g}")
