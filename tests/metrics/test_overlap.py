import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose

from medkt.metrics import dice, iou


def _drawn(*rows: str) -> np.ndarray:
    return np.array([[pixel == "#" for pixel in row] for row in rows])


masks = hnp.arrays(np.bool_, (5, 7))


def test_values_by_hand() -> None:
    reference = _drawn("##..", "##..", "....")  # 4 pixels
    prediction = _drawn(".##.", ".##.", ".##.")  # 6 pixels, 2 of them shared
    assert dice(reference=reference, prediction=prediction) == pytest.approx(4 / 10)
    assert iou(reference=reference, prediction=prediction) == pytest.approx(2 / 8)


def test_empty_rule() -> None:
    empty, some = np.zeros((3, 4), bool), _drawn("#...", "....", "....")
    for metric in (dice, iou):
        assert np.isnan(metric(reference=empty, prediction=empty))
        assert metric(reference=some, prediction=empty) == 0
        assert metric(reference=empty, prediction=some) == 0


def test_masks_of_two_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"one shape are compared, got \(3, 4\) and \(4, 3\)"):
        dice(reference=np.ones((3, 4), bool), prediction=np.ones((4, 3), bool))


@given(masks, masks)
def test_symmetric_and_unchanged_by_flips(a: np.ndarray, b: np.ndarray) -> None:
    for metric in (dice, iou):
        one = metric(reference=a, prediction=b)
        assert_allclose(metric(reference=b, prediction=a), one)
        assert_allclose(metric(reference=a[::-1, ::-1], prediction=b[::-1, ::-1]), one)


@given(masks, masks)
def test_dice_and_iou_say_the_same(a: np.ndarray, b: np.ndarray) -> None:
    jaccard = iou(reference=a, prediction=b)
    assert_allclose(dice(reference=a, prediction=b), 2 * jaccard / (1 + jaccard))


@given(masks.filter(np.any), st.integers(0, 3))
def test_a_mask_agrees_with_itself(a: np.ndarray, turns: int) -> None:
    assert dice(reference=np.rot90(a, turns), prediction=np.rot90(a, turns)) == 1
