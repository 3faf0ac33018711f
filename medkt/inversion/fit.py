"""How far an image is from a text: by the features of two towers, or by the logits of a matching head."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from medkt.inversion.settings import SimilarityMeasure
from medkt.models.encoder import EncoderSpec, Tokens


@runtime_checkable
class Matcher(Protocol):
    """A single-stream model with an image-text matching head, such as ViLT (Kim, Son, Kim, ICML 2021)."""

    @property
    def spec(self) -> EncoderSpec: ...

    @property
    def module(self) -> nn.Module: ...

    def tokenize(self, texts: Sequence[str]) -> Tokens: ...

    def match_logits(self, pixels: Tensor, tokens: Tokens) -> Tensor:
        """(pairs, 2) logits of "no match" and "match", of the k-th image with the k-th text."""


@runtime_checkable
class Fit(Protocol):
    """What the descent makes small, and what it reports."""

    def __call__(
        self, rows: Float[Tensor, "rows *shape"], texts: Int[Tensor, "rows"]
    ) -> tuple[Float[Tensor, "rows"], Float[Tensor, "rows"]]:
        """The loss of each row with its text, and their similarity: a cosine, or the probability of a match."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FeatureFit:
    """The distance of projected features.

    Attributes:
        encode: rows to (rows, width), not normalised.
        wanted: (texts, width), the texts' features, not normalised.
        kind: "cosine", "unit_distance" or "raw_distance".
    """

    encode: Callable[[Tensor], Tensor]
    wanted: Tensor
    kind: SimilarityMeasure

    def __call__(
        self, rows: Float[Tensor, "rows *shape"], texts: Int[Tensor, "rows"]
    ) -> tuple[Float[Tensor, "rows"], Float[Tensor, "rows"]]:
        """The distance of each row to its text, and their cosine."""
        features, wanted = self.encode(rows).float(), self.wanted[texts]
        units, directions = functional.normalize(features, dim=-1), functional.normalize(wanted, dim=-1)
        cosine = (units * directions).sum(dim=-1)
        if self.kind == "cosine":
            return 1 - cosine, cosine.detach()
        apart = units - directions if self.kind == "unit_distance" else features - wanted
        return torch.linalg.vector_norm(apart, dim=-1), cosine.detach()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MatchFit:
    """Cross-entropy of a two-way matching head towards "match"."""

    head: Callable[[Tensor, Tokens], Tensor]
    tokens: Tokens

    def __call__(
        self, rows: Float[Tensor, "rows *shape"], texts: Int[Tensor, "rows"]
    ) -> tuple[Float[Tensor, "rows"], Float[Tensor, "rows"]]:
        """The cross-entropy of each row with its text, and the probability of a match."""
        cut = tuple(self.tokens.truncated[index] for index in texts.tolist())
        pairs = Tokens(ids=self.tokens.ids[texts], mask=self.tokens.mask[texts], truncated=cut)
        log_match = functional.log_softmax(self.head(rows, pairs).float(), dim=-1)[:, 1]
        return -log_match, log_match.detach().exp()
