"""Masks and saliency maps as NIfTI on the grid of the image: its shape, affine, codes and units where it was NIfTI."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medkt.errors import OutputError
from medkt.io.atomic import write_atomically
from medkt.io.native import NiftiNative
from medkt.io.nifti import image_from, image_like
from medkt.spatial.image import Image, Mask, SaliencyMap


def write_nifti_mask(mask: Mask, image: Image, path: str | Path) -> Path:
    """Write a mask as uint8 0 and 1, world RAS+ as NIfTI has it; slope 1, intercept 0.

    Where `image` was read from NIfTI, shape, affine, sform and qform with their codes, pixdim and units are those of
    its file, bit for bit (of a 4-D file the mask has the three axes in space). Else the affine is that of the geometry.

    Raises:
        GeometryMismatchError: the mask lies on another grid than the image.
        OutputError: the name does not end in .nii or .nii.gz, or the file cannot be written; nothing is left behind.
    """
    image.geometry.require_same_grid(mask.geometry, what="mask")
    return _write(mask.values.astype(np.uint8), image, path)


def write_saliency_nifti(saliency: SaliencyMap, image: Image, path: str | Path) -> Path:
    """Write a saliency map as float32, otherwise as `write_nifti_mask`."""
    image.geometry.require_same_grid(saliency.geometry, what="saliency map")
    return _write(saliency.values.astype(np.float32), image, path)


def _write(values: NDArray[Any], image: Image, path: str | Path) -> Path:
    name = str(path).lower()
    if not name.endswith((".nii", ".nii.gz")):
        raise OutputError(f"{path}: a NIfTI file ends in .nii or .nii.gz")
    native = image.native
    stored = image_like(values, native) if isinstance(native, NiftiNative) else image_from(values, image.geometry)
    data = stored.to_bytes()
    # no time in the gzip header: the same mask gives the same file
    packed = gzip.compress(data, compresslevel=6, mtime=0) if name.endswith(".gz") else data
    return write_atomically(path, lambda temporary: _dump(temporary, packed))


def _dump(path: Path, data: bytes) -> None:
    path.write_bytes(data)
