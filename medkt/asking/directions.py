"""Where words lie in an encoder's space: what is wanted, what it is told apart from, and by how much a picture leads."""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from medkt.models.encoder import DualEncoder
from medkt.saliency.targets import embed_texts


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Directions:
    """Unit vectors: what is wanted, (width,), and what it is told apart from, (rivals, width), at least one."""

    wanted: Float[Tensor, " width"]
    rivals: Float[Tensor, "rivals width"]


def leads(vectors: Float[Tensor, "pictures width"], directions: Directions) -> Float[Tensor, " pictures"]:
    """By how much each picture's cosine with what is wanted is above that with the nearest rival, -2 to 2.

    Args:
        vectors: the pictures' unit features.
        directions: of the words, from any `Way`.
    """
    found = vectors @ directions.wanted.to(vectors)
    return found - (vectors @ directions.rivals.to(vectors).T).max(dim=1).values


def mean_direction(encoder: DualEncoder, texts: Sequence[str]) -> Float[Tensor, " width"]:
    """The unit mean of the texts' unit vectors, as medkt forms a name of several texts."""
    return unit(embed_texts(encoder, texts).mean(dim=0))


def unit(vectors: Float[Tensor, "*rows width"]) -> Float[Tensor, "*rows width"]:
    """The same directions with length 1."""
    return functional.normalize(vectors, dim=-1)
