"""JPEG-LS, decoder after decoder: CharLS is strict and comes first, then what else can read the stream.

Some writers fill a stream up to an even length before its end mark and not behind it. CharLS 2 refuses that byte; without
it the stream is as the standard has it.
"""

from collections.abc import Iterator
from typing import Any

from pydicom import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels.decoders.base import get_decoder

from medkt.io.dicom_gdcm import GDCM, gdcm_decoder
from medkt.io.dicom_header import integer
from medkt.io.dicom_jpeg import listening_to_gdcm, require_sound_jpeg
from medkt.shapes import Array

_Picture = tuple[Array, str]

STRICT = "pyjpegls"
_FILLED_END, _END = b"\x00\xff\xd9", b"\xff\xd9"


def decode_jpeg_ls(dataset: Dataset, numbers: list[int], shown: str, warnings: dict[str, None]) -> Iterator[_Picture]:
    """(rows, columns[, channels]) and photometric interpretation of the frames of those numbers (from 1), in order.

    Raises what the strict decoder raises where no other reads the frame; `warnings` gets a word where another did.
    """
    decoder = get_decoder(dataset.file_meta.TransferSyntaxUID)
    left = list(numbers)
    try:
        whole = decoder.iter_array(dataset, indices=[n - 1 for n in numbers], raw=True, decoding_plugin=STRICT)
        for array, meta in whole:
            yield array, str(meta["photometric_interpretation"])
            left.pop(0)
    except Exception as error:  # the decoders raise whatever the stream makes them raise
        for number in left:
            yield _by_another(dataset, number, shown, warnings, error)


def _by_another(dataset: Dataset, number: int, shown: str, warnings: dict[str, None], refused: Exception) -> _Picture:
    """One frame as the next decoder that can gives it."""
    for attempt, note in (
        (_strictly_without_filling, "a filling byte before its end mark was left out"),
        (_by_second, f"{STRICT} does not read it, {GDCM} does: look at the picture"),
    ):
        try:
            array, meta = attempt(dataset, number, shown)
        except Exception:  # the same; the first refusal is what is told
            continue
        warnings[f"JPEG-LS: {note}"] = None
        return array, str(meta["photometric_interpretation"])
    raise refused


def _strictly_without_filling(dataset: Dataset, number: int, shown: str) -> tuple[Array, dict[str, Any]]:
    decoder = get_decoder(dataset.file_meta.TransferSyntaxUID)
    array, meta = decoder.as_array(_without_filling(dataset, number), index=0, raw=True, decoding_plugin=STRICT)
    return array, dict(meta)


def _by_second(dataset: Dataset, number: int, shown: str) -> tuple[Array, dict[str, Any]]:
    """As GDCM reads it, which is given no frame of another size than the header says."""
    require_sound_jpeg(dataset, shown)
    decoder = gdcm_decoder(dataset.file_meta.TransferSyntaxUID)
    with listening_to_gdcm(shown):
        array, meta = decoder.as_array(dataset, index=number - 1, raw=True, decoding_plugin=GDCM)
    return array, dict(meta)


def _without_filling(dataset: Dataset, number: int) -> Dataset:
    """The frame as a dataset of its own, whose stream ends where its data end."""
    frames = list(generate_frames(dataset.PixelData, number_of_frames=integer(dataset, "NumberOfFrames") or 1))
    stream = frames[number - 1].rstrip(b"\x00")
    if stream.endswith(_FILLED_END):
        stream = stream[: -len(_FILLED_END)] + _END
    single = Dataset()
    single.update(dataset)
    single.file_meta = dataset.file_meta
    del single.PixelData  # setting instead would change the element that both share
    single.PixelData = encapsulate([stream])
    if "NumberOfFrames" in single:
        del single.NumberOfFrames
    return single
