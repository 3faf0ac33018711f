"""Encoded frames by the GDCM that SimpleITK holds, as a decoder of pydicom's that only medkt knows of.

It decodes lossless JPEG and lossy JPEG of 12 bits, which no other codec here does, and JPEG-LS and JPEG 2000 where the extra
`codecs` is not installed. SimpleITK opens files alone, so a frame goes to it as a DICOM file in memory that says of the
picture what the decoder must know, and nothing else.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from io import BytesIO

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import Decoder, DecodeRunner
from pydicom.uid import UID

from medkt.io.itk_decode import itk_library
from medkt.io.scratch import scratch_folder
from medkt.shapes import Array

GDCM = "gdcm"
JPEG_LOSSLESS = ("1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70")
JPEG_LS = ("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81")
JPEG_2000 = ("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91")
SYNTAXES = (*JPEG_LOSSLESS, *JPEG_LS, *JPEG_2000)
DECODER_DEPENDENCIES = {UID(syntax): ("SimpleITK",) for syntax in SYNTAXES}  # pydicom asks its plugins for it
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def is_available(uid: str) -> bool:
    """Whether frames of that transfer syntax are decoded here; SimpleITK is one of medkt's own requirements."""
    return uid in SYNTAXES


@cache
def gdcm_decoder(syntax: str) -> Decoder:
    """Pydicom's decoder of a transfer syntax with this plugin alone; pydicom's own decoders stay as they are."""
    decoder = Decoder(UID(syntax))
    decoder.add_plugin(GDCM, (__name__, "decode_frame"))
    return decoder


def decode_frame(source: bytes, runner: DecodeRunner) -> bytes:
    """One frame for pydicom: pixel after pixel, and the runner told where the bytes are not as the header has it.

    Raises:
        ValueError: GDCM does not decode it, or is known to decode it wrongly.
    """
    syntax, stored = runner.transfer_syntax, runner.bits_stored
    if syntax in JPEG_LS:
        stored = runner.get_option("jls_precision", stored)
        if stored in (6, 7):
            raise ValueError(f"GDCM does not read JPEG-LS of {stored} bits")
    if syntax in JPEG_2000:
        stored = runner.get_option("j2k_precision", stored)
    if syntax not in JPEG_LOSSLESS:  # these two take the width that the stream asks for
        runner.set_option("bits_allocated", 8 if stored <= 8 else 16 if stored <= 16 else 32)
    if runner.samples_per_pixel > 1:
        runner.set_option("planar_configuration", 0)
    if syntax in JPEG_2000 and runner.photometric_interpretation in ("YBR_ICT", "YBR_RCT"):
        runner.set_option("photometric_interpretation", "RGB")  # the stream says so itself, and it is turned back
    plane = by_gdcm(
        source, syntax, shape=(runner.rows, runner.columns), samples=runner.samples_per_pixel,
        allocated=runner.bits_allocated, stored=stored, signed=runner.pixel_representation == 1,
    )  # fmt: skip
    return plane.astype(runner.pixel_dtype, copy=False).tobytes()


def by_gdcm(
    frame: bytes, syntax: str, *, shape: tuple[int, int], samples: int, allocated: int, stored: int, signed: bool
) -> Array:
    """The stored values of an encoded frame, (rows, columns) or (rows, columns, samples), as the stream has them.

    Args:
        frame: the stream.
        syntax: its transfer syntax.
        shape: rows and columns.
        samples: numbers of a pixel; 3 are taken as they are, whatever colours they mean.
        allocated: bits of a number, once decoded.
        stored: bits of it that count.
        signed: whether it may be negative.

    Raises:
        ValueError: GDCM does not decode it to a picture of that size.
    """
    itk = itk_library()
    picture = _file_of(frame, syntax, shape, samples, (allocated, stored, signed))
    with _as_file(picture) as path:
        reader = itk.ImageFileReader()
        reader.SetImageIO("GDCMImageIO")
        reader.SetFileName(path)
        try:
            image = reader.Execute()  # held, for the view is of its memory
            found = np.array(itk.GetArrayViewFromImage(image))
        except RuntimeError as error:  # its words are of several lines, and name no cause
            raise ValueError("GDCM does not decode the frame") from error
    expected = (*shape, samples) if samples > 1 else shape
    if found.size != np.prod(expected):
        raise ValueError("GDCM decodes the frame to a picture of another size")
    return found.reshape(expected)


def _file_of(frame: bytes, syntax: str, shape: tuple[int, int], samples: int, bits: tuple[int, int, bool]) -> bytes:
    """A DICOM file of the frame, of which nothing is known but what decodes it."""
    picture = Dataset()
    picture.file_meta = FileMetaDataset()
    picture.file_meta.TransferSyntaxUID = UID(syntax)
    picture.file_meta.MediaStorageSOPClassUID = picture.SOPClassUID = UID(_SECONDARY_CAPTURE)
    picture.file_meta.MediaStorageSOPInstanceUID = picture.SOPInstanceUID = UID("2.25.1")
    picture.Rows, picture.Columns = shape
    picture.SamplesPerPixel = samples
    picture.PhotometricInterpretation = "MONOCHROME2" if samples == 1 else "RGB"
    if samples > 1:
        picture.PlanarConfiguration = 0
    picture.BitsAllocated, picture.BitsStored, picture.PixelRepresentation = bits[0], bits[1], int(bits[2])
    picture.HighBit = picture.BitsStored - 1
    picture.PixelData = encapsulate([frame])
    file = BytesIO()
    picture.save_as(file, enforce_file_format=True)
    return file.getvalue()


@contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """A path under which the content can be read: of memory where the system has such files, else in a scratch folder."""
    if hasattr(os, "memfd_create") and os.path.isdir("/proc/self/fd"):
        with open(os.memfd_create("frame"), "wb") as file:
            file.write(content)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
        return
    with scratch_folder() as folder:
        path = folder / "frame.dcm"
        path.write_bytes(content)
        yield str(path)
