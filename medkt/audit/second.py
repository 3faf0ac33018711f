"""Another encoder's opinion: whether images that one model made of a caption mean that caption to a model that had no part in it.

It decides nothing: a second model may know less than the first. It is told on the card, with what guessing would give.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from medkt.models.encoder import DualEncoder
from medkt.saliency.explain import prepare_plane
from medkt.statistics import wilson
from medkt.transfer.material import Material
from medkt.transfer.rehearsal import image_vectors, text_vectors


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What another encoder found.

    Attributes:
        name: of the encoder.
        right: images of the concept that it finds nearer to their own caption than to any known finding's.
        of: images.
        texts: that it chose among.
    """

    name: str
    right: int
    of: int
    texts: int

    @property
    def sentence(self) -> str:
        """In words, for the card."""
        found = wilson(self.right, self.of)
        return (
            f"{self.name} finds {self.right} of {self.of} images nearest to their own caption among {self.texts} "
            f"({found.low:.0%} to {found.high:.0%}; a guess gives {1 / self.texts:.0%})"
        )

    def as_json(self) -> dict[str, Any]:
        """For records."""
        return {
            "encoder": self.name,
            "nearest to their own caption": self.right,
            "of": self.of,
            "among texts": self.texts,
        }


def opinion_of(second: DualEncoder, material: Material) -> Opinion:
    """Ask an encoder about the images that a concept was learned from.

    Args:
        second: the other encoder; its input size may be another.
        material: of the learning.
    """
    words = material.vocabulary
    planes = [np.ascontiguousarray(image.mean(0).cpu().numpy()) for image in material.images]
    images = image_vectors(second, torch.stack([prepare_plane(second, plane).pixels for plane in planes]))
    texts = text_vectors(second, (*words.described, *words.rehearsed[: len(words.known)]))
    own = torch.tensor(material.caption_of, device=images.device)
    others = images @ texts[len(words.described) :].T
    right = (images * texts[own]).sum(dim=1) > others.max(dim=1).values
    return Opinion(name=second.spec.name, right=int(right.sum()), of=len(images), texts=len(words.known) + 1)
