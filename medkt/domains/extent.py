"""How large an image of a patient can be: beyond it the spacing is wrong, or several slices lie in one picture."""

from dataclasses import dataclass

from medkt.errors import GeometryError
from medkt.spatial import Image

SMALLEST_MM = 1.0  # nothing that medkt looks at is smaller from end to end; metres read as millimetres are


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """The largest extents in millimetres.

    Attributes:
        widest_mm: across the patient: of the three extents of a volume, or the two of a plane, all but the longest.
        longest_mm: along the patient.
        source: where the two numbers come from.
    """

    widest_mm: float
    longest_mm: float
    source: str


def require_extent(image: Image, extent: Extent, title: str) -> None:
    """Pass silently where the image can be one of a patient, or has no spacing.

    Raises:
        GeometryError: it is wider or longer than the modality can show, or smaller than a millimetre.
    """
    if image.geometry.unit != "mm":
        return
    sizes = _sizes_mm(image)
    ordered = sorted(sizes, reverse=True)
    said = " x ".join(f"{size:.4g}" for size in sizes)
    if ordered[0] < SMALLEST_MM:
        raise GeometryError(
            f"the image is {said} mm large, which is not that of a patient (less than {SMALLEST_MM:g} mm from end "
            "to end): are metres written as millimetres? Correct the spacing or the unit in its header"
        )
    if ordered[0] > extent.longest_mm or ordered[1] > extent.widest_mm:
        raise GeometryError(
            f"the image is {said} mm large, which is not that of a patient: a {title} is at most {extent.widest_mm:g} mm "
            f"wide and {extent.longest_mm:g} mm long ({extent.source}): the spacing or its unit in the header is wrong (1 mm may be one that nobody set), or "
            "several slices lie in one picture. Correct the header; a picture without spacing (PNG) is measured in pixels"
        )


def _sizes_mm(image: Image) -> tuple[float, ...]:
    """Extents along the axes that are lengths; of an ultrasound screen those of the region that is shown."""
    slices, rows, columns = image.geometry.shape
    if image.display.region is not None:
        top, left, bottom, right = image.display.region
        rows, columns = bottom - top, right - left
    deep, high, wide = (n * step for n, step in zip((slices, rows, columns), image.geometry.spacing, strict=True))
    return (high, wide) if image.geometry.stack == "time" or slices == 1 else (deep, high, wide)
