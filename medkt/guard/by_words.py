"""What an encoder itself says a study is: the words for normal studies of each modality, asked of the image features."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from medkt.domains import domains
from medkt.models.encoder import DualEncoder
from medkt.presence import Sight
from medkt.saliency.targets import embed_texts

LEAST = 0.005
"""The probability that the study's own modality must have. Our choice: no image of a modality should be taken for another with
odds of two hundred to one."""


def modality_directions(encoder: DualEncoder) -> Mapping[str, Float[Tensor, "parts width"]]:
    """By modality, one unit direction for each part of the body: the mean of the captions of a normal study of it."""
    return {
        name: torch.stack([_mean_direction(embed_texts(encoder, words.normal)) for words in one.words.values()])
        for name, one in domains().items()
    }


def modality_shares(sight: Sight, directions: Mapping[str, Float[Tensor, "parts width"]]) -> Mapping[str, float]:
    """The probability of each modality at the encoder's logit scale, by its best part of the body, over the study's planes."""
    units = functional.normalize(sight.features.double(), dim=-1)
    mean = functional.normalize(units.mean(dim=0), dim=0)
    fits = torch.stack([(rows.to(mean) @ mean).max() for rows in directions.values()])
    shares = torch.softmax(fits * sight.encoder.logit_scale, dim=0)
    return dict(zip(directions, map(float, shares), strict=True))


def _mean_direction(units: Float[Tensor, "texts width"]) -> Float[Tensor, " width"]:
    return functional.normalize(units.mean(dim=0), dim=0)
