"""Where on an ultrasound picture the image is: the rest is the machine's screen, with text, scales and logos."""

from pydicom import Dataset

from medkt.io.dicom_header import integer, items
from medkt.spatial.planes import PixelRegion

TWO_DIMENSIONAL = 1  # RegionSpatialFormat, PS3.3 C.8.5.5.1.1; others are M-mode, spectra, waveforms, graphics
LEAST_SIDE = 32  # pixels; smaller regions are scales and icons that were marked by mistake


def regions_of(header: Dataset) -> tuple[PixelRegion, ...]:
    """The 2-D regions of SequenceOfUltrasoundRegions (PS3.3 C.8.5.5), the largest first.

    Each is (first row, first column, end row, end column), the ends not in it, cut to the picture. Empty where the file
    names none of at least 32 pixels a side.
    """
    found = []
    for item in items(header, "SequenceOfUltrasoundRegions"):
        region = location_of(item, header)
        if integer(item, "RegionSpatialFormat") != TWO_DIMENSIONAL or region is None:
            continue
        if min(region[2] - region[0], region[3] - region[1]) >= LEAST_SIDE:
            found.append(region)
    return tuple(sorted(dict.fromkeys(found), key=lambda region: -_area(region)))


def location_of(item: Dataset, header: Dataset) -> PixelRegion | None:
    """Where a region of any kind lies, as in `regions_of`; None where it does not say."""
    rows, columns = integer(header, "Rows") or 0, integer(header, "Columns") or 0
    edges = [integer(item, f"RegionLocation{edge}") for edge in ("MinY0", "MinX0", "MaxY1", "MaxX1")]
    if None in edges:
        return None
    top, left, bottom, right = (edge or 0 for edge in edges)
    return max(top, 0), max(left, 0), min(bottom + 1, rows), min(right + 1, columns)  # the last pixel is in it


def region_to_show(header: Dataset) -> PixelRegion | None:
    """The largest 2-D region; None where there is none or it is the whole picture."""
    whole = (0, 0, integer(header, "Rows"), integer(header, "Columns"))
    largest = next(iter(regions_of(header)), None)
    return None if largest == whole else largest


def _area(region: PixelRegion) -> int:
    return (region[2] - region[0]) * (region[3] - region[1])
