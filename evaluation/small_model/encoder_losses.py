"""What the encoder is trained for, each part a number; `total` adds them with their weights.

Contrast is CLIP's (https://arxiv.org/abs/2103.00020) with two changes: a text that fits another image of the batch, or
may fit it, is not counted against it, and each image meets a near miss, a description with one or two wrong
attributes (as in NegCLIP, https://arxiv.org/abs/2210.01936). `presence` is SigLIP's question (https://arxiv.org/abs/2303.15343):
does this text fit this image, yes or no. `attributes` reads the attributes off both embeddings with the same linear
maps, which are thrown away afterwards. `dense` asks the same of each patch, `gaze` that the pooling looks at the lesion.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from medkt.models.small.towers import Towers
from small_model.batches import Batch
from small_model.claims import NAMES, VALUES, compare, known_values

WEIGHT = {"contrast": 1.0, "presence": 1.0, "attributes": 3.0, "dense": 1.0, "gaze": 0.2}
_FEW = 0.25  # of a patch under the mask makes it part of the lesion


class Auxiliary(nn.Module):
    """Maps and biases that only training needs."""

    def __init__(self, embedding: int) -> None:
        super().__init__()
        self.attributes = nn.ModuleDict({name: nn.Linear(embedding, len(VALUES[name])) for name in NAMES})
        self.presence = nn.Parameter(torch.tensor([10.0, -5.0]))  # scale and bias
        self.dense = nn.Parameter(torch.tensor([10.0, -5.0]))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Seen:
    """Both towers' answers to one batch; patches are those that were kept."""

    image: Float[Tensor, "images embedding"]
    text: Float[Tensor, "texts embedding"]
    patches: Float[Tensor, "images kept embedding"]
    weights: Float[Tensor, "images kept heads"]
    coverage: Float[Tensor, "images kept"]


def run_towers(
    towers: Towers, pixels: Tensor, coverage: Tensor, ids: Tensor, mask: Tensor, order: Tensor | None
) -> tuple[Tensor, ...]:
    """Both towers' raw answers to one part of a batch: image with patches, text, pooling weights, kept coverage.

    With `order`, only those patches of each image are kept, which saves time (https://arxiv.org/abs/2212.00794).
    """
    tokens = towers.image.tokens(pixels)
    if order is not None:
        tokens = tokens.gather(1, order[..., None].expand(-1, -1, tokens.shape[2]))
        coverage = coverage.gather(1, order)
    for block in towers.image.blocks:
        tokens = block(tokens)
    head = towers.image.head
    pooled, values, weights = head.parts(tokens)
    embedded = head.embed(torch.cat([pooled[:, None], values.float()], 1)).float()
    return embedded, towers.text(ids, mask).float(), weights.float(), coverage


def seen_in(embedded: Tensor, text: Tensor, weights: Tensor, coverage: Tensor) -> Seen:
    """Raw answers as the losses want them."""
    unit = F.normalize(embedded, dim=-1)
    return Seen(
        image=unit[:, 0], patches=unit[:, 1:], text=F.normalize(text, dim=-1), weights=weights, coverage=coverage
    )


def losses(towers: Towers, auxiliary: Auxiliary, batch: Batch, seen: Seen) -> dict[str, Tensor]:
    """Every part for this batch."""
    fits, contradicts = compare(batch.image_bits, batch.text_bits)
    cosine = seen.image @ seen.text.T
    return {
        "contrast": _contrast(cosine * towers.log_scale.exp(), contradicts),
        "presence": _presence(auxiliary.presence, cosine, fits, contradicts),
        "attributes": _attributes(auxiliary, batch, seen),
        "dense": _dense(auxiliary.dense, batch, seen, contradicts),
        "gaze": _gaze(batch, seen),
    }


def total(parts: dict[str, Tensor]) -> Tensor:
    """The weighted sum."""
    return torch.stack([WEIGHT[name] * part for name, part in parts.items()]).sum()


def _contrast(logits: Float[Tensor, "images texts"], contradicts: Bool[Tensor, "images texts"]) -> Tensor:
    images = logits.shape[0]
    own = torch.eye(images, logits.shape[1], dtype=torch.bool)
    logits = logits.masked_fill(~(contradicts | own), -torch.inf)
    target = torch.arange(images)
    return 0.5 * (F.cross_entropy(logits, target) + F.cross_entropy(logits[:, :images].T, target))


def _presence(
    line: Float[Tensor, "2"], cosine: Float[Tensor, "images texts"], fits: Bool[Tensor, "images texts"],
    contradicts: Bool[Tensor, "images texts"],
) -> Tensor:  # fmt: skip
    logits = cosine * line[0] + line[1]
    return _mean(F.softplus(-logits), fits) + _mean(F.softplus(logits), contradicts)


def _attributes(auxiliary: Auxiliary, batch: Batch, seen: Seen) -> Tensor:
    """Cross entropy wherever an image or a text says exactly one value."""
    of_images = attributes_loss(auxiliary, seen.image, batch.image_bits)
    return 0.5 * (of_images + attributes_loss(auxiliary, seen.text, batch.text_bits))


def attributes_loss(
    auxiliary: Auxiliary, unit: Float[Tensor, "rows embedding"], bits: Int64[Tensor, "rows attributes"]
) -> Tensor:
    """The mean over the attributes for one tower's unit embeddings."""
    values = torch.from_numpy(known_values(bits.numpy()))
    made = []
    for index, name in enumerate(NAMES):
        each = F.cross_entropy(
            auxiliary.attributes[name](unit * 10.0), values[:, index], ignore_index=-1, reduction="none"
        )
        made.append(_mean(each, values[:, index] >= 0))
    return torch.stack(made).mean()


def _dense(line: Float[Tensor, "2"], batch: Batch, seen: Seen, contradicts: Bool[Tensor, "images texts"]) -> Tensor:
    """The own text fits in the mask and not beside it; a text that contradicts the image fits nowhere in it."""
    images = len(seen.image)
    outlined = (batch.outlined & (batch.coverage > _FEW).any(1))[:, None]
    own = torch.einsum("ipe,ie->ip", seen.patches, seen.text[:images]) * line[0] + line[1]
    inside = _mean(F.softplus(-own), (seen.coverage > _FEW) & outlined)
    outside = _mean(F.softplus(own), (seen.coverage == 0) & outlined)
    other = torch.einsum("ipe,ie->ip", seen.patches, seen.text[:images].roll(1, 0)) * line[0] + line[1]
    wrong = contradicts[torch.arange(images), torch.arange(images).roll(1)][:, None].expand_as(other)
    return inside + outside + 0.5 * _mean(F.softplus(other), wrong)


def _gaze(batch: Batch, seen: Seen) -> Tensor:
    """How little of the pooling's weight lies on the lesion, as a negative logarithm."""
    inside = (seen.weights.mean(2) * (seen.coverage > 0)).sum(1)
    return _mean(-torch.log(inside + 1e-3), batch.outlined & (seen.coverage > _FEW).any(1))


def _mean(values: Tensor, where: Tensor) -> Tensor:
    chosen = where.to(values.dtype)
    return (values * chosen).sum() / chosen.sum().clamp(min=1)
