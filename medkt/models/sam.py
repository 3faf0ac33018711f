"""Segment Anything and MedSAM: Meta's own architecture, loaded without its loader.

Kirillov et al., Segment Anything, ICCV 2023; Ma et al., Segment anything in medical images, Nature Communications 2024.
Meta's builder reads the checkpoint onto the device that it was saved from, which fails without that device, and by an
unrestricted pickle; here the builder makes the architecture alone and the state is read as everywhere else.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from medkt.models.family import Naming, Prompt, Shapes, names
from medkt.models.records import ModelRecord
from medkt.models.sam_parts import Sam, sam_model_registry
from medkt.models.weights import checked_digest, load_state, read_state


@dataclass(frozen=True, slots=True, kw_only=True)
class SamPreprocessing:
    """How an image is prepared for a promptable segmenter, and how its answer is read.

    Attributes:
        name: the registry's name of the model.
        input_size: side of the square input, in pixels.
        framing: "corner": the longer side fitted, black to the right and below (SAM); "squash": both sides fitted,
            aspect ratio lost, so that boxes are scaled along each axis (MedSAM).
        stretch: whether the resized image is stretched from its own minimum and maximum to [0, 1] (MedSAM).
        mean, std: of each channel, for pixels in [0, 1]; 0 and 1 where the model takes them as they are.
        prompts: the kinds of prompt that the model was trained with.
        mask_threshold: on the logits, after upsampling; 0 is a probability of one half.
        digest: SHA-256 of the weights in use.
        licence: of the weights.
    """

    name: str
    input_size: int
    framing: Literal["corner", "squash"]
    stretch: bool
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    prompts: tuple[Prompt, ...]
    mask_threshold: float = 0.0
    digest: str = ""
    licence: str = ""


def load_sam(
    weights: Path, record: ModelRecord, device: "str | torch.device" = "cpu", *, build: Callable[[], Sam] | None = None
) -> tuple[Sam, SamPreprocessing]:
    """The `Sam` module of a record with these weights, in evaluation mode, and how images must be prepared for it.

    Args:
        weights: the checkpoint.
        record: which model it is.
        device: where it shall live.
        build: makes the architecture, if it is not the published one.

    Raises:
        WeightsError: the file does not hold this model.
    """
    published = record.files[0]
    digest = checked_digest(weights, published.sha256 if weights.name == published.name else None)
    module: Sam = build() if build else sam_model_registry[record.architecture](checkpoint=None)
    load_state(module, read_state(weights), {}, str(weights))
    module.eval().to(device)
    return module, preprocessing_of(record, digest)


def preprocessing_of(record: ModelRecord, digest: str = "") -> SamPreprocessing:
    """How images are prepared for the segmenter of a record."""
    squashed = record.framing == "squash"
    return SamPreprocessing(
        name=record.name,
        input_size=record.input_size,
        framing="squash" if squashed else "corner",
        stretch=squashed,
        mean=record.mean,
        std=record.std,
        prompts=("box",) if squashed else ("points", "box", "mask"),
        digest=digest,
        licence=record.licence.title,
    )


# --- How files of the family are known --------------------------------------------------------------------------------


def _variant(shapes: Shapes) -> str | None:
    shape = shapes.get("image_encoder.pos_embed", ())  # (1, rows, columns, width)
    return {768: "vit-b", 1024: "vit-l", 1280: "vit-h"}.get(shape[-1]) if shape else None


def candidates(shapes: Shapes, weights: Path) -> Sequence[str]:
    """The records that a file may be of: MedSAM is a ViT-B of SAM with other weights."""
    variant = _variant(shapes)
    return ("sam-vit-b", "medsam") if variant == "vit-b" else (f"sam-{variant}",)


def choose(candidates: Sequence[str], weights: Path) -> str:
    """MedSAM where the file's own name says so; a file of another name is told by importing it as `medsam` first."""
    return "medsam" if "medsam" in weights.name.lower() else "sam-vit-b"


_ENCODER = r"image_encoder\.(pos_embed|patch_embed\.proj\.WB|neck\.\d\.WB|blocks\.\d+\..*)"
_REST = (
    r"prompt_encoder\.(pe_layer|point_embeddings|not_a_point_embed|no_mask_embed|mask_downscaling)\..*",
    r"mask_decoder\.(transformer|iou_token|mask_tokens|output_upscaling|output_hypernetworks_mlps|iou_prediction_head)\..*",
)
NAMINGS: tuple[Naming, ...] = (
    Naming(
        title="Segment Anything", layout="the authors' layout", variant=_variant, names=names(_ENCODER, *_REST),
    ),
    Naming(title="MobileSAM or LiteMedSAM, whose image encoder is a TinyViT", names=names(
        r"image_encoder\.(layers\.\d+|patch_embed\.seq|neck|norm_head|head)\..*", *_REST,
    )),
    Naming(title="SAM-HQ", names=names(
        _ENCODER, *_REST,
        r"mask_decoder\.(hf_token|hf_mlp|compress_vit_feat|embedding_encoder|embedding_maskfeature)\..*",
    )),
    Naming(title="SAM 2", names=names(
        r"image_encoder\.(trunk|neck\.convs)\..*|(memory_attention|memory_encoder)\..*|mask_downsample\.WB",
        r"sam_(prompt_encoder|mask_decoder)\..*|obj_ptr_.*|maskmem_.*|no_(mem|obj)_.*",
    )),
    Naming(title="Segment Anything or MedSAM in Hugging Face layout", names=names(
        r"(shared_image_embedding|vision_encoder)\..*|mask_decoder\..*",
        r"prompt_encoder\.(shared_embedding|mask_embed|no_mask_embed|point_embed|not_a_point_embed)\..*",
    )),
)  # fmt: skip
"""The first is loaded; the others are known by sight."""
