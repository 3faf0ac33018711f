"""The embedded segmenter behaves as a Sam: the predictor works on it, and its file is checked."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from segment_anything import SamPredictor
from segment_anything.modeling import Sam

from medkt.errors import WeightsError
from medkt.models.small import load_small_segmenter
from medkt.models.small.dual_encoder import WEIGHTS


@pytest.fixture(scope="module")
def sam() -> Sam:
    return load_small_segmenter()


def _disc(rows: int, columns: int, centre: tuple[int, int], radius: int) -> np.ndarray:
    y, x = np.mgrid[:rows, :columns]
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2


def test_a_bright_disc_is_found_by_its_box_in_an_oblong_image(sam: Sam) -> None:
    disc = _disc(150, 210, (60, 140), 22)
    image = np.where(disc, 190, 90).astype(np.uint8)
    image = np.clip(image + np.random.default_rng(0).normal(0, 6, image.shape), 0, 255).astype(np.uint8)
    predictor = SamPredictor(sam)
    predictor.set_image(np.repeat(image[..., None], 3, 2))
    masks, scores, low = predictor.predict(box=np.array([117, 37, 163, 83]), multimask_output=False)
    assert (masks.shape == (1, 150, 210) and low.shape == (1, 48, 48)) or low.shape == (1, 96, 96)
    assert 2 * (masks[0] & disc).sum() / (masks[0].sum() + disc.sum()) > 0.85
    assert 0.5 < float(scores[0]) < 1.3


def test_points_give_three_masks(sam: Sam) -> None:
    image = np.where(_disc(128, 128, (70, 50), 18), 200, 80).astype(np.uint8)
    predictor = SamPredictor(sam)
    predictor.set_image(np.repeat(image[..., None], 3, 2))
    masks, scores, _ = predictor.predict(point_coords=np.array([[50, 70]]), point_labels=np.array([1]))
    assert masks.shape == (3, 128, 128)
    assert scores.shape == (3,)


def test_preprocessing_is_that_of_sam(sam: Sam) -> None:
    made = sam.preprocess(torch.full((1, 3, 100, 192), 102.0))
    assert made.shape == (1, 3, 192, 192)
    torch.testing.assert_close(made, torch.zeros_like(made))


def test_it_is_small(sam: Sam) -> None:
    assert sum(p.numel() for p in sam.parameters()) <= 2_000_000


def test_changed_weights_are_refused(tmp_path: Path) -> None:
    shutil.copy(WEIGHTS / "segmenter.json", tmp_path)
    content = bytearray((WEIGHTS / "segmenter.safetensors").read_bytes())
    content[-1] ^= 1
    (tmp_path / "segmenter.safetensors").write_bytes(bytes(content))
    with pytest.raises(WeightsError, match="SHA-256"):
        load_small_segmenter(folder=tmp_path)
