"""Thresholds against brute force, components typed as text."""

from dataclasses import replace

import numpy as np
import pytest
from drawing import forced, mask, plane
from hypothesis import given
from hypothesis import strategies as st
from skimage.filters import threshold_otsu
from skimage.measure import label

from medkt.errors import InputError, NumericalError, SettingsError
from medkt.segmentation.threshold import (
    ThresholdSettings,
    coarse_mask,
    components,
    histogram,
    kmeans_level,
    otsu_level,
)

COUNTS = st.lists(st.integers(0, 40), min_size=256, max_size=256).map(np.array)
FEW = st.dictionaries(st.integers(0, 255), st.integers(1, 50), min_size=2, max_size=6).map(
    lambda d: np.array([d.get(k, 0) for k in range(256)])
)


def squares_within(counts: np.ndarray, level: int) -> float:
    """The 2-means cost of cutting after `level`, from the values one by one."""
    values = np.repeat(np.arange(256.0), counts)
    parts = values[values <= level], values[values > level]
    return sum(float(((part - part.mean()) ** 2).sum()) for part in parts)


@given(COUNTS | FEW)
def test_otsu_is_the_best_of_all_partitions(counts: np.ndarray) -> None:
    level = otsu_level(counts)
    occurring = np.flatnonzero(counts)
    if len(occurring) < 2:
        assert level is None
        return
    assert level is not None
    best = min(squares_within(counts, int(cut)) for cut in occurring[:-1])
    assert squares_within(counts, level) == pytest.approx(best, rel=1e-9, abs=1e-9)


@given(FEW)
def test_otsu_cuts_as_scikit_image_does(counts: np.ndarray) -> None:
    level = otsu_level(counts)
    values = np.repeat(np.arange(256, dtype=np.uint8), counts)
    assert level is not None
    theirs = threshold_otsu(values)
    assert squares_within(counts, level) == pytest.approx(squares_within(counts, int(theirs)), rel=1e-9, abs=1e-9)


@given(FEW)
def test_kmeans_stands_still_and_is_never_better_than_otsu(counts: np.ndarray) -> None:
    level, otsu = kmeans_level(counts), otsu_level(counts)
    assert level is not None
    assert otsu is not None
    values = np.repeat(np.arange(256.0), counts)
    low, high = values[values <= level].mean(), values[values > level].mean()
    nearer = np.abs(values - low) <= np.abs(values - high)
    assert (nearer == (values <= level)).all()  # nobody would change the cluster
    assert squares_within(counts, otsu) <= squares_within(counts, level) + 1e-6


def test_a_tie_takes_the_lower_threshold() -> None:
    counts = np.zeros(256, dtype=int)
    counts[[10, 20, 30]] = 5
    assert otsu_level(counts) == 10


def test_a_map_of_one_value_has_no_foreground() -> None:
    for method in ("otsu", "kmeans"):
        for value in (0.0, 0.5, 1.0):
            assert not coarse_mask(np.full((3, 5), value, np.float32), ThresholdSettings(method=method)).any()


def test_the_fixed_threshold_is_exclusive() -> None:
    map_ = np.array([[0.3, 0.31, 0.29]], dtype=np.float32)
    assert coarse_mask(map_, ThresholdSettings(method="fixed", value=0.3)).tolist() == [[False, True, False]]


def test_a_drawn_map_is_cut_where_a_reader_would() -> None:
    map_ = plane("00110 01981 01891 00110")
    assert (coarse_mask(map_, ThresholdSettings()) == mask("..... ..##. ..##. .....")).all()


def test_the_published_square_goes_there_and_back_as_opencv_does() -> None:
    """A cell takes what its corner falls in: the mask moves by up to a cell of the square, away from the beginning."""
    map_ = np.zeros((10, 30), dtype=np.float32)
    map_[2:6, 9:18] = 1.0
    small = [[map_[int(i * 10 / 256), int(j * 30 / 256)] for j in range(256)] for i in range(256)]
    there = [[small[int(i * 256 / 10)][int(j * 256 / 30)] > 0 for j in range(30)] for i in range(10)]
    assert (coarse_mask(map_, ThresholdSettings(side=256)) == np.array(there)).all()
    assert (coarse_mask(map_, ThresholdSettings(side=320, method="fixed", value=0.5)) == (map_ > 0)).sum() >= 290
    assert coarse_mask(map_, ThresholdSettings(side=2)).shape == map_.shape


def test_components_as_good_as_the_last_one_kept_stay_where_they_are_asked_for() -> None:
    drawn = mask("##.#. ##.#. ..... #..## ...##")
    map_ = drawn.astype(np.float32)
    for keep, first, every in ((1, 1, 2), (2, 2, 2), (3, 3, 3), (4, 4, 4), (9, 4, 4)):
        settings = ThresholdSettings(order="area", keep=keep)
        assert len(components(drawn, map_, settings, pixel_area_mm2=None)) == first
        found = components(drawn, map_, replace(settings, ties="all"), pixel_area_mm2=None)
        assert len(found) == every
        assert [part.area for part in found] == [4, 4, 2, 1][:every]
    assert len(components(drawn, map_, ThresholdSettings(ties="all"), pixel_area_mm2=None)) == 4
    with pytest.raises(SettingsError, match="unknown threshold ties 'some'; known: first, all"):
        forced(ThresholdSettings, ties="some")


def test_histogram_rounds_to_the_nearest_level() -> None:
    counts = histogram(np.array([0.0, 1.0, 0.4 / 255, 0.6 / 255], dtype=np.float32))
    assert (counts[0], counts[1], counts[255], counts.sum()) == (2, 1, 1, 4)


def test_components_touch_by_corners_and_come_best_first() -> None:
    found = components(
        mask("#...## .#..#. ...... ##...#"),
        plane("900055 090050 000000 770005"),
        ThresholdSettings(),
        pixel_area_mm2=None,
    )
    assert [(c.area, c.box) for c in found] == [
        (2, (0, 0, 2, 2)),
        (2, (3, 0, 4, 2)),
        (3, (0, 4, 2, 6)),
        (1, (3, 5, 4, 6)),
    ]
    assert found[0].confidence == pytest.approx(1.0)
    assert found[2].mass == pytest.approx(15 / 9)


def test_components_are_dropped_by_size_confidence_and_number() -> None:
    drawn, map_ = mask("##.# ##.. ...#"), plane("5509 5500 0007")

    def areas(**settings: object) -> list[int]:
        area = settings.pop("pixel_area_mm2", None)
        return [c.area for c in components(drawn, map_, ThresholdSettings(**settings), pixel_area_mm2=area)]

    assert areas() == [1, 1, 4]
    assert areas(order="area") == [4, 1, 1]
    assert areas(order="mass") == [4, 1, 1]
    assert areas(min_area_pixels=2) == [4]
    assert areas(min_area_mm2=3.0, pixel_area_mm2=1.0) == [4]
    assert areas(min_area_mm2=3.0, pixel_area_mm2=3.0) == [1, 1, 4]
    assert areas(min_area_mm2=3.0) == [1, 1, 4]  # no spacing, no millimetres
    assert areas(min_confidence=0.6) == [1, 1]
    assert areas(keep=1) == [1]


def test_equal_components_keep_reading_order() -> None:
    drawn = mask("..#.# #....")
    found = components(drawn, drawn.astype(np.float32), ThresholdSettings(keep=2), pixel_area_mm2=None)
    assert [c.box[:2] for c in found] == [(0, 2), (0, 4)]


@given(st.integers(0, 2**24 - 1))
def test_components_are_those_of_scikit_image(bits: int) -> None:
    drawn = np.array([bits >> k & 1 for k in range(24)], dtype=bool).reshape(4, 6)
    found = components(drawn, drawn.astype(np.float32), ThresholdSettings(), pixel_area_mm2=None)
    theirs = label(drawn, connectivity=2)
    assert len(found) == theirs.max()
    assert {c.mask.tobytes() for c in found} == {(theirs == k).tobytes() for k in range(1, theirs.max() + 1)}
    first = [int(np.argmax(c.mask)) for c in found]
    assert first == sorted(first)


def test_what_is_no_map_is_refused() -> None:
    with pytest.raises(NumericalError, match="saliency map holds NaN"):
        coarse_mask(np.array([[np.nan]], dtype=np.float32), ThresholdSettings())
    with pytest.raises(InputError, match=r"in \[0, 1\], got 0 to 2"):
        coarse_mask(np.array([[0.0, 2.0]], dtype=np.float32), ThresholdSettings())
    with pytest.raises(SettingsError, match="unknown threshold method 'crf'"):
        forced(ThresholdSettings, method="crf")
    with pytest.raises(SettingsError, match="threshold setting keep cannot be 0"):
        ThresholdSettings(keep=0)
