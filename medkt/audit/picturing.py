"""How near the images that the model made come to their own caption, beside those of captions that it knows.

A text that the model cannot picture teaches it nothing, whatever its images are called afterwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from medkt.audit.verdict import AGREEMENT_FLOOR, SIMILARITY_FLOOR, below_floor
from medkt.models.encoder import DualEncoder
from medkt.models.framing import normalise
from medkt.transfer.learning import TransferResult
from medkt.transfer.rehearsal import look, text_vectors, vectors_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Picturing:
    """Cosines of inverted images.

    Attributes:
        similarity: with their caption, of the best of the concept's captions.
        known_similarity: the same of each known finding's caption.
        agreement: between the concept's images of one seed and of another, of the caption whose images agree best.
        known_agreement: the same of each known finding's caption.
    """

    similarity: float
    known_similarity: tuple[float, ...]
    agreement: float
    known_agreement: tuple[float, ...]

    @property
    def failure(self) -> str:
        """Which floor is not reached, in words; "" where both are."""
        for what, reached, known, floor in (
            ("come no nearer to the caption than", self.similarity, self.known_similarity, SIMILARITY_FLOOR),
            ("of two seeds agree by no more than", self.agreement, self.known_agreement, AGREEMENT_FLOOR),
        ):
            if below_floor(reached, known, floor):
                usual = float(np.median(known))
                return (
                    f"the model cannot picture the captions: its images {what} {reached:.2f}, those of known captions "
                    f"{usual:.2f}, and {floor:.0%} of that is the least"
                )
        return ""

    def as_json(self) -> dict[str, Any]:
        """With what was reached and the floors."""
        return {
            "similarity of the images to their caption": round(self.similarity, 4),
            "of known captions, median": round(float(np.median(self.known_similarity)), 4),
            "agreement of images of two seeds": round(self.agreement, 4),
            "of known captions' images, median": round(float(np.median(self.known_agreement)), 4),
            "floors": {"similarity": SIMILARITY_FLOOR, "agreement": AGREEMENT_FLOOR},
        }


def picturing_of(base: DualEncoder, learned: TransferResult, layer: int | None) -> Picturing | None:
    """Of a learning's own images; None where it made none of known findings, or none to judge by."""
    material, words = learned.material, learned.material.vocabulary
    if learned.settings.how == "local":
        return _of_lesions(base, learned, layer)
    if (
        material.inverted is None
        or material.rehearsal is None
        or material.validation is None
        or material.known_validation is None
    ):
        return None
    known = len(words.known)  # the first of `rehearsed`, one caption each

    def seen(pixels: Tensor) -> Float[Tensor, "images width"]:
        return vectors_of(base, look(base, normalise(pixels, base.spec), layer))

    def parts(pixels: Tensor) -> list[Tensor]:
        each = len(pixels) // len(words.rehearsed)
        return list(torch.split(seen(pixels[: known * each]), each))

    rehearsed, others = parts(material.rehearsal), parts(material.known_validation)
    texts = text_vectors(base, words.rehearsed[:known])
    return Picturing(
        similarity=float(material.inverted.similarity.mean(dim=1).max()),
        known_similarity=_means([images @ text for images, text in zip(rehearsed, texts, strict=True)]),
        agreement=_agreement(seen(material.images), material.caption_of, seen(material.validation), len(words.described)),
        known_agreement=_means([one @ other.T for one, other in zip(rehearsed, others, strict=True)]),
    )  # fmt: skip


def _of_lesions(base: DualEncoder, learned: TransferResult, layer: int | None) -> Picturing | None:
    """The same of lesions inside normal studies: of those of known captions there are a few each, of one seed."""
    material = learned.material
    known, made, validation = material.known_inverted, material.inverted, material.validation
    if known is None or made is None or validation is None or known.pixels.shape[1] < 2:
        return None

    def seen(pixels: Tensor) -> Float[Tensor, "images width"]:
        return vectors_of(base, look(base, normalise(pixels, base.spec), layer))

    rehearsed = seen(known.pixels.flatten(0, 1).to(validation)).reshape(*known.pixels.shape[:2], -1)
    half = known.pixels.shape[1] // 2
    return Picturing(
        similarity=float(made.similarity.mean()), known_similarity=tuple(known.similarity.mean(dim=1).tolist()),
        agreement=float((seen(material.images) @ seen(validation).T).mean()),
        known_agreement=_means([one[:half] @ one[half:].T for one in rehearsed]),
    )  # fmt: skip


def _means(parts: Sequence[Tensor]) -> tuple[float, ...]:
    return tuple(float(part.mean()) for part in parts)


def _agreement(
    images: Float[Tensor, "images width"],
    caption_of: Sequence[int],
    others: Float[Tensor, "others width"],
    captions: int,
) -> float:
    """Mean cosine between images of one caption and those of another seed, of the best caption; `others` lie caption by caption."""
    own = torch.tensor(caption_of)
    by_caption = torch.split(others, len(others) // captions)
    return max(
        float((images[own == caption] @ other.T).mean())
        for caption, other in enumerate(by_caption)
        if bool((own == caption).any())
    )
