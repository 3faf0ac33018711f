"""An encoder that knows two words by hand, and a segmenter that fills its boxes: every result can be worked out.

The image feature is (how bright the brightest patch is, how dark the image is); "bright" and "dark" are the axes.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from medkt.models.encoder import EncoderSpec, TokenGrid, Tokens
from medkt.segmentation.prompts import Prompts
from medkt.segmentation.segmenter import Candidates, Embedding
from medkt.shapes import Plane

GRID = 8
WORDS = {"bright": (1.0, 0.0), "dark": (0.0, 1.0)}


class BrightSpots(nn.Module):
    """8 x 8 tokens of four channels, each a patch's mean; the feature is their soft maximum and 1 less that."""

    logit_scale = 10.0
    spec = EncoderSpec(
        name="bright-spots",
        family="small",
        segmenter="small",
        drawn=True,
        input_size=32,
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        framing="letterbox",
        text_length=8,
        layers=1,
        default_layer=0,
        licence="none",
    )

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(3.0))
        self.prefixes = 0

    @property
    def module(self) -> nn.Module:
        return self

    def grid(self, layer: int) -> TokenGrid:
        return TokenGrid(rows=GRID, columns=GRID)

    def tokenize(self, texts: Sequence[str]) -> Tokens:
        ids = torch.tensor([[0 if "bright" in text else 1 if "dark" in text else 2] for text in texts])
        return Tokens(ids=ids, mask=torch.ones_like(ids, dtype=torch.bool), truncated=(False,) * len(texts))

    def encode_text(self, tokens: Tokens) -> Tensor:
        directions = torch.tensor([WORDS["bright"], WORDS["dark"], (-0.6, -0.8)])
        return directions[tokens.ids[:, 0]]

    def image_prefix(self, pixels: Tensor, layer: int) -> Tensor:
        self.prefixes += len(pixels)
        patches = nn.functional.avg_pool2d(pixels.mean(dim=1, keepdim=True), 32 // GRID)
        return patches.flatten(2).transpose(1, 2).repeat(1, 1, 4) * self.gain

    def image_suffix(self, hidden: Tensor, layer: int) -> Tensor:
        top = torch.logsumexp(8 * hidden.mean(dim=-1), dim=1) / 8 / self.gain
        return torch.stack([top, 1 - top], dim=-1)

    def encode_image(self, pixels: Tensor) -> Tensor:
        return self.image_suffix(self.image_prefix(pixels, 0), 0)

    def score(self, pixels: Tensor, tokens: Tokens) -> Tensor:
        image = nn.functional.normalize(self.encode_image(pixels), dim=-1)
        return image @ nn.functional.normalize(self.encode_text(tokens), dim=-1).T


class BoxFiller:
    """Answers each box with the pixels in it above half, and a poorer candidate that is the whole plane."""

    name = "box-filler"

    def __init__(self) -> None:
        self.embedded = 0
        self._planes: dict[int, Plane] = {}

    def embed(self, plane: Plane) -> Embedding:
        self.embedded += 1
        rows, columns = plane.shape
        features = torch.from_numpy(plane.copy())[None, None]
        return Embedding(features=features, rows=rows, columns=columns, input_rows=rows, input_columns=columns)

    def masks(self, embedding: Embedding, prompts: Prompts, multimask: bool) -> Candidates:
        plane = embedding.features[0, 0].numpy()
        masks = []
        for left, top, right, bottom in prompts.boxes_xyxy:
            inside = np.zeros(plane.shape, dtype=bool)
            inside[int(top) : int(np.ceil(bottom)) + 1, int(left) : int(np.ceil(right)) + 1] = True
            masks += [inside & (plane > 0.5), np.ones(plane.shape, dtype=bool)][: 2 if multimask else 1]
        each = 2 if multimask else 1
        return Candidates(
            masks=np.array(masks, dtype=bool).reshape(-1, *plane.shape),
            predicted_iou=np.tile(np.array([0.8, 0.9], dtype=np.float32)[:each], prompts.regions),
            region=np.repeat(np.arange(prompts.regions, dtype=np.int64), each),
        )
