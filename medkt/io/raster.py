"""Pictures: PNG, JPEG, TIFF, BMP. They state no spacing, so every length is in pixels and the image says so."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from medkt.bounds import budget, require_regular
from medkt.errors import AmbiguousInputError, InputError, UnsupportedError
from medkt.io.digest import digest_of
from medkt.io.guard import one_line, reading
from medkt.io.native import RasterNative
from medkt.io.volume_number import counted
from medkt.spatial.geometry import Geometry
from medkt.spatial.image import Image
from medkt.spatial.provenance import Provenance

Array = NDArray[Any]

_STARTS = {
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"BM": "BMP",
}
ORIENTATION = 0x0112  # EXIF tag
MOST_PIXELS = 400_000_000  # 20,000 x 20,000; larger pictures are slides, not radiology


def raster_kind(start: bytes) -> str | None:
    """Which of "PNG", "JPEG", "TIFF" and "BMP" begins with these bytes, None for no picture."""
    return next((kind for mark, kind in _STARTS.items() if start.startswith(mark)), None)


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
    if plane.dtype.kind == "f" and not np.isfinite(plane).all():
        raise InputError(f"{shown}: {int((~np.isfinite(plane)).sum())} pixels are NaN or infinite; replace them")
    values = np.ascontiguousarray(plane[None], dtype=plane.dtype.newbyteorder("="))
    geometry = Geometry.of_pixels(*plane.shape)
    return Image(
        values=values,
        geometry=geometry,
        provenance=Provenance(
            source="raster",
            digest=digest_of(values, geometry),
            steps=(*steps, *more),
            warnings=("no pixel spacing in the file: lengths are in pixels", *warnings),
        ),
        native=RasterNative(size=(int(plane.shape[0]), int(plane.shape[1]))),
    )


def read_channels(
    path: Path, shown: str, *, volume: int | str | None = None
) -> tuple[Array, tuple[str, ...], tuple[str, ...]]:
    """All channels of a picture, (rows, columns) or (rows, columns, channels), with steps and warnings; as `read_raster`."""
    require_regular(path, shown)
    with reading(shown, "opening the picture"), path.open("rb") as file:
        kind = raster_kind(file.read(8))
    return _read_tiff(path, shown, volume) if kind == "TIFF" else _read_pillow(path, shown, volume)


def _read_pillow(path: Path, shown: str, volume: int | str | None) -> tuple[Array, tuple[str, ...], tuple[str, ...]]:
    with reading(shown, "decoding the picture", explain=True), _opened(path, shown) as picture:
        if picture.width * picture.height > MOST_PIXELS:
            raise UnsupportedError(
                f"{shown}: {picture.width}x{picture.height} pixels is too large; crop or shrink it",
                code="too-large",
                width=picture.width,
                height=picture.height,
            )
        if getattr(picture, "n_frames", 1) > 1:
            raise UnsupportedError(f"{shown}: is an animation; save the frame that you need")
        counted(volume, 1, shown, what="page")
        budget().require_bytes(picture.width * picture.height * _bytes_of_a_pixel(picture.mode), shown)
        turned = _number(picture.getexif().get(ORIENTATION, 1))
        mode = picture.mode
        pixels = np.asarray(_expanded(picture))
    notes = (f"EXIF asks to turn the picture (orientation {turned}): not done",) if turned not in (0, 1) else ()
    return pixels, (f"picture of mode {mode} read",), notes


def _opened(path: Path, shown: str) -> Pillow.Image:
    """The picture, of which only the header is read.

    Raises:
        UnsupportedError: more pixels than Pillow takes for harmless.
    """
    try:
        return Pillow.open(path)
    except Pillow.DecompressionBombError as error:
        raise UnsupportedError(f"{shown}: is too large ({one_line(str(error))}); crop or shrink it") from error


def _bytes_of_a_pixel(mode: str) -> int:
    """Of an array with all channels; palettes become colour with alpha at most."""
    return {"1": 1, "L": 1, "I": 4, "F": 4, "LA": 2, "RGB": 3}.get(mode, 2 if mode.startswith("I;") else 4)


def _expanded(picture: Pillow.Image) -> Pillow.Image:
    """Palettes and bits as grey levels or colour; the rest as it is."""
    if picture.mode in ("P", "PA"):
        return picture.convert("RGBA" if "transparency" in picture.info or picture.mode == "PA" else "RGB")
    if picture.mode == "1":
        return picture.convert("L")
    return picture.convert("RGB") if picture.mode in ("CMYK", "YCbCr", "LAB", "HSV") else picture


def _read_tiff(path: Path, shown: str, volume: int | str | None) -> tuple[Array, tuple[str, ...], tuple[str, ...]]:
    import tifffile

    with reading(shown, "decoding the TIFF", explain=True), tifffile.TiffFile(path) as file:
        pages = len(file.pages)
        if pages > 1 and volume is None:
            raise AmbiguousInputError(
                f"{shown}: {pages} pages; choose one with --volume 1 to {pages}", code="several-volumes", volumes=pages
            )
        page: Any = file.pages[(counted(volume, pages, shown, what="page") or 1) - 1]
        if page.imagewidth * page.imagelength > MOST_PIXELS:
            raise UnsupportedError(
                f"{shown}: {page.imagewidth}x{page.imagelength} pixels is too large; crop or shrink it",
                code="too-large",
                width=page.imagewidth,
                height=page.imagelength,
            )
        budget().require_bytes(int(page.size) * page.dtype.itemsize * (1 if page.colormap is None else 6), shown)
        pixels = page.asarray()
        if page.colormap is not None:
            pixels = np.moveaxis(page.colormap[:, pixels], 0, -1)
        inverted = page.photometric == tifffile.PHOTOMETRIC.MINISWHITE
        turned = _number(page.tags.valueof(ORIENTATION, 1))
        planar = pixels.ndim == 3 and page.planarconfig == 2
    pixels = np.moveaxis(pixels, 0, -1) if planar else pixels
    pixels = pixels.astype(np.uint8) * 255 if pixels.dtype == bool else pixels
    notes = (f"the file asks to turn the picture (orientation {turned}): not done",) if turned != 1 else ()
    if inverted and pixels.dtype.kind == "u":
        return np.iinfo(pixels.dtype).max - pixels, ("TIFF read", "white is zero: inverted"), notes
    return pixels, ("TIFF read",), notes


def _grey(pixels: Array, shown: str) -> tuple[Array, tuple[str, ...]]:
    """(rows, columns) of grey or luma; alpha is dropped."""
    if pixels.ndim == 2:
        return pixels, ()
    if pixels.ndim != 3 or pixels.shape[2] > 4:
        raise UnsupportedError(f"{shown}: pixels of shape {pixels.shape}; a picture is grey or colour")
    alpha = ("alpha dropped",) if pixels.shape[2] in (2, 4) else ()
    if pixels.shape[2] < 3:
        return pixels[..., 0], alpha
    from medkt.io.dicom_pixels import luma

    return luma(pixels[..., :3], "RGB"), ("colour reduced to luma (ITU-R BT.601)", *alpha)


def _number(found: object) -> int:
    """The orientation; 1, which turns nothing, where the file has words in its place."""
    return int(found) if isinstance(found, int) else 1
