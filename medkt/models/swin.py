"""Swin Transformer with the module names of transformers 4.24, in which MedCLIP was published.

Liu et al., Swin Transformer: Hierarchical Vision Transformer using Shifted Windows, ICCV 2021. Later versions of
transformers renamed the modules, so that a published file no longer fits there; here the names are the file's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, slots=True, kw_only=True)
class SwinSize:
    """Swin-T; smaller numbers make a quick model of the same structure.

    Attributes:
        width: of the first stage; each later one is twice as wide.
        depths: blocks of each stage.
        heads: of each stage.
        window: side of an attention window, in tokens.
        patch: side of an image patch, in pixels.
        image: side of the input, in pixels.
    """

    width: int = 96
    depths: tuple[int, ...] = (2, 2, 6, 2)
    heads: tuple[int, ...] = (3, 6, 12, 24)
    window: int = 7
    patch: int = 4
    image: int = 224


def relative_positions(window: int) -> Tensor:
    """(window², window²) row of the bias table for each pair of tokens of a window."""
    at = torch.stack(torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")).flatten(1)
    apart = at[:, :, None] - at[:, None, :] + window - 1  # (2, tokens, tokens), from 0 to 2 window - 2
    return apart[0] * (2 * window - 1) + apart[1]


class _SelfAttention(nn.Module):
    relative_position_index: Tensor

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        self.register_buffer("relative_position_index", relative_positions(window), persistent=False)

    def forward(self, windows: Tensor, blocked: Tensor | None) -> Tensor:
        count, tokens, width = windows.shape
        query, key, value = (
            part(windows).reshape(count, tokens, self.heads, -1).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        bias = self.relative_position_bias_table[self.relative_position_index].permute(2, 0, 1)  # (heads, t, t)
        if blocked is not None:
            # blocked is (windows of an image, tokens, tokens); images follow one another along the batch.
            bias = (bias[None] + blocked[:, None]).repeat(count // len(blocked), 1, 1, 1)
        attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias.expand(count, -1, -1, -1))
        return attended.transpose(1, 2).reshape(count, tokens, width)


class _Dense(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.dense = nn.Linear(inputs, outputs)

    def forward(self, values: Tensor) -> Tensor:
        out: Tensor = self.dense(values)
        return out


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.self = _SelfAttention(width, heads, window)
        self.output = _Dense(width, width)


class _Block(nn.Module):
    """Attention within windows, then a two-layer perceptron, each after a norm and beside a shortcut."""

    def __init__(self, width: int, heads: int, window: int, side: int, shifted: bool) -> None:
        super().__init__()
        # A stage as small as its window is one window, which a shift would not change.
        self.window = min(window, side)
        self.shift = window // 2 if shifted and side > window else 0
        self.side = side
        self.layernorm_before = nn.LayerNorm(width)
        self.attention = _Attention(width, heads, self.window)
        self.layernorm_after = nn.LayerNorm(width)
        self.intermediate = _Dense(width, 4 * width)
        self.output = _Dense(4 * width, width)

    def forward(self, hidden: Tensor) -> Tensor:
        images, _, width = hidden.shape
        plane = self.layernorm_before(hidden).reshape(images, self.side, self.side, width)
        plane = torch.roll(plane, (-self.shift, -self.shift), (1, 2))
        windows = _windows(plane, self.window)
        attended = self.attention.output(self.attention.self(windows, self._blocked(hidden)))
        plane = torch.roll(_plane(attended, self.window, self.side), (self.shift, self.shift), (1, 2))
        hidden = hidden + plane.reshape(hidden.shape)
        wide = functional.gelu(self.intermediate(self.layernorm_after(hidden)))
        out: Tensor = hidden + self.output(wide)
        return out

    def _blocked(self, hidden: Tensor) -> Tensor | None:
        """-100 between tokens that only the roll has made neighbours, as in training; None where nothing was rolled."""
        if self.shift == 0:
            return None
        edges = torch.zeros(self.side, dtype=torch.int64, device=hidden.device)
        edges[-self.window :] = 1
        edges[-self.shift :] = 2
        regions = (3 * edges[:, None] + edges[None, :])[None, :, :, None]
        region = _windows(regions, self.window)[..., 0]  # (windows, tokens)
        apart = region[:, :, None] != region[:, None, :]
        return apart.to(hidden.dtype) * -100.0


class _Merging(nn.Module):
    """Each 2 x 2 tokens into one of twice the width."""

    def __init__(self, width: int, side: int) -> None:
        super().__init__()
        self.side = side
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)
        self.norm = nn.LayerNorm(4 * width)

    def forward(self, hidden: Tensor) -> Tensor:
        plane = hidden.reshape(len(hidden), self.side, self.side, -1)
        quarters = [plane[:, row::2, column::2] for row, column in ((0, 0), (1, 0), (0, 1), (1, 1))]
        merged: Tensor = self.reduction(self.norm(torch.cat(quarters, dim=-1).flatten(1, 2)))
        return merged


class _Stage(nn.Module):
    def __init__(self, size: SwinSize, index: int) -> None:
        super().__init__()
        width, side = size.width * 2**index, size.image // size.patch // 2**index
        blocks = (_Block(width, size.heads[index], size.window, side, bool(b % 2)) for b in range(size.depths[index]))
        self.blocks = nn.ModuleList(blocks)
        self.downsample = _Merging(width, side) if index + 1 < len(size.depths) else None


class _Projection(nn.Module):
    def __init__(self, size: SwinSize) -> None:
        super().__init__()
        self.projection = nn.Conv2d(3, size.width, size.patch, size.patch)


class _Embeddings(nn.Module):
    def __init__(self, size: SwinSize) -> None:
        super().__init__()
        self.patch_embeddings = _Projection(size)
        self.norm = nn.LayerNorm(size.width)


class _Stages(nn.Module):
    def __init__(self, size: SwinSize) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_Stage(size, index) for index in range(len(size.depths)))


class Swin(nn.Module):
    """The image tower of MedCLIP's ViT variant: (images, 3, side, side) to the mean of the last tokens."""

    def __init__(self, size: SwinSize) -> None:
        super().__init__()
        self.embeddings = _Embeddings(size)
        self.encoder = _Stages(size)
        self.layernorm = nn.LayerNorm(size.width * 2 ** (len(size.depths) - 1))

    def forward(self, pixels: Tensor) -> Tensor:
        hidden = self.embed(pixels)
        for stage in range(len(self.encoder.layers)):
            hidden = self.stage(hidden, stage)
        return self.pool(hidden)

    def embed(self, pixels: Tensor) -> Tensor:
        """(images, tokens, width) patches, normalised."""
        patches = self.embeddings.patch_embeddings.projection(pixels).flatten(2).transpose(1, 2)
        embedded: Tensor = self.embeddings.norm(patches)
        return embedded

    def stage(self, hidden: Tensor, index: int) -> Tensor:
        """One stage: what the stage before left is merged first, so that each stage ends at its own resolution."""
        stages = cast(Sequence[_Stage], self.encoder.layers)
        merging = stages[index - 1].downsample if index > 0 else None
        if merging is not None:
            hidden = merging(hidden)
        for block in stages[index].blocks:
            hidden = block(hidden)
        return hidden

    def pool(self, hidden: Tensor) -> Tensor:
        """The mean of the last stage's tokens, normalised."""
        pooled: Tensor = self.layernorm(hidden).mean(dim=1)
        return pooled


def _windows(plane: Tensor, window: int) -> Tensor:
    """(images, side, side, width) to (images x windows, tokens of a window, width)."""
    images, side, _, width = plane.shape
    count = side // window
    split = plane.reshape(images, count, window, count, window, width).transpose(2, 3)
    return split.reshape(images * count * count, window * window, width)


def _plane(windows: Tensor, window: int, side: int) -> Tensor:
    """The way back from `_windows`."""
    count = side // window
    split = windows.reshape(-1, count, count, window, window, windows.shape[-1]).transpose(2, 3)
    return split.reshape(-1, side, side, windows.shape[-1])
