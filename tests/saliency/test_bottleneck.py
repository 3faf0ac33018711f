"""The gate: published capacities, a brute-force divergence, and an encoder left as it was."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medkt.saliency.bottleneck import STD_FLOOR, NoiseScale, capacity, pass_through


@pytest.mark.parametrize(("z", "nats"), [(0.0, 4.5067), (1.0, 5.0001), (2.0, 6.4801)])
def test_capacity_of_a_nearly_open_gate(z: float, nats: float) -> None:
    assert capacity(torch.full((1, 1), z), torch.full((1, 1), 5.0)).item() == pytest.approx(nats, abs=5e-5)


@given(z=st.floats(-5, 5), alpha=st.floats(-8, 8))
def test_capacity_is_the_divergence_between_two_normals(z: float, alpha: float) -> None:
    gate = 1 / (1 + math.exp(-alpha))
    here = torch.distributions.Normal(torch.tensor(gate * z).double(), torch.tensor(1 - gate).double())
    unit = torch.distributions.Normal(torch.tensor(0.0).double(), torch.tensor(1.0).double())
    expected = torch.distributions.kl_divergence(here, unit).item()
    found = capacity(torch.full((1, 1), z), torch.full((1, 1), alpha)).item()
    assert found == pytest.approx(expected, abs=1e-4)
    assert found >= -1e-6


def test_a_saturated_gate_has_a_large_finite_capacity() -> None:
    nats = capacity(torch.ones(1, 1), torch.full((1, 1), 100.0)).item()
    assert nats == pytest.approx(100.0)  # ln sigma = -100: the textbook form gives infinity from alpha = 17 on


def test_an_open_gate_passes_the_state_and_a_closed_one_the_noise() -> None:
    state, noise = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    assert torch.allclose(pass_through(state, torch.full_like(state, 50.0), noise), state)
    assert torch.allclose(pass_through(state, torch.full_like(state, -50.0), noise), noise)


def test_feature_noise_is_scaled_by_the_places_of_its_own_image() -> None:
    hidden = torch.tensor([[[100.0, 7.0], [1.0, 7.0], [3.0, 7.0]]])  # the first token leads; the second channel is flat
    scale = NoiseScale.of_features(hidden, leading=1)
    assert torch.allclose(scale.mean, torch.tensor([[[2.0, 7.0]]]))
    assert torch.allclose(scale.std, torch.tensor([[[1.0, STD_FLOOR]]]))
