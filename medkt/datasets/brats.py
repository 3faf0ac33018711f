"""BraTS 2023 adult glioma (Adewole et al., arXiv:2305.17033; synapse.org/brats2023): four MR sequences and a label volume.

Layout: a folder a case, `BraTS-GLI-00000-000/BraTS-GLI-00000-000-{t1n,t1c,t2w,t2f,seg}.nii.gz`, 240 x 240 x 155 voxels of
1 mm, skull-stripped. Labels: 1 necrotic core, 2 oedema, 3 enhancing tumour; all three are the whole tumour. The number
before the last is the patient, the last is the time point.
"""

import re
from pathlib import Path

import numpy as np

from medkt.datasets.case import Case
from medkt.datasets.folder import listed, require_folder
from medkt.datasets.manifest import Manifest
from medkt.errors import InputError
from medkt.io.read import read_image

SEQUENCES = ("t1n", "t1c", "t2w", "t2f")
REGIONS = {"whole": "1+2+3", "core": "1+3", "enhancing": "3"}
SHAPE = (155, 240, 240)  # (slices, rows, columns)
LABELS = (0, 1, 2, 3)
CONCEPT = "mri_glioma"
_CASE = re.compile(r"(BraTS-GLI-\d{5})-\d{3}")


def build(root: str | Path, *, sequence: str = "t2f", region: str = "whole", slices: bool = False) -> Manifest:
    """One case a volume, or one a slice with tumour, as the paper counts.

    Args:
        root: `ASNR-MICCAI-BraTS2023-GLI-Challenge-TrainingData`, whose folders are the cases.
        sequence: the image that is looked at; the paper does not say which, and FLAIR (t2f) shows the whole tumour.
        region: "whole", "core" or "enhancing".
        slices: a case a slice where the region has a voxel; reads every label volume.

    Raises:
        InputError: no case, a missing file, another shape or other labels, an unknown sequence or region.
    """
    for value, known, what in ((sequence, SEQUENCES, "sequence"), (region, tuple(REGIONS), "region")):
        if value not in known:
            raise InputError(f"BraTS: no {what} {value!r}; there are {', '.join(known)}")
    base = require_folder(root)
    folders = sorted(path for path in base.iterdir() if path.is_dir() and _CASE.fullmatch(path.name))
    if not folders:
        held = listed(sorted(path.name for path in base.iterdir())) or "nothing"
        raise InputError(f"{base}: no folder such as BraTS-GLI-00000-000; it holds {held}")
    cases: list[Case] = []
    for folder in folders:
        whole = _case(folder, sequence, REGIONS[region])
        cases += _slices(whole) if slices else [whole]
    if not cases:
        raise InputError(
            f"{base}: no slice of {len(folders)} cases has the region {region!r}; are the labels 1, 2 and 3?"
        )
    return Manifest(cases=tuple(cases), name="BraTS 2023 glioma")


def _case(folder: Path, sequence: str, key: str) -> Case:
    paths = {}
    for name in (sequence, "seg"):
        found = [folder / f"{folder.name}-{name}{ending}" for ending in (".nii.gz", ".nii")]
        there = [path for path in found if path.is_file()]
        if not there:
            raise InputError(f"{found[0]}: is missing; a case of BraTS 2023 has {', '.join(SEQUENCES)} and seg")
        paths[name] = there[0]
    patient = folder.name.rsplit("-", 1)[0]
    return Case(
        case_id=folder.name, image=paths[sequence], patient_id=patient, references=(paths["seg"],), reference_kind="mask",
        reference_key=key, concept=CONCEPT, modality="mri", split="test", columns={"sequence": sequence},
    )  # fmt: skip


def _slices(case: Case) -> list[Case]:
    path = case.references[0]
    values = read_image(path).values
    if values.shape != SHAPE:
        raise InputError(
            f"{path}: {values.shape} slices, rows and columns; BraTS has {SHAPE}. Was it resampled or cropped?"
        )
    strange = [int(one) for one in np.unique(values) if one not in LABELS]
    if strange:
        raise InputError(f"{path}: labels {strange} beside 0 to 3; BraTS before 2023 wrote 4 for 3, relabel it")
    inside = np.isin(values, [int(label) for label in case.reference_key.split("+")])
    return [_of_slice(case, int(index)) for index in np.flatnonzero(inside.any(axis=(1, 2)))]


def _of_slice(case: Case, index: int) -> Case:
    return Case(
        case_id=f"{case.case_id}-s{index:03d}", image=case.image, patient_id=case.patient_id, slice_index=index,
        references=case.references, reference_kind="mask", reference_key=case.reference_key, concept=case.concept,
        modality="mri", split="test", present=True, columns=case.columns,
    )  # fmt: skip
