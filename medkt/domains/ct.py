"""CT: values are Hounsfield units, shown through a named window."""

from dataclasses import dataclass

import numpy as np

from medkt.domains.domain import Domain, Modality
from medkt.domains.intensity import EIGHT_BIT, Intensity, from_percentiles, from_range
from medkt.domains.percentiles import extent
from medkt.spatial import Image

AIR_HU = -500  # half way between air and water: a CT that shows the patient's outside has values below it


@dataclass(frozen=True, slots=True, kw_only=True)
class CT(Domain):
    """Computed tomography, and pictures of it."""

    def intensity(self, image: Image, *, window: str | None = None) -> Intensity:
        """As `Domain.intensity`; a picture is shown as stored, since no window fits values that are not HU."""
        if not is_picture(image) or window == EIGHT_BIT:
            return Domain.intensity(self, image, window=window)
        if window is not None:
            self._window(window)  # a misspelt name is an error also where no window is used
        return self._as_stored(image)

    def _default_intensity(self, image: Image) -> Intensity:
        low, high = extent(image.values)
        if low == high:
            return from_range("constant", 0, 0, source="")
        # A MONOCHROME1 CT still has bone at high HU: the window is on HU, so inversion does not apply.
        return Domain.intensity(self, image, window=self.default_window)

    def _as_stored(self, image: Image) -> Intensity:
        if image.values.dtype == np.uint8:
            return from_range("as stored", 0, 255, source="a picture of 8 bits has no Hounsfield units")
        ends = self.percentiles
        return from_percentiles(image, ends.low, ends.high, source=ends.source)

    def _empty_level(self, image: Image) -> float:
        return -np.inf if is_picture(image) else self.slice_rule.empty_level

    def implausible(self, image: Image) -> tuple[str, ...]:
        if is_picture(image):
            return ("a CT picture without Hounsfield units: it is shown as stored and windows do not apply",)
        if extent(image.values)[0] >= AIR_HU:
            return (
                f"no value below {AIR_HU} HU: a CT without air is cropped, or is not in Hounsfield units, or is no CT",
            )
        return ()


MODALITY = Modality(kind=CT, file="configs/domains/ct.yaml")


def is_picture(image: Image) -> bool:
    """Whether the values are grey levels of a picture and not Hounsfield units."""
    return image.provenance.source == "raster" or image.values.dtype == np.uint8
