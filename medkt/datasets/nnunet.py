"""The layout of nnU-Net, version 2 and version 1 (documentation/dataset_format.md of MIC-DKFZ/nnUNet)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medkt.datasets.case import Case
from medkt.datasets.document import read_document
from medkt.datasets.folder import files_in, id_from, require_folder, require_pairs
from medkt.datasets.manifest import Manifest
from medkt.errors import InputError
from medkt.io.mask_choice import EVERY

FOLDERS = {"train": ("imagesTr", "labelsTr"), "test": ("imagesTs", "labelsTs")}


def build(root: str | Path, *, channel: int = 0, label: str = "", concept: str = "", modality: str = "") -> Manifest:
    """Cases of `imagesTr` (split "train") and, where they have labels, of `imagesTs` ("test").

    Args:
        root: `DatasetXXX_Name`, with `dataset.json`.
        channel: which of the files `NAME_0000`, `NAME_0001`, ... is looked at.
        label: a name of `labels` in `dataset.json`; all of them together where not given.
        concept: what is looked for; the label's name where not given.
        modality: the domain.

    Raises:
        InputError: a folder, the channel or the label is missing; files without a counterpart.
    """
    base = require_folder(root)
    file = base / "dataset.json"
    described = read_document(file, needed=("labels",))
    key = label_key(described["labels"], label, str(file))
    suffix = str(described.get("file_ending", ".nii.gz"))
    _require_channel(described, channel, str(file))
    cases: list[Case] = []
    for split, (images, labels) in FOLDERS.items():
        if split == "test" and not (base / labels).is_dir():
            continue
        first, second = require_folder(base, images, what="images"), require_folder(base, labels, what="labels")
        ending = f"_{channel:04d}"
        found = files_in(first, (suffix,), what="image")
        shown = {stem.removesuffix(ending): path for stem, path in found.items() if stem.endswith(ending)}
        if not shown:
            raise InputError(
                f"{first}: no file ends in {ending}{suffix}; nnU-Net's images carry their channel's number"
            )
        outlined = files_in(second, (suffix,), what="label")
        require_pairs(shown, outlined, names=("image", "label"), folders=(first, second))
        cases += [
            Case(
                case_id=id_from(stem), image=path, references=(outlined[stem],), reference_kind="mask",
                reference_key=key, concept=concept or label, modality=modality, split=split,
            )
            for stem, path in shown.items()
        ]  # fmt: skip
    _require_count(described, cases, str(file))
    return Manifest(cases=tuple(cases), name=str(described.get("name", base.name)))


def label_key(labels: Any, wanted: str, shown: str) -> str:
    """The label values of a name as a `reference_key`; without a name "all", which the result table then says.

    Version 2 maps names to numbers (or lists of them: regions), version 1 and the Decathlon numbers to names.

    Raises:
        InputError: no mapping, or no such name.
    """
    if not isinstance(labels, Mapping):
        raise InputError(f"{shown}, labels: expected names and numbers, got {type(labels).__name__}")
    by_name = {
        str(value) if str(key).isdecimal() else str(key): key if str(key).isdecimal() else value
        for key, value in labels.items()
    }
    if not wanted:
        return EVERY
    if wanted not in by_name:
        raise InputError(f"{shown}, labels: no {wanted!r}; there are {', '.join(by_name)}")
    value = by_name[wanted]
    return "+".join(str(one) for one in value) if isinstance(value, list) else str(value)


def _require_channel(described: Mapping[str, Any], channel: int, shown: str) -> None:
    names = described.get("channel_names", described.get("modality"))
    if isinstance(names, Mapping) and str(channel) not in names:
        raise InputError(f"{shown}: no channel {channel}; there are {dict(names)}")


def _require_count(described: Mapping[str, Any], cases: list[Case], shown: str) -> None:
    stated, found = described.get("numTraining"), sum(case.split == "train" for case in cases)
    if isinstance(stated, int) and stated != found:
        raise InputError(f"{shown}: numTraining is {stated}, imagesTr has {found} cases; complete the copy")
