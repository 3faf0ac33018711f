"""One function for every kind of file: what it is, is decided by its content."""

from pathlib import Path

from medkt.errors import InputError, UnsupportedError
from medkt.io.archive import unpacked
from medkt.io.dicom import read_dicom
from medkt.io.dicom_header import looks_like_dicom
from medkt.io.nifti import nifti_magic, read_nifti
from medkt.io.raster import raster_kind, read_raster
from medkt.spatial.image import Image

_NIFTI_NAMES = (".nii", ".nii.gz", ".hdr", ".hdr.gz", ".img", ".img.gz")
_IN_ARCHIVES = (
    *_NIFTI_NAMES[:4],
    ".png",
    ".jpg",
    ".jpeg",
    ".tif",
    ".tiff",
    ".bmp",
)


def read_image(
    path: str | Path, *, series: str | None = None, volume: int | None = None, regrid: bool = False
) -> Image:
    """Read a DICOM, NIfTI or picture file, a folder or zip of DICOM files, or a DICOMDIR.

    Axes are (slices, rows, columns), the world is LPS+ in millimetres, or pixels where the file states no spacing.

    Args:
        path: what to read.
        series: DICOM only: a series UID, its unambiguous beginning, or its number in the list from 1.
        volume: of several volumes in one file or series, which; the first is 1.
        regrid: DICOM only: resample a stack with missing or doubled slices, uneven steps or tilt, not refuse it.

    Raises:
        AmbiguousInputError: several series or volumes; the message lists them.
        UnreadableError: damaged, truncated. UnsupportedError: sound, but not an image that medkt reads.
        GeometryError: slices that make no regular grid. InputError: no such file, or NaN voxels.

    Example:
        >>> image = read_image("case_007/")  # doctest: +SKIP
    """
    return _read(Path(path), str(path), series, volume, regrid)


def _read(path: Path, shown: str, series: str | None, volume: int | None, regrid: bool) -> Image:
    kind = kind_of_file(path, shown)
    if kind == "zip":
        with unpacked(path) as folder:
            return _read_unpacked(folder, shown, series, volume, regrid)
    if kind == "dicom":
        return read_dicom(path, shown, series=series, volume=volume, regrid=regrid)
    if series is not None:
        raise InputError(f"{shown}: --series is for DICOM, and this is a {kind} file")
    if kind == "nifti":
        return read_nifti(path, shown, volume=volume)
    return read_raster(path, shown, volume=volume)


def kind_of_file(path: Path, shown: str) -> str:
    """Which of "dicom", "nifti", "raster" and "zip" it is, by content.

    Raises:
        InputError: no such file, an empty one. UnsupportedError: none of these.
    """
    if path.is_dir():
        return "dicom"
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except FileNotFoundError as error:
        raise InputError(f"{shown}: there is no such file or folder") from error
    except OSError as error:
        raise InputError(f"{shown}: cannot be opened ({error.strerror})") from error
    if not start:
        raise InputError(f"{shown}: the file is empty")
    if start[:4] == b"PK\x03\x04":
        return "zip"
    if raster_kind(start) is not None and not looks_like_dicom(path):
        return "raster"
    if not looks_like_dicom(path) and (nifti_magic(path) is not None or path.name.lower().endswith(_NIFTI_NAMES)):
        return "nifti"
    if looks_like_dicom(path) or path.suffix.lower() in (".dcm", ".dicom", ".ima"):
        return "dicom"
    raise UnsupportedError(f"{shown}: is neither DICOM nor NIfTI nor PNG, JPEG, TIFF or BMP; convert it to one of them")


def _read_unpacked(folder: Path, shown: str, series: str | None, volume: int | None, regrid: bool) -> Image:
    """DICOM files of an archive, or its only other image."""
    files = sorted(folder.iterdir())
    if any(looks_like_dicom(file) for file in files):
        return read_dicom(folder, shown, series=series, volume=volume, regrid=regrid)
    images = [file for file in files if file.name.lower().endswith(_IN_ARCHIVES)]
    if len(images) != 1:
        raise InputError(
            f"{shown}: no DICOM file in the archive and {len(images)} other images; unpack it and choose one"
        )
    return _read(images[0], shown, series, volume, regrid)
