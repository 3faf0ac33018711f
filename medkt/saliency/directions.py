"""Where words lie in an encoder's space: what is wanted, what it is told apart from, and by how much a picture leads."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Directions:
    """Unit vectors of words.

    Attributes:
        wanted: (width,) what is asked for.
        rivals: (rivals, width) what it is told apart from, at least one.
        sharpness: at which scale of cosines the rivals weigh together, as in a softmax; 0: the nearest alone counts.
        normal: (width,) a study without any finding, of which there is a lead of its own; None where there is none.
        handicap: what the lead over the normal study is less by, before the lesser of both leads is taken.
    """

    wanted: Float[Tensor, " width"]
    rivals: Float[Tensor, "rivals width"]
    sharpness: float = 0.0
    normal: Float[Tensor, " width"] | None = None
    handicap: float = 0.0


def leads(vectors: Float[Tensor, "pictures width"], directions: Directions) -> Float[Tensor, " pictures"]:
    """By how much each picture's cosine with what is wanted is above that with the rivals, -2 to 2.

    The rivals have the highest of their cosines or, with a sharpness s, log(mean(exp(s cosine))) / s, which is between their mean
    and the highest. Where a normal study is told apart, too, it is the lesser of this lead and of that over the normal study less
    its handicap.

    Args:
        vectors: the pictures' unit features.
        directions: of the words, from any `Way`.
    """
    found = vectors @ directions.wanted.to(vectors)
    over = found - _together(vectors @ directions.rivals.to(vectors).T, directions.sharpness)
    if directions.normal is None:
        return over
    return torch.minimum(over, found - vectors @ directions.normal.to(vectors) - directions.handicap)


def _together(cosines: Float[Tensor, "pictures rivals"], sharpness: float) -> Float[Tensor, " pictures"]:
    if not sharpness:
        return cosines.max(dim=1).values
    total = torch.logsumexp(sharpness * cosines, dim=1) - torch.log(torch.tensor(float(cosines.shape[1])))
    return total / sharpness
