"""Pictures: PNG, JPEG, TIFF, BMP. They state no spacing, so every length is in pixels and the image says so."""

from pathlib import Path

import numpy as np

from medkt.errors import InputError, UnsupportedError
from medkt.io.digest import digest_of
from medkt.io.luma import coloured, luma
from medkt.io.native import RasterNative
from medkt.io.raster_channels import read_channels
from medkt.shapes import Array
from medkt.spatial.geometry import Geometry
from medkt.spatial.image import Image
from medkt.spatial.provenance import Provenance


def read_raster(path: Path, shown: str, *, volume: int | str | None = None) -> Image:
    """The picture in a file as one slice, (1, rows, columns), in pixels; 8 or 16 bits, or float where a TIFF has it.

    Args:
        path: the file.
        shown: how to name it in messages.
        volume: which page of a multi-page TIFF, from 1.

    Raises:
        AmbiguousInputError: several pages and none chosen.
        UnreadableError: damaged. UnsupportedError: animations, more channels than colour has.
    """
    pixels, steps, warnings = read_channels(path, shown, volume=volume)
    plane, more = _grey(pixels, shown)
    colour = coloured(pixels, "RGB") if pixels.ndim == 3 and pixels.shape[2] >= 3 else 0.0
    if plane.dtype.kind == "f" and not np.isfinite(plane).all():
        raise InputError(f"{shown}: {int((~np.isfinite(plane)).sum())} pixels are NaN or infinite; replace them")
    values = np.ascontiguousarray(plane[None], dtype=plane.dtype.newbyteorder("="))
    geometry = Geometry.of_pixels(*plane.shape)
    return Image(
        values=values,
        geometry=geometry,
        colour=colour,
        provenance=Provenance(
            source="raster",
            digest=digest_of(values, geometry),
            steps=(*steps, *more),
            warnings=("no pixel spacing in the file: lengths are in pixels", *warnings),
        ),
        native=RasterNative(size=(int(plane.shape[0]), int(plane.shape[1]))),
    )


def _grey(pixels: Array, shown: str) -> tuple[Array, tuple[str, ...]]:
    """(rows, columns) of grey or luma; alpha is dropped."""
    if pixels.ndim == 2:
        return pixels, ()
    if pixels.ndim != 3 or pixels.shape[2] > 4:
        raise UnsupportedError(f"{shown}: pixels of shape {pixels.shape}; a picture is grey or colour")
    alpha = ("alpha dropped",) if pixels.shape[2] in (2, 4) else ()
    if pixels.shape[2] < 3:
        return pixels[..., 0], alpha
    return luma(pixels[..., :3], "RGB"), ("colour reduced to luma (ITU-R BT.601)", *alpha)
