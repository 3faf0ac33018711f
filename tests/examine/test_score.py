"""Scores of word swaps against the encoder's own cosine, and shares and differences against numbers by hand."""

import numpy as np
import pytest
import torch
from scipy.stats import binomtest

from medkt.errors import InputError
from medkt.examine import ROWS, difference, draw_pairs, margins, share, won
from medkt.models.encoder import DualEncoder
from medkt.models.registry import load_encoder
from medkt.saliency.explain import prepare_plane


@pytest.fixture(scope="module")
def encoder() -> DualEncoder:
    return load_encoder("small")


def test_a_margin_is_the_difference_of_the_encoders_own_scores(encoder: DualEncoder) -> None:
    pairs = [pair for row in ("size", "order") for pair in draw_pairs(row, each=4, seed=1)]
    found = margins(encoder, pairs)
    for pair, margin in zip(pairs, found, strict=True):
        pixels = prepare_plane(encoder, pair.plane).pixels[None]
        with torch.no_grad():
            right, wrong = (encoder.score(pixels, encoder.tokenize([text])).item() for text in (pair.right, pair.wrong))
        assert margin == pytest.approx(right - wrong, abs=1e-5)


def test_wins_and_their_share() -> None:
    wins = won(np.array([0.2, -0.1, 0.0, 0.5, 1e-9]))
    np.testing.assert_array_equal(wins, [1, 0, 0.5, 1, 1])
    found = share(np.array([1.0] * 7 + [0.0] * 3))
    wilson = binomtest(7, 10).proportion_ci(method="wilson")
    assert (found.estimate, found.low, found.high) == pytest.approx((0.7, wilson.low, wilson.high))


def test_two_models_are_compared_over_the_same_pictures() -> None:
    keys = [f"size/cxr/{n}" for n in range(40)]
    first = dict.fromkeys(keys, 0.0) | dict.fromkeys(keys[:10], 1.0)
    second = dict.fromkeys(keys, 1.0)
    found = difference(first, second)
    assert found.estimate == pytest.approx(0.75)
    assert 0.5 < found.low < 0.75 < found.high < 0.95
    with pytest.raises(InputError, match="2 were asked of one alone"):
        difference(first, {**dict.fromkeys(keys[1:], 1.0), "size/ct/0": 1.0})


def test_no_pair_is_no_score(encoder: DualEncoder) -> None:
    with pytest.raises(InputError, match="no pair of sentences"):
        margins(encoder, [])
    assert len(ROWS) == 13
