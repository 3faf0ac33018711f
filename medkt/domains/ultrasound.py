"""Ultrasound: the region as the machine drew it, one frame of a clip at a time."""

from dataclasses import dataclass

import numpy as np

from medkt.domains.domain import Domain, Modality
from medkt.domains.intensity import Intensity, from_percentiles, from_range, real_voxels
from medkt.domains.percentiles import extent
from medkt.spatial import Image

HU_LIKE = -500  # no grey level of an ultrasound machine lies here


@dataclass(frozen=True, slots=True, kw_only=True)
class Ultrasound(Domain):
    """B-mode images and clips."""

    def _default_intensity(self, image: Image) -> Intensity:
        low, high = extent(real_voxels(image))
        inverted = image.display.inverted
        if low == high:
            return from_range("constant", 0, 0, source="")
        if low >= 0 and (image.values.dtype == np.uint8 or 1 < high <= 255):
            return from_range("as stored", 0, 255, source="B-mode grey levels of 8 bits", inverted=inverted)
        ends = self.percentiles
        return from_percentiles(image, ends.low, ends.high, source=ends.source, inverted=inverted)

    def implausible(self, image: Image) -> tuple[str, ...]:
        lowest, _ = extent(real_voxels(image))
        if lowest < HU_LIKE:
            return (f"values down to {lowest:g}: they look like Hounsfield units, so this may be a CT",)
        if lowest < 0:
            return (f"values down to {lowest:g}: an ultrasound image has none below 0",)
        return ()


MODALITY = Modality(kind=Ultrasound, file="configs/domains/ultrasound.yaml")
