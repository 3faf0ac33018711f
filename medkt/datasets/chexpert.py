"""CheXpert-5x200: 200 radiographs of each of five findings, each image with exactly one (Huang et al., GLoRIA, ICCV 2021).

The images are CheXpert's (Irvin et al., AAAI 2019); which ones is a table: GLoRIA's `chexpert_5x200.csv` has a column
Path, MedCLIP's `chexpert-5x200-meta.csv` a column imgpath, both with one 0/1 column a finding. The paper's
CheXpert-5x200c is such a table; it does not print it.
"""

import re
from pathlib import Path

from medkt.datasets.case import Case
from medkt.datasets.folder import id_from, listed, require_folder
from medkt.datasets.manifest import Manifest
from medkt.errors import AmbiguousInputError, InputError
from medkt.io.table import TextRow, read_rows

CLASSES = {
    "Atelectasis": "cxr_atelectasis",
    "Cardiomegaly": "cxr_cardiomegaly",
    "Consolidation": "cxr_consolidation",
    "Edema": "cxr_oedema",
    "Pleural Effusion": "cxr_effusion",
}
PATHS = ("Path", "imgpath")
_PATIENT = re.compile(r"patient\d+")
_YES = {"1": True, "1.0": True, "0": False, "0.0": False, "": False}


def build(root: str | Path, *, table: str = "") -> Manifest:
    """One case a row; its class is the one finding that is 1.

    Args:
        root: holds the table and the images; paths in the table may begin with `CheXpert-v1.0/` or the like.
        table: the CSV below `root`, where there are several.

    Raises:
        InputError: a column or an image is missing, a row has no or several findings, an image stands twice.
    """
    base = require_folder(root)
    file = base / table if table else _only_csv(base)
    cases: list[Case] = []
    seen: dict[Path, int] = {}
    for row, values in read_rows(file, required=tuple(CLASSES)):
        column = _path_column(values, file)
        image = _image(base, values[column], f"{file}, row {row}, column {column}")
        if image in seen:
            raise InputError(
                f"{file}, row {row}, column {column}: the image stands already at row {seen[image]}; keep one"
            )
        seen[image] = row
        cases.append(_case(base, image, _class(values, f"{file}, row {row}"), values))
    counts = {name: sum(case.class_name == name for case in cases) for name in CLASSES}
    absent = [name for name, count in counts.items() if not count]
    if absent:
        raise InputError(f"{file}: no image of {listed(absent)}; the task has five classes")
    uneven = (f"classes of unequal size: {counts}",) if len(set(counts.values())) > 1 else ()
    return Manifest(cases=tuple(cases), name="CheXpert-5x200", notes=uneven)


def _case(base: Path, image: Path, name: str, values: TextRow) -> Case:
    inner = image.relative_to(base).with_suffix("")
    patient = _PATIENT.search(image.as_posix())
    columns = {ours: values[theirs] for ours, theirs in (("sex", "Sex"), ("age", "Age")) if values.get(theirs)}
    return Case(
        case_id=id_from(inner.as_posix()), image=image, patient_id=patient[0] if patient else "", modality="cxr",
        split="test", class_name=name, concept=CLASSES[name], present=True, columns=columns,
    )  # fmt: skip


def _class(values: TextRow, where: str) -> str:
    positive = []
    for name in CLASSES:
        if values[name] not in _YES:
            raise InputError(
                f"{where}, column {name}: expected 0 or 1, got {values[name]!r} (uncertain rows do not belong)"
            )
        if _YES[values[name]]:
            positive.append(name)
    if len(positive) != 1:
        raise InputError(
            f"{where}: {len(positive)} findings ({listed(positive) or 'none'}), expected exactly one of five"
        )
    return positive[0]


def _image(base: Path, given: str, where: str) -> Path:
    """The file, with as much of the path's beginning left out as needed."""
    parts = Path(given.replace("\\", "/")).parts
    for start in range(len(parts)):
        candidate = base.joinpath(*[part for part in parts[start:] if part not in ("/", "..", ".")])
        if candidate.is_file():
            return candidate
    raise InputError(f"{where}: no image {given!r} below {base}; put the table beside the folder of the images")


def _path_column(values: TextRow, file: Path) -> str:
    for name in PATHS:
        if name in values:
            return name
    raise InputError(f"{file}, row 1: no column {' or '.join(PATHS)}; it names the image")


def _only_csv(base: Path) -> Path:
    found = sorted(base.glob("*.csv"))
    named = [path for path in found if "5x200" in path.name] or found
    if len(named) == 1:
        return named[0]
    if not named:
        raise InputError(f"{base}: no table of the images (.csv); it is GLoRIA's chexpert_5x200.csv or one like it")
    raise AmbiguousInputError(
        f"{base}: {len(named)} tables ({listed([path.name for path in named])}); name one as table"
    )
