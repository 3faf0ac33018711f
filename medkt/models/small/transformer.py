"""Pre-norm transformer blocks that the two towers share."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812


class Attention(nn.Module):
    """Multi-head self-attention; padded keys can be left out by a mask."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(
        self, x: Float[Tensor, "batch tokens width"], keep: Bool[Tensor, "batch 1 1 tokens"] | None = None
    ) -> Float[Tensor, "batch tokens width"]:
        batch, tokens, width = x.shape
        q, k, v = self.qkv(x).view(batch, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        mixed = _plain(q, k, v, keep) if q.dtype == torch.bfloat16 else F.scaled_dot_product_attention(q, k, v, keep)
        made: Tensor = self.out(mixed.transpose(1, 2).reshape(batch, tokens, width))
        return made


def _plain(q: Tensor, k: Tensor, v: Tensor, keep: Tensor | None) -> Tensor:
    """Attention written out: in bfloat16 on a CPU its gradient takes a third of the fused kernel's time."""
    logits = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    if keep is not None:
        logits = logits.masked_fill(~keep, -torch.inf)
    return torch.softmax(logits, -1).to(v.dtype) @ v


class Block(nn.Module):
    """Attention, then a two-layer perceptron, each added to what came before."""

    def __init__(self, width: int, heads: int, ratio: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, ratio * width), nn.GELU(approximate="tanh"), nn.Linear(ratio * width, width)
        )

    def forward(
        self, x: Float[Tensor, "batch tokens width"], keep: Bool[Tensor, "batch 1 1 tokens"] | None = None
    ) -> Float[Tensor, "batch tokens width"]:
        x = x + self.attention(self.norm1(x), keep)
        made: Tensor = x + self.mlp(self.norm2(x))
        return made
