"""Map to coarse mask as MedCLIP-SAMv2 does it, against an assembly from other libraries; its own masks are in `tests/test_oracles.py`."""

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from sklearn.cluster import KMeans

from medkt.config import resolve
from medkt.segmentation.kmeans import TOLERANCE, _lloyd, published_level
from medkt.segmentation.slicewise import SegmentationSettings
from medkt.segmentation.threshold import Component, ThresholdSettings, coarse_mask, components, histogram, otsu_level


def published(keep: int = 1) -> ThresholdSettings:
    values = resolve(SegmentationSettings, preset="medclip-samv2", sets=[f"threshold.keep={keep}"])
    return values.threshold


def parts_of(map_: np.ndarray, settings: ThresholdSettings) -> list[Component]:
    return components(coarse_mask(map_, settings), map_, settings, pixel_area_mm2=None)


@pytest.mark.parametrize("index", range(10))
def test_the_iteration_stops_where_the_published_one_did(oracles: Path, index: int) -> None:
    held = np.load(oracles / "postprocessing.npz")
    map_ = held[f"map{index}"]
    rows, columns = ((np.arange(256) * (1 / (256 / side))).astype(int) for side in map_.shape)
    square = map_[np.ix_(rows, columns)]
    assert published_level(square.ravel().astype(np.int64)) == held[f"level{index}"]
    best = otsu_level(histogram(square.astype(np.float32) / 255))
    assert (best != held[f"level{index}"]) == (index == 6)


@pytest.mark.parametrize("seed", [22, 129, 322, 596, 1097, 1141])  # of few starts does the tolerance decide
def test_the_tolerance_ends_the_iteration_a_level_early(seed: int) -> None:
    random = np.random.default_rng(seed)
    levels = np.clip(np.round(255 * random.beta(*random.uniform(0.5, 1.5, 2), 20000)), 0, 255).astype(int)
    pixels = levels / 255 - (levels / 255).mean()
    start = random.choice(pixels, 2, replace=False)

    def theirs(tolerance: float) -> int:
        found = KMeans(2, init=start[:, None], n_init=1, tol=tolerance, algorithm="lloyd").fit(pixels[:, None])
        return int(levels[found.labels_ == np.argmin(found.cluster_centers_)].max())

    values, counts = np.unique(levels, return_counts=True)
    weighed = values / 255 - (levels / 255).mean()
    darker, _ = _lloyd(weighed, counts, (float(start[0]), float(start[1])), TOLERANCE * float(pixels.var()))
    assert values[darker][-1] == theirs(1e-4) != theirs(0)


def make_map(seed: int, rows: int, columns: int) -> np.ndarray:
    """Blobs of several sizes and some noise, in whole grey levels."""
    random = np.random.default_rng(seed)
    blobs = ndimage.gaussian_filter(
        (random.random((rows, columns)) > 0.995) * 1.0, random.uniform(2, 9), mode="constant"
    )
    noisy = ndimage.gaussian_filter(random.random((rows, columns)), 5) * 0.3 + blobs / max(blobs.max(), 1e-9)
    return np.rint((noisy - noisy.min()) / (noisy.max() - noisy.min()) * 255).astype(np.uint8)


class DrawsOfThen(np.random.RandomState):
    """Later versions of scikit-learn draw the first centre by a weight of each pixel; 1.0.2 drew a whole number."""

    def choice(self, count: int, p: np.ndarray | None = None) -> int:  # type: ignore[override]
        assert p is None or np.ptp(p) < 1e-12
        return int(self.randint(count))


@pytest.mark.parametrize("seed", range(6))
def test_masks_are_those_of_an_assembly_from_scikit_learn_and_scipy(seed: int) -> None:
    rows, columns = [(97, 150), (130, 61), (256, 256)][seed % 3]
    grey = make_map(seed, rows, columns)
    up, across = ([int(i * (1 / (256 / side))) for i in range(256)] for side in (rows, columns))
    square = grey[np.ix_(up, across)]
    model = KMeans(n_clusters=2, n_init=10, random_state=DrawsOfThen(10)).fit(square.reshape(-1, 1) / 255)
    bright = (model.labels_ == int(np.argmax(model.cluster_centers_))).reshape(256, 256)
    back = [[int(i * (1 / (side / 256))) for i in range(side)] for side in (rows, columns)]
    labels, count = ndimage.label(bright[np.ix_(*back)], np.ones((3, 3)))
    areas = [int((labels == k).sum()) for k in range(1, count + 1)]
    for keep in (1, 2):
        stay = [k + 1 for k, area in enumerate(areas) if area in sorted(areas, reverse=True)[:keep]]
        parts = parts_of(grey.astype(np.float32) / 255, published(keep))
        np.testing.assert_array_equal(np.logical_or.reduce([one.mask for one in parts]), np.isin(labels, stay))


def test_one_level_alone_has_no_foreground() -> None:
    assert published_level(np.full(65536, 7)) is None
    assert published_level(np.array([3, 3, 200])) == 3
    assert not coarse_mask(np.full((9, 14), 0.5, np.float32), published()).any()
