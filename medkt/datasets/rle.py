"""Run-length masks: the CSV of the SIIM-ACR Pneumothorax challenge, and the runs of COCO.

SIIM: pairs of "gap length" over the pixels column by column; the gap counts from the end of the run before (relative
RLE, Kaggle 2019, `mask_functions.py` beside the data). "-1" says that there is no pneumothorax. An image with several
outlines has several rows, and their union is the mask. COCO (`maskApi.c` of cocoapi, `rleFrString`): alternating lengths
of outside and inside, also column by column, as numbers or as text of five bits a character.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from medkt.errors import InputError
from medkt.io.table import read_rows
from medkt.shapes import MaskPlane

NOTHING = "-1"
IMAGE, PIXELS = "ImageId", "EncodedPixels"


def relative_runs_to_mask(text: str, *, rows: int, columns: int) -> MaskPlane:
    """The mask of one row of SIIM's CSV, (rows, columns) bool; "-1" is empty.

    Raises:
        InputError: an odd number of values, a value that is no number, or runs that leave the image.

    >>> relative_runs_to_mask("1 2", rows=2, columns=2).astype(int).tolist()
    [[0, 1], [1, 0]]
    """
    values = _numbers(text)
    flat = np.zeros(rows * columns, dtype=bool)
    if values == [-1]:
        return flat.reshape(columns, rows).T
    if len(values) % 2 or not values or min(values) < 0:
        raise InputError(
            f"run lengths come in pairs of numbers not below 0, or are -1 alone; got {len(values)} values",
            code="outline",
        )
    end = 0
    for gap, length in zip(values[::2], values[1::2], strict=True):
        start, end = end + gap, end + gap + length
        if end > flat.size:
            raise InputError(
                f"the runs end at pixel {end} of {flat.size}; is the image of another size, or the RLE absolute?",
                code="outline",
            )
        flat[start:end] = True
    return flat.reshape(columns, rows).T


def mask_to_relative_runs(mask: MaskPlane) -> str:
    """The SIIM text of a mask, "-1" where it is empty: the inverse of `relative_runs_to_mask`."""
    flat = np.asarray(mask, dtype=np.int8).T.ravel()
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat, [0]]).astype(np.int8)))
    if not edges.size:
        return NOTHING
    gaps = np.diff(np.concatenate([[0], edges]))  # gap, length, gap, length, ...
    return " ".join(map(str, gaps.tolist()))


def alternating_runs_to_mask(counts: Sequence[int], *, rows: int, columns: int) -> MaskPlane:
    """The mask of COCO's run lengths, (rows, columns) bool; the first length is of pixels outside.

    Raises:
        InputError: the lengths do not add up to the image.
    """
    if any(count < 0 for count in counts) or sum(counts) != rows * columns:
        raise InputError(
            f"run lengths add up to {sum(counts)}, the image has {rows}x{columns} pixels; check its size",
            code="outline",
        )
    inside = np.arange(len(counts)) % 2 == 1
    flat: NDArray[np.bool_] = np.repeat(inside, np.asarray(counts, dtype=np.int64))
    return flat.reshape(columns, rows).T


def runs_from_characters(text: str) -> list[int]:
    """COCO's compressed run lengths as numbers.

    Five bits a character, the sixth says that more follow; from the fourth number on it is the difference to the number
    two before.

    Raises:
        InputError: a character out of range, or the text ends within a number.
    """
    counts: list[int] = []
    value, shift = 0, 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64:
            raise InputError(
                f"compressed run lengths hold {character!r}, which is none of their characters", code="outline"
            )
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift  # a negative number
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value, shift = 0, 0
    if shift:
        raise InputError("compressed run lengths end within a number; the file is cut off", code="outline")
    return counts


@lru_cache(maxsize=4)
def siim_rows(path: Path) -> Mapping[str, tuple[str, ...]]:
    """The run lengths of every image in SIIM's CSV, read once a process.

    Raises:
        InputError: no columns ImageId and EncodedPixels, an image with -1 and with runs, the same row twice.
    """
    found: dict[str, tuple[str, ...]] = {}
    for row, values in read_rows(path, required=(IMAGE, PIXELS)):
        name, runs = values[IMAGE], values[PIXELS]
        if not name or not runs:
            raise InputError(
                f"{path}, row {row}, column {IMAGE if not name else PIXELS}: empty; -1 says that nothing is there",
                code="outline",
            )
        before = found.get(name, ())
        if runs in before:
            raise InputError(
                f"{path}, row {row}, column {IMAGE}: the same outline of {name} stands twice; remove one row",
                code="outline",
            )
        if before and NOTHING in (runs, *before):
            raise InputError(
                f"{path}, row {row}, column {PIXELS}: {name} has -1 and runs as well; one of the two is wrong",
                code="outline",
            )
        found[name] = (*before, runs)
    if not found:
        raise InputError(f"{path}: there is no image in it; give the CSV with a row an outline", code="outline")
    return MappingProxyType(found)


def siim_mask(path: Path, name: str, *, rows: int, columns: int) -> MaskPlane:
    """The union of an image's outlines, (rows, columns) bool.

    Raises:
        InputError: the CSV does not know the image, or its runs do not fit.
    """
    known = siim_rows(path)
    if name not in known:
        raise InputError(f"{path}: no row of image {name}; is it the CSV of this part of the data?", code="outline")
    mask = np.zeros((rows, columns), dtype=bool)
    for runs in known[name]:
        try:
            mask |= relative_runs_to_mask(runs, rows=rows, columns=columns)
        except InputError as error:
            raise InputError(f"{path}, image {name}: {error}", code="outline") from error
    return mask


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split()]
    except ValueError as error:
        raise InputError(f"run lengths are whole numbers, got {text[:40]!r}", code="outline") from error
