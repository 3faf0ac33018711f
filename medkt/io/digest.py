"""A fingerprint of voxels and their place, which names no patient and no path."""

import hashlib

import numpy as np

from medkt.shapes import Voxels
from medkt.spatial.geometry import Geometry


def digest_of(values: Voxels, geometry: Geometry) -> str:
    """SHA-256, hex, over type, shape, voxels (little endian, slices first) and affine."""
    little = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
    sha = hashlib.sha256(f"{little.dtype.str} {little.shape}".encode())
    sha.update(little.reshape(-1).view(np.uint8).data)
    sha.update(np.ascontiguousarray(geometry.affine, dtype="<f8").tobytes())
    return sha.hexdigest()
