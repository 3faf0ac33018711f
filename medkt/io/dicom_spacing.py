"""How large a pixel of a single picture is, and where the file says so.

CR, DX, MG: PixelSpacing where it is there (DICOM PS3.3 10.7.1: it is the calibrated one), else ImagerPixelSpacing,
measured at the detector: the patient lies nearer to the tube, so everything looks larger than it is. The magnification
is not removed. US: the 2-D regions of SequenceOfUltrasoundRegions, and never another one's than that which is looked at.
Film, captures: NominalScannedPixelSpacing.
"""

from dataclasses import dataclass

from pydicom import Dataset

from medkt.io.dicom_header import integer, items, number, numbers, text
from medkt.io.dicom_regions import location_of, regions_of

CENTIMETRES = 3  # PhysicalUnitsXDirection, PS3.3 C.8.5.5.1.15
TWO_DIMENSIONAL, TISSUE = 1, 1  # RegionSpatialFormat, RegionDataType
SAME_SCALE = 1e-2


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelSize:
    """(row step, column step) in mm, or their ratio with `known` false; where it comes from, and what to be wary of."""

    steps: tuple[float, float]
    known: bool
    source: str
    warnings: tuple[str, ...] = ()


def pixel_size(header: Dataset) -> PixelSize:
    """The pixel size of a picture that has no place in the patient."""
    regions = _from_regions(header)
    if regions is not None:
        return regions
    stated = _positive(header, "PixelSpacing")
    detector = _positive(header, "ImagerPixelSpacing")
    if stated is not None:
        return PixelSize(steps=stated, known=True, source=_how_calibrated(header, stated, detector))
    if detector is not None:
        factor = number(header, "EstimatedRadiographicMagnificationFactor")
        stretch = f", estimated magnification {factor:g}" if factor else ""
        note = f"spacing is that of the detector: lengths in the patient are shorter{stretch} (not removed)"
        return PixelSize(steps=detector, known=True, source="ImagerPixelSpacing", warnings=(note,))
    scanned = _positive(header, "NominalScannedPixelSpacing")
    if scanned is not None:
        return PixelSize(steps=scanned, known=True, source="NominalScannedPixelSpacing")
    return _only_aspect(header, ("no pixel spacing in the file: lengths are in pixels",))


def _positive(header: Dataset, keyword: str) -> tuple[float, float] | None:
    found = numbers(header, keyword, 2)
    return (found[0], found[1]) if found is not None and min(found) > 0 else None


def _how_calibrated(header: Dataset, stated: tuple[float, float], detector: tuple[float, float] | None) -> str:
    kind = text(header, "PixelSpacingCalibrationType")
    if kind:  # only DICOM's own words are repeated
        return "PixelSpacing, calibrated" + (f" by {kind.lower()}" if kind in ("GEOMETRY", "FIDUCIAL") else "")
    if detector is not None and max(abs(a / b - 1) for a, b in zip(stated, detector, strict=True)) < 1e-6:
        return "PixelSpacing, equal to ImagerPixelSpacing (detector plane)"
    return "PixelSpacing" + (", calibrated (differs from ImagerPixelSpacing)" if detector is not None else "")


def _from_regions(header: Dataset) -> PixelSize | None:
    """The scale of the 2-D regions of ultrasound: tissue, and whatever is looked at; None where there are none in centimetres."""
    shown = next(iter(regions_of(header)), None)
    scales, of_shown = [], []
    for region in items(header, "SequenceOfUltrasoundRegions"):
        if integer(region, "RegionSpatialFormat") != TWO_DIMENSIONAL:
            continue
        is_shown = shown is not None and location_of(region, header) == shown
        scale = _scale_of(region)
        if scale is not None and (is_shown or integer(region, "RegionDataType") == TISSUE):
            scales.append(scale)
            of_shown += [scale] if is_shown else []
    if not scales:
        return None
    first = scales[0]
    if any(abs(a / b - 1) >= SAME_SCALE for scale in scales for a, b in zip(scale, first, strict=True)):
        listed = ", ".join(f"{down:.4g} x {across:.4g} mm" for down, across in scales)
        return _only_aspect(header, (f"ultrasound regions of different scale ({listed}): lengths are in pixels",))
    if shown is not None and not of_shown:
        note = "the ultrasound region that is looked at has no scale in centimetres, though another has: lengths are in pixels"
        return _only_aspect(header, (note,))
    return PixelSize(steps=first, known=True, source="SequenceOfUltrasoundRegions")


def _scale_of(region: Dataset) -> tuple[float, float] | None:
    """(row step, column step) in mm; None where the region is not in centimetres."""
    units = (integer(region, "PhysicalUnitsXDirection"), integer(region, "PhysicalUnitsYDirection"))
    across, down = number(region, "PhysicalDeltaX"), number(region, "PhysicalDeltaY")
    if units != (CENTIMETRES, CENTIMETRES) or not across or not down:
        return None
    return abs(down) * 10.0, abs(across) * 10.0  # cm to mm; the sign only says where the axis points


def _only_aspect(header: Dataset, warnings: tuple[str, ...]) -> PixelSize:
    """Steps in units of the column step, from PixelAspectRatio (vertical, horizontal) where it is there."""
    aspect = numbers(header, "PixelAspectRatio", 2)
    if aspect is None or min(aspect) <= 0 or aspect[0] == aspect[1]:
        return PixelSize(steps=(1.0, 1.0), known=False, source="none", warnings=warnings)
    note = f"pixels are not square: {aspect[0]:g} high, {aspect[1]:g} wide"
    return PixelSize(
        steps=(aspect[0] / aspect[1], 1.0), known=False, source="PixelAspectRatio", warnings=(*warnings, note)
    )
