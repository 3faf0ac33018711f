"""The layout of MedCLIP-SAMv2: `train_images`, `train_masks`, `val_images`, ... with equal file names.

Koleilat et al., Medical Image Analysis 2025; repository HealthX-Lab/MedCLIP-SAMv2, README. Its evaluation reads masks as
grey pictures and takes what is brighter than 200, so that a 0/1 mask would be empty; here such a mask is an error.
"""

from pathlib import Path

from medkt.datasets.case import Case
from medkt.datasets.folder import PICTURES, files_in, id_from, listed, require_folder, require_pairs
from medkt.datasets.manifest import Manifest
from medkt.errors import InputError

SPLITS = ("train", "val", "test")
THRESHOLD = ">200"


def build(root: str | Path, *, concept: str = "", modality: str = "", key: str = THRESHOLD) -> Manifest:
    """The cases of every split that is there.

    Args:
        root: holds `test_images` and `test_masks`, and perhaps those of `train` and `val`.
        concept: what the masks outline.
        modality: the domain.
        key: which values are inside; above 200, as there.

    Raises:
        InputError: no split, half of one, files without a counterpart, or one name in two splits.
    """
    base = require_folder(root)
    cases: list[Case] = []
    for split in SPLITS:
        first, second = base / f"{split}_images", base / f"{split}_masks"
        if not first.is_dir() and not second.is_dir():
            continue
        require_folder(first, what="images")
        require_folder(second, what="masks")
        shown, outlined = files_in(first, PICTURES, what="image"), files_in(second, PICTURES, what="mask")
        require_pairs(shown, outlined, names=("image", "mask"), folders=(first, second))
        cases += [
            Case(
                case_id=f"{split}-{id_from(stem)}", image=path, references=(outlined[stem],), reference_kind="mask",
                reference_key=key, concept=concept, modality=modality, split=split,
            )
            for stem, path in shown.items()
        ]  # fmt: skip
    if not cases:
        here = listed(sorted(path.name for path in base.iterdir())) or "nothing"
        raise InputError(f"{base}: no test_images and test_masks (nor train, val); it holds {here}")
    _require_apart(cases, base)
    return Manifest(cases=tuple(cases), name=base.name)


def _require_apart(cases: list[Case], base: Path) -> None:
    """An image in two splits would be tuned on and tested on."""
    where: dict[str, str] = {}
    for case in cases:
        before = where.setdefault(case.image.name, case.split)
        if before != case.split:
            raise InputError(f"{base}: {case.image.name} is in {before} and in {case.split}; keep it in one")
