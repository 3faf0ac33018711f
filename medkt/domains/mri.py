"""MRI: the signal has no unit, so each volume is shown between percentiles of its own voxels."""

from dataclasses import dataclass

import numpy as np

from medkt.domains.domain import Domain, Modality
from medkt.domains.intensity import Intensity, from_percentiles, real_voxels
from medkt.domains.percentiles import extent
from medkt.spatial import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class MRI(Domain):
    """Magnetic resonance imaging."""

    def _default_intensity(self, image: Image) -> Intensity:
        ends = self.percentiles
        inverted = image.display.inverted
        return from_percentiles(image, ends.low, ends.high, source=ends.source, non_zero=True, inverted=inverted)

    def _empty_level(self, image: Image) -> float:
        shown = self._default_intensity(image)
        if shown.function == "CONSTANT" or shown.inverted:
            return -np.inf
        # Zeros were left out of the percentiles, so the range is counted from zero, where air lies.
        return self.slice_rule.empty_level * (shown.centre + shown.width / 2)

    def implausible(self, image: Image) -> tuple[str, ...]:
        lowest, _ = extent(real_voxels(image))
        if lowest < 0:
            return (f"values down to {lowest:g}: a magnitude MRI has none below 0, so it was normalised or is no MRI",)
        return ()


MODALITY = Modality(kind=MRI, file="configs/domains/mri.yaml")
