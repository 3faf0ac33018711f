"""Which of two sentences an encoder finds nearer to a picture: shares by row, with intervals, and two models compared."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float64
from torch.nn import functional

from medkt.errors import InputError
from medkt.examine.swaps import Pair
from medkt.models.encoder import DualEncoder
from medkt.saliency.bottleneck import frozen
from medkt.saliency.explain import prepare_plane
from medkt.saliency.targets import embed_texts
from medkt.statistics import Interval, bootstrap_interval, wilson

_AT_ONCE = 32  # pictures in one pass


def margins(encoder: DualEncoder, pairs: Sequence[Pair]) -> Float64[np.ndarray, " pairs"]:
    """For each pair the cosine of its picture with the right sentence less that with the wrong one.

    Raises:
        InputError: there is no pair.
        NumericalError: the encoder gives a text feature that is not finite.
    """
    if not pairs:
        raise InputError("no pair of sentences to score")
    found = [_margins(encoder, pairs[start : start + _AT_ONCE]) for start in range(0, len(pairs), _AT_ONCE)]
    return np.concatenate(found)


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


def _margins(encoder: DualEncoder, pairs: Sequence[Pair]) -> Float64[np.ndarray, " pairs"]:
    pixels = torch.stack([prepare_plane(encoder, pair.plane).pixels for pair in pairs])
    with torch.no_grad(), frozen(encoder.module):
        images = functional.normalize(encoder.encode_image(pixels).float(), dim=-1)
    right, wrong = (embed_texts(encoder, texts) for texts in zip(*((p.right, p.wrong) for p in pairs), strict=True))
    return np.asarray((images * (right - wrong)).sum(dim=-1).cpu().numpy(), np.float64)
