"""The encoded frames of one DICOM file to arrays. What calls a native codec here may run in a process apart, see `apart`."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from pydicom import DataElement, Dataset
from pydicom.pixels.decoders.base import Decoder, get_decoder
from pydicom.pixels.processing import apply_color_lut
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from medkt.bounds import budget
from medkt.errors import UnreadableError, UnsupportedError
from medkt.extras import how_to_install, require
from medkt.io.dicom_deflated import require_inflated
from medkt.io.dicom_files import transfer_syntax
from medkt.io.dicom_gdcm import GDCM, JPEG_2000, JPEG_LS, SYNTAXES, gdcm_decoder
from medkt.io.dicom_header import integer, text
from medkt.io.dicom_jpeg import decode_jpeg12, listening_to_gdcm, needs_jpeg12, require_sound_jpeg
from medkt.io.dicom_jpeg_ls import STRICT, decode_jpeg_ls
from medkt.io.dicom_streams import as_stated
from medkt.io.guard import reading
from medkt.io.luma import coloured, luma
from medkt.io.within import whole_dicom
from medkt.shapes import Array

# Where several can, they give the same voxels on sound files. On damaged ones GDCM may end the whole process, and it does
# not read 6- and 7-bit JPEG-LS, so it is asked only where nothing else can, after `require_sound_jpeg`.
PREFERRED = {
    "1.2.840.10008.1.2.4.50": "pillow",
    "1.2.840.10008.1.2.4.51": "pillow",
    **dict.fromkeys(JPEG_LS, STRICT),
    **dict.fromkeys(JPEG_2000, "pylibjpeg"),
}


class NoPixelsError(UnsupportedError):
    """The description of a picture and no picture: a kind of its own, or a file that was cut just before it."""


def pixels_of(path: Path, shown: str) -> Dataset:
    """The file with its pixels, still encoded; what old or stripped files leave out is filled in.

    Raises:
        NoPixelsError: there are none. UnreadableError: damaged.
    """
    budget().require_bytes(path.stat().st_size, shown)
    with reading(shown, "reading the DICOM file"):
        dataset = whole_dicom(path, rest=partial(require_inflated, shown=shown))
    if "PixelData" not in dataset:
        kind = (
            "floating-point pixels (a parametric map)"
            if "FloatPixelData" in dataset or "DoubleFloatPixelData" in dataset
            else "no pixel data"
        )
        raise NoPixelsError(f"{shown}: holds {kind}; give the image itself")
    _complete(dataset, shown)
    return dataset


def decode(
    dataset: Dataset, numbers: list[int], shown: str, warnings: dict[str, None], *, plainly: bool = False
) -> Iterator[tuple[Array, float | None]]:
    """The frames of those numbers (from 1) as (rows, columns) arrays, and how much of each was in colour; None for grey.

    Args:
        dataset: from `pixels_of`.
        numbers: of frames.
        shown: how to name the file in messages.
        warnings: takes what there is to be wary of.
        plainly: by the one decoder that comes first, without asking another where that refuses.

    Raises:
        UnreadableError: damaged. UnsupportedError: no decoder.
    """
    syntax = transfer_syntax(dataset)
    palette = text(dataset, "PhotometricInterpretation") == "PALETTE COLOR"
    frames = (
        _plain_frames(dataset, *decoder_for(syntax), numbers)
        if plainly
        else _frames(dataset, syntax, numbers, shown, warnings)
    )
    for _ in numbers:
        with reading(shown, "decoding the pixels", explain=True) as notes:
            stored, photometric = next(frames)
            if palette:
                stored, photometric = apply_color_lut(stored, _little_endian_palette(dataset)), "RGB"
        if notes:  # in a library's words, which may quote the header
            warnings["the decoder warned of the pixels: look at the picture"] = None
        yield (luma(stored, photometric), coloured(stored, photometric)) if stored.ndim == 3 else (stored, None)


def decoder_for(syntax: str) -> tuple[Decoder, str]:
    """What decodes a transfer syntax, and the name of its plugin; "" for pydicom itself, or where none is installed.

    Raises:
        NotImplementedError, ValueError: nothing that there is knows the syntax.
    """
    decoder = get_decoder(syntax)
    preferred = PREFERRED.get(syntax, "")
    if preferred in decoder.available_plugins:
        return decoder, preferred
    return (gdcm_decoder(syntax), GDCM) if syntax in SYNTAXES else (decoder, "")


def require_decoder(dataset: Dataset, shown: str) -> None:
    """That the encoding is known, and that its decoder is installed.

    Raises:
        UnsupportedError: it is not known. MissingDependencyError: the extra `codecs` would bring its decoder.
    """
    syntax, bits = transfer_syntax(dataset), integer(dataset, "BitsStored") or 0
    if needs_jpeg12(syntax, bits):
        return  # it says so itself
    try:
        decoder, plugin = decoder_for(syntax)
    except (NotImplementedError, ValueError) as error:
        raise UnsupportedError(f"{shown}: no decoder for transfer syntax {syntax}; convert the file") from error
    odd = syntax in JPEG_LS and bits in (6, 7) and plugin == GDCM
    if odd or not decoder.is_available:
        require("codecs", f"{shown}: the transfer syntax {syntax}")
        raise UnsupportedError(f"{shown}: no decoder for transfer syntax {syntax}; install medkt again")


def _frames(
    dataset: Dataset, syntax: str, numbers: list[int], shown: str, warnings: dict[str, None]
) -> Iterator[tuple[Array, str]]:
    if needs_jpeg12(syntax, integer(dataset, "BitsStored") or 0):
        return ((plane, "MONOCHROME2") for plane in decode_jpeg12(dataset, numbers, shown))
    decoder, plugin = decoder_for(syntax)
    if plugin == GDCM:
        return _by_gdcm(dataset, decoder, numbers, shown)
    if plugin == STRICT:
        return decode_jpeg_ls(dataset, numbers, shown, warnings)
    return _plain_frames(dataset, decoder, plugin, numbers)


def _plain_frames(dataset: Dataset, decoder: Decoder, plugin: str, numbers: list[int]) -> Iterator[tuple[Array, str]]:
    decoded = decoder.iter_array(dataset, indices=[n - 1 for n in numbers], raw=True, decoding_plugin=plugin)
    # raw leaves YBR as it is: its first channel is the luma that we want, with no way there and back
    return ((array, str(meta["photometric_interpretation"])) for array, meta in decoded)


def _by_gdcm(dataset: Dataset, decoder: Decoder, numbers: list[int], shown: str) -> Iterator[tuple[Array, str]]:
    """Frames by GDCM, which is not given damaged ones and is listened to."""
    if decoder.UID not in JPEG_2000:
        require_sound_jpeg(dataset, shown)
    elif not as_stated(dataset):
        raise UnreadableError(
            f"{shown}: a JPEG 2000 frame is damaged or not of the size that the header says; export it again, or decode it "
            f"by another codec: {how_to_install('codecs')}", code="pixels-damaged",
        )  # fmt: skip
    for number in numbers:
        with listening_to_gdcm(shown):
            plane, meta = decoder.as_array(dataset, index=number - 1, raw=True, decoding_plugin=GDCM)
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
