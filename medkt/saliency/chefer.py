"""Relevance by attention: which places the feature was put together from, weighted by what raises the score.

Chefer, Gur, Wolf, "Generic Attention-model Explainability for Interpreting Bi-Modal and Encoder-Decoder Transformers" (ICCV
2021), as its authors use it on CLIP. From the identity, block by block, with A a block's attention weights (heads, tokens,
tokens) and s the score,

    R <- R + mean over the heads of max(0, ds/dA * A) @ R

and the map is the row of the CLS token. An encoder without one pools its places: there the rows of all places are averaged,
each weighted by the length of the score's gradient at that place behind the last block, which is ours and not the paper's.

The weights are seen by writing attention out while the encoder runs (`inside`); nothing of the encoder is touched.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from medkt.domains.domain import SaliencyDefaults
from medkt.errors import NumericalError, SettingsError
from medkt.models.encoder import DualEncoder, TokenGrid
from medkt.saliency.inside import attention_kept
from medkt.saliency.likeness import Contrast, Likeness, Similarity, require_known
from medkt.saliency.method import Maps, MapWork, mapping, on_grid, require_asked
from medkt.saliency.targets import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class CheferSettings:
    """What raises the attention weights."""

    name: Literal["chefer"] = "chefer"
    """Which method this is."""

    target: Similarity = "margin"
    """"cosine" with the concept's direction, as published; "margin": the cosine less that of the contrast texts, for a
    concept that has some."""

    contrast: Contrast = "mean"
    """How a margin joins several contrast texts: their "mean" cosine, or "logsumexp" at the encoder's logit scale."""

    def __post_init__(self) -> None:
        require_known(self.target, self.contrast, "Chefer's relevance")

    def settled(self, encoder: DualEncoder, start: SaliencyDefaults) -> "CheferSettings":
        """As it is; whether the encoder has attention over all places is seen when it runs."""
        return self

    def maps(
        self,
        encoder: DualEncoder,
        pixels: Float[Tensor, "images 3 side side"],
        targets: Sequence[Target],
        *,
        seeds: Sequence[int] | None = None,
    ) -> Maps:
        """See `SaliencyMethod.maps`; nothing is drawn.

        Raises:
            SettingsError: the encoder has no attention over all of its places.
        """
        require_asked(pixels, targets, "Chefer's relevance")
        likeness = Likeness.to(targets, self.target, self.contrast, encoder.logit_scale)
        with mapping(encoder):
            found = torch.stack([_of(encoder, image, likeness) for image in pixels])
        return on_grid(found, encoder.grid(encoder.spec.layers - 1), "Chefer's relevance")

    def work(self) -> MapWork:
        """One image through the whole network and back."""
        return MapWork(layer=0)


def _of(
    encoder: DualEncoder, image: Float[Tensor, "3 side side"], likeness: Likeness
) -> Float[Tensor, "concepts places"]:
    last = encoder.spec.layers - 1
    grid = encoder.grid(last)
    with attention_kept() as attentions:
        state = encoder.image_prefix(image[None].detach().requires_grad_(True), last)
        features = encoder.image_suffix(state, last).float()
    if not torch.isfinite(features).all():
        raise NumericalError(f"the encoder {encoder.spec.name!r} gives NaN or infinity for the image")
    _require_over_all(encoder, attentions, grid)
    (scores,) = likeness.of_each(features)
    found = []
    for score in scores:
        *raised, at_last = torch.autograd.grad(score, [*attentions, state], retain_graph=True)
        relevance = rollout([one[0] for one in attentions], [one[0] for one in raised])
        found.append((_read_by(at_last[0], grid) @ relevance)[grid.leading :])
    return torch.stack(found)


def rollout(
    attentions: Sequence[Float[Tensor, "_ tokens tokens"]], raised: Sequence[Float[Tensor, "_ tokens tokens"]]
) -> Float[Tensor, "tokens tokens"]:
    """How much each token (column) went into each one behind the last block (row), block by block from the first.

    Args:
        attentions: weights of each block; a row sums to 1.
        raised: the score's gradient at them.
    """
    tokens = attentions[0].shape[-1]
    relevance = torch.eye(tokens, device=attentions[0].device)
    for weights, gradient in zip(attentions, raised, strict=True):
        relevance = relevance + (weights * gradient).clamp_min(0).mean(dim=0).detach() @ relevance
    return relevance


def _read_by(at_last: Float[Tensor, "tokens channels"], grid: TokenGrid) -> Float[Tensor, " tokens"]:
    """How much each token behind the last block has to say to the feature."""
    if grid.leading:
        return functional.one_hot(torch.tensor(0, device=at_last.device), len(at_last)).float()
    lengths = torch.linalg.vector_norm(at_last, dim=1)
    shares: Tensor = lengths / lengths.sum().clamp_min(torch.finfo(lengths.dtype).tiny)
    return shares


def _require_over_all(encoder: DualEncoder, attentions: Sequence[Tensor], grid: TokenGrid) -> None:
    name = encoder.spec.name
    if not attentions:
        raise SettingsError(
            f"Chefer's relevance needs attention weights, and the image tower of {name!r} gives none; choose another "
            f"saliency.method.name"
        )
    wrong = [tuple(one.shape) for one in attentions if one.shape[0] != 1 or one.shape[2:] != (grid.tokens, grid.tokens)]
    if wrong:
        raise SettingsError(
            f"Chefer's relevance needs attention over all {grid.tokens} tokens at once, and {name!r} has it in parts "
            f"(windows, heads, tokens, tokens): {wrong[0]}; choose another saliency.method.name"
        )
