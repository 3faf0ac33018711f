"""DICOM header against DICOM header, and against positions: a note that names both where they differ and what was taken."""

import re

import numpy as np
from pydicom import Dataset

from medkt.io.dicom_header import class_modality, items, number, text
from medkt.spatial.geometry import Geometry
from medkt.spatial.image import ImageStatements
from medkt.spatial.modality import written_modality

SAME_STEP = 0.01
GAP = 1.25  # gaps of a fifth are usual in MR; beyond a quarter a finding may lie between the slices
OVERLAP = 1.6  # overlaps of a third are usual in CT
RADIOGRAPHS = {"CR", "DX", "RG", "PX", "IO"}  # one and the same picture by several devices
BODIES = {
    "chest": "CHEST THORAX LUNG LUNGS HEART RIB RIBS CARDIAC", "head": "HEAD BRAIN SKULL ORBIT ORBITS",
    "abdomen": "ABDOMEN LIVER KIDNEY PANCREAS SPLEEN GALLBLADDER", "breast": "BREAST", "neck": "NECK THYROID LARYNX",
    "pelvis": "PELVIS PROSTATE BLADDER UTERUS", "spine": "SPINE CSPINE TSPINE LSPINE SSPINE",
    "limb": "EXTREMITY KNEE HAND FOOT ANKLE SHOULDER ELBOW HIP ARM LEG WRIST FEMUR FINGER TOE",
}  # fmt: skip
_BODY_OF = {word: body for body, words in BODIES.items() for word in words.split()}


def stated_by(header: Dataset) -> ImageStatements:
    """What a header says of body, side and view, in words of medkt's own; "" for all else, which may be free text."""
    anatomic = items(header, "AnatomicRegionSequence")
    meant = text(header, "BodyPartExamined") or (text(anatomic[0], "CodeMeaning") if anatomic else "")
    side = text(header, "ImageLaterality") or text(header, "Laterality")
    view = text(header, "ViewPosition").upper()
    return ImageStatements(
        body=_BODY_OF.get(re.sub(r"[^A-Z]", "", meant.upper()), ""),
        side={"L": "left", "R": "right"}.get(side.upper(), ""),
        view="lateral" if view in ("LL", "RL", "LAT", "LATERAL", "LLAT", "RLAT") else "",
    )


def notes_on(header: Dataset, geometry: Geometry) -> tuple[str, ...]:
    """Modality against the class of the object, thickness and spacing of slices against the positions."""
    return (*_modality(header), *(_slices(header, geometry) if _is_stack(geometry) else ()))


def _is_stack(geometry: Geometry) -> bool:
    return geometry.shape[0] > 1 and geometry.stack == "space" and geometry.unit == "mm"


def _modality(header: Dataset) -> tuple[str, ...]:
    said, of_class = text(header, "Modality").upper(), class_modality(header)
    if not said or not of_class or said == of_class or {said, of_class} <= RADIOGRAPHS:
        return ()
    named = written_modality(said)
    return (f"the file says modality {named} in an object for {of_class} images: {named} was taken",)


def _slices(header: Dataset, geometry: Geometry) -> tuple[str, ...]:
    normal = np.cross(geometry.affine[:3, 2], geometry.affine[:3, 1])
    step = abs(float(geometry.affine[:3, 0] @ normal)) / float(np.linalg.norm(normal))  # a leaning stack steps further
    thickness, between = number(header, "SliceThickness") or 0.0, abs(number(header, "SpacingBetweenSlices") or 0.0)
    notes = []
    if between > 0 and abs(between - step) > SAME_STEP * step:
        notes.append(
            f"SpacingBetweenSlices says {between:.4g} mm, the positions {step:.4g} mm: the positions were taken"
        )
    if thickness > 0 and step > GAP * thickness:
        notes.append(
            f"slices {thickness:.4g} mm thick stand every {step:.4g} mm: what lies between them was not imaged"
        )
    if thickness > OVERLAP * step:
        notes.append(
            f"slices {thickness:.4g} mm thick stand every {step:.4g} mm: they overlap, and small parts show twice"
        )
    return tuple(notes)
