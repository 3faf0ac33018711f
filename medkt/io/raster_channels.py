"""The file of a picture to all its channels. What is large or strange is decoded in a process apart, see `apart`."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow

from medkt.bounds import budget, require_regular
from medkt.errors import AmbiguousInputError, UnreadableError, UnsupportedError
from medkt.extras import require
from medkt.io.apart import LARGE, Conversation, goes_apart, request_for
from medkt.io.guard import one_line, reading
from medkt.io.volume_number import counted
from medkt.shapes import Array

Channels = tuple[Array, tuple[str, ...], tuple[str, ...]]

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
READ_AS = "picture of mode {mode} read"  # the step of a picture, in the words of Pillow
# PhotometricInterpretation of a TIFF; black is zero, RGB, palettes and transparency masks are grey or RGB once read
_WHITE_IS_ZERO, _GREY_OR_RGB, _SEPARATED, _YCBCR = 0, (1, 2, 3, 4), 5, 6
_COLOURS = {_SEPARATED: "inks other than CMYK", _YCBCR: "YCbCr", 8: "CIELAB", 9: "ICCLAB", 10: "ITULAB"}
_DECODED_TO_RGB = (6, 7)  # compressions: both kinds of JPEG
_BOUNDED = (1, 32773)  # TIFF: not compressed, PackBits; the others unpack to whatever their bytes say


def raster_kind(start: bytes) -> str | None:
    """Which of "PNG", "JPEG", "TIFF" and "BMP" begins with these bytes, None for no picture."""
    return next((kind for mark, kind in _STARTS.items() if start.startswith(mark)), None)


def read_channels(path: Path, shown: str, *, volume: int | str | None = None) -> Channels:
    """All channels of a picture, (rows, columns) or (rows, columns, channels), with steps and warnings; as `read_raster`."""
    require_regular(path, shown)
    picture, strange = _size(path, shown, volume)
    if not goes_apart(large=picture >= LARGE, strange=strange):
        return channels_here(path, shown, volume)
    whole = picture + path.stat().st_size
    asked = request_for("picture", path, shown, picture=picture, whole=whole, volume=volume)
    with Conversation([asked]) as apart:
        (said,) = apart.answers()
    assert said.array is not None
    return said.array, tuple(map(str, said.header["steps"])), tuple(map(str, said.header["notes"]))


def channels_here(path: Path, shown: str, volume: int | str | None) -> Channels:
    """The same, decoded in this process.

    Raises:
        UnreadableError: no rows or no columns, as a TIFF may say.
    """
    found = (_read_tiff if _kind(path, shown) == "TIFF" else _read_pillow)(path, shown, volume)
    if found[0].ndim not in (2, 3) or not found[0].size:
        raise UnreadableError(f"{shown}: holds pixels of shape {found[0].shape}, which is no picture; export it again")
    return found


def _kind(path: Path, shown: str) -> str | None:
    with reading(shown, "opening the picture"), path.open("rb") as file:
        return raster_kind(file.read(8))


def _size(path: Path, shown: str, volume: int | str | None) -> tuple[int, bool]:
    """Bytes once decoded, as the header has it, and whether what unpacks it knows no bound; nothing where it is damaged."""
    try:
        if _kind(path, shown) != "TIFF":
            with reading(shown, "opening the picture"), _opened(path, shown) as picture:
                return picture.width * picture.height * _bytes_of_a_pixel(picture.mode), False
        require("tiff", f"{shown}: a TIFF")
        import tifffile

        with reading(shown, "opening the TIFF"), tifffile.TiffFile(path) as file:
            page: Any = file.pages[volume - 1 if isinstance(volume, int) and 0 < volume <= len(file.pages) else 0]
            size = int(page.size) * page.dtype.itemsize * (1 if page.colormap is None else 6)
            return size, int(page.compression) not in _BOUNDED
    except (UnreadableError, UnsupportedError):  # whoever decodes it says so
        return 0, False


def _read_pillow(path: Path, shown: str, volume: int | str | None) -> Channels:
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
    return pixels, (READ_AS.format(mode=mode),), notes


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


def _read_tiff(path: Path, shown: str, volume: int | str | None) -> Channels:
    require("tiff", f"{shown}: a TIFF")
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
            pixels = np.moveaxis(_palette(page.colormap)[:, pixels], 0, -1)
        meaning, decoded = int(page.photometric), int(page.compression) in _DECODED_TO_RGB
        turned = _number(page.tags.valueof(ORIENTATION, 1))
        planar = pixels.ndim == 3 and page.planarconfig == 2
    pixels = np.moveaxis(pixels, 0, -1) if planar else pixels
    pixels = pixels.astype(np.uint8) * 255 if pixels.dtype == bool else pixels
    notes = (f"the file asks to turn the picture (orientation {turned}): not done",) if turned != 1 else ()
    pixels, steps = _as_grey_or_rgb(pixels, meaning, decoded, shown)
    return pixels, ("TIFF read", *steps), notes


def _palette(colours: Array) -> Array:
    """(3, entries) of a TIFF's palette, in 8 bits where its 16 hold no more: so the same picture as a PNG has the same values."""
    high = colours >> 8
    in_eight = not (colours & 0xFF).any() or np.array_equal(
        high, colours & 0xFF
    )  # times 256 or 257, as programs have it
    return high.astype(np.uint8) if in_eight else colours


def _as_grey_or_rgb(pixels: Array, meaning: int, decoded: bool, shown: str) -> tuple[Array, tuple[str, ...]]:
    """Pixels of a TIFF by what their numbers mean (PhotometricInterpretation); `decoded` where the codec made RGB of YCbCr.

    Raises:
        UnsupportedError: neither grey, nor RGB, nor CMYK in whole numbers.
    """
    if meaning == _WHITE_IS_ZERO:
        return _inverted(pixels), ("white is zero: inverted",)
    if meaning == _SEPARATED and pixels.ndim == 3 and pixels.shape[2] == 4 and pixels.dtype.kind == "u":
        light = _inverted(pixels).astype(np.float64)  # what ink leaves of the paper's
        rgb = light[..., :3] * light[..., 3:] / np.iinfo(pixels.dtype).max
        return np.rint(rgb).astype(pixels.dtype), ("CMYK made RGB",)
    if meaning in _GREY_OR_RGB or (meaning == _YCBCR and decoded):
        return pixels, ()
    raise UnsupportedError(
        f"{shown}: its colours are stored as {_COLOURS.get(meaning, f'PhotometricInterpretation {meaning}')}, which is not "
        "read; save it as grey or RGB"
    )


def _inverted(pixels: Array) -> Array:
    """Light for dark: within the type of whole numbers, between the two ends of real ones."""
    inverted: Array = pixels.max() + pixels.min() - pixels if pixels.dtype.kind == "f" else ~pixels
    return inverted


def _number(found: object) -> int:
    """The orientation; 1, which turns nothing, where the file has words in its place."""
    return int(found) if isinstance(found, int) else 1
