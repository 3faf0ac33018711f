"""What a map is asked about: the words of each concept as directions in the encoder's space.

Every text is embedded once for a study; within `texts_kept`, once for all studies. It stands alone, so that its numbers do
not depend on its neighbours, unless the encoder is asked for just that (MedCLIP's padded pooling): then the texts that belong
together are embedded together, as the captions of one concept.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from medkt.errors import NumericalError, SettingsError
from medkt.models.encoder import DualEncoder
from medkt.models.module import frozen
from medkt.saliency.directions import Directions

# A text that fits no radiology study, and a map that looks the same under it does not listen to words.
NONSENSE_TEXT = "a red bicycle leaning against a wooden fence"


@runtime_checkable
class TextPoolingEncoder(Protocol):
    """An encoder with several ways from a text's tokens to one vector; with "padded" the texts beside it have a part."""

    text_pooling: str


def pads(encoder: DualEncoder) -> bool:
    """Whether a text's feature depends on the longest text that is embedded with it."""
    return isinstance(encoder, TextPoolingEncoder) and encoder.text_pooling == "padded"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ConceptQuery:
    """How a concept is asked where that was settled beforehand, in the space of one encoder (`medkt.asking`).

    Attributes:
        directions: what stands for the concept's words, and what it is told apart from: names of known findings, then the bank's.
        known: how many of the rivals are names of known findings, at least one.
        bias: the lead above which it is seen, -2 to 2.
        texts: of the concept, that `wanted` is made of.
        way: by which they are asked, for records.
        digest: SHA-256 of all this, as it was stored.
    """

    directions: Directions
    known: int
    bias: float
    texts: tuple[str, ...]
    way: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConceptTexts:
    """The words for one concept.

    Attributes:
        id: the concept's id; names results.
        prompts: one caption or more that say what to look for.
        normal: captions of a study of this domain without the finding.
        confusable: captions of other findings, one text each, that this one is told apart from.
        asked: directions that stand for the prompts; None for the mean of the prompts' own.
    """

    id: str
    prompts: tuple[str, ...]
    normal: tuple[str, ...] = ()
    confusable: tuple[str, ...] = ()
    asked: ConceptQuery | None = None

    def __post_init__(self) -> None:
        if not self.prompts or not all(text.strip() for text in (*self.prompts, *self.normal, *self.confusable)):
            raise SettingsError(f"concept {self.id!r} needs at least one prompt, and no caption may be empty")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Target:
    """One concept as directions, every row of unit length.

    Attributes:
        id: the concept's id.
        wanted: (width,) the mean of the prompts' unit vectors, made unit again; or what was settled in its place.
        normal: (width,) the mean of the normal captions, or None where none is known.
        confusable: (confusable, width), which may have no row.
        asked: by which lead the concept is seen, where that was settled beforehand; maps have the contrasts above all the same.
    """

    id: str
    wanted: Tensor
    normal: Tensor | None
    confusable: Tensor
    asked: ConceptQuery | None = None

    @property
    def contrasts(self) -> Float[Tensor, "contrasts width"]:
        """Everything the concept is told apart from: the normal direction, then the confusable ones."""
        normal = self.confusable[:0] if self.normal is None else self.normal[None]
        return torch.cat([normal, self.confusable])


def embed_targets(encoder: DualEncoder, concepts: Sequence[ConceptTexts]) -> tuple[Target, ...]:
    """The concepts' directions, in the order given. Texts that occur several times are embedded once.

    Of an encoder that pads, the prompts of a concept are embedded together, and so are its normal captions; each confusable
    one, which is of another finding, by itself.

    Raises:
        NumericalError: the encoder returns a text feature that is not finite, or zero.
    """
    if pads(encoder):
        return tuple(_target_of(c, lambda captions: embed_texts(encoder, captions)) for c in concepts)
    texts = list(dict.fromkeys(text for c in concepts for text in (*c.prompts, *c.normal, *c.confusable)))
    features = embed_texts(encoder, texts)
    row = {text: index for index, text in enumerate(texts)}
    return tuple(_target_of(c, lambda captions: features[[row[text] for text in captions]]) for c in concepts)


def _target_of(concept: ConceptTexts, rows: Callable[[tuple[str, ...]], Tensor]) -> Target:
    own = rows(concept.prompts)  # also where they are not asked: it says where vectors go, and in which type
    apart = [rows((text,)) for text in concept.confusable]
    return Target(
        id=concept.id,
        wanted=_mean_direction(own) if concept.asked is None else concept.asked.directions.wanted.to(own),
        normal=_mean_direction(rows(concept.normal)) if concept.normal else None,
        confusable=torch.cat(apart) if apart else own[:0],
        asked=concept.asked,
    )


@dataclass(frozen=True, slots=True)
class TextFeatureCache:
    """Unit features of texts, by encoder and text; for encoders whose weights do not change while it is in use.

    Of an encoder that pads, by the texts that were embedded together.
    """

    rows: dict[tuple[int, str, str], Tensor] = field(default_factory=dict)
    together: dict[tuple[int, str, tuple[str, ...]], Tensor] = field(default_factory=dict)

    def embed(self, encoder: DualEncoder, texts: Sequence[str]) -> Float[Tensor, "texts width"]:
        """As `embed_texts`; those that are here already are taken from here."""
        if pads(encoder):
            key = (id(encoder.module), encoder.spec.digest, tuple(texts))
            if key not in self.together:
                self.together[key] = _embedded(encoder, texts)
            return self.together[key]
        # a difference may lie over a module: then it is the same module, and its digest is another
        keys = {text: (id(encoder.module), encoder.spec.digest, text) for text in texts}
        new = [text for text, key in keys.items() if key not in self.rows]
        if new:
            self.rows.update(zip([keys[text] for text in new], _embedded(encoder, new), strict=True))
        return torch.stack([self.rows[keys[text]] for text in texts])


_KEPT: ContextVar[TextFeatureCache | None] = ContextVar("_KEPT", default=None)


@contextmanager
def texts_kept(kept: TextFeatureCache | None = None) -> Iterator[TextFeatureCache]:
    """Within this block each text is embedded once for each encoder; `kept` carries them from block to block."""
    kept = TextFeatureCache() if kept is None else kept
    token = _KEPT.set(kept)
    try:
        yield kept
    finally:
        _KEPT.reset(token)


def embed_texts(encoder: DualEncoder, texts: Sequence[str]) -> Float[Tensor, "texts width"]:
    """Unit feature of each text, float32.

    Raises:
        NumericalError: a feature is not finite, or zero; the message names the text.
    """
    kept = _KEPT.get()
    return _embedded(encoder, texts) if kept is None else kept.embed(encoder, texts)


def _embedded(encoder: DualEncoder, texts: Sequence[str]) -> Float[Tensor, "texts width"]:
    """Each text by itself: its last digits shall not depend on which texts stand beside it, here or in another run.

    Unless the encoder pads: then they stand beside each other in the order given.
    """
    batches = [list(texts)] if pads(encoder) else [[text] for text in texts]
    with torch.no_grad(), frozen(encoder.module):  # dropout would give another target each time
        features = torch.cat([encoder.encode_text(encoder.tokenize(batch)).float() for batch in batches])
    lengths = features.norm(dim=-1)
    for text, length in zip(texts, lengths.tolist(), strict=True):
        if not 0 < length < float("inf"):  # also False for NaN
            raise NumericalError(f"the encoder {encoder.spec.name!r} gives no usable feature for the text {text!r}")
    return functional.normalize(features, dim=-1)


def _mean_direction(units: Float[Tensor, "texts width"]) -> Float[Tensor, " width"]:
    return functional.normalize(units.mean(dim=0), dim=0)
