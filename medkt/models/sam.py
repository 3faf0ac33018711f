"""Segment Anything and MedSAM: Meta's own architecture, loaded without its loader.

Kirillov et al., Segment Anything, ICCV 2023; Ma et al., Segment anything in medical images, Nature Communications 2024.
Meta's builder reads the checkpoint onto the device that it was saved from, which fails without that device, and by an
unrestricted pickle; here the builder makes the architecture alone and the state is read as everywhere else.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from medkt.errors import SettingsError
from medkt.models.records import ModelRecord
from medkt.models.registry import find, say_what_it_is
from medkt.models.sam_parts import Sam, sam_model_registry
from medkt.models.weights import checked_digest, load_state, read_state

Prompt = Literal["points", "box", "mask"]


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
    name_or_path: str | Path, device: "str | torch.device" = "cpu", *, build: Callable[[], Sam] | None = None
) -> tuple[Sam, SamPreprocessing]:
    """A segmenter by name or from a weights file, and how images must be prepared for it.

    A file says which size of SAM it holds, not whether it is MedSAM: that is told by a name "medsam" in the file's own
    name, or by importing it under that name first.

    Args:
        name_or_path: a name such as "sam-vit-b" or "medsam", or a weights file.
        device: where it shall live.
        build: makes the architecture, if it is not the published one.

    Raises:
        UnknownNameError: neither a known name nor a path that exists.
        SettingsError: the small segmenter, which is prepared for by its own module.
        WeightsError: the weights are not here, or are not what they should be.
    """
    record, weights = find(name_or_path, "segmenter")
    if weights is None:
        raise SettingsError(f"{record.name} ships with medkt: load it with medkt.models.registry.load_segmenter_model")
    digest = _digest(weights, record)
    model = _load(weights, record, device, build)
    say_what_it_is(name_or_path, record)
    return model, preprocessing_of(record, digest)


def load_sam_weights(weights: Path, record: ModelRecord, device: "str | torch.device" = "cpu") -> Sam:
    """The `Sam` module of a record with these weights, in evaluation mode.

    Raises:
        WeightsError: the file does not hold this model.
    """
    _digest(weights, record)
    return _load(weights, record, device, None)


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


def _digest(weights: Path, record: ModelRecord) -> str:
    published = record.files[0]
    return checked_digest(weights, published.sha256 if weights.name == published.name else None)


def _load(weights: Path, record: ModelRecord, device: "str | torch.device", build: Callable[[], Sam] | None) -> Sam:
    module: Sam = build() if build else sam_model_registry[record.architecture](checkpoint=None)
    load_state(module, read_state(weights), {}, str(weights))
    module.eval().to(device)
    return module
