"""What every segmenter must do: the shipped one, and Segment Anything with random weights."""

from typing import Any

import numpy as np
import pytest
from segmentation.bright_spots import BoxFiller
from segmentation.tiny_sam import make_sam

from medkt.errors import InputError, NumericalError
from medkt.pipeline import load_segmenter
from medkt.segmentation.prompts import Prompts
from medkt.segmentation.sam import SamSegmenter
from medkt.segmentation.segmenter import Segmenter

MADE = {"small": load_segmenter, "sam": lambda: SamSegmenter(make_sam()), "box-filler": BoxFiller}


@pytest.fixture(scope="module", params=MADE)
def segmenter(request: pytest.FixtureRequest) -> Any:
    return MADE[request.param]()


@pytest.fixture(scope="module")
def plane() -> np.ndarray:
    y, x = np.mgrid[:50, :70]
    disc = (y - 20) ** 2 + (x - 45) ** 2 < 100
    return np.where(disc, 0.9, 0.2).astype(np.float32) + np.float32(0.001) * x.astype(np.float32)


def _boxes(*boxes: tuple[float, float, float, float]) -> Prompts:
    return Prompts(
        boxes_xyxy=np.array(boxes, dtype=np.float32).reshape(-1, 4),
        points_xy=np.zeros((0, 2), np.float32),
        labels=np.zeros(0, np.int64),
        region=np.zeros(0, np.int64),
        regions=len(boxes),
    )


FIRST, SECOND = (35.0, 10.0, 56.0, 31.0), (5.0, 5.0, 30.0, 40.0)


def test_the_protocol(segmenter: Any) -> None:
    assert isinstance(segmenter, Segmenter)
    assert segmenter.name


def test_candidates_lie_on_the_plane_and_know_their_region(segmenter: Any, plane: np.ndarray) -> None:
    embedding = segmenter.embed(plane)
    one = segmenter.masks(embedding, _boxes(FIRST, SECOND), False)
    assert one.masks.shape == (2, *plane.shape)
    assert one.masks.dtype == bool
    assert one.region.tolist() == [0, 1]
    several = segmenter.masks(embedding, _boxes(FIRST, SECOND), True)
    each = len(several.masks) // 2
    assert each > 1
    assert several.region.tolist() == [0] * each + [1] * each
    assert np.isfinite(several.predicted_iou).all()


def test_nothing_asked_is_nothing_given(segmenter: Any, plane: np.ndarray) -> None:
    found = segmenter.masks(segmenter.embed(plane), _boxes(), True)
    assert found.masks.shape == (0, *plane.shape)
    assert len(found.predicted_iou) == len(found.region) == 0


def test_regions_do_not_know_each_other(segmenter: Any, plane: np.ndarray) -> None:
    embedding = segmenter.embed(plane)
    both = segmenter.masks(embedding, _boxes(FIRST, SECOND), True)
    for region, box in enumerate((FIRST, SECOND)):
        alone = segmenter.masks(embedding, _boxes(box), True)
        np.testing.assert_array_equal(both.masks[both.region == region], alone.masks)


def test_the_same_each_time_and_the_plane_stays(segmenter: Any, plane: np.ndarray) -> None:
    before = plane.copy()
    first, second = (segmenter.masks(segmenter.embed(plane), _boxes(FIRST), True) for _ in range(2))
    np.testing.assert_array_equal(first.masks, second.masks)
    np.testing.assert_array_equal(first.predicted_iou, second.predicted_iou)
    np.testing.assert_array_equal(plane, before)


@pytest.mark.parametrize("shape", [(8, 8), (16, 200), (200, 16)])
def test_planes_of_any_shape(shape: tuple[int, int], segmenter: Any) -> None:
    plane = np.random.default_rng(0).random(shape).astype(np.float32)
    found = segmenter.masks(segmenter.embed(plane), _boxes((1.0, 1.0, 6.0, 6.0)), True)
    assert found.masks.shape[1:] == shape


@pytest.mark.parametrize(("value", "error"), [(np.nan, NumericalError), (2.0, InputError)])
def test_planes_that_are_not_windowed(value: float, error: type[Exception], segmenter: Any, plane: np.ndarray) -> None:
    if segmenter.name == "box-filler":
        return  # of the tests alone
    spoilt = plane.copy()
    spoilt[3, 4] = value
    with pytest.raises(error, match=r"NaN|windowed"):
        segmenter.embed(spoilt)


def test_the_shipped_segmenter_outlines_a_bright_disc(plane: np.ndarray) -> None:
    segmenter = load_segmenter("small")
    found = segmenter.masks(segmenter.embed(plane), _boxes(FIRST), True)
    y, x = np.mgrid[:50, :70]
    disc = (y - 20) ** 2 + (x - 45) ** 2 < 100
    dice = [2 * (mask & disc).sum() / (mask.sum() + disc.sum()) for mask in found.masks]
    assert max(dice) > 0.7
