"""UniToChest: chest CT of 623 patients with masks of lung nodules (Chaudhry et al., ICIAP 2022; zenodo.org/records/5797912).

Layout: `train`, `val` and `test`, each with `images` (one DICOM file a slice), `masks` (PNG) and `<split>_dataset.csv`
with the columns image, mask (empty where the slice has no nodule), patientID, exam and slice.
"""

from pathlib import Path

from medkt.datasets.case import Case
from medkt.datasets.folder import id_from, listed, require_folder
from medkt.datasets.manifest import Manifest
from medkt.errors import InputError
from medkt.io.table import read_rows

SPLITS = ("train", "val", "test")
CONCEPT = "ct_lung_nodules"


def build(root: str | Path, *, nodules_only: bool = True) -> Manifest:
    """One case a slice; the paper takes the slices with a nodule.

    Args:
        root: holds one or more of the splits.
        nodules_only: leave out slices without a mask; else their reference is empty.

    Raises:
        InputError: no split, a wrong table, a file that is missing, or a patient in two splits.
    """
    base = require_folder(root)
    cases: list[Case] = []
    passed = 0
    for split in SPLITS:
        if not (base / split).is_dir():
            continue
        every = _split(base / split, split)
        wanted = [case for case in every if case.present or not nodules_only]
        passed += len(every) - len(wanted)
        cases += wanted
    if not cases:
        raise InputError(
            f"{base}: no slice with a nodule in {', '.join(SPLITS)}; unpack the splits there, or ask for all slices"
        )
    _require_apart(cases, base)
    notes = (f"{passed} slices without a nodule left out",) if passed else ()
    return Manifest(cases=tuple(cases), name="UniToChest", notes=notes)


def _split(folder: Path, split: str) -> list[Case]:
    table = folder / f"{split}_dataset.csv"
    images, masks = require_folder(folder, "images", what="slices"), require_folder(folder, "masks", what="masks")
    cases, named = [], set()
    for row, values in read_rows(table, required=("image", "mask", "patientID", "exam", "slice")):
        image, mask = images / values["image"], masks / values["mask"] if values["mask"] else None
        for column, path in (("image", image), ("mask", mask)):
            if path is not None and not path.is_file():
                raise InputError(
                    f"{table}, row {row}, column {column}: {path.name!r} is not in {path.parent}; complete the copy"
                )
        named.add(values["mask"])
        cases.append(_case(values, image, mask, split))
    orphans = sorted(path.name for path in masks.glob("*.png") if path.name not in named)
    if orphans:
        raise InputError(
            f"{table}: no row names the masks {listed(orphans)} ({len(orphans)}); is the table of this split?"
        )
    return cases


def _case(values: dict[str, str], image: Path, mask: Path | None, split: str) -> Case:
    patient = f"unitochest-{values['patientID']}"
    return Case(
        case_id=id_from(f"{split}-{Path(values['image']).with_suffix('')}"), image=image, patient_id=patient,
        references=() if mask is None else (mask,), reference_kind="empty" if mask is None else "mask", concept=CONCEPT,
        modality="ct", split=split, present=mask is not None,
        columns={"exam": values["exam"], "slice_number": values["slice"]},
    )  # fmt: skip


def _require_apart(cases: list[Case], base: Path) -> None:
    where: dict[str, str] = {}
    for case in cases:
        before = where.setdefault(case.patient_id, case.split)
        if before != case.split:
            raise InputError(
                f"{base}: patient {case.patient_id} is in {before} and in {case.split}; patients belong to one split"
            )
