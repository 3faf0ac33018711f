"""A folder of pictures with a COCO annotation file."""

from pathlib import Path

from medkt.datasets.case import Case
from medkt.datasets.coco import CocoFile, read_coco
from medkt.datasets.folder import id_from, listed, require_folder
from medkt.datasets.manifest import Manifest
from medkt.errors import AmbiguousInputError, InputError


def build(
    root: str | Path, *, annotations: str = "", category: str = "", concept: str = "", modality: str = ""
) -> Manifest:
    """One case an image of the file; images without an annotation of the category have an empty outline.

    Args:
        root: holds the JSON file and, in `images` or itself, the pictures.
        annotations: the JSON file below `root`, where there are several.
        category: its name; not needed where there is only one.
        concept: what is looked for; the category's name where not given.
        modality: the domain.

    Raises:
        InputError: a picture or the category is missing. AmbiguousInputError: several files or categories.
    """
    base = require_folder(root)
    file = base / annotations if annotations else _only_json(base)
    known = read_coco(file)
    number = _category(known, category, str(file))
    folder = base / "images" if (base / "images").is_dir() else base
    missing = [
        str(entry["file_name"]) for entry in known.images.values() if not (folder / entry["file_name"]).is_file()
    ]
    if missing:
        raise InputError(f"{file}: {len(missing)} pictures are not in {folder}, {listed(missing)}; complete the copy")
    cases = [
        Case(
            case_id=id_from(str(Path(entry["file_name"]).with_suffix(""))), image=folder / entry["file_name"],
            references=(file,), reference_kind="coco", reference_key=f"{image}:{number}",
            concept=concept or known.categories[number], modality=modality, split="test",
            present=any(item["category_id"] == number for item in known.annotations.get(image, ())),
        )
        for image, entry in known.images.items()
    ]  # fmt: skip
    return Manifest(cases=tuple(cases), name=base.name)


def _only_json(base: Path) -> Path:
    found = sorted(base.glob("*.json"))
    if len(found) == 1:
        return found[0]
    if not found:
        raise InputError(f"{base}: no annotation file (.json); name it as annotations")
    raise AmbiguousInputError(f"{base}: {len(found)} JSON files ({listed([path.name for path in found])}); name one")


def _category(known: CocoFile, wanted: str, shown: str) -> int:
    if not wanted and len(known.categories) > 1:
        raise AmbiguousInputError(
            f"{shown}: {len(known.categories)} categories ({listed(list(known.categories.values()))}); name one"
        )
    for number, name in known.categories.items():
        if wanted in ("", name):
            return number
    raise InputError(f"{shown}: no category {wanted!r}; there are {listed(list(known.categories.values())) or 'none'}")
