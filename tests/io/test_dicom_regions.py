"""The part of an ultrasound screen that is the image."""

from pathlib import Path
from typing import Any

import numpy as np
from dicom_making import region, write_picture

from medkt.io import read_image
from medkt.spatial import Image

SCREEN = np.arange(90 * 120, dtype=np.uint16).reshape(90, 120) % 255


def placed(left: int, top: int, right: int, bottom: int, kind: int = 1) -> Any:
    """A region as the file says it: its last column and row are in it."""
    made = region(0.01, 0.01)
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
