"""How much faster medkt's M2IB is than the published way of computing it, measured in one run.

The published way: ten copies of the image through the whole network in each of ten steps, a hook behind the block that
holds the gate, gradients for every weight. All its steps cost the same, so a few are timed and counted as ten. Both
ways compute the same map from the same noise; that is checked after those few steps. The network is as large as
ViT-B/16 and random: speed does not depend on what was learned.

    python evaluation/benchmarks/m2ib_speed.py --write      # records evaluation/results/m2ib_speed.md
"""

import argparse
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from medkt.models.encoder import EncoderSpec, TokenGrid, Tokens
from medkt.saliency.m2ib import M2IBSettings, m2ib_maps, noise_steps
from medkt.saliency.targets import Target

WIDTH, LAYERS, HEADS, PATCH, SIDE = 768, 12, 12, 16, 224
TOKENS = 1 + (SIDE // PATCH) ** 2
LAYER, STEPS = 7, 10
RESULT = Path(__file__).resolve().parents[1] / "results" / "m2ib_speed.md"


class Block(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, tokens, width) to the same."""
        batch, tokens, _ = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(batch, tokens, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(q, k, v)
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, tokens, WIDTH))
        y: Tensor = x + self.mlp(self.norm2(x))
        return y


class RandomViT(nn.Module):
    """The image half of a dual encoder of ViT-B/16's size, with random weights."""

    logit_scale = 1.0
    spec = EncoderSpec(
        name="random ViT-B/16",
        family="clip",
        input_size=SIDE,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        framing="crop",
        text_length=77,
        layers=LAYERS,
        default_layer=LAYER,
        licence="none",
    )

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, WIDTH, PATCH, stride=PATCH)
        self.cls = nn.Parameter(torch.randn(1, 1, WIDTH))
        self.places = nn.Parameter(0.02 * torch.randn(1, TOKENS, WIDTH))
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 512)

    @property
    def module(self) -> nn.Module:
        """Itself."""
        return self

    def grid(self, layer: int) -> TokenGrid:
        """A square of patches and a CLS token."""
        return TokenGrid(rows=SIDE // PATCH, columns=SIDE // PATCH, leading=1)

    def image_prefix(self, pixels: Tensor, layer: int) -> Tensor:
        """Through the blocks up to `layer`."""
        patches = self.patch(pixels).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(len(pixels), -1, -1), patches], dim=1) + self.places
        for block in self.blocks[: layer + 1]:
            x = block(x)
        return x

    def image_suffix(self, hidden: Tensor, layer: int) -> Tensor:
        """Through the rest."""
        for block in self.blocks[layer + 1 :]:
            hidden = block(hidden)
        features: Tensor = self.head(self.norm(hidden[:, 0]))
        return features

    def encode_image(self, pixels: Tensor) -> Tensor:
        """All of it."""
        return self.image_suffix(self.image_prefix(pixels, LAYER), LAYER)

    def tokenize(self, texts: Sequence[str]) -> Tokens:
        """There is no text half."""
        raise NotImplementedError

    def encode_text(self, tokens: Tokens) -> Tensor:
        """There is no text half."""
        raise NotImplementedError

    def score(self, pixels: Tensor, tokens: Tokens) -> Tensor:
        """There is no text half."""
        raise NotImplementedError


def published_way(model: RandomViT, image: Tensor, text: Tensor, image_seed: int, steps: int) -> np.ndarray:
    """The map, (rows, columns), by ten copies, a hook and every gradient."""
    stream = noise_steps(0, image_seed, 0, (10, TOKENS, WIDTH))
    alpha = nn.Parameter(torch.full((1, TOKENS, WIDTH), 5.0))
    optimiser = torch.optim.Adam([alpha], lr=1.0)
    capacity = torch.zeros(0)

    def gate(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        nonlocal capacity
        opened = torch.sigmoid(alpha).expand_as(output)
        mu, variance = output * opened, (1 - opened) ** 2
        capacity = -0.5 * (1 + torch.log(variance) - mu**2 - variance)
        return mu + (1 - opened) * next(stream)

    handle = model.blocks[LAYER].register_forward_hook(gate)
    try:
        for _ in range(steps):
            features = model.encode_image(image.expand(10, -1, -1, -1))
            fit = functional.cosine_similarity(features, text[None].expand(10, -1), eps=1e-6).mean()
            optimiser.zero_grad()
            torch.autograd.backward(0.1 * capacity.mean() - fit)
            optimiser.step()
    finally:
        handle.remove()
        model.zero_grad(set_to_none=True)
    side = SIDE // PATCH
    map_: np.ndarray = torch.nansum(capacity.detach().mean(dim=0), dim=-1)[1:].reshape(side, side).numpy()
    return map_


def our_way(model: RandomViT, image: Tensor, texts: Tensor, image_seed: int, steps: int) -> np.ndarray:
    """The maps of one image and several texts, (texts, rows, columns)."""
    targets = [Target(id=str(k), wanted=text, normal=None, confusable=texts[:0]) for k, text in enumerate(texts)]
    settings = M2IBSettings(
        beta=0.1, layer=LAYER, steps=steps, samples=10, noise="unit", target="cosine", map_from="last_forward"
    )
    maps: np.ndarray = m2ib_maps(model, image, targets, settings, seeds=[image_seed]).maps[0]
    return maps


def timed(work: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    """Seconds of processor time, and the result.

    Processor time of all threads: on a machine that does other things too, the clock on the wall measures those.
    """
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def main() -> None:
    """Measure, print, and record where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=3, help="of the published way that are timed, at least 2")
    parser.add_argument("--texts", type=int, default=1, help="also time this many texts of one image")
    parser.add_argument("--write", action="store_true", help=f"record {RESULT.name}")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    model, steps = RandomViT().eval(), arguments.steps
    image = torch.randn(1, 3, SIDE, SIDE)
    texts = functional.normalize(torch.randn(max(1, arguments.texts), 512), dim=-1)
    seconds, expected = timed(lambda: published_way(model, image, texts[0], 1, steps))
    theirs = seconds * STEPS / steps
    found = our_way(model, image, texts[:1], 1, steps)[0]
    apart = float(np.abs(found - expected).max() / expected.max())
    ours, _ = timed(lambda: our_way(model, image, texts[:1], 1, STEPS))
    rows = [("published way, one text", theirs, 1), ("medkt, one text", ours, 1)]
    if arguments.texts > 1:
        rows.append(
            (f"medkt, {arguments.texts} texts", timed(lambda: our_way(model, image, texts, 1, STEPS))[0], len(texts))
        )
    table = "\n".join(
        [
            "# Speed of M2IB",
            "",
            f"ViT-B/16 with random weights, gate after layer {LAYER}, ten noise samples, ten steps, float32, "
            f"{torch.get_num_threads()} threads of {platform.machine()}, torch {torch.__version__}; processor time. Of "
            f"the published way {steps} steps were timed ({seconds:.1f} s) and counted as ten. Written by "
            "`python evaluation/benchmarks/m2ib_speed.py --write`. The ratio is what matters.",
            "",
            "| | processor seconds | a map | ratio a map |",
            "|---|---|---|---|",
            *(f"| {what} | {s:.1f} | {s / n:.1f} | {theirs * n / s:.1f} |" for what, s, n in rows),
            "",
            f"Largest difference between the two maps after {steps} steps, of their maximum: {apart:.1e}.",
            "",
        ]
    )
    print(table)
    if arguments.write:
        RESULT.write_text(table, encoding="utf-8")


if __name__ == "__main__":
    main()
