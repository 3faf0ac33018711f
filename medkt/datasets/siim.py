"""SIIM-ACR Pneumothorax Segmentation (Kaggle 2019; Zawacki et al.): DICOM radiographs and a CSV of run lengths.

Layout: `train-rle.csv` with ImageId and EncodedPixels (the first release writes a space before the second name), and
`dicom-images-train/<study>/<series>/<ImageId>.dcm`, 1024 x 1024 pixels.
"""

from pathlib import Path

from medkt.datasets.case import Case
from medkt.datasets.folder import files_below, listed, require_folder
from medkt.datasets.manifest import Manifest
from medkt.datasets.rle import NOTHING, siim_rows
from medkt.errors import AmbiguousInputError, InputError
from medkt.io.dicom_header import read_header, text

CONCEPT = "cxr_pneumothorax"


def build(root: str | Path, *, table: str = "", positives_only: bool = False) -> Manifest:
    """One case an image of the CSV; those with "-1" have an empty reference and `present` 0.

    Args:
        root: holds the CSV and, at any depth, the DICOM files.
        table: the CSV below `root`, where there are several.
        positives_only: leave out images without a pneumothorax.

    Sex and projection come from the DICOM headers.

    Raises:
        InputError: no CSV, a wrong header, an image without a file. AmbiguousInputError: several CSV files.
    """
    base = require_folder(root)
    file = _table(base, table)
    rows, images = siim_rows(file), files_below(base, (".dcm",))
    if not images:
        raise InputError(f"{base}: no .dcm file below it; unpack dicom-images-train there")
    missing = [name for name in rows if name not in images]
    if missing:
        raise InputError(
            f"{file}: {len(missing)} of {len(rows)} images have no .dcm file, {listed(missing)}; complete the copy"
        )
    wanted = [name for name, runs in rows.items() if not positives_only or NOTHING not in runs]
    cases = tuple(_case(name, images[name], file, present=NOTHING not in rows[name]) for name in wanted)
    extra = len(images) - len(rows)
    notes = (f"{extra} DICOM files without a row left out",) if extra else ()
    return Manifest(cases=cases, name="SIIM-ACR Pneumothorax", notes=notes)


def _case(name: str, path: Path, file: Path, *, present: bool) -> Case:
    header = read_header(path, str(path))
    columns = {"sex": text(header, "PatientSex"), "projection": text(header, "ViewPosition")}
    return Case(
        case_id=name, image=path, references=(file,), reference_kind="rle", reference_key=name, concept=CONCEPT,
        modality="cxr", split="test", present=present, columns=columns,
    )  # fmt: skip


def _table(base: Path, given: str) -> Path:
    if given:
        return base / given
    found = sorted(path for path in base.glob("*.csv") if "sample_submission" not in path.name)
    if not found:
        raise InputError(f"{base}: no CSV of run lengths; it is train-rle.csv or stage_2_train.csv")
    if len(found) > 1:
        raise AmbiguousInputError(
            f"{base}: {len(found)} CSV files ({listed([path.name for path in found])}); name one as table"
        )
    return found[0]
