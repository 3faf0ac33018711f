"""Sizes as words: of which lesion, how many there are, what is cut, and in which unit."""

import json

import numpy as np
import pytest

from medkt.metrics import measure
from medkt.records import as_plain
from medkt.report.sizes import LISTED, axes_text, measures_record, size_text
from medkt.spatial import Geometry, Mask, Stack, Unit

# slices 5 mm apart, pixels of 2 by 1 mm
AFFINE = np.array([[0, 0, 1, 0], [0, 2, 0, 0], [5, 0, 0, 0], [0, 0, 0, 1.0]])


def _mask(*slices: str, unit: Unit = "mm", stack: Stack = "space") -> Mask:
    values = np.array([[[pixel == "#" for pixel in row] for row in one.split("/")] for one in slices])
    return Mask(values=values, geometry=Geometry(affine=AFFINE, shape=values.shape, unit=unit, stack=stack))


EMPTY = "......./......./......./......./......."
ONE = "......./.###.../......./......./......."
TWO = "......./.###.../......./..#..../......."
CUT = "......./....###/......./......./......."


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        (_mask(EMPTY, EMPTY, EMPTY), "–"),
        (_mask(EMPTY, ONE, EMPTY), "1 lesion, 3.0 x 2.0 mm, 0.03 mL"),
        (_mask(EMPTY, TWO, EMPTY), "2 lesions, largest 3.0 x 2.0 mm, 0.03 mL; together 0.04 mL"),
        (_mask(EMPTY, CUT, EMPTY), "1 lesion, at least 3.0 x 2.0 mm, 0.03 mL"),
        (_mask(TWO), "2 lesions, largest 3.0 x 2.0 mm, 6 mm²; together 8 mm²"),
        (_mask(ONE, unit="pixel"), "1 lesion, 3.0 x 2.0 pixels, 6 pixels"),
        (_mask(EMPTY, TWO, EMPTY, unit="pixel"), "2 lesions, largest 3.0 x 2.0 pixels, 3 voxels; together 4 voxels"),
        (_mask(EMPTY, ONE, TWO, stack="time"), "in frame 1: 1 lesion, 3.0 x 2.0 mm, 6 mm²; up to 2 in another frame"),
    ],
)  # fmt: skip
def test_it_is_said_of_which_lesion(mask: Mask, said: str) -> None:
    assert size_text(measure(mask)) == said


def test_the_axes_are_those_of_the_largest() -> None:
    assert axes_text(measure(_mask(EMPTY, TWO, EMPTY))) == "3.0 x 2.0 mm"
    assert axes_text(measure(_mask(EMPTY, EMPTY, EMPTY))) == "–"


def test_a_small_volume_is_not_nothing() -> None:
    fine = AFFINE * [[0.1], [0.1], [0.1], [1]]
    values = np.zeros((3, 3, 3), bool)
    values[1, 1, 1] = True
    found = measure(Mask(values=values, geometry=Geometry(affine=fine, shape=values.shape)))
    assert size_text(found).endswith("1e-05 mL")


def test_a_record_lists_the_largest_and_counts_all() -> None:
    values = np.zeros((3, 60, 60), bool)
    values[1, 1:58:3, 1:58:3] = True
    values[1, 1, 1:3] = True
    record = measures_record(measure(Mask(values=values, geometry=Geometry(affine=AFFINE, shape=values.shape))))
    assert (record.lesion_count, len(record.lesions)) == (19 * 19, LISTED)
    assert record.largest == record.lesions[0]
    assert (record.largest.voxels, record.mask_voxels) == (2, 19 * 19 + 1)
    plain = as_plain(record)
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert "long_axis" not in plain  # no length that is of no lesion
