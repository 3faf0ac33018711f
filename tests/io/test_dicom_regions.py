"""The part of an ultrasound screen that is the image."""

from pathlib import Path
from typing import Any

import numpy as np
from dicom_making import region, write_picture

from medkt.io import read_image
from medkt.spatial import Image

SCREEN = np.arange(90 * 120, dtype=np.uint16).reshape(90, 120) % 255


NO_SCALE = (
    "the ultrasound region that is looked at has no scale in centimetres, though another has: lengths are in pixels"
)


def placed(
    left: int, top: int, right: int, bottom: int, kind: int = 1, *, cm: float = 0.01, shows: int = 1, units: int = 3
) -> Any:
    """A region as the file says it: its last column and row are in it."""
    made = region(cm, cm, kind=shows, units=units)
    made.RegionSpatialFormat = kind
    made.RegionLocationMinX0, made.RegionLocationMinY0 = left, top
    made.RegionLocationMaxX1, made.RegionLocationMaxY1 = right, bottom
    return made


def read(folder: Path, *regions: Any) -> Image:
    return read_image(write_picture(folder / "a.dcm", SCREEN, "US", SequenceOfUltrasoundRegions=list(regions)))


def test_the_largest_two_dimensional_region_is_shown(tmp_path: Path) -> None:
    image = read(tmp_path, placed(5, 50, 44, 89), placed(10, 20, 99, 79), placed(0, 0, 119, 88, kind=3))
    assert image.display.region == (20, 10, 80, 100)
    assert "ultrasound regions beside the largest are not looked at: 1" in image.provenance.warnings
    assert image.values.shape == (1, 90, 120)


def test_a_region_is_cut_to_the_picture(tmp_path: Path) -> None:
    assert read(tmp_path, placed(0, 10, 200, 70)).display.region == (10, 0, 71, 120)


def test_no_region_is_the_whole_picture(tmp_path: Path) -> None:
    assert read(tmp_path).display.region is None
    assert read(tmp_path, placed(0, 0, 119, 89)).display.region is None
    assert read(tmp_path, placed(0, 0, 119, 30)).display.region is None  # a bar of 31 rows
    assert read(tmp_path, placed(50, 50, 20, 20)).display.region is None  # upside down
    assert read(tmp_path, region(0.01, 0.01)).display.region is None  # says no place


def test_no_length_is_that_of_another_region(tmp_path: Path) -> None:
    inset = placed(0, 50, 39, 89, cm=0.01)
    flow = read(tmp_path, placed(10, 0, 119, 49, cm=0.05, shows=2), inset)  # 2 is colour flow
    assert flow.display.region == (0, 10, 50, 120)
    assert flow.geometry.unit == "pixel"
    assert any("of different scale (0.5 x 0.5 mm, 0.1 x 0.1 mm)" in said for said in flow.provenance.warnings)
    unscaled = read(tmp_path, placed(10, 0, 119, 49, cm=0.05, units=0), inset)
    assert unscaled.geometry.unit == "pixel"
    assert NO_SCALE in unscaled.provenance.warnings
    icon = read(tmp_path, placed(0, 0, 119, 89, units=0), placed(0, 0, 9, 9))
    assert icon.geometry.unit == "pixel"


def test_the_region_that_is_looked_at_says_the_scale_whatever_it_shows(tmp_path: Path) -> None:
    for others in ([], [placed(0, 50, 39, 89, cm=0.05)], [placed(10, 0, 119, 49, cm=0.05)]):
        image = read(tmp_path, placed(10, 0, 119, 49, cm=0.05, shows=2), *others)
        assert image.geometry.unit == "mm"
        assert image.geometry.spacing[1:] == (0.5, 0.5)
