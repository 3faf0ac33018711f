"""One function for every kind of file: what it is, is decided by its content."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from medkt.bounds import require_regular
from medkt.errors import IncompleteError, InputError, UnsupportedError
from medkt.io.archive import unpacked
from medkt.io.dicom_start import looks_like_dicom
from medkt.io.entries import Listing, said
from medkt.io.itk_header import itk_kind
from medkt.io.nifti import nifti_magic, read_nifti
from medkt.io.raster import read_raster
from medkt.io.raster_channels import raster_kind
from medkt.spatial.completeness import Completeness
from medkt.spatial.image import Image

_NIFTI_NAMES = (".nii", ".nii.gz", ".hdr", ".hdr.gz", ".img", ".img.gz")
_ITK_NAMES = (".nrrd", ".nhdr", ".mha", ".mhd")
_IN_ARCHIVES = (
    *_NIFTI_NAMES[:4],
    *_ITK_NAMES,
    ".png",
    ".jpg",
    ".jpeg",
    ".tif",
    ".tiff",
    ".bmp",
)


def read_image(
    path: str | Path,
    *,
    series: str | None = None,
    volume: int | str | None = None,
    regrid: bool = False,
    allow_incomplete: bool = False,
) -> Image:
    """Read a DICOM, NIfTI, NRRD, MetaImage or picture file, a folder or zip of DICOM files, or a DICOMDIR.

    Axes are (slices, rows, columns), the world is LPS+ in millimetres, or pixels where the file states no spacing.

    Args:
        path: what to read.
        series: DICOM only: a series UID, its unambiguous beginning, or its number in the list from 1.
        volume: of several volumes in one file or series, which: its number, the first is 1; in DICOM also the words that
            tell it from the others, or their unambiguous beginning: "echo 2", "b1000", "phase". The message that lists
            them shows the words.
        regrid: DICOM only: resample a stack with missing or doubled slices, uneven steps or tilt, not refuse it.
        allow_incomplete: read what is left where files of a folder, archive or DICOMDIR are empty, cut, unreadable, absent
            or fewer than the headers count; the image says so in `provenance.completeness` and its warnings.

    Raises:
        IncompleteError: something is lost and `allow_incomplete` is not set; the message names a few.
        AmbiguousInputError: several series or volumes; the message lists them.
        UnreadableError: damaged, truncated. UnsupportedError: sound, but not an image that medkt reads.
        GeometryError: slices that make no regular grid. InputError: no such file, or NaN voxels.

    Example:
        >>> image = read_image("case_007/")  # doctest: +SKIP
    """
    return _read(Path(path), str(path), _Asked(series, volume, regrid, allow_incomplete))


class _Asked(NamedTuple):
    """What the user chose."""

    series: str | None
    volume: int | str | None
    regrid: bool
    allow_incomplete: bool


def _read(path: Path, shown: str, asked: _Asked) -> Image:
    kind = kind_of_file(path, shown)
    if kind == "zip":
        with unpacked(path) as (folder, listing):
            return _read_unpacked(folder, listing, shown, asked)
    if kind == "dicom":
        from medkt.io.dicom import read_dicom  # its library takes as long to load as all of medkt

        return read_dicom(path, shown, **asked._asdict())
    if asked.series is not None:
        raise InputError(f"{shown}: --series is for DICOM, and this is a {kind} file")
    image = _read_volume(path, shown, kind, asked)
    completeness = image.provenance.completeness or Completeness()
    return replace(image, provenance=replace(image.provenance, completeness=completeness))


def _read_volume(path: Path, shown: str, kind: str, asked: _Asked) -> Image:
    """An image of one file that is no DICOM."""
    if kind == "nifti":
        return read_nifti(path, shown, volume=asked.volume, allow_incomplete=asked.allow_incomplete)
    if kind in ("nrrd", "metaimage"):
        from medkt.io.itk import read_itk

        return read_itk(path, shown, volume=asked.volume, allow_incomplete=asked.allow_incomplete)
    return read_raster(path, shown, volume=asked.volume)


def kind_of_file(path: Path, shown: str) -> str:
    """Which of "dicom", "nifti", "nrrd", "metaimage", "raster" and "zip" it is, by content.

    Raises:
        InputError: no such file, an empty one. UnsupportedError: none of these.
    """
    if path.is_dir():
        return "dicom"
    require_regular(path, shown)
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except FileNotFoundError as error:
        raise InputError(f"{shown}: there is no such file or folder", code="no-such-file") from error
    except OSError as error:
        raise InputError(f"{shown}: cannot be opened ({error.strerror})") from error
    if not start:
        raise InputError(f"{shown}: the file is empty", code="empty-file")
    if start[:4] == b"PK\x03\x04":
        return "zip"
    if raster_kind(start) is not None and not looks_like_dicom(path):
        return "raster"
    if (kind := itk_kind(path)) is not None and not looks_like_dicom(path):
        return kind
    if not looks_like_dicom(path) and (nifti_magic(path) is not None or path.name.lower().endswith(_NIFTI_NAMES)):
        return "nifti"
    if looks_like_dicom(path) or path.suffix.lower() in (".dcm", ".dicom", ".ima"):
        return "dicom"
    raise UnsupportedError(
        f"{shown}: is neither DICOM nor NIfTI nor NRRD, MetaImage, PNG, JPEG, TIFF or BMP; convert it to one of them",
        code="unknown-format",
    )


def _read_unpacked(folder: Path, listing: Listing, shown: str, asked: _Asked) -> Image:
    """DICOM files of an archive, or its only other image."""
    if any(looks_like_dicom(entry.path) for entry in listing.files):
        from medkt.io.dicom import read_dicom

        return read_dicom(folder, shown, listing=listing, **asked._asdict())
    if listing.lost and not asked.allow_incomplete:
        raise IncompleteError(f"{shown}: incomplete, {said(listing.lost)}. Pack it again.")
    images = [entry.path for entry in listing.files if entry.name.lower().endswith(_IN_ARCHIVES)]
    if len(images) != 1:
        raise InputError(
            f"{shown}: no DICOM file in the archive and {len(images)} other images; unpack it and choose one",
            code="archive-several",
            images=len(images),
        )
    if kind_of_file(images[0], shown) == "zip":  # an archive may hold itself
        raise InputError(f"{shown}: an archive within an archive; unpack it", code="archive-untrusted")
    image = _read(images[0], shown, asked)
    completeness = Completeness(
        entries=listing.count,
        used=1,
        passed_over=dict(+(listing.passed + Counter({"another kind of file": len(listing.files) - 1}))),
        unexplained=dict(Counter(one.reason for one in listing.lost)),
        allowed=asked.allow_incomplete,
    )
    kept = replace(image.provenance, warnings=(*completeness.warnings, *image.provenance.warnings))
    return replace(image, provenance=replace(kept, completeness=completeness))
