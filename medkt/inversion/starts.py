"""Where an inversion may start instead of at plain noise: noise with the spectrum of given images."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from medkt.errors import InputError
from medkt.inversion.noise import normal, stream


def spectral_start(
    references: Float[Tensor, "references channels side side"],
    texts: Sequence[str],
    *,
    images: int = 10,
    seed: int = 0,
    first: int = 0,
) -> Float[Tensor, "texts images channels side side"]:
    """Images with the references' mean amplitude at every frequency and random phases: their texture, nothing of their places.

    Args:
        references: in [0, 1]; phantoms of the domain, for example.
        texts: that will be inverted; each image's phases come from its own generator.
        images: of each text.
        seed: of the phases.
        first: index of the first image.

    Returns:
        In [0, 1], for `invert(..., start=...)`. The mean of each channel is that of the references before clipping.

    Raises:
        InputError: no reference, or values outside [0, 1].
    """
    if not len(references) or not bool(((references >= 0) & (references <= 1)).all()):
        raise InputError("inversion: a start from a spectrum needs one or more reference images in [0, 1]")
    side = references.shape[-1]
    amplitude = torch.fft.rfft2(references.float().cpu()).abs().mean(dim=0)  # (channels, side, side // 2 + 1)
    streams = [stream(seed, text, index, "spectrum") for text in texts for index in range(first, first + images)]
    white = torch.fft.rfft2(normal(streams, 1, side, side))  # of real noise, so its phases have the right symmetry
    phase = white / white.abs().clamp_min(1e-12)
    phase[..., 0, 0] = 1.0  # the mean keeps its sign
    made: Tensor = torch.fft.irfft2(amplitude * phase, s=(side, side)).clamp(0, 1)
    return made.reshape(len(texts), images, *made.shape[1:])
