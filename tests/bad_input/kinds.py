"""Every kind of input, setting and surrounding that medkt cannot use, each made from a phantom study in a few lines.

A kind makes its files in a folder of its own and says what the command line is then given. Which message comes is
for `test_bad_input.py` and `evaluation/bad_input_table.py` to look at.
"""

import gzip
import os
import shutil
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import torch
from PIL import Image as Picture
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from safetensors.torch import save_file
from whole_line import BRIGHT, QUICK, Studies

CT = ("--modality", "ct")
CXR = ("--modality", "cxr")


@dataclass(frozen=True)
class Bad:
    """A command line that must fail.

    Attributes:
        study: what is given to -i.
        options: further options.
        words: what is looked for.
        names: how the offending file or option is named in the message; the study where nothing is said.
        output: where the results should go, where that is what is wrong.
    """

    study: Path
    options: tuple[str, ...] = ()
    words: tuple[str, ...] = BRIGHT
    names: str = ""
    output: Path | None = None


@dataclass(frozen=True)
class Kind:
    """One kind: how it is made, the exit code, words of the message, and whether models are loaded as for a user."""

    name: str
    make: Callable[["Bench"], Bad]
    code: int
    says: tuple[str, ...]
    real_models: bool


@dataclass
class Bench:
    """Where a kind is made: a folder of its own, and studies to spoil a copy of."""

    folder: Path
    studies: Studies

    def path(self, name: str) -> Path:
        return self.folder / name

    def cut(self, study: str, name: str, part: float) -> Path:
        """The first `part` of a study's file."""
        content = self.studies[study].read_bytes()
        self.path(name).write_bytes(content[: int(len(content) * part)])
        return self.path(name)

    def text(self, name: str, text: str) -> Path:
        self.path(name).write_text(text, encoding="utf-8")
        return self.path(name)

    def dicom(self, study: str = "dx", name: str = "image.dcm", **changes: Any) -> Path:
        """A copy of a one-file study with other attributes; None deletes one."""
        dataset = pydicom.dcmread(self.studies[study])
        _change(dataset, changes)
        dataset.save_as(self.path(name))
        return self.path(name)

    def series(self, change: Callable[[int, Dataset], bool | None], name: str = "series") -> Path:
        """A copy of the CT series, in order of place, after `change` of each slice; False leaves the slice out."""
        target = self.path(name)
        target.mkdir()
        slices = [pydicom.dcmread(path) for path in self.studies["ct-series"].iterdir()]
        for index, one in enumerate(sorted(slices, key=lambda d: float(d.ImagePositionPatient[2]))):
            if change(index, one) is not False:
                one.save_as(target / f"{index}.dcm")
        return target

    def nifti(
        self, values: np.ndarray | None = None, affine: np.ndarray | None = None, name: str = "image.nii"
    ) -> Path:
        """A NIfTI of these values, else of the CT study's."""
        given = nib.load(self.studies["ct-nifti"])
        values = np.asarray(given.dataobj) if values is None else values
        stored = nib.Nifti1Image(values, given.affine if affine is None else affine)
        nib.save(stored, self.path(name))
        return self.path(name)

    def header(self, edits: dict[int, tuple[str, Any]], name: str = "image.nii") -> Path:
        """The CT study as .nii with bytes of its header replaced: offset to (struct format, value)."""
        content = bytearray(gzip.decompress(self.studies["ct-nifti"].read_bytes()))
        for offset, (form, value) in edits.items():
            struct.pack_into(f"<{form}", content, offset, value)
        self.path(name).write_bytes(content)
        return self.path(name)

    def picture(self, values: np.ndarray, name: str = "image.png") -> Path:
        Picture.fromarray(values).save(self.path(name))
        return self.path(name)

    def packed(self, name: str, members: dict[str, bytes]) -> Path:
        with zipfile.ZipFile(self.path(name), "w", zipfile.ZIP_DEFLATED) as archive:
            for member, content in members.items():
                archive.writestr(member, content)
        return self.path(name)


def _change(dataset: Dataset, changes: dict[str, Any]) -> None:
    for keyword, value in changes.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    if "SOPClassUID" in changes:
        dataset.file_meta.MediaStorageSOPClassUID = changes["SOPClassUID"]


KINDS: dict[str, Kind] = {}


def kind(
    name: str, *says: str, code: int = 2, real_models: bool = False
) -> Callable[[Callable[[Bench], Bad]], Callable[[Bench], Bad]]:
    """Put a maker into the table, with words that its message must hold."""

    def put(make: Callable[[Bench], Bad]) -> Callable[[Bench], Bad]:
        assert name not in KINDS
        KINDS[name] = Kind(name=name, make=make, code=code, says=says, real_models=real_models)
        return make

    return put


# ---- files that are not whole


@kind("no such file", "no such file or folder")
def _(at: Bench) -> Bad:
    return Bad(at.path("gone.dcm"))


@kind("empty file", "is empty")
def _(at: Bench) -> Bad:
    return Bad(at.text("empty.dcm", ""))


@kind("empty folder", "no DICOM file in this folder")
def _(at: Bench) -> Bad:
    at.path("folder").mkdir()
    return Bad(at.path("folder"))


@kind("folder of text files", "no DICOM file in this folder")
def _(at: Bench) -> Bad:
    at.path("folder").mkdir()
    at.text("folder/notes.txt", "nothing")
    return Bad(at.path("folder"))


@kind("text file named .dcm", "is not a DICOM file")
def _(at: Bench) -> Bad:
    return Bad(at.text("report.dcm", "The lungs are clear.\n" * 50))


@kind("text file named .nii.gz", "is not NIfTI")
def _(at: Bench) -> Bad:
    return Bad(at.text("report.nii.gz", "The lungs are clear.\n" * 50), CT)


@kind("text file named .png", "neither DICOM nor NIfTI nor NRRD, MetaImage, PNG")
def _(at: Bench) -> Bad:
    return Bad(at.text("report.png", "The lungs are clear.\n" * 50), CXR)


@kind("DICOM cut off in the pixels", "export it again")
def _(at: Bench) -> Bad:
    return Bad(at.cut("dx", "cut.dcm", 0.6))


@kind("DICOM cut off in the header", "without pixels")
def _(at: Bench) -> Bad:
    return Bad(at.cut("dx", "cut.dcm", 0.05))


@kind("one slice of a series cut off", "export it again")
def _(at: Bench) -> Bad:
    folder = at.series(lambda index, one: None)
    content = (folder / "2.dcm").read_bytes()
    (folder / "2.dcm").write_bytes(content[: len(content) // 2])
    return Bad(folder)


@kind("NIfTI cut off", "export it again")
def _(at: Bench) -> Bad:
    whole = at.nifti(name="whole.nii").read_bytes()
    at.path("cut.nii").write_bytes(whole[: len(whole) // 2])
    return Bad(at.path("cut.nii"), CT)


@kind("NIfTI cut off in the header", "export it again")
def _(at: Bench) -> Bad:
    at.path("cut.nii").write_bytes(at.nifti(name="whole.nii").read_bytes()[:200])
    return Bad(at.path("cut.nii"), CT)


@kind("gzipped NIfTI cut off", "export it again")
def _(at: Bench) -> Bad:
    return Bad(at.cut("ct-nifti", "cut.nii.gz", 0.5), CT)


@kind("PNG cut off", "export it again")
def _(at: Bench) -> Bad:
    return Bad(at.cut("cxr-png", "cut.png", 0.5), CXR)


@kind("TIFF cut off", "export it again")
def _(at: Bench) -> Bad:
    Picture.open(at.studies["cxr-png"]).save(at.path("whole.tif"))
    at.path("cut.tif").write_bytes(at.path("whole.tif").read_bytes()[:1000])
    return Bad(at.path("cut.tif"), CXR)


@kind("zip cut off", "export it again")
def _(at: Bench) -> Bad:
    whole = at.packed("whole.zip", {"a.dcm": at.studies["dx"].read_bytes()}).read_bytes()
    at.path("cut.zip").write_bytes(whole[: len(whole) // 2])
    return Bad(at.path("cut.zip"))


@kind("huge declared size with little data (NIfTI)", "cut off or damaged")
def _(at: Bench) -> Bad:
    return Bad(at.header({42: ("h", 30000), 44: ("h", 30000), 46: ("h", 30000)}), CT)


@kind("huge declared size with little data (DICOM)", "MEDKT_MAX_BYTES")
def _(at: Bench) -> Bad:
    return Bad(at.dicom(Rows=65535, Columns=65535))


# ---- files of other things


@kind("DICOM without pixels", "an object without pixels", "medkt reads images")
def _(at: Bench) -> Bad:
    return Bad(at.dicom(PixelData=None))


@kind("a SEG as input", "segmentation")
def _(at: Bench) -> Bad:
    return Bad(at.dicom(SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4", Modality="SEG"))


@kind("a structured report as input", "an object without pixels", "medkt reads images")
def _(at: Bench) -> Bad:
    return Bad(at.dicom(SOPClassUID="1.2.840.10008.5.1.4.1.1.88.33", Modality="SR", PixelData=None))


@kind("an RT structure set as input", "RTSTRUCT", "medkt reads images")
def _(at: Bench) -> Bad:
    return Bad(at.dicom(SOPClassUID="1.2.840.10008.5.1.4.1.1.481.3", Modality="RTSTRUCT", PixelData=None))


@kind("an encapsulated PDF as input", "an object without pixels", "medkt reads images")
def _(at: Bench) -> Bad:
    return Bad(at.dicom(SOPClassUID="1.2.840.10008.5.1.4.1.1.104.1", Modality="DOC", PixelData=None))


@kind("a whole-slide image", "whole-slide", "medkt reads images")
def _(at: Bench) -> Bad:
    return Bad(at.dicom(SOPClassUID="1.2.840.10008.5.1.4.1.1.77.1.6", Modality="SM"))


@kind("a video", "no decoder for transfer syntax", "convert the file")
def _(at: Bench) -> Bad:
    path = at.dicom("us", PixelData=b"\0\0\0\0")
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.102"
    dataset.PixelData = pydicom.encaps.encapsulate([b"\0\0\0\x18ftypmp42" + b"\0" * 64])
    dataset["PixelData"].VR = "OB"
    dataset.save_as(path)
    return Bad(path)


@kind("a DICOMDIR whose files are gone", "give the folder")
def _(at: Bench) -> Bad:
    from pydicom.fileset import FileSet

    files = FileSet()
    first_stage = files._stage["t"]
    files.add(at.studies["dx"])
    files.write(at.path("disc"))
    for stage in (first_stage, files._stage["t"]):  # pydicom leaves it to the garbage collector, which warns
        stage.cleanup()
    for path in at.path("disc").iterdir():
        if path.is_dir():
            shutil.rmtree(path)
    return Bad(at.path("disc") / "DICOMDIR")


@kind("Analyze 7.5", "convert it to NIfTI")
def _(at: Bench) -> Bad:
    nib.save(nib.AnalyzeImage(np.ones((8, 9, 10), np.int16), np.eye(4)), at.path("old.img"))
    return Bad(at.path("old.hdr"), CT)


@kind("a NIfTI header without its .img", ".img")
def _(at: Bench) -> Bad:
    nib.save(nib.Nifti1Pair(np.ones((8, 9, 10), np.int16), np.eye(4)), at.path("pair.img"))
    at.path("pair.img").unlink()
    return Bad(at.path("pair.hdr"), CT)


@kind("complex NIfTI", "complex")
def _(at: Bench) -> Bad:
    return Bad(at.nifti(np.ones((12, 13, 14), np.complex64)), CT)


@kind("NIfTI of colour with alpha", "save real values")
def _(at: Bench) -> Bad:
    colour = np.zeros((12, 13, 14), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1"), ("A", "u1")])
    return Bad(at.nifti(colour), CT)


@kind("a GIF", "convert it")
def _(at: Bench) -> Bad:
    return Bad(at.picture(np.zeros((32, 32), np.uint8), "image.gif"), CXR)


@kind("a TIFF of several pages", "--volume", code=3)
def _(at: Bench) -> Bad:
    pages = [Picture.fromarray(np.full((32, 40), shade, np.uint8)) for shade in (1, 2)]
    pages[0].save(at.path("pages.tif"), save_all=True, append_images=pages[1:])
    return Bad(at.path("pages.tif"), CXR)


# ---- archives and links


@kind("zip with a path that climbs out", "leads out of the archive")
def _(at: Bench) -> Bad:
    return Bad(at.packed("climb.zip", {"../../evil.dcm": at.studies["dx"].read_bytes()}))


@kind("zip bomb", "unpack")
def _(at: Bench) -> Bad:
    return Bad(at.packed("bomb.zip", {"a.dcm": b"\0" * (101 * 1024**2)}))


@kind("zip with a password", "password")
def _(at: Bench) -> Bad:
    content = bytearray(at.packed("secret.zip", {"a.dcm": b"abc"}).read_bytes())
    content[6] |= 1  # in the local header
    content[content.index(b"PK\x01\x02") + 8] |= 1  # and in the directory
    at.path("secret.zip").write_bytes(content)
    return Bad(at.path("secret.zip"))


@kind("zip that holds a link", "link")
def _(at: Bench) -> Bad:
    with zipfile.ZipFile(at.path("link.zip"), "w") as archive:
        member = zipfile.ZipInfo("link.dcm")
        member.external_attr = 0o120777 << 16
        archive.writestr(member, "/etc/passwd")
    return Bad(at.path("link.zip"))


@kind("empty zip", "")
def _(at: Bench) -> Bad:
    return Bad(at.packed("empty.zip", {}))


@kind("zip without an image", "no DICOM file in the archive")
def _(at: Bench) -> Bad:
    return Bad(at.packed("notes.zip", {"notes.txt": b"nothing"}))


@kind("a link that leads to itself", "symbolic links")
def _(at: Bench) -> Bad:
    os.symlink(at.path("loop.dcm"), at.path("loop.dcm"))
    return Bad(at.path("loop.dcm"))


# ---- voxels


@kind("NaN voxels", "numpy.nan_to_num")
def _(at: Bench) -> Bad:
    values = np.zeros((12, 13, 14), np.float32)
    values[3, 4, 5] = np.nan
    return Bad(at.nifti(values), CT)


@kind("infinite voxels", "numpy.nan_to_num")
def _(at: Bench) -> Bad:
    return Bad(at.nifti(np.full((12, 13, 14), np.inf, np.float32)), CT)


@kind("image of one pixel", "check the file")
def _(at: Bench) -> Bad:
    return Bad(at.picture(np.array([[7]], np.uint8)), CXR)


@kind("image of 3 x 3 pixels", "3 x 3")
def _(at: Bench) -> Bad:
    return Bad(at.picture(np.arange(9, dtype=np.uint8).reshape(3, 3)), CXR)


@kind("image of one value", "constant")
def _(at: Bench) -> Bad:
    return Bad(at.picture(np.full((40, 48), 7, np.uint8)), CXR)


@kind("CT of air alone", "air")
def _(at: Bench) -> Bad:
    noise = np.random.default_rng(0).integers(-1024, -990, (40, 48, 6)).astype(np.int16)
    return Bad(at.nifti(noise), CT)


@kind("NIfTI with an axis of length 0", "shape")
def _(at: Bench) -> Bad:
    return Bad(at.header({46: ("h", 0)}), CT)


@kind("4-D file without --volume", "--volume 1 to 2", code=3)
def _(at: Bench) -> Bad:
    return Bad(at.nifti(np.ones((12, 13, 14, 2), np.int16)), CT)


@kind("--volume out of range", "--volume counts from 1 to 2")
def _(at: Bench) -> Bad:
    return Bad(at.nifti(np.ones((12, 13, 14, 2), np.int16)), (*CT, "--volume", "3"))


@kind("5-D file", "axes")
def _(at: Bench) -> Bad:
    return Bad(at.nifti(np.ones((6, 7, 8, 2, 3), np.int16)), CT)


# ---- series


@kind("several series", "--series", code=3)
def _(at: Bench) -> Bad:
    return Bad(_two_series(at))


@kind("unknown --series", "no series")
def _(at: Bench) -> Bad:
    return Bad(_two_series(at), ("--series", "9.9.9"))


@kind("--series that fits two", "2 series begin like", "2.25.111", "2.25.112", code=3)
def _(at: Bench) -> Bad:
    return Bad(_two_series(at), ("--series", "2."))


@kind("--series of a NIfTI", "--series is for DICOM")
def _(at: Bench) -> Bad:
    return Bad(at.nifti(), (*CT, "--series", "1"))


@kind("missing slice", "--regrid")
def _(at: Bench) -> Bad:
    return Bad(at.series(lambda index, one: index != 2))


@kind("two slices at one position", "--regrid")
def _(at: Bench) -> Bad:
    def change(index: int, one: Dataset) -> None:
        if index == 3:
            one.ImagePositionPatient[2] = float(one.ImagePositionPatient[2]) - 20.0

    return Bad(at.series(change))


@kind("gantry tilt", "--regrid")
def _(at: Bench) -> Bad:
    def change(index: int, one: Dataset) -> None:
        one.ImagePositionPatient[1] = float(one.ImagePositionPatient[1]) + 6.0 * index

    return Bad(at.series(change))


@kind("mixed orientations", "--volume", "axial", "coronal", code=3)
def _(at: Bench) -> Bad:
    def change(index: int, one: Dataset) -> None:
        if index > 2:
            one.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]

    return Bad(at.series(change))


@kind("slices of two sizes", "--volume", "40x24", code=3)
def _(at: Bench) -> Bad:
    def change(index: int, one: Dataset) -> None:
        if index == 1:
            one.Rows, one.PixelData = one.Rows // 2, one.PixelData[: len(one.PixelData) // 2]

    return Bad(at.series(change))


# ---- where voxels lie


@kind("singular affine", "singular")
def _(at: Bench) -> Bad:
    return Bad(_with_sform(at, np.diag([2.0, 2.0, 0.0, 1.0])), CT)


@kind("NaN affine", "nan", "set the sform")
def _(at: Bench) -> Bad:
    return Bad(_with_sform(at, np.diag([2.0, np.nan, 2.0, 1.0])), CT)


@kind("spacing of 0 (DICOM)", "PixelSpacing", "restore it")
def _(at: Bench) -> Bad:
    return Bad(at.series(lambda index, one: setattr(one, "PixelSpacing", ["0", "0"])))


@kind("negative spacing (DICOM)", "PixelSpacing", "restore it")
def _(at: Bench) -> Bad:
    return Bad(at.series(lambda index, one: setattr(one, "PixelSpacing", ["-1.5", "1.5"])))


@kind("spacing of 1e9 mm (NIfTI)", "not that of a patient", "Correct the header")
def _(at: Bench) -> Bad:
    return Bad(_with_sform(at, np.diag([1e9, 1e9, 1e9, 1.0])), CT)


# ---- words


@kind("unknown concept", "nearest", "solid nodule")
def _(at: Bench) -> Bad:
    return Bad(at.studies["dx"], words=("-c", "solid nodul"), names="solid nodul")


@kind("concept file that is no YAML", "not valid YAML")
def _(at: Bench) -> Bad:
    path = at.text("mine.yaml", "concepts: [\n  - {id: a\n")
    return Bad(at.studies["dx"], words=("-c", str(path)), names=str(path))


@kind("concept file with a misspelt field", "did you mean")
def _(at: Bench) -> Bad:
    path = at.text("mine.yaml", "version: 1\nmodalty: ct\nlicence: x\nauthor: x\nsources: {}\nconcepts: []\n")
    return Bad(at.studies["dx"], words=("-c", str(path)), names=str(path))


@kind("concept file that is not there", "No such file")
def _(at: Bench) -> Bad:
    path = at.path("mine.yaml")
    return Bad(at.studies["dx"], words=("-c", str(path)), names=str(path))


@kind("empty prompt", "say what to look for")
def _(at: Bench) -> Bad:
    return Bad(at.studies["dx"], words=("-p", "  "), names="text")


@kind("neither prompt nor concept", "say what to look for")
def _(at: Bench) -> Bad:
    return Bad(at.studies["dx"], words=(), names="-p")


# ---- models


@kind("unknown model", "known: small", real_models=True)
def _(at: Bench) -> Bad:
    return Bad(at.studies["dx"], ("-m", "smal"), names="smal")


@kind("unknown segmenter", "known: small", real_models=True)
def _(at: Bench) -> Bad:
    return Bad(at.studies["dx"], ("--segmenter", "sma"), names="sma")


@kind("model whose weights are not here", "medkt models pull", real_models=True)
def _(at: Bench) -> Bad:
    return Bad(at.studies["dx"], ("-m", "biomedclip"), names="biomedclip")


@kind("weights of something else", "no encoder that medkt knows", real_models=True)
def _(at: Bench) -> Bad:
    save_file({"conv.weight": torch.zeros(3, 3)}, at.path("other.safetensors"))
    return _weights(at, "other.safetensors")


@kind("truncated weights", "damaged", real_models=True)
def _(at: Bench) -> Bad:
    save_file({"conv.weight": torch.zeros(64, 64)}, at.path("cut.safetensors"))
    content = at.path("cut.safetensors").read_bytes()
    at.path("cut.safetensors").write_bytes(content[: len(content) // 2])
    return _weights(at, "cut.safetensors")


@kind("a pickle that runs code", "medkt does not do", real_models=True)
def _(at: Bench) -> Bad:
    torch.save({"weight": _Evil(str(at.path("ran")))}, at.path("evil.pt"))
    return _weights(at, "evil.pt")


@kind("weights with an entry missing", "missing", real_models=True)
def _(at: Bench) -> Bad:
    state = {"visual.conv1.weight": torch.zeros(768, 3, 32, 32), "visual.proj": torch.zeros(768, 512)}
    torch.save(state | {"input_resolution": torch.tensor(224)}, at.path("part.pt"))
    return _weights(at, "part.pt")


@kind("weights of an encoder as segmenter", "segmenter", real_models=True)
def _(at: Bench) -> Bad:
    save_file({"visual.conv1.weight": torch.zeros(768, 3, 32, 32)}, at.path("clip.safetensors"))
    path = at.path("clip.safetensors")
    return Bad(at.studies["dx"], ("--segmenter", str(path)), names=str(path))


@kind("a device that is not there", "not available", real_models=True)
def _(at: Bench) -> Bad:
    return Bad(at.studies["dx"], ("-d", "cuda:9"), names="cuda:9")


@kind("a device that does not exist", "cuda:N", real_models=True)
def _(at: Bench) -> Bad:
    return Bad(at.studies["dx"], ("-d", "quantum"), names="quantum")


# ---- settings


@kind("unknown preset", "known: default", "m2ib")
def _(at: Bench) -> Bad:
    return Bad(at.studies["dx"], ("--preset", "medclip"), names="medclip")


@kind("unknown setting", "m2ib.betta", "beta")
def _(at: Bench) -> Bad:
    return Bad(at.studies["dx"], ("--set", "m2ib.betta=1"), names="m2ib.betta")


@kind("setting of the wrong type", "expects int")
def _(at: Bench) -> Bad:
    return Bad(at.studies["dx"], ("--set", "m2ib.steps=many"), names="m2ib.steps")


@kind("negative beta", "beta")
def _(at: Bench) -> Bad:
    return Bad(at.studies["dx"], ("--set", "m2ib.beta=-1"), names="beta")


@kind("a layer that the model has not", "layer")
def _(at: Bench) -> Bad:
    return Bad(at.studies["dx"], ("--set", "m2ib.layer=99"), names="layer")


@kind("a setting without a value", "expected key=value")
def _(at: Bench) -> Bad:
    return Bad(at.studies["dx"], ("--set", "m2ib.beta"), names="--set m2ib.beta")


@kind("settings file that is not there", "check the path")
def _(at: Bench) -> Bad:
    return Bad(at.studies["dx"], ("--settings", str(at.path("no.yaml"))), names=str(at.path("no.yaml")))


@kind("settings file that is no YAML", "line 1", "not valid YAML")
def _(at: Bench) -> Bad:
    path = at.text("odd.yaml", "m2ib: {beta: [}\n")
    return Bad(at.studies["dx"], ("--settings", str(path)), names=str(path))


@kind("settings file with a misspelt key", "m2ib.betta", "known here: name, beta")
def _(at: Bench) -> Bad:
    path = at.text("odd.yaml", "m2ib: {betta: 1}\n")
    return Bad(at.studies["dx"], ("--settings", str(path)), names=str(path))


@kind("unknown window", "known: ")
def _(at: Bench) -> Bad:
    return Bad(at.nifti(), (*CT, "--window", "lnug"), names="lnug")


@kind("window of no width", "width")
def _(at: Bench) -> Bad:
    return Bad(at.nifti(), (*CT, "--window", "0/40"), names="0/40")


@kind("axis that does not exist", "--axis", "choose from 0, 1, 2")
def _(at: Bench) -> Bad:
    return Bad(at.nifti(), (*CT, "--axis", "5"), names="--axis")


@kind("axis along which planes are too thin", "too small", "--axis")
def _(at: Bench) -> Bad:
    return Bad(at.nifti(), (*CT, "--axis", "1"))


@kind("negative step", "0 mm or more")
def _(at: Bench) -> Bad:
    return Bad(at.nifti(), (*CT, "--step-mm", "-2"), names="-2")


@kind("unknown option", "--help")
def _(at: Bench) -> Bad:
    return Bad(at.studies["dx"], ("--colour", "red"), names="--colour")


@kind("unknown format", "known: nifti")
def _(at: Bench) -> Bad:
    return Bad(at.studies["dx"], ("--format", "minc"), names="nrrd")


@kind("DICOM SEG of a picture", "write NIfTI or PNG")
def _(at: Bench) -> Bad:
    return Bad(at.studies["cxr-png"], (*CXR, "--format", "dicom-seg"), names="image.png")


# ---- modalities


@kind("NIfTI without a modality", "--modality", code=3)
def _(at: Bench) -> Bad:
    return Bad(at.nifti())


@kind("mammogram", "mammogram")
def _(at: Bench) -> Bad:
    return Bad(at.dicom(Modality="MG", SOPClassUID="1.2.840.10008.5.1.4.1.1.1.2"))


@kind("PET", "PT", "--modality")
def _(at: Bench) -> Bad:
    return Bad(at.dicom(Modality="PT", SOPClassUID="1.2.840.10008.5.1.4.1.1.128"))


# ---- output and reference


@kind("a file in the place of the output folder", "choose another output folder")
def _(at: Bench) -> Bad:
    path = at.text("taken", "mine")
    return Bad(at.studies["dx"], output=path, names=str(path))


@kind("output below a file", "choose another output folder")
def _(at: Bench) -> Bad:
    path = at.text("taken", "mine") / "results"
    return Bad(at.studies["dx"], output=path, names=str(path))


@kind("a file of the user's under a name that is needed", "choose another output folder")
def _(at: Bench) -> Bad:
    at.path("mine").mkdir()
    path = at.text("mine/overlay.png", "mine")
    return Bad(at.studies["dx"], (*QUICK,), output=at.path("mine"), names=str(path))


@kind("reference mask on another grid", "another grid")
def _(at: Bench) -> Bad:
    path = at.nifti(np.eye(40, 48, dtype=np.uint8)[..., None].repeat(4, 2), name="mask.nii")
    return Bad(at.studies["ct-nifti"], (*CT, *QUICK, "--reference", str(path)), names=str(path))


@kind("reference mask that is not there", "no such file")
def _(at: Bench) -> Bad:
    path = at.path("mask.nii.gz")
    return Bad(at.studies["ct-nifti"], (*CT, *QUICK, "--reference", str(path)), names=str(path))


@kind("--reference with two findings", "one finding")
def _(at: Bench) -> Bad:
    reference = str(at.studies["ct-nifti"].parent / "reference.nii.gz")
    return Bad(
        at.studies["ct-nifti"], (*CT, "--reference", reference), words=(*BRIGHT, "-p", "dark"), names="--reference"
    )


def _two_series(at: Bench) -> Path:
    at.path("study").mkdir()
    first, second = (f"2.25.{number}" for number in (111, 112))
    at.dicom("dx", "study/a.dcm", SeriesInstanceUID=first)
    at.dicom("dx", "study/b.dcm", SeriesInstanceUID=second, SOPInstanceUID=generate_uid(entropy_srcs=["b"]))
    return at.path("study")


def _with_sform(at: Bench, affine: np.ndarray) -> Path:
    """The CT study with this sform and no qform."""
    edits: dict[int, tuple[str, Any]] = {252: ("h", 0), 254: ("h", 2)}
    for row in range(3):
        for column in range(4):
            edits[280 + 16 * row + 4 * column] = ("f", float(affine[row, column]))
    return at.header(edits)


def _weights(at: Bench, name: str) -> Bad:
    return Bad(at.studies["dx"], ("-m", str(at.path(name))), names=str(at.path(name)))


@dataclass
class _Evil:
    """Unpickling it would make a file."""

    path: str
    state: dict[str, int] = field(default_factory=dict)

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (self.path,))
