"""Unit vectors of texts."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from medkt.models.encoder import DualEncoder
from medkt.saliency.targets import embed_texts


def mean_direction(encoder: DualEncoder, texts: Sequence[str]) -> Float[Tensor, " width"]:
    """The unit mean of the texts' unit vectors, as medkt forms a name of several texts."""
    return unit(embed_texts(encoder, texts).mean(dim=0))


def unit(vectors: Float[Tensor, "*rows width"]) -> Float[Tensor, "*rows width"]:
    """The same directions with length 1."""
    return functional.normalize(vectors, dim=-1)
