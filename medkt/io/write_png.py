"""Masks of pictures as PNG: the size of the picture, 0 and 255."""

from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from medkt.errors import OutputError
from medkt.io.atomic import write_atomically
from medkt.spatial.image import Image, Mask


def write_png_mask(mask: Mask, image: Image, path: str | Path) -> Path:
    """Write the mask of a single-slice image as 8-bit grey PNG, rows and columns as stored.

    Raises:
        GeometryMismatchError: the mask lies on another grid than the image.
        OutputError: several slices, a name that does not end in .png, or the file cannot be written.
    """
    image.geometry.require_same_grid(mask.geometry, what="mask")
    if mask.values.shape[0] != 1:
        raise OutputError(f"{path}: {mask.values.shape[0]} slices do not go into one PNG; write NIfTI")
    if not str(path).lower().endswith(".png"):
        raise OutputError(f"{path}: a PNG file ends in .png; JPEG would blur the mask")
    plane = mask.values[0].astype(np.uint8) * 255
    return write_atomically(path, lambda temporary: Pillow.fromarray(plane).save(temporary, format="PNG"))
