"""DICOM RTSTRUCT: the outlines of a structure as a mask on the grid of the series that they were drawn on.

DICOM PS3.3 C.8.8.6: each contour is a list of points in the patient's LPS+ millimetres. A CLOSED_PLANAR contour lies on
one slice; contours on one slice are filled by the even-odd rule, so that inner ones are holes.
"""

from pathlib import Path

import numpy as np
from pydicom import Dataset

from medkt.datasets.polygon import fill_even_odd
from medkt.errors import AmbiguousInputError, GeometryMismatchError, InputError, UnreadableError, UnsupportedError
from medkt.io.dicom_header import integer, items, read_header, text
from medkt.io.guard import reading
from medkt.shapes import MaskVoxels, Points3, PointsXY
from medkt.spatial import Geometry

RTSTRUCT = "1.2.840.10008.5.1.4.1.1.481.3"
OFF_SLICE = 0.25  # of a slice: a contour further from every slice was drawn on another series
_FLAT = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")


def read_rtstruct(path: Path, *, geometry: Geometry, structure: str = "") -> MaskVoxels:
    """The mask of one structure, (slices, rows, columns) bool on `geometry`; empty where it has no contour.

    Args:
        path: the RTSTRUCT file.
        geometry: of the series that the structure was drawn on, in mm.
        structure: its name (ROIName) or number; "" where there is only one.

    Raises:
        UnsupportedError: no RTSTRUCT, or contours that are no closed planes.
        AmbiguousInputError: several structures and none named. InputError: no such structure.
        GeometryMismatchError: another frame of reference, or a contour between or beyond the slices.
    """
    shown = str(path)
    header = read_rtstruct_header(path)
    number = _structure_number(header, structure, shown)
    _require_frame(header, number, geometry, shown)
    outlines: dict[int, list[PointsXY]] = {}
    for points in _contours(header, number, shown):
        place, outline = _on_slice(points, geometry, shown)
        outlines.setdefault(place, []).append(outline)
    slices, rows, columns = geometry.shape
    mask = np.zeros((slices, rows, columns), dtype=bool)
    for place, drawn in outlines.items():
        mask[place] = fill_even_odd(drawn, rows=rows, columns=columns)
    return mask


def read_rtstruct_header(path: Path) -> Dataset:
    """The file, checked to be an RTSTRUCT."""
    header = read_header(path, str(path))
    if text(header, "SOPClassUID") != RTSTRUCT:
        raise UnsupportedError(
            f"{path}: is DICOM but no structure set (RTSTRUCT); give an RTSTRUCT, or say mask for a SEG",
            code="outline",
        )
    return header


def referenced_series(header: Dataset) -> list[str]:
    """The UIDs of the series that an RTSTRUCT or a SEG says it was drawn on."""
    named = [text(item, "SeriesInstanceUID") for item in items(header, "ReferencedSeriesSequence")]
    for frame in items(header, "ReferencedFrameOfReferenceSequence"):
        for study in items(frame, "RTReferencedStudySequence"):
            named += [text(one, "SeriesInstanceUID") for one in items(study, "RTReferencedSeriesSequence")]
    return list(dict.fromkeys(uid for uid in named if uid))


def _structure_number(header: Dataset, structure: str, shown: str) -> int:
    known = {text(item, "ROIName"): integer(item, "ROINumber") for item in items(header, "StructureSetROISequence")}
    if not known:
        raise InputError(f"{shown}: the structure set holds no structure; export it again", code="outline")
    if not structure and len(known) > 1:
        raise AmbiguousInputError(
            f"{shown}: {len(known)} structures ({', '.join(known)}); name one of them (column reference_key)",
            code="outline",
        )
    wanted = structure or next(iter(known))
    for name, number in known.items():
        if number is not None and wanted.casefold() in (name.casefold(), str(number)):
            return number
    raise InputError(f"{shown}: no structure {structure!r}; there are {', '.join(known)}", code="outline")


def _require_frame(header: Dataset, number: int, geometry: Geometry, shown: str) -> None:
    if geometry.unit != "mm" or geometry.stack != "space":
        raise GeometryMismatchError(
            f"{shown}: outlines in mm do not lie on an image without a place in the patient", code="outline"
        )
    for item in items(header, "StructureSetROISequence"):
        frame = text(item, "ReferencedFrameOfReferenceUID")
        known = geometry.frame_of_reference_uid
        if integer(item, "ROINumber") == number and frame and known and frame != known:
            raise GeometryMismatchError(
                f"{shown}: drawn in the frame of reference {frame}, the image has {known}; give the series that it "
                "was drawn on",
                code="outline",
            )


def _contours(header: Dataset, number: int, shown: str) -> list[Points3]:
    """The outlines of one structure; none where it was listed and not drawn.

    Raises:
        UnreadableError: the file ends before the sequence of outlines, which every structure set has (C.8.8.6, type 1).
    """
    if "ROIContourSequence" not in header:
        raise UnreadableError(
            f"{shown}: names structures and ends before their outlines (ROIContourSequence); export it again",
            code="outline",
        )
    found: list[Points3] = []
    for drawn in items(header, "ROIContourSequence"):
        if integer(drawn, "ReferencedROINumber") != number:
            continue
        for contour in items(drawn, "ContourSequence"):
            kind = text(contour, "ContourGeometricType")
            if kind not in _FLAT:
                raise UnsupportedError(
                    f"{shown}: a contour of type {kind or 'unknown'}; only closed outlines have an inside",
                    code="outline",
                )
            with reading(shown, "reading a contour"):
                numbers = np.array([float(value) for value in contour.ContourData], dtype=np.float64)
            if numbers.size % 3 or not np.isfinite(numbers).all():
                raise UnreadableError(
                    f"{shown}: a contour of {numbers.size} numbers is no list of points; export it again",
                    code="outline",
                )
            found.append(numbers.reshape(-1, 3))
    return found


def _on_slice(points: Points3, geometry: Geometry, shown: str) -> tuple[int, PointsXY]:
    """Which slice a contour lies on, and its points there as (column, row)."""
    index = geometry.to_index(points)
    place = round(float(index[:, 0].mean()))
    if np.abs(index[:, 0] - place).max() > OFF_SLICE or not 0 <= place < geometry.shape[0]:
        raise GeometryMismatchError(
            f"{shown}: a contour lies on no slice of the image (index {index[:, 0].mean():.2f} of {geometry.shape[0]}); "
            "give the series that it was drawn on",
            code="outline",
        )
    return place, index[:, [2, 1]]
