"""Two folders, images and masks, whose files have the same names."""

from pathlib import Path

from medkt.datasets.case import Case
from medkt.datasets.folder import PICTURES, VOLUMES, files_in, ids_from, listed, require_folder, require_pairs
from medkt.datasets.manifest import Manifest
from medkt.errors import InputError

IMAGES, MASKS = ("images", "image", "imgs"), ("masks", "labels", "mask", "label", "segmentations")


def build(
    root: str | Path, *, images: str = "", masks: str = "", key: str = "", concept: str = "", modality: str = "",
    split: str = "test",
) -> Manifest:  # fmt: skip
    """One case a file of the folder of images, with the mask of the same name.

    Args:
        root: holds both folders.
        images: the folder of images below it; found as `images` where not given.
        masks: the folder of masks; found as `masks` or `labels`.
        key: which values of a mask are inside, see `Case.reference_key`; their only label by default.
        concept: what the masks outline.
        modality: the domain.
        split: given to every case.

    Raises:
        InputError: a folder is missing, empty or ambiguous, or files have no counterpart.
    """
    base = require_folder(root)
    first, second = _folder(base, images, IMAGES, "images"), _folder(base, masks, MASKS, "masks")
    shown = files_in(first, (*VOLUMES, *PICTURES), what="image")
    outlined = files_in(second, (*VOLUMES, *PICTURES), what="mask")
    require_pairs(shown, outlined, names=("image", "mask"), folders=(first, second))
    ids = ids_from(list(shown))
    cases = [
        Case(
            case_id=ids[stem], image=path, references=(outlined[stem],), reference_kind="mask", reference_key=key,
            concept=concept, modality=modality, split=split,
        )
        for stem, path in shown.items()
    ]  # fmt: skip
    return Manifest(cases=tuple(cases), name=base.name)


def _folder(base: Path, given: str, usual: tuple[str, ...], what: str) -> Path:
    if given:
        return require_folder(base, given, what=what)
    found = [name for name in usual if (base / name).is_dir()]
    if len(found) != 1:
        here = listed(sorted(path.name for path in base.iterdir())) or "nothing"
        raise InputError(f"{base}: {len(found)} folders of {what} (of {', '.join(usual)}); name it. It holds {here}")
    return base / found[0]
