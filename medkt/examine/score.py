"""Which of two sentences an encoder finds nearer to a picture: shares by row, with intervals, and two models compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor
from torch.nn import functional

from medkt.errors import InputError, NumericalError
from medkt.examine.swaps import SentencePair
from medkt.models.encoder import DualEncoder
from medkt.models.module import frozen
from medkt.saliency.explain import prepare_plane
from medkt.saliency.phrases import phrase_scores
from medkt.saliency.targets import embed_texts
from medkt.statistics import Interval, bootstrap_interval, wilson

_AT_ONCE = 32  # pictures in one pass


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Features:
    """Unit features of pairs, in their order.

    Attributes:
        images, right, wrong: (pairs, width) of the pictures, the right and the wrong sentences.
    """

    images: Float[Tensor, "pairs width"]
    right: Float[Tensor, "pairs width"]
    wrong: Float[Tensor, "pairs width"]

    @property
    def margins(self) -> Float64[np.ndarray, " pairs"]:
        """The cosine of each picture with the right sentence less that with the wrong one."""
        return np.asarray((self.images * (self.right - self.wrong)).sum(dim=-1).cpu().numpy(), np.float64)


def features_of(encoder: DualEncoder, pairs: Sequence[SentencePair]) -> Features:
    """Pictures and sentences of pairs in the encoder's space, each sentence by itself.

    Raises:
        InputError: there is no pair.
        NumericalError: the encoder gives a feature that is not finite.
    """
    if not pairs:
        raise InputError("no pair of sentences to score")
    images = torch.cat([_images(encoder, pairs[at : at + _AT_ONCE]) for at in range(0, len(pairs), _AT_ONCE)])
    right, wrong = (
        torch.cat([embed_texts(encoder, [text]) for text in texts]).to(images)
        for texts in zip(*((pair.right, pair.wrong) for pair in pairs), strict=True)
    )
    return Features(images=images, right=right, wrong=wrong)


def margins(encoder: DualEncoder, pairs: Sequence[SentencePair]) -> Float64[np.ndarray, " pairs"]:
    """For each pair the cosine of its picture with the right sentence less that with the wrong one.

    Raises:
        InputError: there is no pair.
        NumericalError: the encoder gives a feature that is not finite.
    """
    return features_of(encoder, pairs).margins


def phrase_margins(encoder: DualEncoder, pairs: Sequence[SentencePair]) -> Float64[np.ndarray, " pairs"]:
    """As `margins`, of the scores by phrases (`saliency.phrases`).

    Raises:
        InputError: there is no pair.
        SettingsError: the encoder cannot read phrase by phrase.
    """
    if not pairs:
        raise InputError("no pair of sentences to score")
    found = []
    for pair in pairs:
        pixels = prepare_plane(encoder, pair.plane).pixels[None]
        right, wrong = phrase_scores(encoder, pixels, (pair.right, pair.wrong))[0].tolist()
        found.append(right - wrong)
    return np.array(found, np.float64)


def won(margins: Float64[np.ndarray, " pairs"]) -> Float64[np.ndarray, " pairs"]:
    """1 where the right sentence is nearer, 0 where the wrong one is, a half where neither: what guessing gets."""
    return np.asarray((np.sign(margins) + 1) / 2, np.float64)


def share(wins: Float64[np.ndarray, " pairs"]) -> Interval:
    """The share of pairs won, with Wilson's interval; each pair of a row has a picture of its own."""
    return wilson(float(wins.sum()), len(wins))


def difference(first: Mapping[str, float], second: Mapping[str, float]) -> Interval:
    """Second less first model's share of pairs won, over the same pictures, with a bootstrap interval over them.

    Args:
        first: one model's `won`, by the pair's key.
        second: the other's.

    Raises:
        InputError: the two were not asked about the same pictures.
    """  # fmt: skip
    if set(first) != set(second):
        raise InputError(
            f"two models are compared over the same pairs; {len(set(first) ^ set(second))} were asked of one alone"
        )
    keys = sorted(first)
    return bootstrap_interval(np.array([second[key] - first[key] for key in keys]), np.array(keys))


def _images(encoder: DualEncoder, pairs: Sequence[SentencePair]) -> Float[Tensor, "pairs width"]:
    pixels = torch.stack([prepare_plane(encoder, pair.plane).pixels for pair in pairs])
    with torch.no_grad(), frozen(encoder.module):
        found = functional.normalize(encoder.encode_image(pixels).float(), dim=-1)
    if not torch.isfinite(found).all():
        raise NumericalError(f"the encoder {encoder.spec.name!r} gives NaN or infinity for a drawn picture")
    return found
