"""What an encoder is shown: real studies by what they show, from the open sets in one folder or from a manifest of one's own.

Roles: studies of "teach" may be learned from and rehearsed by; those of "ask" are asked about and nothing else. No study and no
patient is in both.
"""

import csv
import hashlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image as Picture

sys.path.append(str(Path(__file__).resolve().parents[1]))

from medkt.concepts import Concept, load_concept
from medkt.datasets.case import Case
from medkt.datasets.manifest import read_manifest
from medkt.domains import domain
from medkt.errors import InputError, MedktError
from medkt.io import read_image
from medkt.pipeline.look import View, look_at, shown_plane
from medkt.shapes import Plane
from small_model.real_images import RealImage, read_real

Role = Literal["teach", "ask"]
ROLES: dict[str, Role] = {"train": "teach", "validate": "ask", "test": "ask", "": "ask"}
"""By the role or split that a table says; a study of none is asked about."""
COLOURS = ("mri_pituitary", "mri_glioma", "mri_meningioma")  # red, green, blue: as the source of these slices says


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Study:
    """One study.

    Attributes:
        id: of what it shows, not of its file's name: the first letters of a digest.
        patient: the same of whom it is of; studies of one stay together in every interval.
        label, modality: what it shows, and by what.
        role: what it may be used for.
        planes: as an encoder is shown them, in [0, 1], one or several.
    """

    id: str
    patient: str
    label: str
    modality: str
    role: Role
    planes: tuple[Plane, ...]


def read_studies(data: Path) -> list[Study]:
    """Of a folder that holds `manifest.tsv`, or of a manifest (CSV, Parquet) with classes.

    Raises:
        InputError: neither, or a study or a patient that would be learned from and asked about.
    """
    if (data / "manifest.tsv").is_file():
        found = [*_open_sets(data)]
    elif data.is_file():
        found = [_of_case(case, data) for case in read_manifest(data)]
    else:
        raise InputError(
            f"{data}: give a folder that holds manifest.tsv, or a manifest (CSV or Parquet) with class_name and split"
        )
    return _kept_apart(found, data)


def concepts_of_manifest(manifest: Path) -> dict[str, Concept]:
    """By class, the concept that the manifest names for it; a class without one is no finding and is not asked for.

    Raises:
        InputError: a class has two concepts, or one that is not known.
    """
    found: dict[str, str] = {}
    for case in read_manifest(manifest):
        if case.concept and found.setdefault(case.class_name, case.concept) != case.concept:
            raise InputError(
                f"{manifest}: class {case.class_name!r} is {found[case.class_name]!r} and {case.concept!r}; a class has one concept"
            )
    modalities = {case.class_name: case.modality for case in read_manifest(manifest)}
    return {label: load_concept(name, modality=modalities[label]) for label, name in found.items()}


def _kept_apart(studies: Sequence[Study], data: Path) -> list[Study]:
    for what in ("id", "patient"):
        taught = {getattr(one, what) for one in studies if one.role == "teach"}
        both = taught & {getattr(one, what) for one in studies if one.role == "ask"}
        if both:
            of = "studies" if what == "id" else "patients"
            raise InputError(
                f"{data}: {len(both)} {of} are to be learned from and asked about; an exam on what was taught says nothing. "
                "Give each one split"
            )
    return list(studies)


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _made(planes: Iterable[Plane], *, label: str, modality: str, role: Role, patient: str) -> Study:
    held = tuple(np.ascontiguousarray(plane, np.float32) for plane in planes)
    own = _digest(*(plane.tobytes() for plane in held))
    whose = _digest(patient.encode()) if patient else own
    return Study(id=own, patient=whose, label=label, modality=modality, role=role, planes=held)


# ---- the open sets


def _open_sets(data: Path) -> Iterator[Study]:
    """The recipe's real images, brain tumours by their kind, and the liver's, which the recipe leaves out."""
    for name, role in (("train", ROLES["train"]), ("validate", ROLES["validate"])):
        found = [_kind_of_tumour(data, i) if i.label == "mri_tumour" else i for i in read_real(data, name)]
        for image in (*found, *_liver(data, name)):
            modality = "ultrasound" if image.label.startswith("us_") else image.label.split("_")[0]
            whose = image.path.split("#")[0]  # planes of one volume
            yield _made((image.plane,), label=image.label, modality=modality, role=role, patient=whose)


def _kind_of_tumour(data: Path, image: RealImage) -> RealImage:
    with Picture.open(data / image.path.replace("/images/", "/masks/")) as mask:
        counts = (np.asarray(mask.convert("RGB")) > 127).sum((0, 1))
    return replace(image, label=COLOURS[int(counts.argmax())])


def _liver(data: Path, role: str) -> Iterator[RealImage]:
    with (data / "manifest.tsv").open(encoding="utf-8") as lines:
        rows = [row["path"] for row in csv.DictReader(lines, delimiter="\t") if row["role"] == role]
    for path in (p for p in rows if p.startswith("us/liver/images/")):
        with Picture.open(data / path) as picture:
            plane = np.asarray(picture.convert("L"), np.float32) / 255
        yield RealImage(path=path, plane=plane, label="us_liver", mask=None)


# ---- a manifest


def _of_case(case: Case, manifest: Path) -> Study:
    if not case.class_name or not case.modality:
        raise InputError(f"{manifest}: case {case.case_id!r}: class_name and modality are needed; fill in both columns")
    if case.split not in ROLES:
        raise InputError(
            f"{manifest}: case {case.case_id!r}: split {case.split!r}; known: {', '.join(filter(None, ROLES))}"
        )
    try:
        planes = _planes(case)
    except MedktError as error:
        raise InputError(f"{manifest}: case {case.case_id!r}: {error}") from error
    own = {"label": case.class_name, "modality": case.modality, "patient": case.patient_id}
    return _made(planes, role=ROLES[case.split], **own)


def _planes(case: Case) -> tuple[Plane, ...]:
    """Those that the pipeline looks at."""
    kind, image = _domain(case.modality), read_image(case.image)
    looked = look_at(image, kind, View(modality=kind.name))
    return tuple(shown_plane(image, looked, position) for position in looked.positions)


_domain = cache(domain)
