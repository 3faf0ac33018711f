"""BUSI: 780 breast ultrasound images, normal, benign and malignant (Al-Dhabyani et al., Data in Brief 2020;28:104863).

Published as `benign/benign (1).png` with `benign (1)_mask.png`, and `_mask_1.png`, `_mask_2.png` where the image shows
several lesions: their union is the reference. Also read: `images/benign_1.png` with `masks/benign_1_mask.png`.
"""

import re
from pathlib import Path

from medkt.datasets.case import Case
from medkt.datasets.folder import files_in, id_from, listed, require_folder
from medkt.datasets.manifest import Manifest
from medkt.errors import InputError

CLASSES = ("benign", "malignant", "normal")
CONCEPT = "us_breast_tumour"
_MASK = re.compile(r"(?P<image>.+)_mask(_\d+)?")


def build(root: str | Path, *, with_normals: bool = True) -> Manifest:
    """One case an image; normal images have an empty reference.

    Args:
        root: `Dataset_BUSI_with_GT`, or a folder with `images` and `masks`.
        with_normals: keep the images without a lesion.

    Raises:
        InputError: a folder is missing, a lesion has no mask, a mask no image, or a name says no class.
    """
    base = require_folder(root)
    flat = (base / "images").is_dir()
    folders = [base / "images", base / "masks"] if flat else [base / name for name in CLASSES]
    images: dict[str, Path] = {}
    masks: dict[str, list[Path]] = {}
    for folder in folders:
        for stem, path in files_in(require_folder(folder, what="BUSI"), (".png",), what="picture").items():
            match = _MASK.fullmatch(stem)
            if match is None:
                images[stem] = path
            else:
                masks.setdefault(match["image"], []).append(path)
    _require_whole(base, images, masks)
    cases = [_case(stem, path, masks.get(stem, [])) for stem, path in images.items()]
    kept = tuple(case for case in cases if with_normals or case.present)
    return Manifest(cases=kept, name="BUSI")


def _require_whole(base: Path, images: dict[str, Path], masks: dict[str, list[Path]]) -> None:
    if not masks:
        raise InputError(f"{base}: no file ends in _mask.png; BUSI's masks are named after their images")
    strange = [stem for stem in images if not stem.startswith(CLASSES)]
    if strange:
        raise InputError(f"{base}: {listed(strange)}: names begin with {', '.join(CLASSES)}; is it BUSI?")
    orphans = [stem for stem in masks if stem not in images]
    if orphans:
        raise InputError(
            f"{base}: masks of {listed(orphans)}, but no such image ({len(orphans)}); restore the image or remove the mask"
        )
    bare = [stem for stem in images if stem not in masks and not stem.startswith("normal")]
    if bare:
        raise InputError(
            f"{base}: no mask for {listed(bare)} ({len(bare)} images); restore it: a lesion without one is no reference"
        )


def _case(stem: str, path: Path, masks: list[Path]) -> Case:
    name = next(one for one in CLASSES if stem.startswith(one))
    lesion = name != "normal"
    return Case(
        case_id=id_from(stem), image=path, references=tuple(masks) if lesion else (),
        reference_kind="mask" if lesion else "empty", concept=CONCEPT, modality="ultrasound", split="test",
        class_name=name, present=lesion,
    )  # fmt: skip
