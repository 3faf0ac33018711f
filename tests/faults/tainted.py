"""Studies that name a patient wherever a file can name anybody, and that fail in every way in which reading fails."""

import gzip
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
from PIL import Image as Picture
from PIL.PngImagePlugin import PngInfo
from pydicom.datadict import DicomDictionary, keyword_for_tag
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import generate_uid

from medkt.datasets.case import Case
from medkt.phantom.study import reference_path, write_study

NAMES = ("Qzxwanda", "Зуркенова", "漏名花子", "Ñandúqx")
TAINT = " ".join(NAMES)
FILE = "_".join(NAMES)
SMALL = {"shape": (4, 24, 20), "spacing_mm": (20.0, 12.0, 14.0)}
_READ = {  # what reading a study rests on: with a text there it is another study, or none
    "SpecificCharacterSet", "Modality", "ImageType", "TransferSyntaxUID", "PatientPosition", "PhotometricInterpretation",
}  # fmt: skip
FREE_TEXT = sorted(
    keyword_for_tag(tag)
    for tag, (kind, count, _, retired, keyword) in DicomDictionary.items()
    if kind in ("LO", "SH", "ST", "LT", "UT", "PN", "UC") and keyword and not retired and tag >> 16 in range(0x08, 0x41)
    and keyword not in _READ
)  # fmt: skip
_SHORT = {entry[4] for entry in DicomDictionary.values() if entry[0] == "SH"}  # 16 characters
CODES = (
    "BodyPartExamined",
    "PixelSpacingCalibrationType",
    "ConversionType",
    "ViewPosition",
    "ScanningSequence",
    "Laterality",
)


def marks() -> set[bytes]:
    """The names in every form in which they might come out, in lower case."""
    found = set()
    for name in NAMES:
        for one in (name, name.lower(), name.upper()):
            found |= {one.encode(), one.encode("utf-16-le"), json.dumps(one)[1:-1].encode()}
            found |= {one.encode("latin-1")} if one.isascii() or name == NAMES[3] else set()
    return {one.lower() for one in found}


def taint(header: Dataset) -> None:
    """The names in every text element that DICOM knows, in codes, in a sequence and in private elements."""
    header.SpecificCharacterSet = "ISO_IR 192"
    for number, keyword in enumerate(FREE_TEXT):
        setattr(header, keyword, NAMES[number % 4] if keyword in _SHORT else TAINT)
    for keyword in CODES:
        setattr(header, keyword, NAMES[0].upper())
    header.ImageType = ["ORIGINAL", "PRIMARY", NAMES[0].upper()]
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = NAMES[0], "99X", TAINT
    header.AnatomicRegionSequence = Items([item])
    header.private_block(0x0099, NAMES[0], create=True).add_new(1, "LO", TAINT)
    header.WindowCenter, header.WindowWidth, header.WindowCenterWidthExplanation = 40, 400, TAINT


def dicom(folder: Path, change: Callable[[Dataset, int], None] | None = None, seed: int = 0) -> Path:
    """A series of four slices whose headers and files name the patient."""
    study = write_study(folder, domain="ct", finding="ct_nodule", seed=seed, format="dicom", **SMALL)  # type: ignore[arg-type]
    for number, file in enumerate(sorted(study.glob("*.dcm"))):
        header = pydicom.dcmread(file)
        taint(header)
        if change is not None:
            change(header, number)
        header.save_as(file.with_name(f"{number} {FILE}.dcm"))
        file.unlink()
    return study


def nifti(folder: Path, change: Callable[[np.ndarray], np.ndarray] | None = None) -> Path:
    """A volume whose header and extension name the patient."""
    study = write_study(folder, domain="ct", finding="ct_nodule", seed=1, format="nifti", **SMALL)  # type: ignore[arg-type]
    stored = nib.load(study)
    values = np.asarray(stored.dataobj).astype(np.float32)
    made = nib.Nifti1Image(values if change is None else change(values), stored.affine)
    made.header.set_xyzt_units("mm")
    for field, size in (("descrip", 79), ("aux_file", 23), ("intent_name", 15), ("db_name", 17)):
        made.header[field] = TAINT.encode()[:size].decode("utf-8", "ignore").encode()
    made.header.extensions.append(nib.nifti1.Nifti1Extension("comment", TAINT.encode()))
    target = study.with_name(f"{FILE}.nii.gz")
    nib.save(made, target)
    target.with_name(f"{FILE}.json").write_text(json.dumps({"PatientName": TAINT, "Modality": TAINT}))
    return target


def picture(folder: Path) -> Path:
    """A film whose text chunks and EXIF name the patient."""
    study = write_study(folder, domain="ultrasound", finding="us_cyst", seed=1, format="png", side=40)
    text = PngInfo()
    text.add_text("Patient", TAINT, zip=True)
    text.add_itxt("Comment", TAINT)
    target = study.with_name(f"{FILE}.png")
    with Picture.open(study) as shown:
        exif = shown.getexif()
        exif[0x010E] = TAINT
        shown.save(target, pnginfo=text, exif=exif)
    return target


def sound(root: Path) -> list[Case]:
    """Three studies that are segmented, each of another format, with references."""
    made = (
        (dicom(root / f"a {FILE}"), "ct", "ct_nodule"), (nifti(root / f"b {FILE}"), "ct", "ct_nodule"),
        (picture(root / f"c {FILE}"), "ultrasound", "us_cyst"),
    )  # fmt: skip
    return [
        Case(
            case_id=f"{NAMES[0]}-{number}", patient_id=TAINT, image=path, modality=kind, concept=concept,
            references=(reference_path(path),), reference_kind="mask",
        )
        for number, (path, kind, concept) in enumerate(made)
    ]  # fmt: skip


def failing(root: Path) -> dict[str, Case]:
    """What is wrong -> a case that fails for it; each names the patient where the reader meets it."""
    series, volume, film = (case.image for case in sound(root / "of"))
    paths = {what: root / f"{what} {FILE}" for what in _LAID}
    for what, path in paths.items():
        _LAID[what](path, series)
    cases = {
        what: Case(case_id=f"{NAMES[0]}-{what}".replace(" ", "-"), image=path, concept="ct_nodule", modality="ct")
        for what, path in paths.items()
    }

    def case(what: str, **values: object) -> None:
        held = {"image": volume, "concept": "ct_nodule", "modality": "ct", **values}
        cases[what] = Case(case_id=f"{NAMES[0]}-{what}".replace(" ", "-"), **held)  # type: ignore[arg-type]

    case("absent", image=root / f"{FILE}.dcm")
    case("nan", image=nifti(root / f"nan {FILE}", lambda v: np.where(v > v.mean(), np.nan, v)))
    case("4d", image=nifti(root / f"4d {FILE}", lambda v: np.stack([v, v], axis=-1)))
    case("complex", image=nifti(root / f"complex {FILE}", lambda v: v.astype(np.complex64)))
    case("series", image=series, series=TAINT)
    case("volume", image=series, volume=TAINT)
    case("slice", image=volume, slice_index=99)
    case("label", references=(reference_path(volume),), reference_kind="mask", reference_key="7")
    case("grid", references=(film,), reference_kind="mask")
    case("mask", references=(root / f"mask {FILE}.nii.gz",), reference_kind="mask")
    (root / f"mask {FILE}.nii.gz").write_bytes(gzip.compress(TAINT.encode() * 100))
    document = root / f"{FILE}.json"
    document.write_text(json.dumps({"images": [{"id": TAINT}], "annotations": [], TAINT: 1}))
    case("coco", image=film, references=(document,), reference_kind="coco", reference_key=TAINT)
    table = root / f"{FILE}.csv"
    table.write_text(f"ImageId,EncodedPixels\n{TAINT},{TAINT}\n", encoding="utf-8")
    case("rle", image=film, references=(table,), reference_kind="rle", reference_key=TAINT)
    case("rtstruct", references=(series / f"0 {FILE}.dcm",), reference_kind="rtstruct", reference_key=TAINT)
    return cases


def _cut(path: Path, series: Path) -> None:
    content = (series / f"0 {FILE}.dcm").read_bytes()
    path.write_bytes(content[: len(content) - 300])


def _cut_inside(path: Path, series: Path) -> None:
    shutil.copytree(series, path)
    inside = path / f"2 {FILE}.dcm"
    inside.write_bytes(inside.read_bytes()[:-300])


def _empty_inside(path: Path, series: Path) -> None:
    shutil.copytree(series, path)
    (path / f"2 {FILE}.dcm").write_bytes(b"")


def _gap(path: Path, series: Path) -> None:
    shutil.copytree(series, path)
    order = sorted(path.glob("*.dcm"), key=lambda file: float(pydicom.dcmread(file).ImagePositionPatient[2]))
    order[1].unlink()


def _two(path: Path, series: Path) -> None:
    shutil.copytree(series, path)
    dicom(path / FILE, lambda header, n: setattr(header, "SeriesInstanceUID", "1.2.3.4"), seed=3)


def _volumes(path: Path, series: Path) -> None:
    shutil.copytree(series, path)
    for file in sorted(series.glob("*.dcm")):
        header = pydicom.dcmread(file)
        header.ImageType = ["DERIVED", "SECONDARY", NAMES[0].upper()]
        header.SOPInstanceUID = generate_uid(entropy_srcs=[header.SOPInstanceUID])
        header.save_as(path / f"again {file.name}")


def _no_picture(path: Path, series: Path) -> None:
    path.mkdir()
    header = pydicom.dcmread(series / f"0 {FILE}.dcm")
    del header.PixelData, header.Rows, header.Columns
    header.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
    header.save_as(path / f"{FILE}.dcm")


def _syntax(path: Path, series: Path) -> None:
    header = pydicom.dcmread(series / f"0 {FILE}.dcm")
    header.BitsAllocated = 13
    header.save_as(path)


def _archive(path: Path, series: Path) -> None:
    with zipfile.ZipFile(path, "w") as packed:
        for name in ("one", "two"):
            packed.writestr(f"{FILE}/{name} {FILE}.png", b"\x89PNG" + TAINT.encode())
        packed.comment = TAINT.encode()


def _out_of_archive(path: Path, series: Path) -> None:
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr(f"../{FILE}.dcm", TAINT)


_LAID: dict[str, Callable[[Path, Path], None]] = {
    "cut": _cut, "cut inside": _cut_inside, "empty inside": _empty_inside, "gap": _gap, "two": _two, "volumes": _volumes,
    "no picture": _no_picture, "syntax": _syntax, "archive": _archive, "out of the archive": _out_of_archive,
    "empty": lambda path, series: path.write_bytes(b"") and None, "text": lambda path, series: path.write_text(TAINT) and None,
    "folder": lambda path, series: path.mkdir(),
}  # fmt: skip
