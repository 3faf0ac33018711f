"""Planes that were passed over: by hand on squares that move and grow."""

import numpy as np

from medkt.segmentation.interpolation import filled_between
from medkt.shapes import MaskPlane


def _square(top: int, left: int, side: int, size: int = 24) -> MaskPlane:
    mask = np.zeros((size, size), dtype=bool)
    mask[top : top + side, left : left + side] = True
    return mask


def test_a_stride_of_one_changes_nothing() -> None:
    planes = [(3, _square(2, 2, 4)), (4, _square(3, 3, 4)), (7, _square(1, 1, 2))]
    filled = list(filled_between(planes, 1, 9))
    assert [index for index, _ in filled] == [3, 4, 7]
    for (_, before), (_, after) in zip(planes, filled, strict=True):
        np.testing.assert_array_equal(before, after)


def test_a_growing_square_grows_evenly() -> None:
    filled = dict(filled_between([(4, _square(8, 8, 4)), (8, _square(6, 6, 8))], 4, 20))
    assert sorted(filled) == [3, 4, 5, 6, 7, 8, 9, 10]
    np.testing.assert_array_equal(filled[6], _square(7, 7, 6))  # half way: one pixel more on each side
    areas = [int(filled[k].sum()) for k in range(4, 9)]
    assert areas == sorted(areas)


def test_masks_that_do_not_overlap_or_are_far_apart_reach_half_way() -> None:
    apart = dict(filled_between([(4, _square(0, 0, 4)), (8, _square(12, 12, 4))], 4, 20))
    np.testing.assert_array_equal(apart[6], _square(0, 0, 4))
    np.testing.assert_array_equal(apart[7], _square(12, 12, 4))
    assert sorted(apart) == [3, 4, 5, 6, 7, 8, 9, 10]
    far = list(filled_between([(4, _square(0, 0, 4)), (12, _square(0, 0, 4))], 4, 20))
    assert [index for index, _ in far] == [3, 4, 5, 6, 11, 12, 13, 14]


def test_the_ends_of_the_study_are_kept_and_a_full_plane_has_no_outline() -> None:
    full = np.ones((6, 6), dtype=bool)
    filled = list(filled_between([(0, full), (3, full)], 3, 4))
    assert [index for index, _ in filled] == [0, 1, 2, 3]
    assert all(mask.all() for _, mask in filled)
    assert list(filled_between([], 3, 4)) == []
