"""Frames: every picture of a series with its place, whether it is a file of its own or one of many in a file."""

from dataclasses import dataclass, replace

import numpy as np
from pydicom import Dataset

from medkt.bounds import budget
from medkt.errors import UnreadableError, UnsupportedError
from medkt.io.dicom_files import DicomFile, transfer_syntax
from medkt.io.dicom_groups import functional as functional
from medkt.io.dicom_header import integer, items, number, numbers, text
from medkt.io.dicom_marks import FrameMarks, marks_of_file, marks_of_frame
from medkt.io.dicom_mosaic import Mosaic, Vector, directions_of, mosaic_of

LARGEST_SIDE = 65535  # DICOM stores rows and columns in two bytes
_AS_THEY_ARE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")  # not encoded
_DEFLATED = "1.2.840.10008.1.2.1.99"
_LEAST_ENCODED = 8  # bytes of a frame: the item that holds it (PS3.5 A.4)
_MOST_DEFLATED = 1032  # bytes from one (zlib)
SAME_DIRECTION = 1e-3  # cosines that differ by less are one orientation


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """One picture of a series.

    Attributes:
        file: index into the files of the series; number: its frame in that file, from 1.
        size: (rows, columns).
        position: centre of the first pixel, LPS+ mm, (3,), or None.
        directions: (2, 3) unit vectors LPS+: the way the column index grows, the way the row index grows; or None.
        spacing: (row step, column step) in mm as written beside the position, or None.
        corner: its first (row, column) in the stored picture where that is a mosaic of slices, else None.
        marks: what tells apart two frames at one place, see `dicom_marks`.
        order: instance number and frame number: the order in which the series was stored.
    """

    file: int
    number: int
    size: tuple[int, int]
    position: Vector | None
    directions: Vector | None
    spacing: tuple[float, float] | None
    frame_of_reference: str
    marks: FrameMarks
    order: tuple[float, int]
    corner: tuple[int, int] | None = None


def frames_of(files: list[DicomFile]) -> list[Frame]:
    """All frames of the files, in file order.

    Raises:
        UnreadableError: a size of zero, or fewer descriptions of frames than frames.
        UnsupportedError: a mosaic that cannot be cut.
    """
    return [frame for place, file in enumerate(files) for frame in _frames_of_file(file, place)]


def _frames_of_file(file: DicomFile, place: int) -> list[Frame]:
    header = file.header
    rows, columns = integer(header, "Rows") or 0, integer(header, "Columns") or 0
    count = integer(header, "NumberOfFrames")
    if count is None and _is_stated(header, "NumberOfFrames"):
        raise UnreadableError(
            f"{file.shown}: NumberOfFrames is no whole number; the header is damaged", code="damaged-number-of-frames"
        )
    count = 1 if count is None else count
    if rows < 1 or columns < 1 or count < 1 or max(rows, columns) > LARGEST_SIDE:
        raise UnreadableError(
            f"{file.shown}: says {rows} rows, {columns} columns, {count} frames; the header is damaged",
            code="damaged-header",
            rows=rows or 0,
            columns=columns or 0,
            frames=count,
        )
    _require_bytes_for(header, file, rows, columns, count)
    described = len(items(header, "PerFrameFunctionalGroupsSequence"))
    if described not in (0, count):
        raise UnreadableError(
            f"{file.shown}: {count} frames, but {described} are described; the header is damaged",
            code="frames-described",
            frames=count,
            described=described,
        )
    grouped = described > 0 or "SharedFunctionalGroupsSequence" in header
    shared = marks_of_file(header)
    mosaic = mosaic_of(header, file.shown)
    if mosaic is not None and count > 1:
        raise UnsupportedError(f"{file.shown}: holds {count} mosaics in one file; export them as one file each")
    if mosaic is not None:
        whole = _frame(header, place, 1, mosaic.size, grouped, count, shared)
        return _slices_of(mosaic, replace(whole, frame_of_reference=text(header, "FrameOfReferenceUID")))
    return [_frame(header, place, n, (rows, columns), grouped, count, shared) for n in range(1, count + 1)]


def _is_stated(header: Dataset, keyword: str) -> bool:
    """Whether an attribute has a value, be it one that cannot be read."""
    stored = header.get_item(keyword)
    return stored is not None and bool(str(getattr(stored, "value", b"") or "").strip("b'\" \0"))


def _require_bytes_for(header: Dataset, file: DicomFile, rows: int, columns: int, count: int) -> None:
    """That the file's bytes can be so many frames: a number in a header costs nothing, and each frame costs time.

    Raises:
        UnreadableError: they cannot. InputError: more frames than the budget has.
    """
    present = file.path.stat().st_size
    syntax = transfer_syntax(header)
    if syntax in _AS_THEY_ARE:
        bits = rows * columns * (integer(header, "SamplesPerPixel") or 1) * (integer(header, "BitsAllocated") or 1)
        least = min(1.0, bits / 8)  # a file that is cut has words of its own where its pixels are read
    else:
        least = 1 / _MOST_DEFLATED if syntax == _DEFLATED else _LEAST_ENCODED
    if count > 1 and count * least > present:
        raise UnreadableError(
            f"{file.shown}: says {count} frames of {rows} rows and {columns} columns, which its {present} bytes cannot hold; "
            "it is cut off or damaged, export it again", code="frames-beyond-bytes", frames=count, bytes=present,
        )  # fmt: skip
    budget().require_frames(count, file.shown)


def _slices_of(mosaic: Mosaic, whole: Frame) -> list[Frame]:
    """The slices of a mosaic as frames with places of their own."""
    return [
        replace(whole, position=position, directions=mosaic.directions, corner=corner)
        for position, corner in zip(mosaic.positions, mosaic.corners, strict=True)
    ]


def _frame(
    header: Dataset, place: int, n: int, size: tuple[int, int], grouped: bool, count: int, shared: FrameMarks
) -> Frame:
    position = orientation = measures = header if count == 1 else None
    if grouped:
        position = functional(header, n, "PlanePositionSequence") or position
        orientation = functional(header, n, "PlaneOrientationSequence") or orientation
        measures = functional(header, n, "PixelMeasuresSequence") or measures
    at = numbers(position, "ImagePositionPatient", 3) if position is not None else None
    towards = numbers(orientation, "ImageOrientationPatient", 6) if orientation is not None else None
    step = numbers(measures, "PixelSpacing", 2) if measures is not None else None
    directions = directions_of(towards)
    placed = at is not None and directions is not None
    return Frame(
        file=place,
        number=n,
        size=size,
        position=np.array(at) if placed else None,
        directions=directions if placed else None,
        spacing=(step[0], step[1]) if step is not None and min(step) > 0 else None,
        frame_of_reference=text(header, "FrameOfReferenceUID") if placed else "",
        marks={**shared, **marks_of_frame(header, n)} if grouped else shared,
        order=(number(header, "InstanceNumber") or 0.0, n),
    )
