"""A mask that was saved as a picture: grey levels as they are, and colour, palette and alpha only where they say one thing.

grey            the level is the label
palette         all greys: the level that is seen; colours: the index, where index 0 is black (as label tools write it)
colour          one colour on black is one mask; several are an error
alpha           passed over where it is the same all over, or says the same as the grey; else an error
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image as Pillow

from medkt.errors import InputError
from medkt.io.guard import reading
from medkt.io.raster_channels import READ_AS, raster_kind, read_channels
from medkt.shapes import Array

JPEG_TINT = 16  # levels by which the channels of a grey JPEG may differ
IN_ALPHA = "the mask may be in its alpha channel; save that channel as a grey picture (in an image program: mask from transparency)"


class MaskPicture(NamedTuple):
    """A mask as a picture holds it.

    Attributes:
        plane: (rows, columns) of levels or labels.
        how: colour became those; "" where it was grey.
        lossy: whether it was saved as JPEG.
    """

    plane: Array
    how: str
    lossy: bool


def read_mask_picture(path: Path, shown: str) -> MaskPicture:
    """The picture as one plane of levels or labels.

    Raises:
        InputError: several colours, two indices of one colour, or alpha and grey say two things.
        MedktError: as `read_raster`.
    """
    pixels, steps, _ = read_channels(path, shown)
    colour, alpha = _split(pixels)
    indices = _indices(path, shown) if READ_AS.format(mode="P") in steps else None
    lossy = _is_jpeg(path)
    if colour.ndim == 2 or _is_grey(colour, JPEG_TINT if lossy else 0):
        plane = colour if colour.ndim == 2 else _grey(colour)
        if indices is not None:
            _require_seen(indices, plane, shown)
        how = ""
    else:
        plane, how = _of_colour(colour, indices, shown)
    if alpha is not None:
        _require_one_statement(plane, alpha, shown)
    return MaskPicture(plane, how, lossy)


def _is_jpeg(path: Path) -> bool:
    with path.open("rb") as opened:
        return raster_kind(opened.read(8)) == "JPEG"


def _split(pixels: Array) -> tuple[Array, Array | None]:
    """Grey (rows, columns) or colour (rows, columns, 3), and alpha (rows, columns) where there is one."""
    if pixels.ndim == 2:
        return pixels, None
    alpha = pixels[..., -1] if pixels.shape[2] in (2, 4) else None
    rest = pixels if alpha is None else pixels[..., :-1]
    return (rest[..., 0], alpha) if rest.shape[2] == 1 else (rest, alpha)


def _indices(path: Path, shown: str) -> Array:
    """The palette's indices."""
    with reading(shown, "decoding the picture"), Pillow.open(path) as picture:
        return np.asarray(picture)


def _is_grey(colour: Array, tint: int) -> bool:
    return int(np.ptp(colour.astype(np.int32), axis=2).max()) <= tint


def _grey(colour: Array) -> Array:
    first: Array = colour[..., 0]
    return (
        first if np.ptp(colour.astype(np.int32), axis=2).max() == 0 else np.rint(colour.mean(axis=2)).astype(np.uint8)
    )


def _require_seen(indices: Array, plane: Array, shown: str) -> None:
    """Two indices that look alike are two labels to one program and one to the next."""
    if len(np.unique(indices)) > len(np.unique(plane)):
        raise InputError(
            f"{shown}: its palette shows several indices in one grey, so it is not clear which of them is inside; save the "
            "mask as a grey picture",
            code="mask-unclear",
        )


def _of_colour(colour: Array, indices: Array | None, shown: str) -> tuple[Array, str]:
    if indices is not None:
        background = colour[indices == 0]
        if len(background) and not background.any():
            return indices, "palette"
    packed = colour.astype(np.uint64) @ np.array([1 << 32, 1 << 16, 1], np.uint64)
    found = np.unique(packed[packed != 0])
    if len(found) == 1:
        return (packed != 0).astype(np.uint8), "one colour on black"
    some = ", ".join(str((int(one) >> 32, int(one) >> 16 & 0xFFFF, int(one) & 0xFFFF)) for one in found[:3])
    raise InputError(
        f"{shown}: is in colour, {len(found)} colours besides black such as {some}; save each label as a grey level of its "
        "own, or as a file of its own. Are images and masks swapped?",
        code="mask-unclear",
    )


def _require_one_statement(plane: Array, alpha: Array, shown: str) -> None:
    if alpha.min() == alpha.max() > 0:
        return
    if plane.min() == plane.max():
        raise InputError(
            f"{shown}: its grey is {plane.max()} everywhere and its transparency is not; {IN_ALPHA}",
            code="mask-unclear",
        )
    if not np.array_equal(plane != 0, (plane != 0) & (alpha == alpha.max())) or alpha.max() == 0:
        raise InputError(
            f"{shown}: its grey and its transparency say two things (pixels that are not black are transparent); "
            f"save it without alpha. Or {IN_ALPHA}",
            code="mask-unclear",
        )
