"""A small Sam, built from segment_anything's own parts, so that its `SamPredictor` works on it as on the large ones.

Example:
    >>> sam = load_small_segmenter()
    >>> sam.image_encoder.img_size
    192
"""

from functools import partial
from pathlib import Path

import torch
from jaxtyping import Float
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from torch import Tensor, nn

from medkt.models.small.dual_encoder import WEIGHTS, load_exactly, read_record, read_weights

INPUT_SIZE = 192
"""Longest side of the images that it looks at, in pixels."""
_PATCH, _WIDTH, _LAYERS, _HEADS, _PROMPT = 8, 128, 5, 4, 96


class PatchStem(nn.Module):
    """Convolutions in the place of Sam's single patch projection; gives (images, rows, columns, width) like it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.enter = nn.Sequential(
            nn.Conv2d(3, 32, 7, stride=4, padding=3), nn.GroupNorm(4, 32), nn.GELU(approximate="tanh")
        )
        self.fine = nn.Sequential(nn.Conv2d(32, 32, 3, padding=1), nn.GroupNorm(4, 32), nn.GELU(approximate="tanh"))
        self.down = nn.Sequential(
            nn.Conv2d(32, 96, 3, stride=2, padding=1), nn.GroupNorm(4, 96), nn.GELU(approximate="tanh")
        )
        self.out = nn.Conv2d(96, width, 1)

    def forward(self, pixels: Float[Tensor, "images 3 side side"]) -> Float[Tensor, "images rows columns width"]:
        x = self.enter(pixels)
        made: Tensor = self.out(self.down(x + self.fine(x))).permute(0, 2, 3, 1)
        return made


def build_small_sam() -> Sam:
    """The architecture with fresh weights, in evaluation mode."""
    grid = INPUT_SIZE // _PATCH
    image = ImageEncoderViT(
        img_size=INPUT_SIZE, patch_size=_PATCH, embed_dim=_WIDTH, depth=_LAYERS, num_heads=_HEADS, mlp_ratio=3,
        out_chans=_PROMPT, norm_layer=partial(nn.LayerNorm, eps=1e-6), window_size=8, global_attn_indexes=(2, 4),
    )  # fmt: skip
    image.patch_embed = PatchStem(_WIDTH)
    sam = Sam(
        image_encoder=image,
        prompt_encoder=PromptEncoder(
            embed_dim=_PROMPT, image_embedding_size=(grid, grid), input_image_size=(INPUT_SIZE, INPUT_SIZE),
            mask_in_chans=8,
        ),
        mask_decoder=MaskDecoder(
            num_multimask_outputs=3,
            transformer=TwoWayTransformer(depth=2, embedding_dim=_PROMPT, mlp_dim=256, num_heads=4),
            transformer_dim=_PROMPT, iou_head_depth=3, iou_head_hidden_dim=96,
        ),
        pixel_mean=[102.0, 102.0, 102.0], pixel_std=[71.0, 71.0, 71.0],
    )  # fmt: skip
    sam.eval()
    return sam


def load_small_segmenter(device: str | torch.device = "cpu", *, folder: Path = WEIGHTS) -> Sam:
    """The shipped segmenter, in float32 and in evaluation mode.

    Raises:
        WeightsError: a file is missing or damaged, or the weights are not those that the specification names.
    """
    record = read_record(folder / "segmenter.json")
    sam = build_small_sam()
    path = folder / "segmenter.safetensors"
    load_exactly(sam, read_weights(path, sha256=record["sha256"]), path)
    sam.to(device)
    return sam


def small_segmenter_digest(*, folder: Path = WEIGHTS) -> str:
    """SHA-256 of the shipped segmenter's weights, hex, as its record names it.

    Raises:
        WeightsError: the record is missing or damaged.
    """
    return str(read_record(folder / "segmenter.json")["sha256"])
