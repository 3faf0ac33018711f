"""A text tower cut at a layer, so that a bottleneck may stand there, and the pieces that a text is read as.

`text_suffix(text_prefix(ids, k).hidden, .., k)` equals `encode_text` of that text alone, cut after its end token: padding
has no effect on a text, so none is gated.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from tokenizers import Encoding
from torch import Tensor, nn

from medkt.errors import SettingsError

Span = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPieces:
    """What a model reads of one text.

    Attributes:
        text: where the spans point into; the user's text, for CLIP as its tokenizer cleans it.
        names: one a token, as the vocabulary has it; special tokens too.
        spans: first character and one beyond the last, without blanks, so that a token of blanks has none; None for special
            tokens.
    """

    text: str
    names: tuple[str, ...]
    spans: tuple[Span | None, ...]

    def text_of(self, first: int, end: int) -> str:
        """What stands under some neighbouring tokens, special ones and blanks left out."""
        spans = [span for span in self.spans[first:end] if span is not None and span[0] < span[1]]
        return self.text[spans[0][0] : spans[-1][1]] if spans else ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TextState:
    """One text after a layer.

    Attributes:
        hidden: (1, tokens, channels), special tokens included.
        beside: what reaches the feature without passing a gate there, each (1, tokens, channels).
    """

    hidden: Tensor
    beside: tuple[Tensor, ...] = ()


@runtime_checkable
class TextLayers(Protocol):
    """A dual encoder whose text tower can be cut.

    Attributes:
        text_layers: how many blocks a bottleneck may stand after; valid are 0..text_layers-1.
        default_text_layer: where it stands unless the settings say so: after the published layer, where there is one.
    """

    @property
    def text_layers(self) -> int: ...

    @property
    def default_text_layer(self) -> int: ...

    def pieces(self, text: str) -> TextPieces:
        """The tokens of one text, as many as `tokenize` keeps, in its order."""

    def text_prefix(self, ids: Tensor, layer: int) -> TextState:
        """(1, tokens) ids of one text without padding to what stands after layer `layer`."""

    def text_suffix(self, hidden: Tensor, state: TextState, layer: int) -> Tensor:
        """(rows, tokens, channels) in the place of `state.hidden` to (rows, width) projected features."""


def require_text_layer(layer: int, layers: int, name: str) -> None:
    """Pass silently where the text tower has this layer.

    Raises:
        SettingsError: it has not.
    """
    if not 0 <= layer < layers:
        raise SettingsError(f"text layer {layer} does not exist: the text tower of {name} has layers 0 to {layers - 1}")


def bert_states(bert: nn.Module, ids: Tensor, layer: int) -> list[Tensor]:
    """The embeddings and what each layer up to `layer` gives, (texts, tokens, width) each; no padding among the ids."""
    states = [bert.embeddings(input_ids=ids)]  # type: ignore[operator]
    return [*states, *run_layers(bert, states[0], 0, layer + 1)]


def run_layers(bert: nn.Module, hidden: Tensor, first: int, end: int) -> list[Tensor]:
    """What each of BERT's layers from `first` up to `end` gives, without a mask: every position stands there."""
    states: list[Tensor] = []
    for block in bert.encoder.layer[first:end]:  # type: ignore[index, union-attr]
        hidden = block(hidden)
        states.append(hidden)
    return states


def pieces_of(encoding: Encoding, text: str, special: Sequence[str] = ()) -> TextPieces:
    """From the `tokenizers` library: `special` names stand before and after those that it gives, where it gives none."""
    names, marks = list(encoding.tokens), list(encoding.special_tokens_mask)
    spans = [None if mark else _trimmed(text, span) for mark, span in zip(marks, encoding.offsets, strict=True)]
    if special:
        begin, end = special
        names, spans = [begin, *names, end], [None, *spans, None]
    return TextPieces(text=text, names=tuple(names), spans=tuple(spans))


def _trimmed(text: str, span: Span) -> Span:
    """Byte pairs hold the blank before a word; it is no part of the word."""
    first, end = span
    while first < end and text[first].isspace():
        first += 1
    while end > first and text[end - 1].isspace():
        end -= 1
    return first, end


def alone(ids: Tensor, mask: Tensor) -> Tensor:
    """The ids of the one text in (1, length) without its padding, (1, tokens)."""
    return torch.masked_select(ids, mask)[None]
