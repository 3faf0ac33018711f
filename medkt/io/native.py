"""What a writer needs to put a mask back into the frame of the file that was read. Only `medkt.io` looks inside."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydicom import Dataset


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)  # a header in a log would name the patient
class DicomNative:
    """The DICOM files behind an image.

    Attributes:
        datasets: headers without voxels, one a file, in the order in which the slices first use them.
        frames: for each slice the file (index into `datasets`) and the number of the frame in it, from 1.
        regridded: whether the voxels were resampled; slices then have no source frame and `frames` is empty.
        series_uid: the series that was read.
        mosaic: whether slices were cut from mosaics; several slices then share one source frame, which holds them all.
    """

    datasets: "tuple[Dataset, ...]"
    frames: tuple[tuple[int, int], ...]
    series_uid: str
    regridded: bool = False
    mosaic: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class NiftiNative:
    """The NIfTI header of an image.

    Attributes:
        header: as it stands in the file, its own class (NIfTI-1 or NIfTI-2) and byte order.
        shape: the shape to write, (i, j), (i, j, k) or with the trailing axes of length one that the file has.
    """

    header: Any  # nibabel has no hints for its headers
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RasterNative:
    """The picture behind an image: its (rows, columns)."""

    size: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ItkNative:
    """The place of a NRRD or MetaImage file, as ITK has it.

    Attributes:
        axes: 2 for a picture, 3.
        spacing, origin: along (i, j, k), and of the first voxel's centre in LPS+.
        directions: (axes x axes) row by row.
        place: of a NRRD file of three axes, the lines that say where it lies, as they are spelt.
    """

    axes: int
    spacing: tuple[float, ...]
    origin: tuple[float, ...]
    directions: tuple[float, ...]
    place: Mapping[str, str]
