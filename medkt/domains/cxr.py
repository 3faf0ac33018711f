"""Chest radiograph: shown between percentiles of its own pixels, and as the file says whether low values are bright.

The file's window (VOI LUT) is not the default: a NIfTI or a picture of the same film has none, and one film has one answer.
"""

from dataclasses import dataclass, replace

import numpy as np

from medkt.domains.domain import Domain, Modality
from medkt.domains.intensity import Intensity, from_percentiles, from_range, real_voxels
from medkt.domains.percentiles import extent
from medkt.shapes import Plane
from medkt.spatial import Image, planes_of

LUNGS_BRIGHTER = 0.08  # of the shown range: above all of 204 Shenzhen and demo films, below 197 of their negatives


@dataclass(frozen=True, slots=True, kw_only=True)
class CXR(Domain):
    """Frontal chest radiographs."""

    def _default_intensity(self, image: Image) -> Intensity:
        low, high = extent(real_voxels(image))
        if low == high:
            return from_range("constant", 0, 0, source="")
        ends, display = self.percentiles, image.display
        shown = from_percentiles(image, ends.low, ends.high, source=ends.source, inverted=display.inverted)
        if not display.windows and display.table is None:
            return shown
        return replace(shown, description=f"{shown.description}; the file's own window is not used (--window file)")

    def implausible(self, image: Image) -> tuple[str, ...]:
        warnings = []
        planes = planes_of(image.geometry)
        count = image.geometry.shape[planes.axis]
        if count > 1:
            warnings.append(f"{count} slices: a radiograph is one; this is a volume or a clip")
        elif lungs_look_bright(self.intensity(image).apply(planes.show(image.values, 0))):
            warnings.append("the lungs are brighter than the mediastinum: the values look inverted (MONOCHROME1?)")
        return tuple(warnings)


MODALITY = Modality(kind=CXR, file="configs/domains/cxr.yaml")


def lungs_look_bright(plane: Plane) -> bool:
    """Whether the two lung fields of a frontal chest plane are clearly brighter than the middle between them."""
    rows, columns = plane.shape
    level = plane[int(0.35 * rows) : int(0.7 * rows) + 1]
    middle = level[:, int(0.42 * columns) : int(0.58 * columns) + 1]
    sides = [level[:, int(a * columns) : int(b * columns) + 1] for a, b in ((0.2, 0.35), (0.65, 0.8))]
    darker_side = min(float(np.median(side)) for side in sides)  # a white lung on one side is disease, not inversion
    return darker_side > float(np.median(middle)) + LUNGS_BRIGHTER
