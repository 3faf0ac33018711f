"""What a plane looks like in numbers: padding changes none of them, and each kind of nothing stands out in some."""

import numpy as np
import pytest

from medkt.guard.greys import GREYS, content, grain_of, greys_of
from medkt.phantom.drawers import draw_normal
from medkt.shapes import Plane


def chest(seed: int = 1, side: int = 128) -> Plane:
    return draw_normal("cxr", np.random.default_rng(seed), side=side)


def test_padding_changes_nothing() -> None:
    plane = chest()
    padded = np.pad(plane, ((20, 5), (0, 40)))
    np.testing.assert_array_equal(content(padded), content(plane))
    np.testing.assert_array_equal(greys_of(padded), greys_of(plane))


def test_a_finer_grid_changes_little() -> None:
    fine, coarse = greys_of(chest(side=256)), greys_of(chest(side=128))
    others = np.stack([greys_of(chest(seed)) for seed in range(2, 8)])
    assert len(fine) == GREYS
    assert np.median(np.abs(fine - coarse)) < np.median(np.abs(others - coarse))


@pytest.mark.parametrize("shape", [(8, 8), (16, 400), (9, 17)])
def test_every_shape_has_numbers(shape: tuple[int, int]) -> None:
    assert np.isfinite(greys_of(np.zeros(shape, np.float32))).all()
    assert np.isfinite(greys_of(np.eye(*shape, dtype=np.float32))).all()


def test_noise_has_no_grain_and_a_study_has() -> None:
    noise = np.random.default_rng(1).random((64, 64), np.float32)
    assert abs(grain_of(noise)) < 0.05
    assert grain_of(chest()) > 0.8
    assert grain_of(np.ones((16, 16), np.float32)) == 0.0
