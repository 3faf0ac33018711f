"""Encoded frames to voxels: one frame at a time, colour to luma, modality LUT, into one array."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import DataElement, Dataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from medkt.bounds import budget
from medkt.errors import IncompleteError, UnreadableError, UnsupportedError
from medkt.io.dicom_deflated import require_inflated_size
from medkt.io.dicom_files import DicomFile, transfer_syntax
from medkt.io.dicom_frames import Frame
from medkt.io.dicom_header import integer, text
from medkt.io.dicom_jpeg import decode_jpeg12, listening_to_gdcm, needs_jpeg12, require_sound_jpeg
from medkt.io.dicom_jpeg_ls import JPEG_LS, decode_jpeg_ls
from medkt.io.dicom_luts import modality_lut
from medkt.io.dicom_mosaic import mosaic_of, require_blank, tile
from medkt.io.dicom_padding import Padding
from medkt.io.guard import reading
from medkt.io.within import whole_dicom
from medkt.shapes import Voxels

Array = NDArray[Any]

# Where several can, they give the same voxels on sound files. On damaged ones GDCM may end the whole process, and it does
# not read 6- and 7-bit JPEG-LS, so it is asked only where nothing else can: lossless JPEG, after `require_sound_jpeg`.
PREFERRED = {
    "1.2.840.10008.1.2.4.50": "pillow",
    "1.2.840.10008.1.2.4.51": "pillow",
    **dict.fromkeys(JPEG_LS, "pyjpegls"),
    "1.2.840.10008.1.2.4.90": "pylibjpeg",
    "1.2.840.10008.1.2.4.91": "pylibjpeg",
}
JPEG_LOSSLESS = ("1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70")
WHEELS = {
    "1.2.840.10008.1.2.4.5": "python-gdcm",  # JPEG
    "1.2.840.10008.1.2.4.7": "python-gdcm",  # lossless JPEG
    "1.2.840.10008.1.2.4.8": "pyjpegls",
    "1.2.840.10008.1.2.4.9": "pylibjpeg-openjpeg",
    "1.2.840.10008.1.2.4.20": "pylibjpeg-openjpeg",  # HTJ2K
}
_ROWS_AT_ONCE = 1 << 20  # pixels
_STEPS = {"colour": "colour reduced to luma (ITU-R BT.601)"}


class NoPixelsError(UnsupportedError):
    """The description of a picture and no picture: a kind of its own, or a file that was cut just before it."""


def read_voxels(
    frames: Sequence[Frame],
    files: Sequence[DicomFile],
    broken: dict[int, str] | None = None,
    padding: Padding | None = None,
) -> tuple[Voxels, tuple[str, ...], tuple[str, ...]]:
    """Voxels of the frames in their order, (slices, rows, columns), with the steps done and the warnings met.

    One file is held at a time beside the result, so a series of n slices needs n + 1 of them.

    Args:
        frames: of any of the files.
        files: their files.
        broken: takes the files whose pixels cannot be read, by index with the reason, and their planes stay 0; None for an
            error instead.

        padding: takes where padding was met; a plane has a real value of its own there.

    Raises:
        UnsupportedError: no pixels, or no decoder for their encoding.
        UnreadableError: damaged pixels.
    """
    target = _Target(
        len(frames), Padding() if padding is None else padding, files[frames[0].file].shown if frames else ""
    )
    places: dict[int, list[int]] = {}
    for place, frame in enumerate(frames):
        places.setdefault(frame.file, []).append(place)
    steps: dict[str, None] = {}
    warnings: dict[str, None] = {}
    for index, wanted in places.items():
        try:
            _read_file(files[index], frames, wanted, target, steps, warnings)
        except (UnreadableError, NoPixelsError) as error:
            if broken is None:
                raise
            broken[index] = str(error)
    if broken and len(broken) == len(places):
        raise IncompleteError(next(iter(broken.values())), code="lost-files", lost=len(broken))
    return target.values, tuple(steps), tuple(warnings)


def _read_file(
    file: DicomFile,
    frames: Sequence[Frame],
    wanted: Sequence[int],
    target: "_Target",
    steps: dict[str, None],
    warnings: dict[str, None],
) -> None:
    """Put the wanted frames of one file into their places."""
    by_number: dict[int, dict[int, Frame]] = {}  # all slices of a mosaic have one
    for place in wanted:
        by_number.setdefault(frames[place].number, {})[place] = frames[place]
    decoded = _decoded(file, list(by_number), warnings)
    for (number, cuts), (stored, colour) in zip(by_number.items(), decoded, strict=True):
        lut, kind = (None, "colour") if colour else modality_lut(file.header, number, file.shown)
        if kind != "identity":
            steps[_STEPS.get(kind, f"modality LUT applied ({kind})")] = None
        for place, plane in _cut(stored, cuts, file).items():
            real = plane if lut is None else lut(target.padding.taken_out(plane, file.header, place))
            target.put(place, real)


def _cut(stored: Array, frames: Mapping[int, Frame], file: DicomFile) -> dict[int, Array]:
    """The planes of a decoded frame by their place: itself, or the slices of a mosaic."""
    corners = [frame.corner for frame in frames.values()]
    mosaic = mosaic_of(file.header, file.shown) if any(corner is not None for corner in corners) else None
    if mosaic is not None:
        require_blank(stored, mosaic, file.shown)
    planes = {}
    for place, frame in frames.items():
        planes[place] = stored if frame.corner is None else tile(stored, frame.corner, frame.size)
        if planes[place].shape[:2] != frame.size:
            raise UnreadableError(
                f"{file.shown}: a decoded frame has another size than the header says; it is damaged",
                code="pixels-damaged",
            )
    return planes


class _Target:
    """One array for all slices; its type widens when a slice asks for it, which is seldom."""

    def __init__(self, slices: int, padding: Padding, shown: str) -> None:
        self._slices, self._shown = slices, shown
        self.padding = padding
        self._values: Array | None = None

    def put(self, place: int, plane: Array) -> None:
        plane = plane.astype(plane.dtype.newbyteorder("="), copy=False)
        if self._values is None:
            budget().require_bytes(self._slices * plane.nbytes, self._shown)
            self._values = np.zeros((self._slices, *plane.shape), dtype=plane.dtype)
        if plane.dtype != self._values.dtype:
            common = np.result_type(plane.dtype, self._values.dtype)
            common = np.dtype(np.float32) if common.kind == "f" else common
            budget().require_bytes(self._values.size * common.itemsize, self._shown)
            self._values = self._values.astype(common, copy=False)
        self._values[place] = plane

    @property
    def values(self) -> Array:
        if self._values is None:
            raise UnsupportedError("there are no frames")
        return self._values


def _decoded(file: DicomFile, numbers: list[int], warnings: dict[str, None]) -> Iterator[tuple[Array, bool]]:
    """The frames of those numbers as (rows, columns) arrays, and whether each was colour."""
    budget().require_bytes(file.path.stat().st_size, file.shown)
    require_inflated_size(file.path, file.shown)
    _require_frame_size(file)
    with reading(file.shown, "reading the DICOM file"):
        dataset = whole_dicom(file.path)
    if "PixelData" not in dataset:
        kind = (
            "floating-point pixels (a parametric map)"
            if "FloatPixelData" in dataset or "DoubleFloatPixelData" in dataset
            else "no pixel data"
        )
        raise NoPixelsError(f"{file.shown}: holds {kind}; give the image itself")
    _complete(dataset, file.shown)
    syntax = transfer_syntax(dataset)
    palette = text(dataset, "PhotometricInterpretation") == "PALETTE COLOR"
    frames = _frames(dataset, syntax, numbers, file.shown, warnings)
    for _ in numbers:
        with reading(file.shown, "decoding the pixels", explain=True) as notes:
            stored, photometric = next(frames)
            if palette:
                stored, photometric = apply_color_lut(stored, _little_endian_palette(dataset)), "RGB"
        if notes:  # in a library's words, which may quote the header
            warnings["the decoder warned of the pixels: look at the picture"] = None
        yield (luma(stored, photometric), True) if stored.ndim == 3 else (stored, False)


def _require_frame_size(file: DicomFile) -> None:
    """That one frame, as the header states it, may be held: whoever decodes it allocates it whole."""
    sides = (integer(file.header, name) or 1 for name in ("Rows", "Columns", "SamplesPerPixel"))
    budget().require_bytes(math.prod(sides) * -(-(integer(file.header, "BitsAllocated") or 1) // 8), file.shown)


def _frames(
    dataset: Dataset, syntax: str, numbers: list[int], shown: str, warnings: dict[str, None]
) -> Iterator[tuple[Array, str]]:
    if needs_jpeg12(syntax, integer(dataset, "BitsStored") or 0):
        return ((plane, "MONOCHROME2") for plane in decode_jpeg12(dataset, numbers, shown))
    try:
        decoder = get_decoder(syntax)
    except (NotImplementedError, ValueError) as error:
        raise UnsupportedError(f"{shown}: no decoder for transfer syntax {syntax}; convert the file") from error
    if not decoder.is_available:
        wheel = next((name for start, name in WHEELS.items() if syntax.startswith(start)), "pylibjpeg")
        raise UnsupportedError(f"{shown}: transfer syntax {syntax} needs a decoder; pip install {wheel}")
    if syntax in JPEG_LOSSLESS:
        return _lossless(dataset, syntax, numbers, shown)
    if syntax in JPEG_LS and PREFERRED[syntax] in decoder.available_plugins:
        return decode_jpeg_ls(dataset, numbers, shown, warnings)
    plugin = PREFERRED.get(syntax, "")
    plugin = plugin if plugin in decoder.available_plugins else ""
    decoded = decoder.iter_array(dataset, indices=[n - 1 for n in numbers], raw=True, decoding_plugin=plugin)
    # raw leaves YBR as it is: its first channel is the luma that we want, with no way there and back
    return ((array, str(meta["photometric_interpretation"])) for array, meta in decoded)


def _lossless(dataset: Dataset, syntax: str, numbers: list[int], shown: str) -> Iterator[tuple[Array, str]]:
    """Frames of lossless JPEG by GDCM, which is not given damaged ones and is listened to."""
    require_sound_jpeg(dataset, shown)
    for number in numbers:
        with listening_to_gdcm(shown):
            plane, meta = get_decoder(syntax).as_array(dataset, index=number - 1, raw=True)
        yield plane, str(meta["photometric_interpretation"])


def _complete(dataset: Dataset, shown: str) -> None:
    """Fill in what old or stripped files leave out and decoders ask for; refuse what cannot be guessed."""
    if not transfer_syntax(dataset):
        if not hasattr(dataset, "file_meta"):
            dataset.ensure_file_meta()
        implicit = dataset.original_encoding[0]
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    if integer(dataset, "BitsAllocated") is None:
        raise UnreadableError(
            f"{shown}: the header does not say how many bits a voxel has (BitsAllocated); repair it",
            code="pixels-damaged",
        )
    with reading(shown, "reading the description of the pixels"):  # setting an attribute decodes the damaged one first
        defaults = {"BitsStored": dataset.BitsAllocated, "PixelRepresentation": 0, "SamplesPerPixel": 1}
        defaults["PhotometricInterpretation"] = "MONOCHROME2"
        for keyword, default in defaults.items():
            if not text(dataset, keyword):
                setattr(dataset, keyword, default)
        if not text(dataset, "HighBit"):
            dataset.HighBit = int(dataset.BitsStored) - 1


def _little_endian_palette(dataset: Dataset) -> Dataset:
    """The palette in the byte order that pydicom takes it to have, whatever the file's (its tables are words, OW)."""
    if dataset.original_encoding[1] is not False or "RedPaletteColorLookupTableData" not in dataset:
        return dataset
    tables = Dataset()
    for name in ("Red", "Green", "Blue"):
        tables[f"{name}PaletteColorLookupTableDescriptor"] = dataset[f"{name}PaletteColorLookupTableDescriptor"]
        stored = dataset[f"{name}PaletteColorLookupTableData"]
        words = np.frombuffer(stored.value, dtype=">u2").astype("<u2").tobytes()
        tables[stored.tag] = DataElement(stored.tag, "OW", words)  # a new one: the dataset's own must stay as it is
    return tables


def luma(colour: Array, photometric: str) -> Array:
    """BT.601 luma of (rows, columns, channels), in the same whole type; YBR's first channel is luma already."""
    if photometric.startswith("YBR_PARTIAL"):  # studio range: black 16, white 235
        levels = (colour[..., 0].astype(np.float64) - 16) * (255 / 219)
        return np.clip(np.rint(levels), 0, 255).astype(colour.dtype)
    if photometric.startswith("YBR"):
        return np.ascontiguousarray(colour[..., 0])
    grey: Array = np.empty(colour.shape[:-1], dtype=colour.dtype)
    step = max(1, _ROWS_AT_ONCE // max(1, colour.shape[1]))
    for first in range(0, len(colour), step):  # as floats the whole picture would take eight times its size
        rows = colour[first : first + step, ..., :3].astype(np.float64)
        grey[first : first + step] = np.rint(rows @ np.array([0.299, 0.587, 0.114])).astype(colour.dtype)
    return grey
