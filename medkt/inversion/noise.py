"""One stream of random numbers for each text and image, so that no image depends on what else is made with it."""

import hashlib

import torch
from jaxtyping import Float
from torch import Tensor


def text_digest(text: str) -> str:
    """SHA-256 of the text in UTF-8, hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def stream(seed: int, text: str, index: int, purpose: str, device: str | torch.device = "cpu") -> torch.Generator:
    """The generator of one image of one text for one purpose ("start", "views", "noise").

    Args:
        seed: of the run.
        text: that is inverted.
        index: of the image among those of its text, from 0.
        purpose: streams of different purposes are independent, so that switching one off leaves the others.
        device: where it draws. The same seed gives other numbers on a GPU than on the CPU.
    """
    digest = hashlib.sha256(f"{seed}:{text_digest(text)}:{index}:{purpose}".encode()).digest()
    return torch.Generator(device=device).manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def uniform(generators: list[torch.Generator], *shape: int) -> Float[Tensor, "images *shape"]:
    """Uniform in [0, 1), one draw of this shape from each generator."""
    return torch.stack([torch.rand(shape, generator=g, device=g.device) for g in generators])


def normal(generators: list[torch.Generator], *shape: int) -> Float[Tensor, "images *shape"]:
    """N(0, 1), one draw of this shape from each generator."""
    return torch.stack([torch.randn(shape, generator=g, device=g.device) for g in generators])
