"""Which frames of a series belong to one volume: one orientation, one size, every position once."""

from collections.abc import Sequence

import numpy as np

from medkt.errors import AmbiguousInputError, InputError
from medkt.io.dicom_frames import SAME_DIRECTION, Frame, Vector

SAME_POSITION_MM = 1e-2  # files state positions to a thousandth of a millimetre or better
LISTED = 20
_MARKS = ("temporal position", "b-value", "echo", "acquisition")  # the meaning of Frame.marks but the last


def choose_volume(frames: Sequence[Frame], volume: int | None, shown: str) -> list[Frame]:
    """The frames of one volume; those of a stack are not yet in order.

    Args:
        frames: all frames of one series.
        volume: its number in the list from 1; None where there is one.
        shown: the path that the user gave.

    Raises:
        AmbiguousInputError: several orientations (localisers), sizes, times, echoes or b-values; each is listed.
        InputError: no volume of that number.
    """
    volumes = split_volumes(frames)
    if volume is None:
        if len(volumes) > 1:
            raise AmbiguousInputError(
                f"{shown}: {len(volumes)} volumes or views in the series; choose one with --volume: {_listed(volumes)}"
            )
        return volumes[0]
    if not 1 <= volume <= len(volumes):
        raise InputError(f"{shown}: no volume {volume}; --volume counts from 1 to {len(volumes)}: {_listed(volumes)}")
    return volumes[volume - 1]


def split_volumes(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Frames grouped by orientation, size, spacing and frame of reference, then by what repeats at each position.

    Frames without a position: those of one file are a clip, and each file is a picture of its own.
    """
    groups: list[list[Frame]] = []
    for frame in frames:
        home = next((group for group in groups if _alike(group[0], frame)), None)
        if home is None:
            groups.append([frame])
        else:
            home.append(frame)
    return [volume for group in groups for volume in (_repeats(group) if group[0].position is not None else [group])]


def _alike(a: Frame, b: Frame) -> bool:
    if a.size != b.size or (a.position is None) != (b.position is None):
        return False
    if a.directions is None or b.directions is None:
        return a.file == b.file
    if a.frame_of_reference != b.frame_of_reference or np.abs(a.directions - b.directions).max() > SAME_DIRECTION:
        return False
    if a.spacing is None or b.spacing is None:
        return a.spacing == b.spacing
    return bool(np.allclose(a.spacing, b.spacing, rtol=1e-3))


def _repeats(group: list[Frame]) -> list[list[Frame]]:
    """One list a volume where positions repeat; the whole group where that leads nowhere (then duplicates remain)."""
    places = by_position(group)
    counts = {len(place) for place in places}
    if counts == {1}:
        return [group]
    for mark in range(len(_MARKS)):
        parts: dict[float, list[Frame]] = {}
        for frame in group:
            parts.setdefault(frame.marks[mark], []).append(frame)
        if len(parts) > 1 and all(max(len(p) for p in by_position(part)) == 1 for part in parts.values()):
            return [parts[key] for key in sorted(parts)]
    if len(counts) == 1:  # every position equally often: the first at each place is the first volume, and so on
        ordered = [sorted(place, key=lambda frame: frame.marks) for place in places]
        return [[place[k] for place in ordered] for k in range(counts.pop())]
    return [group]


def by_position(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Frames of one orientation along their normal, those at one place together, in the order of their marks."""
    along = [distance_along(frame, frames[0]) for frame in frames]
    ordered = sorted(range(len(frames)), key=lambda k: (along[k], frames[k].marks))
    places: list[list[Frame]] = []
    last = -np.inf
    for k in ordered:
        if along[k] - last < SAME_POSITION_MM:
            places[-1].append(frames[k])
        else:
            places.append([frames[k]])
            last = along[k]
    return [sorted(place, key=lambda frame: frame.marks) for place in places]


def normal_of(frame: Frame) -> Vector:
    """(3,) unit vector LPS+ across a frame that has a place: column direction x row direction."""
    if frame.directions is None:
        raise ValueError("a frame without orientation has no normal")
    normal: Vector = np.cross(frame.directions[0], frame.directions[1])
    return normal


def distance_along(frame: Frame, reference: Frame) -> float:
    """Millimetres of a frame's position along the normal of `reference`; 0 where it has none."""
    return 0.0 if frame.position is None else float(frame.position @ normal_of(reference))


def _listed(volumes: list[list[Frame]]) -> str:
    lines = []
    for place, volume in enumerate(volumes[:LISTED], 1):
        rows, columns = volume[0].size
        what = f"{len(volume)} image{'s' if len(volume) > 1 else ''}, {columns}x{rows}{_orientation(volume[0])}"
        first = volume[0].marks
        for mark, name in enumerate(_MARKS):
            if any(other[0].marks[mark] != first[mark] for other in volumes) and first[mark]:
                what += f", {name} {first[mark]:g}"
        lines.append(f"[{place}] {what}")
    return "; ".join(lines) + (f"; and {len(volumes) - LISTED} more" if len(volumes) > LISTED else "")


def _orientation(frame: Frame) -> str:
    if frame.directions is None:
        return ""
    return ", " + ("sagittal", "coronal", "axial")[int(np.argmax(np.abs(normal_of(frame))))]
