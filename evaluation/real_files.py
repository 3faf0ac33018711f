"""`medkt segment` on real files of every kind, and whether each mask opens in its input's space elsewhere.

    MEDKT_DATA=... python evaluation/real_files.py --write evaluation/results/real_files.md --output FOLDER

Each row is one run of the command. The NIfTI mask is compared with the input by nibabel (NIfTI inputs: shape, affine,
sform and qform codes bit for bit) or with SimpleITK's own reading of the DICOM series (size and the world position of all
eight corners, LPS); the DICOM SEG is read back by highdicom and compared, voxel by voxel, with the NIfTI mask at the same
world points. What was found is printed and means nothing: the small model learned from phantoms.
"""

import argparse
import contextlib
import io
import json
import os
import sqlite3
import tempfile
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import highdicom as hd
import nibabel as nib
import numpy as np
import SimpleITK as sitk  # noqa: N813 - its own name

from medkt.cli.main import main as medkt


@dataclass(frozen=True)
class Case:
    what: str
    path: str
    concept: str
    options: tuple[str, ...] = ()


CASES = (
    Case("CT series", "volumes/sts/dicom/STS_001/CT/image", "ct_tumour"),
    Case("MR series", "volumes/sts/dicom/STS_001/MR_T1/image", "mri_glioma"),
    Case("the same CT as NIfTI", "volumes/sts/nifti/STS_001/CT_image.nii.gz", "ct_tumour", ("--modality", "ct")),
    Case("the same MR as NIfTI", "volumes/sts/nifti/STS_001/MR_T1_image.nii.gz", "mri_glioma", ("--modality", "mri")),
    Case("DX", "dicom/highdicom/dx_image.dcm", "cxr_nodule"),
    Case("CR", "dicom/pydicom_data/RG1_J2KI.dcm", "cxr_nodule"),
    Case("US, one frame", "dicom/pydicom_data/US1_UNCR.dcm", "us_carcinoma"),
    Case("US, clip", "dicom/dicomparser/encapsulated/multi-frame/IM00001.implicit_little_endian.dcm", "us_carcinoma"),
    Case("MR, enhanced multi-frame", "dicom/dicom2nifti/hyperfine/anatomical/001", "mri_glioma"),
    Case("CT, enhanced multi-frame", "dicom/pydicom_data/eCT_Supplemental.dcm", "ct_nodule"),
    Case(
        "FLAIR volume, NIfTI",
        "mri/ms_lesions/patient01/study1_FLAIR.nii.gz",
        "mri_demyelination",
        ("--modality", "mri"),
    ),
    Case("hippocampus, NIfTI", "mri/hippocampus/images/hippocampus_048.nii.gz", "mri_glioma", ("--modality", "mri")),
    Case("radiograph, JPEG", "cxr/demo/1.jpg", "cxr_consolidation", ("--modality", "cxr")),
    Case("ultrasound, PNG", "us/busi/images/benign_103.png", "us_fibroadenoma", ("--modality", "ultrasound")),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MEDKT_DATA", "../shared/data")))
    parser.add_argument("--output", type=Path, help="where the results stay; a temporary folder without it")
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.output or Path(scratch)
        rows = [_row(case, arguments.data, folder / f"{k:02d}") for k, case in enumerate(CASES)]
    head = ["# `medkt segment` on real files", "", "`python evaluation/real_files.py`", ""]
    table = ["| input | finding asked | result | NIfTI mask against the input | SEG against the NIfTI mask | seconds |"]
    text = "\n".join([*head, *table, "|---|---|---|---|---|---|", *rows]) + "\n"
    print(text)
    if arguments.write:
        arguments.write.write_text(text, encoding="utf-8")


def _row(case: Case, data: Path, output: Path) -> str:
    path = data / case.path
    dicom = _is_dicom(path)
    formats = "nifti,dicom-seg" if dicom else "nifti"
    out, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        code = medkt(["segment", "-i", str(path), "-o", str(output), "-c", case.concept, "--format", formats, "--json",
                      "--overwrite", *case.options])  # fmt: skip
    if code:
        message = errors.getvalue().strip().replace(str(data), "DATA")
        return f"| {case.what} `{case.path}` | {case.concept} | exit {code}: {message} | | | |"
    record = json.loads(out.getvalue().splitlines()[-1])
    (finding,) = record["findings"]
    mask = output / finding["files"]["mask"]
    space = _against_input(mask, path, dicom)
    seg = _against_seg(mask, output / finding["files"]["dicom_seg"]) if dicom else "not DICOM"
    decision = f"{'seen' if finding['present'] else 'not seen'}, score {finding['score']:.2f}, {finding['size_text']}"
    seconds = f"{sum(record['seconds'].values()):.1f}"
    return f"| {case.what} `{case.path}` | {case.concept} | {decision} | {space} | {seg} | {seconds} |"


def _is_dicom(path: Path) -> bool:
    return path.is_dir() or path.suffix == ".dcm"


def _against_input(mask: Path, path: Path, dicom: bool) -> str:
    written = nib.load(mask)
    if path.name.endswith((".nii", ".nii.gz")):
        image = nib.load(path)
        same = written.shape == image.shape and np.array_equal(written.affine, image.affine)
        codes = all(int(written.header[c]) == int(image.header[c]) for c in ("sform_code", "qform_code"))
        return "shape, affine and codes identical" if same and codes else "DIFFERENT"
    if not dicom:
        return "pixel grid, as PNG and JPEG have no space"
    reader = sitk.ImageSeriesReader()
    names = reader.GetGDCMSeriesFileNames(str(path)) if path.is_dir() else [str(path)]
    image = sitk.ReadImage(names) if len(names) > 1 else sitk.ReadImage(names[0])
    size = image.GetSize() if image.GetDimension() == 3 else (*image.GetSize(), 1)
    if written.shape[:3] != tuple(size):
        return f"DIFFERENT size: {written.shape} against {tuple(size)}"
    apart = 0.0
    for corner in product(*((0, n - 1) for n in size)):
        ours = (written.affine @ [*corner, 1.0])[:3] * [-1, -1, 1]
        theirs = image.TransformIndexToPhysicalPoint([int(c) for c in corner][: image.GetDimension()])
        apart = max(apart, float(np.linalg.norm(ours[: len(theirs)] - theirs)))
    return f"size equal, corners within {apart:.1e} mm of SimpleITK's"


def _against_seg(mask: Path, seg: Path) -> str:
    written = nib.load(mask)
    voxels = np.asarray(written.dataobj).reshape(written.shape[:3]) > 0
    segmentation = hd.seg.segread(seg)
    try:
        volume = segmentation.get_volume(combine_segments=False, rescale_fractional=False)
    except (
        RuntimeError,
        ValueError,
        sqlite3.OperationalError,
    ):  # no frame of reference: frames refer to the source's frames instead
        frames = np.asarray(segmentation.pixel_array)
        return f"no frame of reference; {int((frames > 0).sum())} against {int(voxels.sum())} voxels"
    array = np.asarray(volume.array)[..., 0] > 0
    indices = np.argwhere(array)
    if len(indices) != int(voxels.sum()):
        return f"DIFFERENT: {len(indices)} against {int(voxels.sum())} voxels"
    if not len(indices):
        return "both empty"
    lps = volume.map_indices_to_reference(indices)
    ijk = np.linalg.inv(written.affine) @ np.c_[lps * [-1, -1, 1], np.ones(len(lps))].T
    nearest = np.rint(ijk[:3]).astype(int)
    return "every voxel at the same place" if voxels[tuple(nearest)].all() else "DIFFERENT places"


if __name__ == "__main__":
    main()
