"""Slices that were segmented one by one, made to agree along the axis.

A piece is one connected part of one slice, kept as its bounding box: the pieces of a study are as large as what was
found, not as the study. A piece is kept when its own slice is strong, or when a chain of overlapping pieces in
neighbouring slices leads to a strong one (hysteresis, as Canny's for edges).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from medkt.errors import SettingsError
from medkt.shapes import MaskPlane


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeSettings:
    """How slices are made to agree."""

    hysteresis: bool = True
    """Drop pieces that neither are strong nor touch a strong one through their neighbours."""

    close_gaps: bool = False
    """Fill one missing slice between two overlapping pieces with what they share."""

    min_slices: int = 1
    """Drop findings that run through fewer slices; not applied to a single image."""

    def __post_init__(self) -> None:
        if self.min_slices < 1:
            raise SettingsError(f"volume: min_slices is at least 1, got {self.min_slices}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Piece:
    """A connected part of one slice.

    Attributes:
        index: of the slice.
        top, left: where `mask` lies on the plane.
        mask: (rows, columns) bool, no larger than the part.
        strong: whether it stands by itself.
        filled: whether it closes a gap and was not found in its slice.
    """

    index: int
    top: int
    left: int
    mask: Bool[np.ndarray, "rows columns"]
    strong: bool
    filled: bool = False

    @classmethod
    def of(cls, mask: MaskPlane, index: int, *, strong: bool) -> "Piece":
        """The foreground of a plane, cut to its box. The plane must hold some."""
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        crop = mask[
            rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1
        ].copy()  # not a view that keeps the plane alive
        return cls(index=index, top=int(rows[0]), left=int(columns[0]), mask=crop, strong=strong)


def linked(pieces: Iterable[Piece], settings: VolumeSettings, *, slices: int) -> list[Piece]:
    """The pieces that agree with their neighbours, and those that close gaps, by slice.

    Args:
        pieces: of one concept, in any order.
        settings: which are dropped.
        slices: how many the study has; a single image has no neighbours and drops nothing.
    """
    found = sorted(pieces, key=lambda piece: (piece.index, piece.top, piece.left))
    if slices == 1:
        return found
    if settings.close_gaps:
        found = sorted([*found, *_bridges(found)], key=lambda piece: (piece.index, piece.top, piece.left))
    kept: list[Piece] = []
    for group in _groups(found):
        through = len({piece.index for piece in group})
        if (not settings.hysteresis or any(piece.strong for piece in group)) and through >= settings.min_slices:
            kept += group
    return sorted(kept, key=lambda piece: (piece.index, piece.top, piece.left))


def planes_of_pieces(pieces: Iterable[Piece], shape: tuple[int, int]) -> Iterator[tuple[int, MaskPlane]]:
    """(slice index, (rows, columns) bool) of every slice that has a piece, in order, one plane at a time.

    The pieces come sorted by slice, as `linked` gives them.
    """
    current, plane = None, np.zeros(shape, dtype=bool)
    for piece in pieces:
        if piece.index != current:
            if current is not None:
                yield current, plane
            current, plane = piece.index, np.zeros(shape, dtype=bool)
        rows, columns = piece.mask.shape
        plane[piece.top : piece.top + rows, piece.left : piece.left + columns] |= piece.mask
    if current is not None:
        yield current, plane


def disagreement(planes: Iterable[tuple[int, MaskPlane]]) -> float | None:
    """Mean of 1 - Dice over neighbouring slices that both hold a mask; None where there are no two such.

    0 is a column that never changes. The two ends of a finding, where the next slice is empty, are not counted: every
    finding has them.
    """
    terms: list[float] = []
    last_index, last = None, None
    for index, plane in planes:
        if last is not None and last_index is not None and index == last_index + 1 and plane.any() and last.any():
            shared, total = int((plane & last).sum()), int(plane.sum()) + int(last.sum())
            terms.append(1 - 2 * shared / total)
        last_index, last = index, plane
    return sum(terms) / len(terms) if terms else None


def overlap(first: Piece, second: Piece) -> Piece | None:
    """What two pieces share when laid over each other, as a weak piece of the first's slice; None where nothing."""
    top, left = max(first.top, second.top), max(first.left, second.left)
    bottom = min(first.top + first.mask.shape[0], second.top + second.mask.shape[0])
    right = min(first.left + first.mask.shape[1], second.left + second.mask.shape[1])
    if bottom <= top or right <= left:
        return None
    shared = np.logical_and(
        *(p.mask[top - p.top : bottom - p.top, left - p.left : right - p.left] for p in (first, second))
    )
    if not shared.any():
        return None
    return Piece(index=first.index, top=top, left=left, mask=shared, strong=False)


def _bridges(pieces: Sequence[Piece]) -> list[Piece]:
    by_slice = _by_slice(pieces)
    bridges = []
    for piece in pieces:
        for after in by_slice.get(piece.index + 2, ()):
            shared = overlap(piece, after)
            between = by_slice.get(piece.index + 1, ())
            if shared is None or any(overlap(shared, other) is not None for other in between):
                continue
            bridge = Piece(
                index=piece.index + 1, top=shared.top, left=shared.left, mask=shared.mask, strong=False, filled=True
            )
            bridges.append(bridge)
    return bridges


def _groups(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """Pieces joined through overlap in neighbouring slices (union-find), in order of their first piece."""
    parent = list(range(len(pieces)))

    def root(k: int) -> int:
        while parent[k] != k:
            parent[k] = parent[parent[k]]
            k = parent[k]
        return k

    places = {id(piece): k for k, piece in enumerate(pieces)}
    by_slice = _by_slice(pieces)
    for k, piece in enumerate(pieces):
        for after in by_slice.get(piece.index + 1, ()):
            if overlap(piece, after) is not None:
                parent[root(places[id(after)])] = root(k)
    groups: dict[int, list[Piece]] = {}
    for k, piece in enumerate(pieces):
        groups.setdefault(root(k), []).append(piece)
    return list(groups.values())


def _by_slice(pieces: Iterable[Piece]) -> Mapping[int, list[Piece]]:
    by_slice: dict[int, list[Piece]] = {}
    for piece in pieces:
        by_slice.setdefault(piece.index, []).append(piece)
    return by_slice
