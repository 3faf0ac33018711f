"""What a mask measures, lesion by lesion: volume, area, the two axes of RECIST 1.1, the largest diameter, the place.

A lesion is a connected part (`medkt.metrics.connected`); no length spans two of them. Diameters run from outer edge to outer
edge: a long line of n pixels measures n steps. They are taken in the world, so that oblong and sheared grids need no care,
and nothing here depends on the order in which voxels are stored: of equals the one that lies lowest in the patient comes
first. RECIST 1.1: Eisenhauer et al., Eur J Cancer 2009; 45:228-247.
"""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import scipy

from medkt.metrics.connected import label_lesions
from medkt.shapes import Array, MaskVoxels
from medkt.spatial import Geometry, Mask, Unit, slice_axis_of

Box = tuple[slice, slice, slice]

SAME_LENGTH = 1e-6  # part of a length; closer ones are equal, whatever the order of the axes made of their last digits
SAME_PLACE = 1e-3  # mm
OFF_NICE_NUMBERS = 1 / math.pi  # what comes out of a header is never near the edge of a rung


@dataclass(frozen=True, slots=True, kw_only=True)
class LesionMeasures:
    """The size and place of one lesion; None is unknown or meaningless, never 0.

    Attributes:
        voxels: how many.
        volume_ml: None for one plane, a clip, or without spacing.
        area: of its largest cross-section along the slice axis, in square units; for one plane its area.
        long_axis: the longest diameter within one slice, both ends on one connected piece of the lesion in that slice.
        short_axis: the longest at right angles to it in that piece; of equally long axes that with the longest such.
        max_diameter: the longest in three dimensions; None for one plane or a clip.
        slice_index: the plane, along the study's slice axis, in which the two axes were found.
        centroid_index: (slice, row, column), fractional.
        centroid_lps: the same in the world, in mm; None without spacing.
        touches_border: whether it reaches the edge of what was looked at, so that it may go on outside and be larger.
    """

    voxels: int
    volume_ml: float | None
    area: float
    long_axis: float
    short_axis: float
    max_diameter: float | None
    slice_index: int
    centroid_index: tuple[float, float, float]
    centroid_lps: tuple[float, float, float] | None
    touches_border: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """The lesions of one mask, and what they come to together; None is unknown or meaningless, never 0.

    Of a clip, whose frames are not space, everything but `mask_voxels` is of one frame: that with the largest lesion.

    Attributes:
        unit: of all lengths: "mm", or "pixel" where the image has no spacing.
        slice_axis: the array axis that slices are counted along.
        mask_voxels: of the whole mask, over all frames of a clip.
        lesions: the largest first, by voxels; of equals that with the longer axis, then the lowest in the patient.
        sum_volume_ml: of all lesions together; None for one plane, a clip, or without spacing.
        sum_area: of all lesions together, in square units, where there is one plane to measure them in; else None.
        frame: of a clip, the one that is measured; else None.
        most_in_a_frame: of a clip, the most lesions in any one frame; else None.
    """

    unit: Unit
    slice_axis: int = 0
    mask_voxels: int = 0
    lesions: tuple[LesionMeasures, ...] = ()
    sum_volume_ml: float | None = None
    sum_area: float | None = None
    frame: int | None = None
    most_in_a_frame: int | None = None

    @property
    def lesion_count(self) -> int:
        """How many lesions; of a clip in the frame that is measured."""
        return len(self.lesions)

    @property
    def largest(self) -> LesionMeasures | None:
        """The lesion with the most voxels; None where there is none."""
        return self.lesions[0] if self.lesions else None

    @property
    def largest_long_axis(self) -> float | None:
        """Of the largest lesion; None where there is none."""
        return self.lesions[0].long_axis if self.lesions else None

    @property
    def largest_short_axis(self) -> float | None:
        """Of the largest lesion; None where there is none."""
        return self.lesions[0].short_axis if self.lesions else None

    @property
    def border_count(self) -> int:
        """How many lesions reach the edge of what was looked at."""
        return sum(lesion.touches_border for lesion in self.lesions)


def measure(mask: Mask, *, seen: Box | None = None) -> Measures:
    """The lesions of a mask; an empty one has none, 0 mL where volumes exist, and nothing else.

    Args:
        mask: any.
        seen: the part of the grid that was looked at, where it is not all of it; a lesion that reaches its edge is cut there.
    """
    geometry = mask.geometry
    ruler = _Ruler.of(geometry, seen)
    found = sorted(
        (ruler.measured(inside, start) for inside, start in _parts(mask)),
        key=lambda one: (-one.voxels, -_rung(one.long_axis), *_place(one.centroid_index, geometry)),
    )
    frame = found[0].slice_index if found and geometry.stack == "time" else None
    lesions = tuple(one for one in found if frame is None or one.slice_index == frame)
    voxels, millilitres = sum(one.voxels for one in found), geometry.voxel_volume_ml
    flat = geometry.shape[ruler.axis] == 1 or frame is not None
    return Measures(
        unit=geometry.unit, slice_axis=ruler.axis, mask_voxels=voxels, lesions=lesions,
        sum_volume_ml=None if millilitres is None else voxels * millilitres,
        sum_area=sum(one.area for one in lesions) if lesions and flat else None,
        frame=frame, most_in_a_frame=None if frame is None else max(Counter(one.slice_index for one in found).values()),
    )  # fmt: skip


def _parts(mask: Mask) -> Iterator[tuple[MaskVoxels, Array]]:
    """Each lesion, cut to its box, and the index of the box's first voxel."""
    labels = label_lesions(mask)
    for number, box in enumerate(scipy.ndimage.find_objects(labels), start=1):
        yield labels[box] == number, np.array([part.start for part in box])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """What of a lesion does not depend on where it lies; `slice_index` counts from the first slice of its box."""

    area: float
    long_axis: float
    short_axis: float
    max_diameter: float | None
    slice_index: int
    centre: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ruler:
    """Measures the lesions of one grid.

    Attributes:
        geometry, axis: the grid, and its slice axis.
        steps: (2, 2), what one step along the two axes of a slice is in the slice's own plane.
        pixel_area: of a slice, in square units.
        border: as `_edges`.
        shapes: those measured so far; of many specks most are alike.
    """

    geometry: Geometry
    axis: int
    steps: Array
    pixel_area: float
    border: Array
    shapes: dict[tuple[tuple[int, ...], bytes], _Shape] = field(default_factory=dict)

    @classmethod
    def of(cls, geometry: Geometry, seen: Box | None) -> "_Ruler":
        axis = slice_axis_of(geometry)
        # R of a QR decomposition places the two in-plane steps in their own plane, with lengths and angle kept
        steps = np.linalg.qr(geometry.affine[:3, [k for k in range(3) if k != axis]])[1]
        return cls(
            geometry=geometry, axis=axis, steps=steps, pixel_area=geometry.pixel_area(axis),
            border=_edges(geometry, seen),
        )  # fmt: skip

    def measured(self, inside: MaskVoxels, start: Array) -> LesionMeasures:
        """One lesion, cut to its box, which begins at the index `start`."""
        shape = self._shape(inside)
        voxels, millilitres = int(inside.sum()), self.geometry.voxel_volume_ml
        centre, stop = shape.centre + start, start + inside.shape
        return LesionMeasures(
            voxels=voxels, volume_ml=None if millilitres is None else voxels * millilitres, area=shape.area,
            long_axis=shape.long_axis, short_axis=shape.short_axis, max_diameter=shape.max_diameter,
            slice_index=shape.slice_index + int(start[self.axis]), centroid_index=_triple(centre),
            centroid_lps=_triple(self.geometry.to_world(centre[None])[0]) if self.geometry.unit == "mm" else None,
            touches_border=bool((start <= self.border[0]).any() or (stop > self.border[1]).any()),
        )  # fmt: skip

    def _shape(self, inside: MaskVoxels) -> _Shape:
        key = (inside.shape, np.packbits(inside).tobytes())
        if key not in self.shapes:
            indices = np.argwhere(inside)
            long_axis, short_axis, slice_index = self._axes_in_a_slice(inside)
            pixels = inside.sum(axis=tuple(k for k in range(3) if k != self.axis)).max()
            self.shapes[key] = _Shape(
                area=float(pixels * self.pixel_area), long_axis=long_axis, short_axis=short_axis,
                max_diameter=_max_diameter(indices, self.geometry), slice_index=slice_index, centre=indices.mean(axis=0),
            )  # fmt: skip
        return self.shapes[key]

    def _axes_in_a_slice(self, inside: MaskVoxels) -> tuple[float, float, int]:
        """Long and short axis of the piece with the longest one, and its slice; pieces too short to matter are passed over."""
        pieces = [(_reach(one, self.steps), index, one) for index, one in _pieces(np.moveaxis(inside, self.axis, 0))]
        found: list[tuple[tuple[int, ...], float, float, int]] = []
        for reach, index, piece in sorted(pieces, key=lambda one: -one[0]):
            if found and _rung(reach) < -min(found)[0][0]:
                break
            long_axis, short_axis = _axes(_hull(piece, self.steps))
            place = _place(_triple(np.insert(piece.mean(axis=0), self.axis, index)), self.geometry)
            found.append(((-_rung(long_axis), -_rung(short_axis), -len(piece), *place), long_axis, short_axis, index))
        return min(found)[1:]


def _pieces(slices: MaskVoxels) -> Iterator[tuple[int, Array]]:
    """(slice, (pixels, 2) indices) of each connected part of each slice, corners included."""
    for index, plane in enumerate(slices):
        labels, _ = scipy.ndimage.label(plane, structure=np.ones((3, 3)))
        for number, box in enumerate(scipy.ndimage.find_objects(labels), start=1):
            yield index, np.argwhere(labels[box] == number) + [part.start for part in box]


def _reach(piece: Array, steps: Array) -> float:
    """The longer diagonal of the box around a piece: no diameter of it is longer."""
    sides = np.ptp(piece, axis=0) + 1
    return float(max(np.linalg.norm(steps @ (sides * sign)) for sign in ([1, 1], [1, -1])))


def _axes(hull: Array) -> tuple[float, float]:
    """The longest diameter of a convex outline (points, 2) and the longest chord at right angles to it."""
    apart = scipy.spatial.distance.squareform(scipy.spatial.distance.pdist(hull))
    longest = float(apart.max())
    ends = np.argwhere(np.triu(apart >= longest * (1 - SAME_LENGTH)))
    return longest, max(_across(hull, int(first), int(second)) for first, second in ends)


def _across(hull: Array, first: int, second: int) -> float:
    """The longest chord at right angles to the one between two corners."""
    along = (hull[second] - hull[first]) / np.linalg.norm(hull[second] - hull[first])
    x, y = hull @ along, hull @ np.array([-along[1], along[0]])
    # Between the two ends of the long axis the outline is one chain above it and one below; the widest place of a
    # convex outline is at a corner of one of them.
    offset = y - y[first]
    ends = (np.arange(len(hull)) == first) | (np.arange(len(hull)) == second)
    upper, lower = ((offset * sign > 0) | ends for sign in (1, -1))
    width = _chain(x, x[upper], offset[upper]) - _chain(x, x[lower], offset[lower])
    return float(width.max())


def _chain(at: Array, x: Array, y: Array) -> Array:
    order = np.argsort(x)
    heights: Array = np.interp(at, x[order], y[order])
    return heights


def _max_diameter(indices: Array, geometry: Geometry) -> float | None:
    if min(geometry.shape) == 1 or geometry.stack == "time":
        return None
    return float(scipy.spatial.distance.pdist(_hull(indices, geometry.affine[:3, :3])).max())


def _hull(indices: Array, steps: Array) -> Array:
    """The corners of the convex hull of voxels (voxels, n), as points; `steps` has one column an axis."""
    indices = _outermost(indices)
    halves = np.concatenate([np.eye(indices.shape[1]), -np.eye(indices.shape[1])]) / 2
    points = (indices[:, None] + halves).reshape(-1, indices.shape[1]) @ steps.T
    corners: Array = points[scipy.spatial.ConvexHull(points).vertices]
    return corners


def _outermost(indices: Array) -> Array:
    """Of each line of voxels along the last axis only the two ends: the others cannot be corners of the hull.

    The indices come in the order of the array, as `np.argwhere` gives them.
    """
    changes = np.any(np.diff(indices[:, :-1], axis=0), axis=1)
    starts = np.concatenate([[True], changes])
    stops = np.concatenate([changes, [True]])
    ends: Array = indices[starts | stops]
    return ends


def _edges(geometry: Geometry, seen: Box | None) -> Array:
    """(2, 3): the first index along each axis that was looked at, and the last; out of reach where nothing lies beyond."""
    ends = [part.indices(count)[:2] for part, count in zip(seen or (slice(None),) * 3, geometry.shape, strict=True)]
    border = np.array([[first, last - 1] for first, last in ends]).T
    endless = np.array(geometry.shape) == 1  # the only plane of a radiograph is no edge
    endless[0] |= geometry.stack == "time"  # and nothing goes on before the first frame or after the last
    border[:, endless] = [[-1], [max(geometry.shape)]]
    return border


def _place(index: tuple[float, float, float], geometry: Geometry) -> tuple[int, ...]:
    """What equals are ordered by: time, then from the feet up, from the front back, from the patient's right to the left."""
    x, y, z = (math.floor(one / SAME_PLACE + OFF_NICE_NUMBERS) for one in geometry.to_world(np.array([index]))[0])
    return (round(index[0]), z, y, x) if geometry.stack == "time" else (z, y, x)


def _rung(length: float) -> int:
    """A length as its rung on a ladder of steps of a millionth, so that equal ones compare as equal."""
    return math.floor(math.log(length) / SAME_LENGTH + OFF_NICE_NUMBERS)


def _triple(values: Array) -> tuple[float, float, float]:
    return (float(values[0]), float(values[1]), float(values[2]))
