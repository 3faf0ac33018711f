"""The stochastic gate of M2IB: how much noise a hidden state is mixed with, and how many nats then pass.

Wang et al., "Visual Explanations of Image-Text Representations via Multi-Modal Information Bottleneck Attribution"
(NeurIPS 2023), after Schulz et al., "Restricting the Flow" (ICLR 2020). With lambda = sigmoid(alpha), a standardised
hidden value z passes as t = lambda z + (1 - lambda) eps, eps ~ N(0, 1), and its capacity is KL(p(t|z) || N(0, 1)).

Everything is written in log-space: ln(1 - lambda) = -softplus(alpha). The textbook form takes the logarithm of a
float32 difference that is 0 from alpha = 17 on, and so gives an infinity that later turns to NaN.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

STD_FLOOR = 1e-4  # of a channel that does not change over the image; keeps a constant picture finite


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NoiseScale:
    """What "one unit of noise" means: noise is mean + std * eps, and capacity is measured on (z - mean) / std.

    Attributes:
        mean, std: (images, 1, channels); zeros and ones for the published form.
    """

    mean: Tensor
    std: Tensor

    @classmethod
    def unit(cls, hidden: Float[Tensor, "images tokens channels"]) -> "NoiseScale":
        """N(0, 1) whatever the features are, as published."""
        like = hidden[:, :1]
        return cls(mean=torch.zeros_like(like), std=torch.ones_like(like))

    @classmethod
    def of_features(cls, hidden: Float[Tensor, "images tokens channels"], leading: int) -> "NoiseScale":
        """Mean and standard deviation of each channel over the places of this one image, so that noise hides
        a place behind the rest of its own image. Leading tokens (CLS) have statistics of their own and are left out.
        """
        places = hidden[:, leading:]
        std = places.std(dim=1, keepdim=True, correction=0)
        return cls(mean=places.mean(dim=1, keepdim=True), std=std.clamp_min(STD_FLOOR))


def capacity(
    standardised: Float[Tensor, "*batch tokens channels"], alpha: Float[Tensor, "*batch tokens channels"]
) -> Float[Tensor, "*batch tokens channels"]:
    """Nats that pass each gate: KL( N(lambda z, (1-lambda)^2) || N(0, 1) ) = (mu^2 + sigma^2 - ln sigma^2 - 1) / 2.

    Never negative, never NaN for finite input. At alpha = 5: 4.5067 (z = 0), 5.0001 (z = 1), 6.4801 (z = 2).
    """
    mu = torch.sigmoid(alpha) * standardised
    log_sigma = -functional.softplus(alpha)  # ln(1 - sigmoid(alpha))
    return 0.5 * (mu.square() + torch.exp(2 * log_sigma) - 1) - log_sigma


def pass_through(
    hidden: Float[Tensor, "*#batch tokens channels"],
    alpha: Float[Tensor, "*#batch tokens channels"],
    noise: Float[Tensor, "*#batch tokens channels"],
) -> Float[Tensor, "*batch tokens channels"]:
    """The gated state t = lambda z + (1 - lambda) noise, with noise already in the units of `hidden`."""
    return torch.sigmoid(alpha) * hidden + torch.sigmoid(-alpha) * noise
