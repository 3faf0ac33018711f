"""Nothing that a cohort writes or says names a patient: every output is searched for what was planted in its inputs.

The rule for DICOM SEG: it is an object of the patient's own study (PS3.3, A.51), so it holds the patient module and the
study module of its source and the UIDs that it refers to, in `OF_A_SEG`, and nothing else that was planted. It is written
only where it is asked for. All other files hold none of it, UIDs included.
"""

import base64
import gzip
import json
import re
import shutil
import sqlite3
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import nibabel as nib
import pyarrow.parquet as pq
import pydicom
import pytest
from PIL import Image as Picture
from PIL.PngImagePlugin import PngInfo
from whole_line import Command

from medkt.datasets.case import Case
from medkt.datasets.manifest import write_manifest
from medkt.phantom.study import reference_path, write_study

from .inline_engine import inline

__all__ = ["inline"]
pytestmark = pytest.mark.usefixtures("inline")  # `test_batch.py` searches what a worker process leaves

CHEAP = (
    "--set",
    "m2ib.steps=1",
    "--set",
    "m2ib.samples=1",
    "--set",
    "map.max_slices=1",
    "--set",
    "presence.gate=false",
)
FEW = ("--resamples", "200")
FOLDER = "PLANTEDFOLDER^QUENTIN"
PLANTED = {
    "PatientName": "PLANTEDFAMILY^PLANTEDGIVEN",
    "OtherPatientNames": "PLANTEDMAIDEN^PLANTEDGIVEN",
    "PatientID": "MRN-77410932",
    "PatientBirthDate": "19620304",
    "PatientAddress": "PLANTEDSTREET 17",
    "PatientTelephoneNumbers": "0049-7741-556677",
    "PatientComments": "PLANTEDCOMMENT of the ward",
    "AccessionNumber": "ACC-88412345",
    "StudyDate": "20190817",
    "SeriesDate": "20190818",
    "AcquisitionDate": "20190819",
    "ContentDate": "20190820",
    "StudyTime": "101112.131415",
    "StudyID": "SID-33127",
    "InstitutionName": "PLANTED HOSPITAL",
    "InstitutionAddress": "PLANTEDROAD 4",
    "ReferringPhysicianName": "PLANTEDREFERRER^R",
    "PerformingPhysicianName": "PLANTEDPERFORMER^P",
    "OperatorsName": "PLANTEDOPERATOR^O",
    "StationName": "PLANTEDSTATION",
    "DeviceSerialNumber": "SERIAL-5518823",
    "StudyDescription": "PLANTEDSTUDYTEXT",
    "SeriesDescription": "PLANTEDSERIESTEXT",
    "ImageComments": "PLANTEDIMAGETEXT",
}
OF_A_SEG = {
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyDate", "StudyTime", "StudyID",
    "ReferringPhysicianName", "StudyInstanceUID", "SeriesInstanceUID", "ReferencedSOPInstanceUID", "FrameOfReferenceUID",
}  # fmt: skip


def plant(path: Path) -> set[str]:
    """Write the identifiers into a DICOM file or each of a folder, some of them in private places; gives its UIDs."""
    uids = set()
    for file in [path] if path.is_file() else sorted(path.rglob("*.dcm")):
        ds = pydicom.dcmread(file)
        for keyword, value in PLANTED.items():
            setattr(ds, keyword, value)
        block = ds.private_block(0x0099, "PLANTEDVENDOR", create=True)
        block.add_new(1, "LO", "PLANTEDPRIVATE")
        ds.save_as(file)
        uids |= {str(ds.StudyInstanceUID), str(ds.SeriesInstanceUID), str(ds.SOPInstanceUID)}
    return uids


def dicom_cases(root: Path) -> tuple[list[Case], set[str]]:
    """Two sound studies with references, and four that fail, each in another way."""
    cases, uids = [], set()
    for number, (domain, finding) in enumerate((("ct", "ct_nodule"), ("ultrasound", "us_cyst"))):
        study = write_study(
            root / FOLDER / f"PLANTEDFILE-{number}", domain=domain, finding=finding, seed=number, format="dicom",  # type: ignore[arg-type]
            shape=(4, 40, 32), spacing_mm=(20.0, 8.0, 9.0), side=48,
        )  # fmt: skip
        uids |= plant(study)
        cases.append(
            Case(
                case_id=f"MRN-77410932-{number}", patient_id="MRN-77410932", image=study, modality=domain, concept=finding,
                references=(reference_path(study),), reference_kind="mask",
                columns={"sex": "F", "name": "PLANTEDFAMILY"},
            )
        )  # fmt: skip
    failing = {name: root / FOLDER / f"PLANTEDFILE-{name}" for name in ("cut", "gap", "two", "absent")}
    slices = sorted(cases[0].image.glob("*.dcm"), key=lambda file: pydicom.dcmread(file).ImagePositionPatient[2])
    content = slices[0].read_bytes()
    failing["cut"].write_bytes(content[: len(content) // 2])
    failing["gap"].mkdir()
    for place in (0, 1, 3):
        shutil.copy(slices[place], failing["gap"])
    shutil.copytree(cases[0].image, failing["two"])
    shutil.copy(cases[1].image, failing["two"] / "other.dcm")
    failed = [
        replace(cases[0], case_id=f"MRN-77410932-{name}", image=path, references=(), reference_kind="empty")
        for name, path in failing.items()
    ]
    return [*cases, *failed], uids


def other_cases(root: Path) -> list[Case]:
    """A NIfTI whose header and a PNG whose text chunks name the patient."""
    small = {"shape": (4, 40, 32), "spacing_mm": (20.0, 8.0, 9.0)}
    volume = write_study(root / FOLDER / "v", domain="ct", finding="ct_nodule", seed=1, format="nifti", **small)  # type: ignore[arg-type]
    named = nib.load(volume)
    named.header["descrip"], named.header["db_name"], named.header["aux_file"] = (
        b"PLANTEDDESCRIP",
        b"PLANTEDDB",
        b"PLANTEDAUX",
    )
    nib.save(nib.Nifti1Image(named.get_fdata(), named.affine, named.header), volume.with_name("PLANTEDFAMILY.nii.gz"))
    picture = write_study(root / FOLDER / "p", domain="ultrasound", finding="us_cyst", seed=1, format="png", side=48)
    text = PngInfo()
    text.add_text("Patient", "PLANTEDFAMILY PLANTEDGIVEN", zip=True)
    with Picture.open(picture) as shown:
        shown.save(picture.with_name("PLANTEDFAMILY.png"), pnginfo=text)
    made = ((volume, ".nii.gz", "ct", "ct_nodule"), (picture, ".png", "ultrasound", "us_cyst"))
    return [
        Case(
            case_id=f"ACC-88412345-{domain}", image=path.with_name(f"PLANTEDFAMILY{suffix}"), modality=domain,
            concept=concept, references=(reference_path(path),), reference_kind="mask",
        )
        for path, suffix, domain, concept in made
    ]  # fmt: skip


def secrets(root: Path, uids: set[str]) -> set[bytes]:
    """What was planted in every form in which it might come out, in lower case."""
    texts = {*PLANTED.values(), *uids, str(root), FOLDER, "planted", "quentin", "planteddescrip"}
    for value in PLANTED.values():
        texts |= {value.replace("^", " "), value.replace("^", ", ")}
        if re.fullmatch(r"\d{8}", value):
            year, month, day = value[:4], value[4:6], value[6:]
            texts |= {
                f"{year}-{month}-{day}",
                f"{day}.{month}.{year}",
                f"{day}/{month}/{year}",
                f"{month}/{day}/{year}",
            }
    lowered = [text.lower() for text in texts]
    return {text.encode() for text in lowered} | {text.encode("utf-16-le") for text in lowered}


def contents(root: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below a folder with its name, and what is inside those that pack, compress or embed."""
    # read before any is opened: SQLite clears its journals away
    files = [(path, path.read_bytes()) for path in sorted(root.rglob("*")) if path.is_file()]
    for path, content in files:
        name = str(path.relative_to(root))
        yield name, name.encode() + content
        if path.suffix == ".parquet":
            yield name, str(pq.read_table(path).to_pydict()).encode() + str(pq.read_metadata(path)).encode()
        elif path.suffix == ".gz":
            yield name, gzip.decompress(content)
        elif path.suffix == ".sqlite":
            with sqlite3.connect(path) as database:
                yield name, "\n".join(database.iterdump()).encode()
            database.close()
        elif path.suffix == ".html":
            for data in re.findall(rb"data:image/[a-z+]+;base64,([A-Za-z0-9+/=]+)", content):
                yield from inside(name, base64.b64decode(data))
        elif zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as packed:
                yield from ((f"{name}/{one}", packed.read(one)) for one in packed.namelist())
        yield from inside(name, content)


def inside(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """The words of a picture, unpacked."""
    if content.startswith(b"\x89PNG"):
        with Picture.open(BytesIO(content)) as picture:
            picture.load()
            yield name, json.dumps({key: str(value) for key, value in picture.info.items()}).encode()
    elif content.lstrip().startswith((b"<svg", b"<?xml")):
        yield name, content


def require_none(found: Iterator[tuple[str, bytes]], planted: set[bytes]) -> int:
    count = 0
    for name, content in found:
        lowered = content.lower()
        for text in planted:
            assert text not in lowered, f"{text!r} in {name}"
        count += 1
    return count


def require_only_what_dicom_wants(path: Path, planted: set[bytes]) -> None:
    """A SEG names its patient and study where the standard has them do so, and nowhere else."""
    held = pydicom.dcmread(path)
    for element in held.iterall():
        if element.VR == "SQ" or element.keyword in OF_A_SEG:
            continue
        content = element.value if isinstance(element.value, bytes) else str(element.value).encode()
        for text in planted:
            assert text not in content.lower(), f"{text!r} in {path.name}, {element.tag} {element.name}"
    assert held.PatientID == PLANTED["PatientID"]  # else it belongs to nobody
    assert not any(element.tag.is_private for element in held.iterall())


def test_nothing_names_the_patient(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A cohort of DICOM studies with every format, and all that is made of the run; libraries in C may speak too."""
    medkt = Command(capfd)
    inputs, outputs = tmp_path / FOLDER, tmp_path / "outputs"
    cases, uids = dicom_cases(inputs)
    manifest = write_manifest(cases, inputs / "cohort.csv")
    planted = secrets(inputs, uids)
    run = outputs / "run"
    outputs.mkdir()
    words = (
        "--manifest",
        manifest,
        "-o",
        run,
        "--by",
        "sex",
        "-f",
        "nifti,png,dicom-seg",
        "--metrics",
        "dsc,nsd,volume,lesions",
    )
    said = [medkt("evaluate", *words, "--json", "-v", *CHEAP, *FEW)]
    assert said[0].code == 4, said[0].err
    failures = json.loads(medkt("batch", "status", run, "--json").out)["failures"]
    assert sum(failures.values()) == 4
    assert set(failures) >= {"unreadable", "geometry"}
    shutil.copytree(run, outputs / "second")
    for command in (
        ("evaluate", run, *FEW), ("report", run, "--by", "sex", *FEW),
        ("compare", run, outputs / "second", "-o", outputs / "compared.html", *FEW),
        ("query", run, "SELECT * FROM results"), ("query", run, "SELECT * FROM failures", "--format", "json"),
        ("batch", "status", run), ("batch", "retry", run, "--kind", "memory"),
    ):  # fmt: skip
        said.append(medkt(*command))
        assert said[-1].code == 0, (command, said[-1].err)
    spoken = [(f"stream {number}", text.encode()) for number, one in enumerate(said) for text in (one.out, one.err)]
    require_none(iter(spoken), planted)
    segs = [path for path in outputs.rglob("*.dcm") if path.is_file()]
    assert len(segs) == 4
    for path in segs:
        require_only_what_dicom_wants(path, planted)
        path.unlink()
    assert require_none(contents(outputs), planted) > 50
    with pytest.raises(AssertionError, match="planted"):  # the search itself finds what is there
        require_none(contents(inputs), planted)


def test_headers_of_other_files_are_left_behind(tmp_path: Path, medkt: Command) -> None:
    inputs, run = tmp_path / FOLDER, tmp_path / "outputs" / "run"
    inputs.mkdir()
    manifest = write_manifest(other_cases(inputs), inputs / "cohort.csv")
    ran = medkt("batch", "--manifest", manifest, "-o", run, *CHEAP)
    assert ran.code == 0, ran.err
    assert medkt("report", run, *FEW).code == 0
    planted = secrets(inputs, set())
    assert require_none(iter([("out", ran.out.encode()), ("err", ran.err.encode())]), planted) == 2
    assert require_none(contents(run), planted) > 20
