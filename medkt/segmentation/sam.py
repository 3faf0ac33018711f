"""Meta's Segment Anything, and MedSAM's way of using it, behind the `Segmenter` protocol.

Kirillov et al., "Segment Anything" (2023); Ma et al., "Segment anything in medical images" (Nat Commun 2024).
The network is `segment_anything.modeling.Sam` of any size, built and loaded in `medkt.models`.
"""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from PIL import Image as Picture
from torch import Tensor
from torch.nn import functional

from medkt.errors import InputError, NumericalError, SettingsError
from medkt.models.family import SegmenterFamily
from medkt.models.records import ModelRecord
from medkt.models.sam import NAMINGS, SamPreprocessing, candidates, choose, load_sam, preprocessing_of
from medkt.models.sam_parts import Sam
from medkt.models.small import load_small_segmenter, small_segmenter_digest
from medkt.segmentation.prompts import Prompts
from medkt.segmentation.segmenter import Candidates, Embedding
from medkt.shapes import Plane


class SamSegmenter:
    """A SAM network as a segmenter. It remembers no image.

    Framing "corner" (SAM): the longer side to the input's size, black below and to the right, RGB 0 to 255 by the
    network's mean and deviation. Framing "squash" (MedSAM): both sides to the input's size, aspect ratio lost,
    stretched to [0, 1]; its probabilities, not its logits, are brought to the plane, without a stop at the input's size.
    """

    def __init__(self, sam: Sam, preprocessing: SamPreprocessing | None = None, *, name: str = "sam") -> None:
        """Wrap a network, which is put into evaluation mode.

        Args:
            sam: of any size.
            preprocessing: from `medkt.models.sam`; None is Meta's.
            name: what results call it, where no `preprocessing` says so.
        """
        self._sam = sam.eval()
        self._name = preprocessing.name if preprocessing else name
        self._squash = preprocessing is not None and preprocessing.framing == "squash"
        self._stretch = preprocessing is not None and preprocessing.stretch
        self._takes_points = preprocessing is None or "points" in preprocessing.prompts
        self._threshold = preprocessing.mask_threshold if preprocessing else sam.mask_threshold

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
        framed = self._squashed(plane) if self._squash else self._cornered(plane)
        with torch.no_grad():
            features = self._sam.image_encoder(framed if self._squash else self._sam.preprocess(framed))
        if not torch.isfinite(features).all():
            raise NumericalError(f"the segmenter {self._name!r} gives NaN or infinity for this plane")
        rows, columns = plane.shape
        return Embedding(
            features=features, rows=rows, columns=columns, input_rows=framed.shape[-2], input_columns=framed.shape[-1]
        )

    def masks(self, embedding: Embedding, prompts: Prompts, multimask: bool) -> Candidates:
        """Decode every region's prompts from one embedding: one candidate a region, or three where `multimask`.

        Raises:
            SettingsError: points for a network that was trained on boxes only (MedSAM).
        """
        if len(prompts.points_xy) and not self._takes_points:
            raise SettingsError(
                f"the segmenter {self._name!r} takes boxes only: set prompts.use to boxes, or use another segmenter"
            )
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
        inside = self._over_plane(logits, embedding) if self._squash else self._cut_to_plane(logits, embedding)
        return inside.cpu().numpy(), ious[0].float().cpu().numpy()

    def _cut_to_plane(self, logits: Tensor, embedding: Embedding) -> Bool[Tensor, "candidates rows columns"]:
        """SAM: logits to the input's square, cut to the part that the plane fills, from there to the plane."""
        size = (embedding.input_rows, embedding.input_columns)
        found: Tensor = self._sam.postprocess_masks(logits, size, (embedding.rows, embedding.columns))
        return found[0] > self._threshold

    def _over_plane(self, logits: Tensor, embedding: Embedding) -> Bool[Tensor, "candidates rows columns"]:
        """MedSAM: probabilities first, and these straight from the decoder's grid to the plane."""
        size = (embedding.rows, embedding.columns)
        share = functional.interpolate(torch.sigmoid(logits.float()), size, mode="bilinear", align_corners=False)
        return share[0] > torch.sigmoid(torch.tensor(self._threshold))

    def _to_input(self, points_xy: np.ndarray, embedding: Embedding) -> Float[Tensor, "points 2"]:
        scale = (embedding.input_columns / embedding.columns, embedding.input_rows / embedding.rows)
        return torch.from_numpy((points_xy * scale).astype(np.float32))

    def _cornered(self, plane: Plane) -> Float[Tensor, "1 3 input_rows input_columns"]:
        grey = np.rint(np.clip(plane, 0, 1) * 255).astype(np.uint8)
        rows, columns = plane.shape
        scale = self._sam.image_encoder.img_size / max(rows, columns)
        size = (int(columns * scale + 0.5), int(rows * scale + 0.5))  # rounded as segment_anything does
        resized = np.array(Picture.fromarray(grey).resize(size, Picture.Resampling.BILINEAR))
        return torch.from_numpy(resized).to(self._sam.device)[None, None].float().expand(1, 3, -1, -1)

    def _squashed(self, plane: Plane) -> Float[Tensor, "1 3 input_rows input_columns"]:
        side = self._sam.image_encoder.img_size
        pixels = torch.from_numpy(np.ascontiguousarray(plane)).to(self._sam.device)[None, None]
        squashed = functional.interpolate(pixels, (side, side), mode="bicubic", antialias=True)
        if self._stretch:
            low, high = squashed.min(), squashed.max()
            squashed = (squashed - low) / (high - low).clamp_min(1e-8)
        return squashed.repeat(1, 3, 1, 1)


def _load(weights: Path, record: ModelRecord, device: "str | torch.device" = "cpu") -> tuple[SamSegmenter, str]:
    sam, preparation = load_sam(weights, record, device)
    return SamSegmenter(sam, preparation), preparation.digest


def _load_small(device: "str | torch.device" = "cpu") -> tuple[SamSegmenter, str]:
    return SamSegmenter(load_small_segmenter(device), name="small"), small_segmenter_digest()


SAM = SegmenterFamily(
    load=_load,
    namings=NAMINGS,
    candidates=candidates,
    choose=choose,
    prompts=lambda record: preprocessing_of(record).prompts,
)
"""Segment Anything and MedSAM."""
SMALL = SegmenterFamily(load=_load_small)
"""The small one, which ships with medkt and is prepared for like any SAM."""
