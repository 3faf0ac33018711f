"""Whether a SEG can be written of an image, and where each of its slices lies.

Asked before anything is computed: a SEG refers to whole frames of DICOM files, so an image that is none of DICOM, was
resampled, or was put together from parts of a picture has nothing that a SEG could refer to.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import UID, generate_uid

from medkt.errors import GeometryError, UnsupportedError
from medkt.io.dicom_groups import functional
from medkt.io.dicom_header import integer, numbers, text
from medkt.io.native import DicomNative
from medkt.spatial.image import Image

SAME_SLICE = 0.5  # of a voxel: a position further from the grid is none that medkt read the slice by
_NEEDED = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SourceFrame:
    """The frame that a slice was read from.

    Attributes:
        header: of its file; number: which frame of it, from 1; many: whether the file holds several.
        position: (3,) centre of the first pixel, LPS+ mm; that of the grid where the source does not state one.
        placed: whether the source states it.
    """

    header: Dataset
    number: int
    many: bool
    position: NDArray[np.float64]
    placed: bool


def seg_source(image: Image) -> DicomNative:
    """The files behind an image that a SEG can refer to.

    Raises:
        UnsupportedError: not from DICOM, files without the identifiers that a SEG refers to, or slices that are no
            whole frames. GeometryError: the image was regridded.
    """
    native = image.native
    if not isinstance(native, DicomNative):
        raise UnsupportedError(
            "a DICOM SEG refers to DICOM images, and this one is not; write NIfTI or PNG", code="no-seg"
        )
    if native.regridded:
        raise GeometryError(
            "the image was regridded, so its slices are no longer those of the files; write NIfTI", code="no-seg"
        )
    for keyword in _NEEDED:
        if any(not UID(text(dataset, keyword)).is_valid for dataset in native.datasets):
            raise UnsupportedError(
                f"the source files lack a valid {keyword}, which a SEG refers to; write NIfTI", code="no-seg"
            )
    if len({text(dataset, "SOPInstanceUID") for dataset in native.datasets}) < len(native.datasets):
        raise UnsupportedError(
            "several of the source files have one SOPInstanceUID, so a SEG cannot say which it means; write NIfTI",
            code="no-seg",
        )
    sizes = {(integer(dataset, "Rows"), integer(dataset, "Columns")) for dataset in native.datasets}
    if native.mosaic or sizes != {image.geometry.shape[1:]} or len(native.frames) != image.geometry.shape[0]:
        raise UnsupportedError(
            "the slices are parts of a mosaic, and a SEG refers to whole frames; write NIfTI, on the slices' grid",
            code="no-seg",
        )
    return native


def source_frames(image: Image, native: DicomNative) -> list[SourceFrame]:
    """One a slice, in slice order."""
    frames = []
    for place, (file, frame_number) in enumerate(native.frames):
        header = native.datasets[file]
        many = (integer(header, "NumberOfFrames") or 1) > 1
        stated = _stated(header, frame_number, many=many)
        grid = image.geometry.affine[:3, 3] + place * image.geometry.affine[:3, 0]
        placed = stated is not None and np.linalg.norm(stated - grid) < SAME_SLICE * min(image.geometry.spacing)
        position = stated if placed and stated is not None else grid
        frames.append(
            SourceFrame(header=header, number=frame_number, many=many, position=position, placed=bool(placed))
        )
    return frames


def _stated(header: Dataset, frame_number: int, *, many: bool) -> NDArray[np.float64] | None:
    where = functional(header, frame_number, "PlanePositionSequence") or (None if many else header)
    found = None if where is None else numbers(where, "ImagePositionPatient", 3)
    return None if found is None else np.array(found)


def frame_of_reference(image: Image, native: DicomNative) -> str:
    """The source's; where it has none, one of its own that every SEG of the same picture shares.

    The places in it then are those of the grid that medkt and ITK's programs lay over such a picture: columns along
    +x, rows along +y, frames of a clip along +z, one step each.
    """
    known = image.geometry.frame_of_reference_uid
    if known is not None and UID(known).is_valid:
        return known
    return str(generate_uid(entropy_srcs=["frame of reference", *(text(d, "SOPInstanceUID") for d in native.datasets)]))
