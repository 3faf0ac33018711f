"""The Medical Segmentation Decathlon (medicaldecathlon.com): `TaskNN_Name/dataset.json` with pairs of files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medkt.datasets.case import Case
from medkt.datasets.document import read_document
from medkt.datasets.folder import id_from, listed, require_folder, stem_of
from medkt.datasets.manifest import Manifest
from medkt.datasets.nnunet import label_key
from medkt.errors import InputError


def build(root: str | Path, *, channel: int = 0, label: str = "", concept: str = "", modality: str = "") -> Manifest:
    """The training cases of a task; its test cases have no labels.

    Args:
        root: `TaskNN_Name`.
        channel: of images with several volumes (Task01 has four), which, from 0.
        label: a name of `labels`; all of them together where not given.
        concept: what is looked for; the label's name where not given.
        modality: the domain.

    Raises:
        InputError: the description or a file is missing, or an image is named twice.
    """
    base = require_folder(root)
    file = base / "dataset.json"
    described = read_document(file, needed=("labels", "training", "modality"))
    key = label_key(described["labels"], label, str(file))
    channels = described["modality"]
    if not isinstance(channels, Mapping) or str(channel) not in channels:
        raise InputError(f"{file}: no channel {channel} in modality; there are {channels}")
    volume = channel + 1 if len(channels) > 1 else None
    pairs = [_pair(entry, number, base, file) for number, entry in enumerate(described["training"])]
    missing = [path.name for pair in pairs for path in pair if not path.is_file()]
    if missing:
        raise InputError(f"{file}: {len(missing)} files named there are missing, {listed(missing)}; complete the copy")
    cases = [
        Case(
            case_id=id_from(stem_of(image)), image=image, volume=volume, references=(mask,), reference_kind="mask",
            reference_key=key, concept=concept or label, modality=modality, split="train",
        )
        for image, mask in pairs
    ]  # fmt: skip
    return Manifest(cases=tuple(cases), name=str(described.get("name", base.name)))


def _pair(entry: Any, number: int, base: Path, file: Path) -> tuple[Path, Path]:
    if not isinstance(entry, Mapping) or not {"image", "label"} <= set(entry):
        raise InputError(f"{file}, training[{number}]: expected image and label, got {entry!r}")
    image, mask = base / str(entry["image"]), base / str(entry["label"])
    if stem_of(image) != stem_of(mask):
        raise InputError(f"{file}, training[{number}]: {image.name} goes with {mask.name}; their names should be equal")
    return image, mask
