"""From positions to a grid: the order of slices, their step, and every way in which they fail to be a regular stack.

Order and step come from ImagePositionPatient projected on the slice normal, never from names, numbers or thickness.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from pydicom import Dataset

from medkt.errors import GeometryError
from medkt.io.dicom_frames import Frame
from medkt.io.dicom_groups import functional
from medkt.io.dicom_header import number
from medkt.io.dicom_mosaic import Vector
from medkt.io.dicom_spacing import PixelSize, pixel_size
from medkt.io.dicom_volumes import by_position, normal_of
from medkt.spatial.geometry import ORTHOGONAL_COSINE, Geometry, Stack

STEP_TOLERANCE = 0.05  # of a step; positions rounded to 0.1 mm wander by up to 0.05 mm around a step of 1 mm
DRIFT_PIXELS = 0.1  # a stack that leans by less than this from end to end is taken as upright
NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StackLayout:
    """Frames in slice order on a grid.

    Attributes:
        frames: one a slice, in order along the normal; duplicates removed.
        geometry: the grid; where `problems` stand it is that of the frames as if they were regular.
        problems: why this is no regular grid, in words with numbers; empty for a sound stack.
        doubled: slices (index into `frames`) with the other frames that lie where they lie.
    """

    frames: list[Frame]
    geometry: Geometry
    problems: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    doubled: tuple[tuple[int, list[Frame]], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Line:
    """Where the first slice lies and the vector from slice to slice; why that is no line; what was done."""

    origin: Vector
    step: Vector
    problems: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()


def lay_out(frames: Sequence[Frame], header: Dataset, shown: str) -> StackLayout:
    """Order the frames of one volume and find their grid.

    Args:
        frames: of one orientation and size.
        header: of the first frame's file; says the pixel size where the frames have no place.
        shown: the path that the user gave.

    Raises:
        GeometryError: a stack whose pixels have no size.
    """
    if frames[0].position is None:
        return _without_place(frames, header)
    places = by_position(frames)
    ordered = [place[0] for place in places]
    size = _pixel_size_in_place(ordered, header, shown)
    duplicated = [place for place in places if len(place) > 1]
    problems = [_duplicates(duplicated, len(frames))] if duplicated else []
    line = _line(ordered, size, header)
    return StackLayout(
        frames=ordered,
        geometry=_geometry(ordered[0], len(ordered), line, size),
        problems=(*problems, *line.problems),
        steps=(f"pixel spacing from {size.source}", *line.steps),
        warnings=size.warnings,
        doubled=tuple((k, place[1:]) for k, place in enumerate(places) if len(place) > 1),
    )


def _without_place(frames: Sequence[Frame], header: Dataset) -> StackLayout:
    """Radiographs, clips, captures: columns along +x, rows along +y."""
    ordered = sorted(frames, key=lambda frame: (frame.file, frame.number))
    size = pixel_size(header)
    if not size.known and frames[0].spacing is not None and "PixelSpacing" not in header:  # in a functional group
        size = PixelSize(steps=frames[0].spacing, known=True, source="PixelSpacing")
    stack: Stack = "time" if len(ordered) > 1 else "space"
    geometry = Geometry.of_pixels(*frames[0].size, frames=len(ordered))
    scale = np.diag([1.0, size.steps[0], size.steps[1], 1.0])
    geometry = replace(geometry, affine=geometry.affine @ scale, unit="mm" if size.known else "pixel", stack=stack)
    clip = ("frames without a position: a clip in time, not a volume",) if len(ordered) > 1 else ()
    source = (f"pixel spacing from {size.source}",)
    return StackLayout(frames=ordered, geometry=geometry, steps=source, warnings=(*size.warnings, *clip))


def _pixel_size_in_place(ordered: list[Frame], header: Dataset, shown: str) -> PixelSize:
    spacing = ordered[0].spacing
    if spacing is not None:
        return PixelSize(steps=spacing, known=True, source="PixelSpacing")
    size = pixel_size(header)
    if not size.known and len(ordered) > 1:
        raise GeometryError(
            f"{shown}: {len(ordered)} slices with positions but without PixelSpacing; restore it in the files",
            code="no-spacing",
            slices=len(ordered),
        )
    return size


def _geometry(first: Frame, slices: int, line: _Line, size: PixelSize) -> Geometry:
    if first.directions is None:
        raise ValueError("a frame without a place has no geometry")
    affine = np.eye(4)
    affine[:3, 0] = line.step
    affine[:3, 1] = first.directions[1] * size.steps[0]  # down the rows
    affine[:3, 2] = first.directions[0] * size.steps[1]  # along the columns
    affine[:3, 3] = line.origin
    return Geometry(
        affine=affine,
        shape=(slices, *first.size),
        unit="mm" if size.known else "pixel",
        frame_of_reference_uid=first.frame_of_reference or None,
    )


def _line(ordered: list[Frame], size: PixelSize, header: Dataset) -> _Line:
    normal = normal_of(ordered[0])
    positions = np.array([frame.position for frame in ordered])  # (slices, 3)
    if len(ordered) == 1:
        measures = functional(header, ordered[0].number, "PixelMeasuresSequence") or header
        return _depth_of_one(positions[0], normal, measures)
    along = positions @ normal
    problems = _irregular(along)
    origin, step = _fitted(positions)
    centred = along - along.mean()
    lateral = positions - positions.mean(axis=0) - np.outer(centred, normal)
    leaning = centred @ lateral / float(centred @ centred)  # millimetres sideways for one along the normal
    wander = float(np.linalg.norm(lateral - np.outer(centred, leaning), axis=1).max())
    if wander > max(DRIFT_PIXELS * min(size.steps), STEP_TOLERANCE * float(step @ normal)):
        problems.append(f"slices are shifted sideways against each other by up to {wander:.3g} mm")
    upright, lean = normal * float(step @ normal), float(np.linalg.norm(leaning))
    drift = lean * float(along[-1] - along[0])
    if lean <= ORTHOGONAL_COSINE:
        return _Line(origin=origin, step=step, problems=tuple(problems))
    if drift <= DRIFT_PIXELS * min(size.steps):
        ignored = (f"sideways drift of {drift:.2g} mm over the stack ignored",)
        return _Line(origin=origin, step=upright, problems=tuple(problems), steps=ignored)
    problems.append(f"gantry tilt: slices lean by {np.degrees(np.arctan(lean)):.1f} degrees from their normal")
    return _Line(origin=origin, step=step, problems=tuple(problems))


def _depth_of_one(position: Vector, normal: Vector, measures: Dataset) -> _Line:
    for keyword in ("SpacingBetweenSlices", "SliceThickness"):
        stated = number(measures, keyword)
        if stated is not None and stated > 0:
            return _Line(origin=position, step=normal * stated, steps=(f"one slice: its depth from {keyword}",))
    return _Line(origin=position, step=normal, steps=("one slice: its depth taken as 1",))


def _fitted(positions: Vector) -> tuple[Vector, Vector]:
    """Origin and step of (slices, 3) positions: from end to end where they are regular, else by least squares."""
    count = np.arange(len(positions), dtype=np.float64)
    step: Vector = (positions[-1] - positions[0]) / count[-1]
    apart = np.linalg.norm(positions - positions[0] - np.outer(count, step), axis=1).max()
    if apart <= 1e-3 * float(np.linalg.norm(step)):
        return positions[0], step
    centred = count - count.mean()
    step = centred @ positions / float(centred @ centred)
    return positions.mean(axis=0) - step * count.mean(), step


def irregular(layout: StackLayout) -> dict[str, Any]:
    """What may be written down of a stack with problems: a code with its number."""
    frames = [frame for frame in layout.frames if frame.position is not None]
    missing = _missing(np.array([frame.position for frame in frames]) @ normal_of(frames[0])) if len(frames) > 1 else 0
    if missing:
        return {"code": "slices-missing", "missing": missing}
    return {"code": "irregular-stack", "slices": len(layout.frames)}


def _missing(along: Vector) -> int:
    """How many slices are missing between (slices,) ascending positions in mm; 0 where the steps say nothing of the kind."""
    multiples = np.diff(along) / usual_step(along)
    whole = np.round(multiples)
    if float(np.abs(multiples - whole).max()) > STEP_TOLERANCE * float(whole.max()) or whole.min() < 1:
        return 0
    return int(whole.sum()) - len(whole)


def _irregular(along: Vector) -> list[str]:
    """Missing slices and uneven steps; `along` are positions in mm on the normal, ascending."""
    steps = np.diff(along)
    count = np.arange(len(along))
    fitted = np.polyval(np.polyfit(count, along, 1), count)
    if float(np.abs(along - fitted).max()) <= STEP_TOLERANCE * float(steps.mean()):
        return []
    step = usual_step(along)
    multiples = steps / step
    whole = np.round(multiples)
    if float(np.abs(multiples - whole).max()) <= STEP_TOLERANCE * float(whole.max()) and whole.min() >= 1:
        gaps = [(along[k], int(whole[k]) - 1) for k in range(len(steps)) if whole[k] > 1]
        missing = sum(count for _, count in gaps)
        if missing == 0:
            return [f"inconsistent increments: {steps.min():.4g} to {steps.max():.4g} mm"]
        where = ", ".join(f"{count} after {at:.4g} mm" for at, count in gaps[:NAMED]) + (
            ", ..." if len(gaps) > NAMED else ""
        )
        be = "slice is" if missing == 1 else "slices are"
        return [f"{missing} {be} missing (step {step:.4g} mm; {where} along the normal)"]
    return [f"inconsistent increments: {steps.min():.4g} to {steps.max():.4g} mm, usually {step:.4g}{_counted(steps)}"]


def _counted(steps: Vector) -> str:
    """How often each step occurs, where a line can hold it."""
    groups = _alike(steps)
    listed = ", ".join(f"{len(group)} of {np.mean(group):.4g}" for group in groups)
    return f" ({listed})" if 2 < len(groups) <= NAMED else ""


def usual_step(along: Vector) -> float:
    """The step that a regular stack at (slices,) ascending positions in mm would have.

    The median where half of the neighbours agree with it; the smallest where all others are multiples of it, as they are
    where slices are missing; else the most frequent, so that one short step between two parts of a stack is not taken.
    """
    steps = np.diff(along)
    median = float(np.median(steps))
    agree = float(np.mean(np.abs(steps - median) <= STEP_TOLERANCE * median))
    if agree >= 0.5:
        return median
    multiples = steps / steps.min()
    gaps_only = bool(np.abs(multiples - np.round(multiples)).max() <= STEP_TOLERANCE)
    return float(steps.min()) if gaps_only else _most_frequent(steps)


def _most_frequent(steps: Vector) -> float:
    """The mean of the largest group of equal steps, of the smaller step where two are as large."""
    return float(np.mean(max(_alike(steps), key=len)))


def _alike(steps: Vector) -> list[list[float]]:
    """Steps in groups of equal ones, ascending."""
    groups: list[list[float]] = []
    for step in sorted(float(one) for one in steps):
        if groups and step - groups[-1][0] <= 2 * STEP_TOLERANCE * groups[-1][0]:
            groups[-1].append(step)
        else:
            groups.append([step])
    return groups


def _duplicates(duplicated: list[list[Frame]], total: int) -> str:
    extra = sum(len(place) - 1 for place in duplicated)
    where = ", ".join(
        f"{float(place[0].position @ normal_of(place[0])):.4g}"
        for place in duplicated[:NAMED]
        if place[0].position is not None
    )
    return f"{extra} of {total} slices lie where another one lies (at {where} mm along the normal)"
