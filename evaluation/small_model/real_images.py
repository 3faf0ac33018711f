"""The real training and validation images: what each one shows, in words and in claims, and its mask.

They are read through the manifest of the data folder, and only rows with the asked role are ever opened.
"""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from jaxtyping import Bool, Float32
from PIL import Image

from medkt.phantom.finding import findings
from small_model.reports import Claims

Pixels = Float32[np.ndarray, "rows columns"]
Outline = Bool[np.ndarray, "rows columns"]
_BREAST = ("breast ultrasound", "ultrasound of the breast", "breast sonogram", "sonography of the breast")
_CHEST = ("chest radiograph", "chest x-ray", "frontal chest film", "frontal chest radiograph")
_HEAD_MRI = ("brain mri", "mri of the brain", "axial brain mr image", "head mri")


@dataclass(frozen=True, slots=True, kw_only=True)
class RealClass:
    """What images of one class show.

    Attributes:
        domain: whose batches they join ("cxr", "ct", "mri", "ultrasound").
        place: what text may claim as their domain ("head_ct" is no chest CT).
        names: how reports call it; empty for normal images.
        fits: phantom findings of which such an image may be an example, so that their names are no contradiction.
        modalities: what reports call the image.
    """

    domain: str
    place: str
    names: tuple[str, ...]
    fits: tuple[str, ...]
    modalities: tuple[str, ...]


REAL: Mapping[str, RealClass] = {
    "us_benign": RealClass(
        domain="ultrasound", place="ultrasound", modalities=_BREAST,
        names=("benign breast lesion", "benign lesion of the breast", "benign breast mass", "benign lesion"),
        fits=("us_cyst", "us_fibroadenoma", "us_lipoma", "us_complex_cyst", "us_seroma", "us_duct_ectasia"),
    ),
    "us_malignant": RealClass(
        domain="ultrasound", place="ultrasound", modalities=_BREAST, fits=("us_carcinoma",),
        names=("breast carcinoma", "malignant breast tumour", "malignant lesion of the breast", "breast cancer"),
    ),
    "us_lesion": RealClass(
        domain="ultrasound", place="ultrasound", modalities=_BREAST, names=("breast lesion", "breast mass"),
        fits=tuple(i for i, f in findings().items() if f.domain == "ultrasound" and not f.held_out),
    ),
    "us_normal": RealClass(domain="ultrasound", place="ultrasound", names=(), fits=("",), modalities=_BREAST),
    "cxr_tuberculosis": RealClass(
        domain="cxr", place="cxr", modalities=_CHEST, fits=("cxr_miliary", "cxr_consolidation", "cxr_effusion",
        "cxr_nodule", "cxr_atelectasis"), names=("tuberculosis", "pulmonary tuberculosis", "tuberculous change"),
    ),
    "cxr_normal": RealClass(domain="cxr", place="cxr", names=(), fits=("",), modalities=_CHEST),
    "ct_tumour": RealClass(
        domain="ct", place="ct", names=("lung tumour", "bronchogenic carcinoma", "lung cancer"),
        fits=("ct_tumour", "ct_nodule"), modalities=("chest ct", "ct of the chest", "axial ct slice", "thoracic ct"),
    ),
    "ct_haemorrhage": RealClass(
        domain="ct", place="head_ct", modalities=("head ct", "ct of the head", "cranial ct"), fits=(),
        names=("intracranial haemorrhage", "bleeding in the brain", "haemorrhage", "brain haemorrhage"),
    ),
    "mri_tumour": RealClass(
        domain="mri", place="mri", modalities=_HEAD_MRI, names=("brain tumour", "intracranial tumour"),
        fits=("mri_glioma", "mri_meningioma", "mri_metastases"),
    ),
    "mri_hippocampus": RealClass(
        domain="mri", place="hippocampus_mri", modalities=("cropped brain mri", "mri of the medial temporal lobe"),
        names=("hippocampus", "the hippocampus"), fits=(),
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RealImage:
    """One real plane in [0, 1], its class in `REAL`, and its mask where one exists."""

    path: str
    plane: Pixels
    label: str
    mask: Outline | None


def real_claims(label: str) -> Claims:
    """What a report with the class's name claims."""
    if not REAL[label].names:
        return {"finding": frozenset({""})}
    named = {"us_malignant": ("us_carcinoma",), "ct_tumour": ("ct_tumour",), "us_lesion": REAL["us_lesion"].fits}
    named |= {"mri_tumour": REAL["mri_tumour"].fits, "us_benign": ("us_cyst", "us_fibroadenoma", "us_lipoma")}
    return {"finding": frozenset({f"real_{label}", *named.get(label, ())})}


def read_real(data: Path, role: str) -> Iterator[RealImage]:
    """Every real image of this role that the recipe uses, in the order of the manifest."""
    with (data / "manifest.tsv").open(encoding="utf-8") as lines:
        rows = {row["path"]: row for row in csv.DictReader(lines, delimiter="\t") if row["role"] == role}
    for path, row in rows.items():
        label = _label(path, row["what"])
        if label == "mri_hippocampus":
            yield from _hippocampus(data, path)
        elif label:
            plane = _read_grey(data / path)
            yield RealImage(path=path, plane=plane, label=label, mask=_read_mask(data, path, plane.shape, set(rows)))


def _label(path: str, what: str) -> str:
    name = Path(path).name
    if "/images/" not in path:
        return ""
    if path.startswith("us/busi/"):
        return {"benign": "us_benign", "malignant": "us_malignant", "normal": "us_normal"}[name.split("_")[0]]
    if path.startswith(("us/bus_bra/", "us/bus_uc/", "us/breast_lesions_usg/")):
        kind = [word for word in ("benign", "malignant") if word in name.lower()]
        return f"us_{kind[0]}" if kind else "us_lesion"
    if path.startswith("cxr/shenzhen/"):
        return "cxr_normal" if "normal" in what else "cxr_tuberculosis"
    starts = {"ct/msd_lung_tumour/": "ct_tumour", "ct/haemorrhage/": "ct_haemorrhage", "mri/brisc/": "mri_tumour",
              "mri/hippocampus/": "mri_hippocampus"}  # fmt: skip
    return next((label for start, label in starts.items() if path.startswith(start)), "")


def _read_grey(path: Path) -> Pixels:
    with Image.open(path) as image:
        grey = np.asarray(image.convert("L"), np.float32) / 255
    return np.ascontiguousarray(grey, np.float32)


def _read_mask(data: Path, path: str, shape: tuple[int, ...], allowed: set[str]) -> Outline | None:
    """All masks of the image joined; none for radiographs, whose lung masks are no findings."""
    if path.startswith("cxr/"):
        return None
    stem = Path(path).stem
    folder = Path(path).parent.parent / "masks"
    names = [p for p in allowed if Path(p).parent == folder and _mask_stem(p) == stem]
    mask = np.zeros(shape, np.bool_)
    for name in names:
        with Image.open(data / name) as image:
            read = np.asarray(image.convert("RGB")).max(2) > 127
        if read.shape == shape:
            mask |= read
    return mask if mask.any() else None


def _mask_stem(path: str) -> str:
    stem = Path(path).stem
    return stem.split("_mask")[0]


def _hippocampus(data: Path, path: str) -> Iterator[RealImage]:
    """Three sagittal-free planes of a small volume, spread over where the labels lie."""
    voxels = _read_volume(data / path)
    labels = _read_volume(data / path.replace("/images/", "/masks/")) > 0
    scaled = np.clip(voxels / max(float(np.percentile(voxels, 99.5)), 1e-6), 0, 1).astype(np.float32)
    filled = np.flatnonzero(labels.any((0, 1)))
    for index in np.unique(np.quantile(filled, (0.3, 0.5, 0.7)).astype(int)):
        yield RealImage(
            path=f"{path}#{index}", plane=np.ascontiguousarray(scaled[:, :, index]),
            label="mri_hippocampus", mask=np.ascontiguousarray(labels[:, :, index]),
        )  # fmt: skip


def _read_volume(path: Path) -> np.ndarray[Any, np.dtype[np.float32]]:
    loaded = nibabel.load(path)
    return np.asarray(loaded.get_fdata(dtype=np.float32))  # type: ignore[attr-defined]
