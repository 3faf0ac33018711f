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
from torch import Tensor, nn

from medkt.models.sam_parts import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from medkt.models.small.dual_encoder import WEIGHTS, load_exactly, read_record, read_weights

INPUT_SIZE = 192
"""Longest side of the images that it looks at, in pixels."""
PROMPT_WIDTH = 96
"""Width of the image features and of the prompts' tokens."""
_PATCH, _WIDTH, _LAYERS, _HEADS = 8, 128, 5, 4


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


class DrawnPromptEncoder(PromptEncoder):  # type: ignore[misc]
    """Sam's prompt encoder, which besides draws boxes and points as a picture and reads it as a mask prompt.

    A large Sam learns from a billion masks to find from a box's two corner tokens what lies between them; a small one
    has to be shown. Where a mask prompt is given, nothing is drawn: that is plain Sam.
    """

    def forward(
        self, points: tuple[Tensor, Tensor] | None, boxes: Tensor | None, masks: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Sparse (prompts, tokens, width) and dense (prompts, width, rows, columns) embeddings."""
        sparse, dense = super().forward(points, boxes, masks)
        if masks is None and (points is not None or boxes is not None):
            dense = dense + self.mask_downscaling(self.draw(points, boxes))
        return sparse, dense

    def draw(
        self, points: tuple[Tensor, Tensor] | None, boxes: Tensor | None
    ) -> Float[Tensor, "prompts 1 rows columns"]:
        """A box is 1 inside and -1 outside with a soft edge; a point is a spot of 3, or of -3 where it excludes."""
        rows, columns = self.mask_input_size
        high, wide = self.input_image_size
        device = self._get_device()
        y = (torch.arange(rows, device=device) + 0.5)[None, :, None] * (high / rows)
        x = (torch.arange(columns, device=device) + 0.5)[None, None, :] * (wide / columns)
        drawn = torch.zeros((), device=device)
        if boxes is not None:
            x0, y0, x1, y1 = boxes.reshape(-1, 4, 1, 1).unbind(1)
            inside = torch.minimum(torch.minimum(x - x0, x1 - x), torch.minimum(y - y0, y1 - y))
            drawn = drawn + torch.tanh(inside / 2)
        if points is not None:
            coords, labels = points
            away = (x[:, None] - coords[..., 0, None, None]) ** 2 + (y[:, None] - coords[..., 1, None, None]) ** 2
            sign = (labels == 1).to(away.dtype) - (labels == 0).to(away.dtype)
            drawn = drawn + (3 * sign[..., None, None] * torch.exp(-away / 72)).sum(1)  # spots of 6 pixels
        return drawn[:, None]


def build_small_sam() -> Sam:
    """The architecture with fresh weights, in evaluation mode."""
    grid = INPUT_SIZE // _PATCH
    image = ImageEncoderViT(
        img_size=INPUT_SIZE, patch_size=_PATCH, embed_dim=_WIDTH, depth=_LAYERS, num_heads=_HEADS, mlp_ratio=3,
        out_chans=PROMPT_WIDTH, norm_layer=partial(nn.LayerNorm, eps=1e-6), window_size=8, global_attn_indexes=(2, 4),
    )  # fmt: skip
    image.patch_embed = PatchStem(_WIDTH)
    sam = Sam(
        image_encoder=image,
        prompt_encoder=DrawnPromptEncoder(
            embed_dim=PROMPT_WIDTH, image_embedding_size=(grid, grid), input_image_size=(INPUT_SIZE, INPUT_SIZE),
            mask_in_chans=8,
        ),
        mask_decoder=MaskDecoder(
            num_multimask_outputs=3,
            transformer=TwoWayTransformer(depth=2, embedding_dim=PROMPT_WIDTH, mlp_dim=256, num_heads=4),
            transformer_dim=PROMPT_WIDTH, iou_head_depth=3, iou_head_hidden_dim=96,
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
