"""Which words a score rests on, and which of them count: a text map becomes a mask by the rule that an image's does."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from torch import Tensor

from medkt.models.encoder import DualEncoder
from medkt.models.text_layers import TextLayers
from medkt.saliency.m2ib import M2IBSettings
from medkt.saliency.text_map import TextMap, TextMapSettings, WordMask, text_maps
from medkt.segmentation.threshold import ThresholdSettings, coarse_mask


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FoundWords:
    """The text maps of one concept.

    Attributes:
        index: of the slice that the texts were held against.
        maps: one a prompt, in order.
        inside: for each map, for each of its words, whether it belongs to the text's foreground.
        rule: by which that was decided, such as "otsu" or "median".
    """

    index: int
    maps: tuple[TextMap, ...]
    inside: tuple[tuple[bool, ...], ...]
    rule: str


def no_words(encoder: DualEncoder) -> str | None:
    """Why an encoder gives no text maps; None where it does."""
    if isinstance(encoder, TextLayers):
        return None
    return f"no text maps: the text tower of {encoder.spec.name!r} cannot be cut at a layer"


def words_of(
    encoder: DualEncoder,
    image: Float[Tensor, "3 side side"],
    index: int,
    texts: Sequence[str],
    m2ib: M2IBSettings,
    settings: TextMapSettings,
    threshold: ThresholdSettings,
) -> FoundWords:
    """The maps of a concept's prompts, each by itself, for one prepared plane.

    Raises:
        SettingsError, NumericalError: as `text_maps`.
    """
    maps = text_maps(encoder, image, texts, m2ib, settings)
    return FoundWords(
        index=index, maps=maps, inside=tuple(inside_of(one, settings.mask, threshold) for one in maps),
        rule="median" if settings.mask == "median" else threshold.method,
    )  # fmt: skip


def inside_of(map_: TextMap, mask: WordMask, threshold: ThresholdSettings) -> tuple[bool, ...]:
    """For each word whether it is foreground; where all words let through the same, none is."""
    words = map_.words
    if not words:
        return ()
    if mask == "median":
        above = map_.nats > np.median(map_.nats)
        return tuple(bool(above[word.first : word.end].any()) for word in words)
    units = np.array([[word.unit for word in words]], dtype=np.float32)
    return tuple(coarse_mask(units, replace(threshold, side=None))[0].tolist())
