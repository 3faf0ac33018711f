"""A dual encoder of some hundred random weights at 16 x 16 pixels, whose steps take a millisecond, and a matching head."""

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from medkt.models.encoder import EncoderSpec, TokenGrid, Tokens

SIDE, WIDTH = 16, 6
SPEC = EncoderSpec(
    name="toy",
    family="small",
    segmenter="small",
    drawn=True,
    input_size=SIDE,
    mean=(0.4, 0.5, 0.6),
    std=(0.2, 0.25, 0.3),
    framing="letterbox",
    text_length=8,
    layers=2,
    default_layer=0,
    licence="none",
)


class Toy(nn.Module):
    """Two smooth convolutions and their mean; a text is the mean of its words' vectors."""

    spec = SPEC
    logit_scale = 10.0

    def __init__(self, seed: int = 0) -> None:
        torch.manual_seed(seed)
        super().__init__()
        self.first = nn.Conv2d(3, 5, 4, stride=4)
        self.second = nn.Conv2d(5, WIDTH, 2, stride=2)
        self.words = nn.Embedding(100, WIDTH)
        self.drop = nn.Dropout(0.3)
        self.fails_after: int | None = None
        self.rows: list[int] = []

    @property
    def module(self) -> nn.Module:
        return self

    def tokenize(self, texts: Sequence[str]) -> Tokens:
        length = max(min(len(text.split()), 8) for text in texts)
        ids = torch.zeros(len(texts), length, dtype=torch.int64)
        mask = torch.zeros(len(texts), length, dtype=torch.bool)
        for row, text in enumerate(texts):
            for column, word in enumerate(text.split()[:8]):
                ids[row, column] = int(hashlib.md5(word.encode()).hexdigest(), 16) % 100
                mask[row, column] = True
        return Tokens(ids=ids, mask=mask, truncated=tuple(len(text.split()) > 8 for text in texts))

    def encode_text(self, tokens: Tokens) -> Tensor:
        weight = tokens.mask[..., None].float()
        return (self.words(tokens.ids) * weight).sum(dim=1) / weight.sum(dim=1)

    def encode_image(self, pixels: Tensor) -> Tensor:
        self.rows.append(len(pixels))
        if self.fails_after is not None and len(self.rows) > self.fails_after:
            raise RuntimeError("the device is gone")
        return self.image_suffix(self.image_prefix(pixels, 0), 0)

    def score(self, pixels: Tensor, tokens: Tokens) -> Tensor:
        image, text = self.encode_image(pixels), self.encode_text(tokens)
        return nn.functional.normalize(image, dim=-1) @ nn.functional.normalize(text, dim=-1).T

    def grid(self, layer: int) -> TokenGrid:
        return TokenGrid(rows=4, columns=4) if layer == 0 else TokenGrid(rows=2, columns=2)

    def image_prefix(self, pixels: Tensor, layer: int) -> Tensor:
        stage = torch.tanh(self.first(pixels))
        if layer == 1:
            stage = torch.tanh(self.second(stage))
        return self.drop(stage).flatten(2).transpose(1, 2)

    def image_suffix(self, hidden: Tensor, layer: int) -> Tensor:
        if layer == 0:
            stage = hidden.transpose(1, 2).reshape(len(hidden), 5, 4, 4)
            hidden = torch.tanh(self.second(stage)).flatten(2).transpose(1, 2)
        return hidden.mean(dim=1)


class ToyMatcher(nn.Module):
    """One stream: a matching head over an image and a text together, as ViLT has."""

    spec = SPEC

    def __init__(self) -> None:
        super().__init__()
        self.toy = Toy()
        self.head = nn.Linear(WIDTH, 2)

    @property
    def module(self) -> nn.Module:
        return self

    def tokenize(self, texts: Sequence[str]) -> Tokens:
        return self.toy.tokenize(texts)

    def match_logits(self, pixels: Tensor, tokens: Tokens) -> Tensor:
        logits: Tensor = self.head(self.toy.encode_image(pixels) * self.toy.encode_text(tokens))
        return logits
