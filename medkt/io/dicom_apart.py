"""Which DICOM files are decoded in a process apart: the large ones of encoded series, and what is not as its header has it."""

import math
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any

from pydicom import Dataset

from medkt.bounds import budget
from medkt.errors import UnreadableError
from medkt.io.apart import LARGE, Conversation, goes_apart, make_ready, request_for
from medkt.io.dicom_decode import PREFERRED, NoPixelsError, decode, decoder_for, pixels_of, require_decoder
from medkt.io.dicom_files import DicomFile, transfer_syntax
from medkt.io.dicom_header import integer
from medkt.io.dicom_jpeg import needs_jpeg12
from medkt.io.dicom_plain import plain_plane
from medkt.io.dicom_streams import as_stated
from medkt.shapes import Array

_Frames = Iterator[tuple[Array, float | None]]

_RLE = "1.2.840.10008.1.2.5"
_HERE = ("", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99", _RLE)


def is_encoded(header: Dataset) -> bool:
    """Whether a native codec decodes it; RLE is decoded in Python, and the deflated syntax is unpacked within the budget."""
    return transfer_syntax(header) not in _HERE


def is_ordinary(header: Dataset) -> bool:
    """Whether a codec decodes it that is well kept and refuses what is damaged; the rest is GDCM's, or seldom."""
    syntax = transfer_syntax(header)
    if syntax not in PREFERRED or needs_jpeg12(syntax, integer(header, "BitsStored") or 0):
        return False
    return decoder_for(syntax)[1] == PREFERRED[syntax]


def bytes_of_a_frame(header: Dataset) -> int:
    """Bytes of one decoded frame, as the header states it."""
    sides = (integer(header, name) or 1 for name in ("Rows", "Columns", "SamplesPerPixel"))
    return math.prod(sides) * -(-(integer(header, "BitsAllocated") or 1) // 8)


def _allowed_frame(file: DicomFile) -> int:
    """Bytes of one decoded frame, which the budget allows: whoever decodes it allocates it whole."""
    count = bytes_of_a_frame(file.header)
    budget().require_bytes(count, file.shown)
    return count


def expect(header: Dataset, files: int) -> None:
    """Start the process apart while the other headers of a series are read, where this one lets expect that it is needed."""
    count = files * (integer(header, "NumberOfFrames") or 1)
    if is_encoded(header) and goes_apart(
        large=count * bytes_of_a_frame(header) >= LARGE, strange=not is_ordinary(header)
    ):
        make_ready()


class Decoding:
    """The frames of a series, file after file, from here or from the process apart."""

    def __init__(self, files: Sequence[DicomFile], numbers: Mapping[int, list[int]]) -> None:
        """`numbers` are those of the frames that are wanted (from 1) by index of the file, in the order of asking.

        Raises:
            InputError: a frame of a file that goes apart is larger than the budget.
        """
        self._files, self._numbers = files, numbers
        encoded = [index for index in numbers if is_encoded(files[index].header)]
        whole = sum(len(numbers[index]) * bytes_of_a_frame(files[index].header) for index in encoded)
        apart = [
            index for index in encoded
            if goes_apart(large=whole >= LARGE, strange=not is_ordinary(files[index].header))
        ]  # fmt: skip
        self._apart = frozenset(apart)
        self._conversation = Conversation([self._request(index) for index in apart], NoPixelsError)

    def __enter__(self) -> "Decoding":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._conversation.__exit__(kind, error, at)

    def frames(self, index: int, warnings: dict[str, None]) -> _Frames:
        """The wanted frames of the next file as (rows, columns) arrays, and how much of each was in colour; None for grey.

        Raises:
            UnsupportedError: no pixels, or no decoder for their encoding. UnreadableError: damaged pixels.
            InputError: larger than the budget, or than the memory.
        """
        if index in self._apart:
            yield from _answers(self._conversation, warnings)
            return
        file, numbers = self._files[index], self._numbers[index]
        _allowed_frame(file)
        plane = _as_it_is(file) if numbers == [1] else None
        if plane is not None:
            yield plane, None
            return
        dataset = pixels_of(file.path, file.shown)
        require_decoder(dataset, file.shown)
        if not is_encoded(dataset) or not goes_apart(large=False, strange=True):
            yield from decode(dataset, numbers, file.shown, warnings)
            return
        found = _plainly(dataset, numbers, file.shown, warnings)
        if found is not None:
            yield from found
            return
        with Conversation([self._request(index)], NoPixelsError) as apart:
            yield from _answers(apart, warnings)

    def _request(self, index: int) -> dict[str, Any]:
        file, numbers = self._files[index], self._numbers[index]
        picture = _allowed_frame(file)
        whole = picture * len(numbers) + file.path.stat().st_size
        return request_for("dicom", file.path, file.shown, picture=picture, whole=whole, numbers=numbers)


def _as_it_is(file: DicomFile) -> Array | None:
    """The only frame of a file whose pixels lie there as they are, None of any other file."""
    budget().require_bytes(file.path.stat().st_size, file.shown)
    return plain_plane(file.path, file.header, file.element, transfer_syntax(file.header), file.shown)


def _answers(conversation: Conversation, warnings: dict[str, None]) -> _Frames:
    for said in conversation.answers():
        assert said.array is not None
        warnings.update(dict.fromkeys(map(str, said.header["warnings"])))
        yield said.array, None if said.header["colour"] is None else float(said.header["colour"])


def _plainly(
    dataset: Dataset, numbers: list[int], shown: str, warnings: dict[str, None]
) -> list[tuple[Array, float | None]] | None:
    """The frames of a small file by its first decoder; None where a stream is not as the header says, or is refused."""
    if not as_stated(dataset):
        return None
    met: dict[str, None] = {}
    try:
        found = list(decode(dataset, numbers, shown, met, plainly=True))
    except UnreadableError:
        return None
    warnings.update(met)
    return found
