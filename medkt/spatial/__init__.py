"""Voxels with a place: geometry, image, map, mask and where they come from. No file is read here."""

from medkt.spatial.completeness import Completeness
from medkt.spatial.geometry import Geometry, Stack, Unit
from medkt.spatial.image import Display, Image, ImageStatements, Mask, SaliencyMap
from medkt.spatial.planes import Planes, planes_of, slice_axis_of
from medkt.spatial.provenance import Provenance

__all__ = [
    "Completeness",
    "Display",
    "Geometry",
    "Image",
    "ImageStatements",
    "Mask",
    "Planes",
    "Provenance",
    "SaliencyMap",
    "Stack",
    "Unit",
    "planes_of",
    "slice_axis_of",
]
