"""How well an image's feature fits a concept: its cosine with the words or, as a margin, that less the contrasts'."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from medkt.errors import SettingsError
from medkt.saliency.targets import Target

Similarity = Literal["cosine", "margin"]
Contrast = Literal["mean", "logsumexp"]

_ABSENT = -1e4  # logit of a contrast that a concept does not have; minus infinity would make the gradient NaN
_COSINE_EPS = 1e-6  # torch.nn.CosineSimilarity as the published code of M2IB builds it


def require_known(target: str, contrast: str, method: str) -> None:
    """That both are words of this module.

    Raises:
        SettingsError: one is not; begins with the method.
    """
    if target not in get_args(Similarity) or contrast not in get_args(Contrast):
        raise SettingsError(f"{method}: unknown target {target!r} or contrast {contrast!r}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Likeness:
    """Concepts as directions, and how a feature is held against them.

    Attributes:
        wanted: (concepts, width).
        contrasts: (concepts, contrasts, width), padded with zeros.
        known: (concepts, contrasts), which of them are there.
        rule: how several become one; None for the cosine with what is wanted alone.
        logit_scale: of the encoder.
    """

    wanted: Tensor
    contrasts: Tensor
    known: Tensor
    rule: Contrast | None
    logit_scale: float

    @classmethod
    def cosine(cls, wanted: Float[Tensor, "concepts width"]) -> "Likeness":
        """The cosine with each of these unit vectors, told apart from nothing."""
        none = wanted[:, None]
        return cls(
            wanted=wanted, contrasts=none, known=torch.zeros(none.shape[:2], dtype=torch.bool, device=wanted.device),
            rule=None, logit_scale=1.0,
        )  # fmt: skip

    @classmethod
    def to(cls, targets: Sequence[Target], rule: Similarity, contrast: Contrast, logit_scale: float) -> "Likeness":
        """The cosine with each concept or, as a "margin", less that of what it is told apart from."""
        wanted = torch.stack([target.wanted for target in targets])
        rows = [target.contrasts for target in targets]
        most = max(1, *(len(row) for row in rows))
        contrasts = torch.stack([functional.pad(row, (0, 0, 0, most - len(row))) for row in rows])
        known = torch.tensor([[index < len(row) for index in range(most)] for row in rows], device=wanted.device)
        return cls(
            wanted=wanted, contrasts=contrasts, known=known, rule=contrast if rule == "margin" else None,
            logit_scale=logit_scale,
        )  # fmt: skip

    def of_each(self, features: Float[Tensor, "images width"]) -> Float[Tensor, "images concepts"]:
        """The score of each feature for each concept."""
        concepts = torch.arange(len(self.wanted), device=self.wanted.device)
        return self.of(features[None].expand(len(concepts), -1, -1), concepts).T

    def of(self, features: Float[Tensor, "runs samples width"], concepts: Tensor) -> Float[Tensor, "runs samples"]:
        """The score of each feature for the concept of its run."""
        units = features / features.norm(dim=-1, keepdim=True).clamp_min(_COSINE_EPS)
        score = torch.einsum("rsw,rw->rs", units, self.wanted[concepts])
        if self.rule is None:
            return score
        others = torch.einsum("rsw,rcw->rsc", units, self.contrasts[concepts])
        known = self.known[concepts][:, None, :]  # (runs, 1, contrasts)
        count = known.sum(dim=-1)
        if self.rule == "mean":
            return score - (others * known).sum(dim=-1) / count.clamp_min(1)
        logits = (others * self.logit_scale).masked_fill(~known, _ABSENT)
        joined = (torch.logsumexp(logits, dim=-1) - count.clamp_min(1).log()) / self.logit_scale
        return score - torch.where(count > 0, joined, 0.0)
