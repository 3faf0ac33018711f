"""The two towers of the small model: a ViT over a 16 x 16 grid and a text transformer, meeting in one space.

The image embedding is an attention-weighted mean of patch values put through one small head, and the same head makes
a dense embedding of each single patch. So a patch can be compared with a text directly, and what the image
embedding says is made of what its patches say.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from medkt.models.small.transformer import Block


@dataclass(frozen=True, slots=True, kw_only=True)
class TowerSettings:
    """Sizes of the small model."""

    input_size: int = 128
    patch: int = 8
    width: int = 128
    layers: int = 6
    heads: int = 4
    ratio: int = 3
    vocabulary: int = 4096
    text_length: int = 48
    text_layers: int = 2
    embedding: int = 128

    @property
    def grid(self) -> int:
        """Patches along one side."""
        return self.input_size // self.patch


class Stem(nn.Module):
    """Convolutions from pixels to one token a patch: edges and textures are cheaper to learn here than in attention."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.enter = nn.Sequential(nn.Conv2d(3, 48, 7, stride=4, padding=3), nn.GroupNorm(4, 48), _gelu())
        self.fine = nn.Sequential(nn.Conv2d(48, 48, 3, padding=1), nn.GroupNorm(4, 48), _gelu())
        self.down = nn.Sequential(nn.Conv2d(48, 128, 3, stride=2, padding=1), nn.GroupNorm(4, 128), _gelu())
        self.coarse = nn.ModuleList(
            nn.Sequential(nn.Conv2d(128, 128, 3, padding=1), nn.GroupNorm(4, 128), _gelu()) for _ in range(2)
        )
        self.out = nn.Conv2d(128, width, 1)

    def forward(self, pixels: Float[Tensor, "batch 3 side side"]) -> Float[Tensor, "batch tokens width"]:
        x = self.enter(pixels)
        x = x + self.fine(x)
        x = self.down(x)
        for layer in self.coarse:
            x = x + layer(x)
        made: Tensor = self.out(x).flatten(2).transpose(1, 2)
        return made


class JointHead(nn.Module):
    """From tokens to the joint space: pooled by attention for the image, one by one for the dense map."""

    def __init__(self, settings: TowerSettings) -> None:
        super().__init__()
        width = settings.width
        self.heads = settings.heads
        self.norm = nn.LayerNorm(width)
        self.value = nn.Linear(width, width)
        self.query = nn.Linear(width, settings.heads)
        self.mix = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * width), _gelu(), nn.Linear(2 * width, width))
        self.project = nn.Linear(width, settings.embedding)

    def parts(
        self, tokens: Float[Tensor, "batch tokens width"]
    ) -> tuple[Float[Tensor, "batch width"], Float[Tensor, "batch tokens width"], Float[Tensor, "batch tokens heads"]]:
        """The pooled value, each token's value, and the attention weights (they sum to 1 over the tokens)."""
        tokens = self.norm(tokens)
        values = self.value(tokens)
        weights = torch.softmax(self.query(tokens).float(), dim=1)
        split = values.float().unflatten(2, (self.heads, -1))  # (batch, tokens, heads, width / heads)
        pooled = torch.einsum("bthw,bth->bhw", split, weights).flatten(1)
        return pooled, values, weights

    def pooled_anew(
        self, tokens: Float[Tensor, "batch tokens width"], leaning: Float[Tensor, "batch texts tokens"]
    ) -> Float[Tensor, "batch texts width"]:
        """The pooled value once for each text, whose leaning is added to the logits of the attention weights of every head."""
        tokens = self.norm(tokens)
        split = self.value(tokens).float().unflatten(2, (self.heads, -1))
        weights = torch.softmax(self.query(tokens).float()[:, None] + leaning[..., None], dim=2)
        return torch.einsum("bthw,bkth->bkhw", split, weights).flatten(2)

    def embed(self, values: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch embedding"]:
        """Values in the joint space, not normalised."""
        made: Tensor = self.project(values + self.mix(values))
        return made


class ImageTower(nn.Module):
    """The ViT."""

    def __init__(self, settings: TowerSettings) -> None:
        super().__init__()
        self.stem = Stem(settings.width)
        self.position = nn.Parameter(torch.randn(1, settings.grid**2, settings.width) * 0.02)
        self.blocks = nn.ModuleList(
            Block(settings.width, settings.heads, settings.ratio) for _ in range(settings.layers)
        )
        self.head = JointHead(settings)

    def tokens(self, pixels: Float[Tensor, "batch 3 side side"]) -> Float[Tensor, "batch tokens width"]:
        """One token a patch before the first block, in raster order."""
        made: Tensor = self.stem(pixels) + self.position
        return made


class TextTower(nn.Module):
    """The text transformer: attention in both directions, mean over the words that stand there."""

    def __init__(self, settings: TowerSettings) -> None:
        super().__init__()
        width = settings.width
        self.word = nn.Embedding(settings.vocabulary, width)
        self.position = nn.Parameter(torch.randn(1, settings.text_length, width) * 0.02)
        self.blocks = nn.ModuleList(Block(width, settings.heads, settings.ratio) for _ in range(settings.text_layers))
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, settings.embedding)
        nn.init.normal_(self.word.weight, std=0.05)

    def forward(
        self, ids: Int[Tensor, "texts length"], mask: Bool[Tensor, "texts length"]
    ) -> Float[Tensor, "texts embedding"]:
        x = self.embed(ids)
        for block in self.blocks:
            x = block(x, mask[:, None, None, :])
        return self.pooled(x, mask)

    def embed(self, ids: Int[Tensor, "texts length"]) -> Float[Tensor, "texts length width"]:
        """What goes into the first block."""
        made: Tensor = self.word(ids) + self.position[:, : ids.shape[1]]
        return made

    def pooled(
        self, x: Float[Tensor, "texts length width"], mask: Bool[Tensor, "texts length"]
    ) -> Float[Tensor, "texts embedding"]:
        """What comes out of the last block in the joint space, not normalised."""
        x = self.norm(x) * mask[..., None]
        made: Tensor = self.project(x.sum(1) / mask.sum(1, keepdim=True).clamp(min=1))
        return made


class Towers(nn.Module):
    """Both towers and the logit scale: everything that is saved."""

    def __init__(self, settings: TowerSettings | None = None) -> None:
        super().__init__()
        self.settings = settings or TowerSettings()
        self.image = ImageTower(self.settings)
        self.text = TextTower(self.settings)
        self.log_scale = nn.Parameter(torch.tensor(2.66))  # exp is 14.3, CLIP's start


def _gelu() -> nn.GELU:
    return nn.GELU(approximate="tanh")
