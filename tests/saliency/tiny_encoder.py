"""Dual encoders of a few thousand random weights: one with blocks and a CLS token, one with shrinking stages."""

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from medkt.models.encoder import EncoderSpec, TokenGrid, Tokens

SIDE = 32


def spec(name: str, layers: int, default_layer: int) -> EncoderSpec:
    return EncoderSpec(
        name=name,
        family="small",
        segmenter="small",
        drawn=True,
        input_size=SIDE,
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        framing="letterbox",
        text_length=8,
        layers=layers,
        default_layer=default_layer,
        licence="none",
    )


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.mix = nn.Linear(width, 3 * width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width), nn.Dropout(0.2))

    def forward(self, tokens: Tensor) -> Tensor:
        query, key, value = self.mix(self.norm(tokens)).chunk(3, dim=-1)
        attention = torch.softmax(query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5, dim=-1)
        tokens = tokens + attention @ value
        return tokens + self.mlp(tokens)


class Texts(nn.Module):
    """A text is the mean of its words' vectors; a word's number comes from its letters."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.words = nn.Embedding(500, width)

    def tokenize(self, texts: Sequence[str]) -> Tokens:
        ids = torch.zeros(len(texts), 8, dtype=torch.int64)
        mask = torch.zeros(len(texts), 8, dtype=torch.bool)
        for row, text in enumerate(texts):
            for column, word in enumerate(text.split()[:8]):
                ids[row, column] = int(hashlib.md5(word.encode()).hexdigest(), 16) % 500
                mask[row, column] = True
        return Tokens(ids=ids, mask=mask, truncated=tuple(len(text.split()) > 8 for text in texts))

    def forward(self, tokens: Tokens) -> Tensor:
        weight = tokens.mask[..., None].float()
        return (self.words(tokens.ids) * weight).sum(dim=1) / weight.sum(dim=1)


class _Tower(nn.Module):
    logit_scale = 20.0

    def __init__(self, spec: EncoderSpec, width: int) -> None:
        super().__init__()
        self.spec = spec
        self.texts = Texts(width)
        self.prefixes = 0

    @property
    def module(self) -> nn.Module:
        return self

    def tokenize(self, texts: Sequence[str]) -> Tokens:
        return self.texts.tokenize(texts)

    def encode_text(self, tokens: Tokens) -> Tensor:
        return self.texts(tokens)

    def encode_image(self, pixels: Tensor) -> Tensor:
        return self.image_suffix(self.image_prefix(pixels, 0), 0)

    def score(self, pixels: Tensor, tokens: Tokens) -> Tensor:
        image, text = self.encode_image(pixels), self.encode_text(tokens)
        return nn.functional.normalize(image, dim=-1) @ nn.functional.normalize(text, dim=-1).T

    def image_prefix(self, pixels: Tensor, layer: int) -> Tensor:
        raise NotImplementedError

    def image_suffix(self, hidden: Tensor, layer: int) -> Tensor:
        raise NotImplementedError


class TinyViT(_Tower):
    """4 x 4 patches of 8 pixels and a CLS token, three blocks, width 12."""

    def __init__(self, seed: int = 0) -> None:
        torch.manual_seed(seed)
        super().__init__(spec("tiny-vit", 3, 1), 12)
        self.patch = nn.Conv2d(3, 12, 8, stride=8)
        self.cls = nn.Parameter(torch.randn(1, 1, 12))
        self.places = nn.Parameter(torch.randn(1, 17, 12) * 0.3)
        self.blocks = nn.ModuleList(Block(12) for _ in range(3))
        self.out = nn.Linear(12, 12)

    def grid(self, layer: int) -> TokenGrid:
        return TokenGrid(rows=4, columns=4, leading=1)

    def image_prefix(self, pixels: Tensor, layer: int) -> Tensor:
        self.prefixes += len(pixels)
        patches = self.patch(pixels).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls.expand(len(pixels), -1, -1), patches], dim=1) + self.places
        for block in self.blocks[: layer + 1]:
            tokens = block(tokens)
        return tokens

    def image_suffix(self, hidden: Tensor, layer: int) -> Tensor:
        for block in self.blocks[layer + 1 :]:
            hidden = block(hidden)
        return self.out(hidden[:, 0])


class TinyStages(_Tower):
    """Two stages without CLS: 8 x 8 places of 6 channels, then 4 x 4 of 10; the features are their mean."""

    def __init__(self, seed: int = 0) -> None:
        torch.manual_seed(seed)
        super().__init__(spec("tiny-stages", 2, 0), 10)
        self.first = nn.Conv2d(3, 6, 4, stride=4)
        self.second = nn.Conv2d(6, 10, 2, stride=2)

    def grid(self, layer: int) -> TokenGrid:
        return TokenGrid(rows=8, columns=8) if layer == 0 else TokenGrid(rows=4, columns=4)

    def image_prefix(self, pixels: Tensor, layer: int) -> Tensor:
        self.prefixes += len(pixels)
        stage = torch.tanh(self.first(pixels))
        if layer == 1:
            stage = torch.tanh(self.second(stage))
        return stage.flatten(2).transpose(1, 2)

    def image_suffix(self, hidden: Tensor, layer: int) -> Tensor:
        if layer == 0:
            stage = hidden.transpose(1, 2).reshape(len(hidden), 6, 8, 8)
            hidden = torch.tanh(self.second(stage)).flatten(2).transpose(1, 2)
        return hidden.mean(dim=1)
