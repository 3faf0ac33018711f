"""UDIAT, also Dataset B: 163 breast ultrasound images, 110 benign and 53 malignant (Yap et al., IEEE JBHI 2018;22:1218).

The paper counts 54 malignant ones. Given on request only. Layout: `original/000001.png` and `GT/000001.png`; the table
`DatasetB.xlsx` saved as `DatasetB.csv` with the columns Image and Type brings the class.
"""

from pathlib import Path

from medkt.datasets.case import Case
from medkt.datasets.folder import PICTURES, files_in, id_from, require_folder, require_pairs
from medkt.datasets.manifest import Manifest
from medkt.errors import InputError
from medkt.io.table import read_rows

CONCEPT = "us_breast_tumour"
TABLE = "DatasetB.csv"
KINDS = {"benign": "benign", "malignant": "malignant"}


def build(root: str | Path) -> Manifest:
    """One case an image of `original`, with the mask of the same name in `GT`.

    Raises:
        InputError: a folder or a counterpart is missing, or the table lacks an image or says another class.
    """
    base = require_folder(root)
    first, second = require_folder(base, "original", what="images"), require_folder(base, "GT", what="masks")
    images, masks = files_in(first, PICTURES, what="image"), files_in(second, PICTURES, what="mask")
    require_pairs(images, masks, names=("image", "mask"), folders=(first, second))
    kinds = _kinds(base / TABLE, list(images))
    cases = [
        Case(
            case_id=id_from(stem), image=path, references=(masks[stem],), reference_kind="mask", concept=CONCEPT,
            modality="ultrasound", split="test", class_name=kinds.get(stem, ""), present=True,
        )
        for stem, path in images.items()
    ]  # fmt: skip
    notes = () if kinds else (f"no {TABLE}: benign and malignant are not told apart",)
    return Manifest(cases=tuple(cases), name="UDIAT", notes=notes)


def _kinds(path: Path, names: list[str]) -> dict[str, str]:
    if not path.is_file():
        return {}
    found: dict[str, str] = {}
    for row, values in read_rows(path, required=("Image", "Type")):
        stem, kind = Path(values["Image"]).stem.zfill(6), values["Type"].lower()
        if kind not in KINDS:
            raise InputError(f"{path}, row {row}, column Type: expected Benign or Malignant, got {values['Type']!r}")
        if stem in found:
            raise InputError(f"{path}, row {row}, column Image: {stem} stands twice; keep one row")
        found[stem] = kind
    missing = [name for name in names if name not in found]
    if missing:
        raise InputError(f"{path}: no row for image {missing[0]} ({len(missing)} of {len(names)}); complete the table")
    return found
