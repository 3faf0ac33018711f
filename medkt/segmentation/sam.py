"""Meta's Segment Anything, and MedSAM's way of using it, behind the `Segmenter` protocol.

Kirillov et al., "Segment Anything" (2023); Ma et al., "Segment anything in medical images" (Nat Commun 2024).
The network is `segment_anything.modeling.Sam` of any size, built and loaded in `medkt.models`.
"""

from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from segment_anything.modeling import Sam
from segment_anything.utils.transforms import ResizeLongestSide
from torch import Tensor
from torch.nn import functional

from medkt.errors import InputError, NumericalError, SettingsError
from medkt.segmentation.prompts import Prompts
from medkt.segmentation.segmenter import Candidates, Embedding
from medkt.shapes import Plane

Style = Literal["sam", "medsam"]


class SamSegmenter:
    """A SAM network as a segmenter. It remembers no image.

    "sam": longest side to the input's size, padded below and to the right, RGB 0 to 255 by its mean and deviation.
    "medsam": both sides to the input's size (aspect ratio lost), stretched to [0, 1]; boxes only.
    """

    def __init__(self, sam: Sam, *, name: str = "sam", style: Style = "sam") -> None:
        if style not in ("sam", "medsam"):
            raise SettingsError(f"unknown segmenter style {style!r}; known: sam, medsam")
        self._sam = sam.eval()
        self._name = name
        self._style = style
        self._resize = ResizeLongestSide(sam.image_encoder.img_size)

    @property
    def name(self) -> str:
        """What results call it."""
        return self._name

    def embed(self, plane: Plane) -> Embedding:
        """Look at a plane (rows, columns) in [0, 1], once.

        Raises:
            InputError: values outside [0, 1].
            NumericalError: NaN or infinity in the plane or in the features.
        """
        low, high = float(plane.min()), float(plane.max())
        if not (np.isfinite(low) and np.isfinite(high)):
            raise NumericalError("the plane holds NaN or infinity: replace them before a segmenter sees it")
        if low < -1e-4 or high > 1 + 1e-4:
            raise InputError(f"a plane for a segmenter must be windowed to [0, 1], got {low:g} to {high:g}")
        framed = self._framed_sam(plane) if self._style == "sam" else self._framed_medsam(plane)
        with torch.no_grad():
            features = self._sam.image_encoder(self._sam.preprocess(framed) if self._style == "sam" else framed)
        if not torch.isfinite(features).all():
            raise NumericalError(f"the segmenter {self._name!r} gives NaN or infinity for this plane")
        rows, columns = plane.shape
        return Embedding(
            features=features, rows=rows, columns=columns, input_rows=framed.shape[-2], input_columns=framed.shape[-1]
        )

    def masks(self, embedding: Embedding, prompts: Prompts, multimask: bool) -> Candidates:
        """Decode every region's prompts from one embedding: one candidate a region, or three where `multimask`.

        Raises:
            SettingsError: points for MedSAM, which was trained on boxes only.
        """
        if self._style == "medsam" and (len(prompts.points_xy) or (prompts.regions and not len(prompts.boxes_xyxy))):
            raise SettingsError("MedSAM takes boxes only: set prompts.use to boxes, or use another segmenter")
        found = [self._decode(embedding, prompts, region, multimask) for region in range(prompts.regions)]
        if not found:
            return Candidates(
                masks=np.zeros((0, embedding.rows, embedding.columns), dtype=bool),
                predicted_iou=np.zeros(0, dtype=np.float32),
                region=np.zeros(0, dtype=np.int64),
            )
        return Candidates(
            masks=np.concatenate([masks for masks, _ in found]),
            predicted_iou=np.concatenate([ious for _, ious in found]),
            region=np.repeat(np.arange(len(found), dtype=np.int64), [len(ious) for _, ious in found]),
        )

    @torch.no_grad()
    def _decode(
        self, embedding: Embedding, prompts: Prompts, region: int, multimask: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        sam, device = self._sam, embedding.features.device
        mine = prompts.region == region
        points = None
        if mine.any():
            xy = self._to_input(prompts.points_xy[mine], embedding)
            points = (xy[None].to(device), torch.from_numpy(prompts.labels[mine])[None].to(device))
        box = None
        if len(prompts.boxes_xyxy):
            box = self._to_input(prompts.boxes_xyxy[region].reshape(2, 2), embedding).reshape(1, 4).to(device)
        sparse, dense = sam.prompt_encoder(points=points, boxes=box, masks=None)
        logits, ious = sam.mask_decoder(
            image_embeddings=embedding.features,
            image_pe=sam.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=multimask,
        )
        size = (embedding.input_rows, embedding.input_columns)
        logits = sam.postprocess_masks(logits, size, (embedding.rows, embedding.columns))
        return (logits[0] > sam.mask_threshold).cpu().numpy(), ious[0].float().cpu().numpy()

    def _to_input(self, points_xy: np.ndarray, embedding: Embedding) -> Float[Tensor, "points 2"]:
        scale = (embedding.input_columns / embedding.columns, embedding.input_rows / embedding.rows)
        return torch.from_numpy((points_xy * scale).astype(np.float32))

    def _framed_sam(self, plane: Plane) -> Float[Tensor, "1 3 rows columns"]:
        grey = np.rint(np.clip(plane, 0, 1) * 255).astype(np.uint8)
        resized = self._resize.apply_image(np.repeat(grey[:, :, None], 3, axis=2))
        return torch.from_numpy(resized).to(self._sam.device).permute(2, 0, 1)[None].float()

    def _framed_medsam(self, plane: Plane) -> Float[Tensor, "1 3 rows columns"]:
        side = self._sam.image_encoder.img_size
        pixels = torch.from_numpy(np.ascontiguousarray(plane)).to(self._sam.device)[None, None]
        squashed = functional.interpolate(pixels, (side, side), mode="bicubic", antialias=True)
        low, high = squashed.min(), squashed.max()
        return ((squashed - low) / (high - low).clamp_min(1e-8)).repeat(1, 3, 1, 1)
