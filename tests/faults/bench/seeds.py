"""Sound inputs to damage: small ones that are drawn here, the same each time, and real ones where they lie.

Each maker writes into a folder and gives its inputs, sorted; a file or a folder each.
"""

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

TESTS = Path(__file__).resolve().parents[2]
SMALL: dict[str, Any] = {"shape": (4, 24, 20), "spacing_mm": (20.0, 12.0, 14.0)}
Maker = Callable[[Path], Sequence[Path]]
LARGEST_REAL = 600_000  # bytes of a real file


def _found(*folders: str) -> None:
    """Modules of other tests' folders can be imported, as pytest lets them be."""
    for name in folders:
        if str(TESTS / name) not in sys.path:
            sys.path.append(str(TESTS / name))


def shared(name: str) -> Path | None:
    """A folder of real files beside the checkout; None where it is absent."""
    given = {"data": os.environ.get("MEDKT_DATA"), "failing": os.environ.get("MEDKT_FAILING")}
    path = Path(given[name] or TESTS.parents[1] / "shared" / name)
    return path if path.is_dir() else None


def dicom(folder: Path) -> list[Path]:
    """Explicit VR, little endian, not compressed: a slice, radiographs, ultrasound, clips, an enhanced CT."""
    from medkt.phantom.study import write_study

    _found("io")
    from dicom_making import numbered, write_enhanced

    slices = write_study(folder / "ct", domain="ct", finding="ct_nodule", seed=0, format="dicom", **SMALL)
    made = [sorted(slices.glob("*.dcm"))[0]]
    for name, options in {
        "dx": {"domain": "cxr", "finding": "cxr_nodule", "photometric": "MONOCHROME1"},
        "us": {"domain": "ultrasound", "finding": "us_cyst", "photometric": "RGB"},
        "clip": {"domain": "ultrasound", "finding": "us_cyst", "frames": 3},
    }.items():
        made.append(write_study(folder / name, seed=1, format="dicom", side=40, **options))  # type: ignore[arg-type]
    made.append(write_enhanced(folder / "enhanced.dcm", numbered((4, 5, 6))))
    made.append(write_enhanced(folder / "frames.dcm", numbered((4, 5, 6)), order=[2, 0, 3, 1], measures_per_frame=True))
    return made


def compressed(folder: Path) -> list[Path]:
    """The same in other transfer syntaxes: JPEG of each kind, run lengths, deflate, implicit VR, big endian."""
    import pydicom
    from pydicom.uid import (
        DeflatedExplicitVRLittleEndian,
        ImplicitVRLittleEndian,
        JPEG2000Lossless,
        JPEGLSLossless,
        RLELossless,
    )

    made = []
    for number, source in enumerate(dicom(folder)):
        for syntax in (RLELossless, JPEG2000Lossless, JPEGLSLossless, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian):  # fmt: skip
            if (number + len(made)) % 2 or "enhanced" in source.name:
                continue
            dataset = pydicom.dcmread(source)
            if syntax.is_encapsulated:
                dataset.compress(syntax, generate_instance_uid=False)
            dataset.file_meta.TransferSyntaxUID = syntax
            path = folder / f"{number}-{syntax}.dcm"
            dataset.save_as(path, implicit_vr=syntax.is_implicit_VR, little_endian=True)
            made.append(path)
    made += _jpegs(folder)
    return made


def _jpegs(folder: Path) -> list[Path]:
    """Baseline JPEG in one fragment and in several, grey and of colour."""
    import io

    import pydicom
    from PIL import Image as Picture
    from pydicom.encaps import encapsulate
    from pydicom.uid import JPEGBaseline8Bit

    made = []
    for name in ("us", "clip"):
        dataset = pydicom.dcmread(folder / name / "image.dcm")
        frames = np.atleast_3d(dataset.pixel_array) if name == "us" else dataset.pixel_array
        pictures = []
        for plane in [frames] if name == "us" else frames:
            stream = io.BytesIO()
            Picture.fromarray(plane).save(stream, "JPEG", quality=90)
            pictures.append(stream.getvalue())
        dataset.PixelData = encapsulate(pictures, fragments_per_frame=2)
        dataset["PixelData"].is_undefined_length = True
        dataset["PixelData"].VR = "OB"
        dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
        if name == "us":
            dataset.PhotometricInterpretation = "YBR_FULL_422"
        dataset.save_as(folder / f"jpeg-{name}.dcm")
        made.append(folder / f"jpeg-{name}.dcm")
    return made


def series(folder: Path) -> list[Path]:
    """A folder of slices."""
    from medkt.phantom.study import write_study

    return [write_study(folder / "ct", domain="ct", finding="ct_nodule", seed=2, format="dicom", **SMALL)]


def real_dicom(folder: Path) -> list[Path]:
    """Real files of many makers, the smaller ones."""
    roots = [root for root in (shared("data"), shared("failing")) if root]
    found = [one for root in roots for one in sorted(root.rglob("*.dcm")) if one.stat().st_size < LARGEST_REAL]
    return found[:: max(1, len(found) // 80)]


def segmentations(folder: Path) -> list[Path]:
    """DICOM SEG as medkt writes it, of a series and of an enhanced CT."""
    _found("io")
    from seg_kinds import FINDINGS, make, masks_for, read

    from medkt.io import write_dicom_seg

    made = []
    for number, name in enumerate(("CT", "enhanced, frames in disorder", "DX")):
        own = folder / str(number)
        own.mkdir()
        image = read(make(name, own))
        made.append(write_dicom_seg(masks_for(image, 1), FINDINGS[:1], image, own / "mask.dcm"))
    return made


def structures(folder: Path) -> list[Path]:
    """An RTSTRUCT."""
    _found("datasets")
    from dataset_trees import rtstruct, square_on

    return [rtstruct(folder / "rs.dcm", {"GTV": [square_on(1), square_on(2)]})]


def nifti(folder: Path) -> list[Path]:
    """NIfTI of several types, packed and not, NIfTI 2, a pair, one of colour."""
    import nibabel as nib

    values = np.random.default_rng(0).integers(-900, 900, (7, 6, 5))
    affine = np.array([[0.7, 0.1, 0, 5], [-0.1, 0.8, 0, 6], [0, 0, 2.5, 7], [0, 0, 0, 1]])
    made = []
    for name, kind, stored in (
        ("a.nii", nib.Nifti1Image, values.astype(np.int16)), ("b.nii.gz", nib.Nifti1Image, values.astype(np.float32)),
        ("c.nii", nib.Nifti2Image, values.astype(np.uint8)), ("d.nii.gz", nib.Nifti1Image, values.astype(np.float64)),
        ("e.nii", nib.Nifti1Image, values.astype(np.int16)[..., None]),
    ):  # fmt: skip
        image = kind(stored, affine)
        image.header.set_xyzt_units("mm")
        if name == "e.nii":
            image.header.set_slope_inter(2.0, -5.0)
            image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"a comment of a program"))
        nib.save(image, folder / name)
        made.append(folder / name)
    return made


def masks(folder: Path) -> list[Path]:
    """Masks as NIfTI and pictures."""
    import nibabel as nib
    from PIL import Image as Picture

    values = np.zeros((7, 6, 5), np.uint8)
    values[2:5, 1:4, 1:3] = 1
    nib.save(nib.Nifti1Image(values, np.diag([0.7, 0.8, 2.5, 1])), folder / "mask.nii.gz")
    Picture.fromarray(values[..., 1] * 255).save(folder / "mask.png")
    Picture.fromarray(values[..., 1]).convert("P").save(folder / "palette.png")
    Picture.fromarray(values[..., 1] * 255).save(folder / "mask.tif")
    return sorted(folder.glob("*.*"))


def pictures(folder: Path) -> list[Path]:
    """PNG, JPEG, TIFF and BMP in the modes that they are met in."""
    import tifffile
    from PIL import Image as Picture

    random = np.random.default_rng(0)
    grey = np.add.outer(np.arange(30), np.arange(40)).astype(np.uint8) + random.integers(0, 9, (30, 40)).astype(
        np.uint8
    )
    for name, values in {
        "grey.png": grey, "deep.png": grey.astype(np.uint16) * 200, "colour.png": np.dstack([grey] * 3),
        "alpha.png": np.dstack([grey] * 4), "grey.jpg": grey, "colour.jpg": np.dstack([grey, grey.T[:30, :30].repeat(2, 1)[:, :40], grey]),
        "grey.bmp": grey, "colour.bmp": np.dstack([grey] * 3), "grey.tif": grey,
    }.items():  # fmt: skip
        Picture.fromarray(values).save(folder / name)
    Picture.fromarray(grey).convert("P").save(folder / "palette.png")
    Picture.fromarray(grey).save(folder / "progressive.jpg", progressive=True)
    Picture.fromarray(grey > 30).save(folder / "bits.png")
    Picture.fromarray(grey).save(folder / "lzw.tif", compression="tiff_lzw")
    tifffile.imwrite(folder / "deep.tif", grey.astype(np.uint16) * 200, compression="zlib")
    tifffile.imwrite(folder / "tiled.tif", np.tile(grey, (3, 3)), tile=(16, 16))
    tifffile.imwrite(folder / "pages.tif", np.stack([grey, grey // 2]), photometric="minisblack")
    tifffile.imwrite(folder / "float.tif", grey.astype(np.float32) / 3)
    return sorted(folder.iterdir())


def archives(folder: Path) -> list[Path]:
    """A zip of slices, and one of a NIfTI."""
    import zipfile

    (folder / "of").mkdir()
    (folder / "volume").mkdir()
    packed = {"slices.zip": sorted(series(folder / "of")[0].iterdir()), "volume.zip": [nifti(folder / "volume")[0]]}
    for name, files in packed.items():
        with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
            for number, file in enumerate(files):
                archive.writestr(zipfile.ZipInfo(f"study/{number}{file.suffix}"), file.read_bytes())
    return [folder / name for name in packed]


def manifests(folder: Path) -> list[Path]:
    from medkt.datasets.case import Case
    from medkt.datasets.manifest import write_manifest

    cases = [
        Case(
            case_id=f"case-{n}", patient_id=f"p{n}", image=folder / f"{n}.nii.gz", modality="ct", concept="ct_nodule",
            references=(folder / f"{n}-mask.nii.gz",), reference_kind="mask", volume=n + 1, split="test", present=True,
            columns={"sex": "F", "age": str(50 + n)},
        )
        for n in range(6)
    ]  # fmt: skip
    return [write_manifest(cases, folder / f"cases{suffix}") for suffix in (".csv", ".parquet")]


def texts(folder: Path, found: Sequence[Path]) -> list[Path]:
    """Copies of files that ship with medkt."""
    return [_copied(one, folder / one.name) for one in found]


def _copied(source: Path, target: Path) -> Path:
    target.write_bytes(source.read_bytes())
    return target


def concept_files(folder: Path) -> list[Path]:
    import yaml

    from medkt.concepts import load_concept
    from medkt.concepts.captions import as_yaml

    text = as_yaml(load_concept("cxr_nodule"))
    assert yaml.safe_load(text)
    (folder / "one.yaml").write_text(text, encoding="utf-8")
    return [folder / "one.yaml"]


def caption_lists(folder: Path) -> list[Path]:
    lines = [f"finding {n}\ta round shadow number {n}" for n in range(6)]
    (folder / "list.tsv").write_text("# words\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return [folder / "list.tsv"]


def settings_files(folder: Path) -> list[Path]:
    (folder / "settings.yaml").write_text(
        "m2ib: {beta: 0.1, steps: 10, layer: 7, var: 1.0}\nmap: {max_slices: 3}\npresence: {gate: true}\n"
    )
    return [folder / "settings.yaml"]


def protocols(folder: Path) -> list[Path]:
    from medkt.resources import data_file

    return texts(folder, sorted(data_file("configs/protocols").glob("*.yaml"))[:4])


def annotations(folder: Path) -> list[Path]:
    _found("datasets")
    from dataset_trees import coco

    coco(folder)
    return [folder / "annotations.json"]


def run_lengths(folder: Path) -> list[Path]:
    (folder / "rle.csv").write_text("ImageId, EncodedPixels\none, 38 4 8 4 8 4\ntwo, -1\none, 70 3\n")
    return [folder / "rle.csv"]


def layouts(folder: Path) -> list[Path]:
    """Data sets that a file describes."""
    _found("datasets")
    import dataset_trees

    for name in ("decathlon", "bids", "coco", "udiat", "unitochest", "chexpert", "nnunet", "siim"):
        (folder / name).mkdir()
        getattr(dataset_trees, name)(folder / name)
    return sorted(folder.iterdir())


def packages(folder: Path) -> list[Path]:
    _found("concepts")
    from making import package_file

    package_file(folder / "one.medkt")
    return [folder / "one.medkt"]


def signed(folder: Path) -> list[Path]:
    """A package that a fixed key has signed, and that key."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from medkt.concepts.signature import sign

    key = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (folder / "key").write_bytes(private)
    (folder / "signed").mkdir()
    (folder / "signed" / "key.pub").write_bytes(public)
    sign(packages(folder / "signed")[0], folder / "key")
    return [folder / "signed"]


def directories(folder: Path) -> list[Path]:
    """A disc with a DICOMDIR."""
    import tempfile

    from pydicom.fileset import FileSet
    from pydicom.uid import UID

    files = FileSet()
    first = files._stage["t"]
    files.UID = UID("1.2.3.4.5.6")
    for path in sorted(series(folder / "of")[0].iterdir()):
        files.add(path)
    files.write(folder / "disc")
    for stage in (first, files._stage["t"]):  # pydicom leaves it to the garbage collector, which warns
        if isinstance(stage, tempfile.TemporaryDirectory):
            stage.cleanup()
    return [folder / "disc"]


def stores(folder: Path) -> list[Path]:
    """What a pull leaves beside the weights."""
    entry = {"sha256": "ab" * 32, "size": 7, "source": "https://example.org/model.pth", "stated": True}
    (folder / "sam-vit-b").mkdir()
    written = {"name": "sam-vit-b", "weights": "model.pth", "files": {"model.pth": entry}}
    (folder / "sam-vit-b" / "medkt.json").write_text(json.dumps(written))
    return [folder / "sam-vit-b"]


def safetensors(folder: Path) -> list[Path]:
    _found("concepts")
    from making import safetensors as as_bytes

    made = {"w": np.arange(12, dtype=np.float32).reshape(3, 4), "v": np.ones((2, 2), np.float16), "n": np.zeros((0, 3), np.float32)}  # fmt: skip
    (folder / "a.safetensors").write_bytes(as_bytes(made, base_digest="ab" * 32))
    return [folder / "a.safetensors"]


def calibrations(folder: Path) -> list[Path]:
    from calibration.studies import KEY, studies

    from medkt.calibration import calibrate, write_calibration

    made = calibrate(KEY, studies(60, doubts=("odd",)), studies(30, seed=1, score=3.0), made="2026-01-02")
    return [write_calibration(made, folder / "rule.json")]


def runs(folder: Path) -> list[Path]:
    """A finished run of four cases, one of which failed."""
    from runs.fake_studies import FakeFactory
    from runs.inline import Inline
    from runs.runs import SALT, make_cases, make_plan, make_run

    from medkt.runs.coordinator import run_cohort

    made = make_run(folder / "run")
    made.salt()
    cases = make_cases(folder / "images", ["ok", "missing", "ok", "ok"])
    run_cohort(made, make_plan(cases), Inline(FakeFactory(folder / "log"), made.workers), salt=SALT)
    return [folder / "run"]


def tables(folder: Path) -> list[Path]:
    """A run with a table of scores."""
    from run_tables import make_outcomes, row, write_run

    from medkt.runs.folder import RunFolder

    rows = [row(dsc=n / 20, iou=n / 30, predicted="cyst", site=f"site {n % 3}") for n in range(20)]
    made = RunFolder(write_run(folder / "run", make_outcomes(rows)))
    made.note_tables(sorted(made.path.glob("*.parquet")))
    return [made.path]


def old_records(folder: Path) -> list[Path]:
    """A run with a table of scores, whose record has no sum, as earlier versions wrote it."""
    (made,) = tables(folder)
    record = json.loads((made / "run.json").read_text())
    (made / "run.json").write_text(json.dumps({name: value for name, value in record.items() if name != "sum"}))
    return [made]


def case_records(folder: Path) -> list[Path]:
    """A study, and what `medkt segment` wrote of it by the plain models."""
    from contextlib import redirect_stdout
    from io import StringIO
    from unittest.mock import patch

    from whole_line import load_bright

    from medkt.cli.main import main
    from medkt.phantom.study import write_study
    from medkt.pipeline import Pipeline

    made = folder / "one"
    study = write_study(made / "study", domain="ct", finding="ct_nodule", seed=2, format="nifti", **SMALL)
    quick = ("m2ib.steps=1", "m2ib.samples=1", "presence.gate=false")
    words = ["-i", str(study), "-o", str(made / "result"), "-p", "a bright spot", "--modality", "ct", "-q"]
    with patch.object(Pipeline, "load", load_bright), redirect_stdout(StringIO()):
        assert main(["segment", *words, *(word for one in quick for word in ("--set", one))]) == 0
    return [made]


def planned(folder: Path) -> list[Path]:
    """A manifest whose cases name two findings, and what a run noted of it."""
    from medkt.tasks.manifest import plan_of

    made = folder / "run"
    made.mkdir()
    lines = [f"c{n},{n}.png,{('cyst', 'mass')[n % 2]},p{n // 2},{'FM'[n % 2]}" for n in range(6)]
    (made / "cases.csv").write_text("\n".join(["case_id,image,concept,patient_id,sex", *lines]) + "\n")
    for number in range(6):
        (made / f"{number}.png").touch()
    plan_of(made / "cases.csv", concepts=str, asked=[], columns=["sex"], cache=made / "manifest.json")
    return [made]


def sidecars(folder: Path) -> list[Path]:
    """A NIfTI with what BIDS puts beside it."""
    made = folder / "bids"
    made.mkdir()
    nifti(made)
    for one in [*made.glob("[b-e].*")]:
        one.unlink()
    stated = {"Modality": "CT", "SpacingBetweenSlices": 2.5, "SliceThickness": 2.5, "SliceTiming": [0.0, 0.5]}
    (made / "a.json").write_text(json.dumps(stated))
    return [made]


def prompt_files(folder: Path) -> list[Path]:
    """Sentences of images, as JSON and as a table."""
    (folder / "prompts.json").write_text(
        json.dumps({"a/1.png": "a round shadow", "2.png": "a dark disc", "3.png": "no lesion"})
    )
    (folder / "prompts.csv").write_text("file,prompt\na/1.png,a round shadow\n2.png,a dark disc\n")
    return [folder / "prompts.csv", folder / "prompts.json"]


def patients_tables(folder: Path) -> list[Path]:
    lines = [f"m{n}.png,p{n // 2},F" for n in range(6)]
    (folder / "patients.csv").write_text("\n".join(["file,patient,sex", *lines]) + "\n")
    return [folder / "patients.csv"]


def clip_configs(folder: Path) -> list[Path]:
    """What stands beside a CLIP of Hugging Face."""
    tower = {"hidden_act": "quick_gelu", "hidden_size": 8}
    (folder / "config.json").write_text(
        json.dumps({"text_config": tower, "vision_config": tower, "model_type": "clip"})
    )
    return [folder / "config.json"]


INVERTED = ("a bright ring", 2)  # text and images


def cached_images(folder: Path) -> list[Path]:
    """An entry of the cache of inverted images."""
    import torch

    from medkt.inversion.cache import _path_of, _write
    from medkt.inversion.invert import InvertedImages
    from medkt.inversion.settings import InversionSettings

    text, images = INVERTED
    generator = torch.Generator().manual_seed(0)
    pixels = torch.rand((1, images, 3, 8, 8), generator=generator)
    made = InvertedImages(
        texts=(text,), pixels=pixels, similarity=torch.rand((1, images), generator=generator),
        curves=torch.rand((1, 4), generator=generator), seconds=1.5, settings=InversionSettings(), seed=0,
    )  # fmt: skip
    path = _path_of(cache_key(), folder)
    _write(path, cache_key(), made)
    return [path]


def cache_key() -> dict[str, object]:
    from medkt.inversion.cache import entry_key
    from medkt.inversion.settings import InversionSettings

    return entry_key("small", "ab" * 32, INVERTED[0], InversionSettings(), images=INVERTED[1], seed=0)


def checkpoints(folder: Path) -> list[Path]:
    """A state dict in each form that torch and safetensors write."""
    import torch
    from safetensors.torch import save_file

    state = {"a.weight": torch.arange(12.0).reshape(3, 4), "a.bias": torch.ones(3)}
    torch.save(state, folder / "new.pt")
    torch.save({"state_dict": state}, folder / "old.pth", _use_new_zipfile_serialization=False)
    save_file(state, folder / "plain.safetensors")
    return sorted(folder.iterdir())


def deltas(folder: Path) -> list[Path]:
    import torch
    from cli.small_package import write_small_package

    from medkt.concepts import read_package

    torch.manual_seed(0)
    package = read_package(write_small_package(folder / "one.medkt"))
    (folder / "delta.safetensors").write_bytes(package.learnt[0].delta)
    return [folder / "delta.safetensors"]


def bundles(folder: Path) -> list[Path]:
    """A zip that says that it holds a model."""
    import hashlib
    import zipfile

    content = b"weights" * 100
    entry = {
        "name": "sam-vit-b", "weights": "model.pth",
        "files": {"model.pth": {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "source": "x", "stated": False}},
    }  # fmt: skip
    with zipfile.ZipFile(folder / "models.zip", "w") as archive:
        archive.writestr("bundle.json", json.dumps({"format": "medkt-models", "version": 1, "models": [entry]}))
        archive.writestr("models/sam-vit-b/model.pth", content)
    return [folder / "models.zip"]
