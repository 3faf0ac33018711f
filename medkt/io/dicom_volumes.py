"""Which frames of a series belong to one volume: one orientation, one size, every position once.

Where positions repeat, the marks of the frames (`dicom_marks`) say which belong together: the fewest marks that make as
many volumes as a position has frames, else the order in time at each position, else the order in which they were stored,
which is a guess and called one.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from medkt.errors import AmbiguousInputError
from medkt.io.dicom_frames import SAME_DIRECTION, Frame
from medkt.io.dicom_marks import MarkValue
from medkt.io.dicom_mosaic import Vector
from medkt.io.dicom_volume_names import choose, orientation_of, parts_of_names, written_name

SAME_POSITION_MM = 1e-2  # files state positions to a thousandth of a millimetre or better
SAME_POSITION_PIXELS = 0.25  # where pixels are so small that slices may lie closer than that (micro-CT)
_TELLING = (
    "image type", "echo", "TE", "b", "direction", "TI", "flip", "phase", "time", "acquisition", "kV", "kernel", "view",
    "stack", "TR", "trigger", "acquired",
)  # fmt: skip
_IN_TIME = ("trigger", "acquired")  # differ from slice to slice, too
_MOST_TOGETHER = 3  # marks that name volumes together: b-value, direction and acquisition, say
GUESSED = "order"
_ONE_VOLUME_HAS_ONE = {"echo": "echo", "TE": "echo time", "b": "b-value", "TI": "inversion time"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Volume:
    """Frames of one volume; those of a stack are not yet in order.

    Attributes:
        frames: the frames.
        rank: its place in time or in the order of storing at each position, from 1, where that is what tells it apart.
        guessed: whether nothing but the order of storing does.
    """

    frames: list[Frame]
    rank: int | None = None
    guessed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VolumeChoice:
    """The frames that were chosen, what was chosen in words ("" where there was one), and what to be wary of."""

    frames: list[Frame]
    said: str = ""
    warnings: tuple[str, ...] = ()


def choose_volume(frames: Sequence[Frame], volume: int | str | None, shown: str) -> VolumeChoice:
    """One volume of a series.

    Args:
        frames: all frames of one series.
        volume: its number in the list from 1, or what tells it apart ("echo 2", "b1000"), or the unambiguous beginning of
            that; None where there is one.
        shown: the path that the user gave.

    Raises:
        AmbiguousInputError: several orientations (localisers), sizes, times, echoes or b-values; each is listed. Or
            different pictures lie at one place and nothing tells them apart.
        InputError: no volume of that number or name.
    """
    volumes = split_volumes(frames)
    _require_told_apart(volumes, shown)
    names = parts_of_names([one.frames for one in volumes], [_rank_in_words(one) for one in volumes])
    index = choose([_described(one) for one in volumes], names, volume, shown)
    chosen = volumes[index]
    said = ""
    if len(volumes) > 1:
        words = written_name(chosen.frames, names[index])
        said = f"volume {index + 1} of {len(volumes)}" + (f": {', '.join(words)}" if words else "")
    return VolumeChoice(frames=chosen.frames, said=said, warnings=tuple(_doubts(chosen)))


def split_volumes(frames: Sequence[Frame]) -> list[Volume]:
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
    return [
        volume
        for group in groups
        for volume in (_repeats(group) if group[0].position is not None else [Volume(frames=group)])
    ]


def _alike(a: Frame, b: Frame) -> bool:
    if a.size != b.size or (a.position is None) != (b.position is None):
        return False
    if a.directions is None or b.directions is None:
        return a.file == b.file
    if a.frame_of_reference != b.frame_of_reference or np.abs(a.directions - b.directions).max() > SAME_DIRECTION:
        return False
    if a.spacing is None or b.spacing is None:
        return a.spacing == b.spacing
    return a.spacing == b.spacing or bool(np.allclose(a.spacing, b.spacing, rtol=1e-3))


def _repeats(group: list[Frame]) -> list[Volume]:
    """One volume for each repetition of the positions; the whole group where nothing tells them apart."""
    places = by_position(group)
    most = max(len(place) for place in places)
    if most == 1:
        return [Volume(frames=group)]
    for parts in (*_by_marks(group, most), *_by_marks(group, None)):
        return [Volume(frames=part) for part in parts]
    if all(len(place) == most for place in places):
        for mark in _IN_TIME:
            in_time = _by_rank(places, lambda frame, mark=mark: frame.marks.get(mark))  # type: ignore[misc]
            if in_time:
                return [Volume(frames=part, rank=k) for k, part in enumerate(in_time, 1)]
        stored = _by_rank(places, lambda frame: frame.order)
        return [Volume(frames=part, rank=k, guessed=True) for k, part in enumerate(stored, 1)] or [Volume(frames=group)]
    return [Volume(frames=group)]


def _by_marks(group: list[Frame], most: int | None) -> Iterator[list[list[Frame]]]:
    """Ways in which few marks part the frames so that each part has every position once at most.

    With `most` only those into as many parts as a position has frames; without, those of one mark into parts of several
    frames, as where volumes cover different positions.
    """
    varying = [name for name in _names(group) if len({frame.marks.get(name) for frame in group}) > 1]
    for together in range(1, _MOST_TOGETHER + 1 if most else 2):
        for names in combinations(varying, together):
            parts: dict[tuple[MarkValue | None, ...], list[Frame]] = {}
            for frame in group:
                parts.setdefault(tuple(frame.marks.get(name) for name in names), []).append(frame)
            enough = len(parts) == most if most else min(map(len, parts.values())) > 1 and names[0] not in _IN_TIME
            if enough and all(max(len(p) for p in by_position(part)) == 1 for part in parts.values()):
                yield [parts[key] for key in sorted(parts, key=lambda key: _sortable(key, names, group))]


def _names(group: list[Frame]) -> list[str]:
    """The marks that may tell frames apart: the known ones, then the file's own dimensions."""
    own = sorted({name for frame in group for name in frame.marks if name not in _TELLING})
    return [*_TELLING, *own]


def _sortable(key: tuple[MarkValue | None, ...], names: tuple[str, ...], group: list[Frame]) -> list[tuple[Any, ...]]:
    """What has no such mark first, numbers ascending, words in the order in which the frames are numbered."""
    found: list[tuple[Any, ...]] = []
    for one, name in zip(key, names, strict=True):
        first = min(frame.order for frame in group if frame.marks.get(name) == one) if isinstance(one, str) else ()
        found.append((one is not None, _numbers(one), first, str(one)))
    return found


def _numbers(one: MarkValue | None) -> tuple[float, ...]:
    if one is None or isinstance(one, str):
        return ()
    return one if isinstance(one, tuple) else (one,)


def _by_rank(places: list[list[Frame]], key: Callable[[Frame], object]) -> list[list[Frame]]:
    """The first frames of all positions, the second ones, and so on; [] where two at a position are equal."""
    ranked = []
    for place in places:
        keys = [key(frame) for frame in place]
        if None in keys or len(set(keys)) < len(keys):
            return []
        ranked.append(sorted(place, key=key))  # type: ignore[arg-type]
    return [[place[k] for place in ranked] for k in range(len(places[0]))]


def _rank_in_words(volume: Volume) -> str:
    if volume.rank is None:
        return ""
    return f"{GUESSED if volume.guessed else 'time'} {volume.rank}"


def _doubts(volume: Volume) -> Iterator[str]:
    if volume.guessed:
        yield (
            "a guess: nothing but the order in which the files were numbered tells this volume from the others at the same "
            "positions"
        )
    for name, words in _ONE_VOLUME_HAS_ONE.items():
        found = {frame.marks.get(name) for frame in volume.frames}
        if len(found) > 1:
            listed = ", ".join("none" if one is None else f"{one:g}" for one in sorted(found, key=_numbers))
            yield f"slices of this volume differ in {words}: {listed}"


def _require_told_apart(volumes: list[Volume], shown: str) -> None:
    """Pass silently unless every position of a volume has several pictures that nothing tells apart."""
    for volume in volumes:
        if volume.frames[0].position is None:
            continue
        counts = {len(place) for place in by_position(volume.frames)}
        if min(counts) > 1:
            raise AmbiguousInputError(
                f"{shown}: {min(counts)} different pictures lie at each place and nothing in their headers tells them apart, "
                "not even an instance number; give the file that you mean itself"
            )


def _described(volume: Volume) -> str:
    count, (rows, columns) = len(volume.frames), volume.frames[0].size
    return ", ".join(
        filter(
            None, [f"{count} image{'s' if count > 1 else ''}", f"{columns}x{rows}", orientation_of(volume.frames[0])]
        )
    )


def by_position(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Frames of one orientation along their normal, those at one place together, in the order of storing."""
    normal = np.zeros(3) if frames[0].directions is None else normal_of(frames[0])
    same = min([SAME_POSITION_MM, *(SAME_POSITION_PIXELS * step for step in frames[0].spacing or ())])
    along = [0.0 if frame.position is None else float(frame.position @ normal) for frame in frames]
    ordered = sorted(range(len(frames)), key=lambda k: (along[k], frames[k].order))
    places: list[list[Frame]] = []
    last = -np.inf
    for k in ordered:
        if along[k] - last < same:
            places[-1].append(frames[k])
        else:
            places.append([frames[k]])
            last = along[k]
    return [sorted(place, key=lambda frame: frame.order) for place in places]


def normal_of(frame: Frame) -> Vector:
    """(3,) unit vector LPS+ across a frame that has a place: column direction x row direction."""
    if frame.directions is None:
        raise ValueError("a frame without orientation has no normal")
    normal: Vector = np.cross(frame.directions[0], frame.directions[1])
    return normal
