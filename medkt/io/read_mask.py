"""Masks in: NIfTI, a picture or a DICOM SEG."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from medkt.errors import GeometryMismatchError, InputError, UnsupportedError
from medkt.io.dicom_seg import read_seg
from medkt.io.nifti import read_nifti
from medkt.io.raster import raster_kind, read_raster
from medkt.io.read import kind_of_file
from medkt.spatial.image import Image, Mask
from medkt.spatial.provenance import Provenance

JPEG_THRESHOLD = 128  # JPEG blurs the edge of a 0/255 mask


def read_mask(path: str | Path, *, like: Image | None = None, label: int | None = None) -> Mask:
    """Read a mask, (slices, rows, columns) bool.

    Args:
        path: NIfTI (not zero is inside), PNG, TIFF or BMP (not black is inside), JPEG (128 or more), or a DICOM SEG.
        like: the image that the mask belongs to; the mask then has its geometry, or an error says how the two differ.
        label: only voxels of this value, or this segment of a SEG; None takes all together.

    Raises:
        InputError: no such label; else as `read_image`.
        GeometryMismatchError: another grid than `like`.
    """
    file, shown = Path(path), str(path)
    kind = kind_of_file(file, shown)
    if kind == "dicom":
        if file.is_dir():
            raise UnsupportedError(f"{shown}: is a folder; give the SEG file itself")
        return read_seg(file, shown, like=like, label=label)
    if kind == "zip":
        raise UnsupportedError(f"{shown}: is an archive; unpack it and give the mask itself")
    stored = read_nifti(file, shown) if kind == "nifti" else read_raster(file, shown)
    threshold = JPEG_THRESHOLD if _is_jpeg(file) else None
    return _onto(like, _mask(stored, label, threshold, shown), shown)


def _is_jpeg(file: Path) -> bool:
    with file.open("rb") as opened:
        return raster_kind(opened.read(8)) == "JPEG"


def _mask(stored: Image, label: int | None, threshold: int | None, shown: str) -> Mask:
    values = stored.values
    warnings: tuple[str, ...] = ()
    if label is not None:
        inside = values == label
        if not inside.any():
            found = np.unique(values)[:10].tolist()
            raise InputError(f"{shown}: no voxel has label {label}; the file holds {found}")
    elif threshold is not None:
        inside = values >= threshold
    else:
        inside = values != 0
        labels = len(np.unique(values[inside])) if inside.any() else 0
        warnings = (f"{labels} labels taken together",) if labels > 1 else ()
    source = Provenance(source=stored.provenance.source, digest=stored.provenance.digest, warnings=warnings)
    return Mask(values=inside, geometry=stored.geometry, provenance=source)


def _onto(like: Image | None, mask: Mask, shown: str) -> Mask:
    """The mask with the geometry of its image, which knows a frame of reference and a unit that the file may not."""
    if like is None:
        return mask
    wanted, found = like.geometry, mask.geometry
    picture = mask.provenance.source == "raster" and wanted.shape == found.shape
    if not picture:
        try:
            wanted.require_same_grid(replace(found, unit=wanted.unit), what="mask")
        except GeometryMismatchError as error:
            raise GeometryMismatchError(f"{shown}: {error}") from error
    return replace(mask, geometry=wanted)
