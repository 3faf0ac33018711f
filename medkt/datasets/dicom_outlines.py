"""DICOM series with the SEG or RTSTRUCT files that outline something on them, found by what the files say."""

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path

from pydicom import Dataset

from medkt.datasets.case import Case
from medkt.datasets.folder import require_folder
from medkt.datasets.manifest import Manifest
from medkt.datasets.rtstruct import RTSTRUCT, referenced_series
from medkt.errors import AmbiguousInputError, InputError
from medkt.io.dicom_header import items, kind_of, modality_of, read_header, text
from medkt.io.dicom_seg import BINARY_OR_FRACTIONAL
from medkt.io.dicom_start import looks_like_dicom
from medkt.io.seg_planes import LABELMAP

DOMAINS = {"CT": "ct", "MR": "mri", "US": "ultrasound", "CR": "cxr", "DX": "cxr"}


@dataclass(slots=True)
class _Found:
    """Folders of each series, one header of each, and the files that outline."""

    folders: dict[str, set[Path]] = field(default_factory=dict)
    headers: dict[str, Dataset] = field(default_factory=dict)
    outlines: list[tuple[Path, Dataset]] = field(default_factory=list)


def build(root: str | Path, *, structure: str = "", concept: str = "") -> Manifest:
    """One case a SEG or RTSTRUCT below `root`, with the series that it names.

    Case and patient ids are digests of the UID and of the patient's id: no header value leaves the file but sex and scanner.

    Args:
        root: a folder of any depth.
        structure: the structure of an RTSTRUCT, or the segment label of a SEG, that is taken; all of a SEG and the only
            one of an RTSTRUCT where not given.
        concept: what is outlined.

    Raises:
        InputError: no outline, or one whose series is not there. AmbiguousInputError: two outlines of one series.
    """
    found = _look(require_folder(root))
    if not found.outlines:
        raise InputError(f"{root}: no SEG and no RTSTRUCT below it; those files hold the outlines")
    cases: dict[str, Case] = {}
    for path, header in found.outlines:
        case = _case(path, header, found, structure, concept)
        if case.case_id in cases:
            raise AmbiguousInputError(
                f"{path}: outlines the same series as {cases[case.case_id].references[0]}; keep one of the two"
            )
        cases[case.case_id] = case
    return Manifest(cases=tuple(cases[name] for name in sorted(cases)), name=Path(root).name)


def _look(base: Path) -> _Found:
    found = _Found()
    for folder, inner, names in os.walk(base):
        inner.sort()
        for path in (Path(folder) / name for name in sorted(names)):
            if not looks_like_dicom(path):
                continue
            header = read_header(path, str(path))
            if text(header, "SOPClassUID") in (RTSTRUCT, BINARY_OR_FRACTIONAL, LABELMAP):
                found.outlines.append((path, header))
            elif kind_of(header) is None:
                series = text(header, "SeriesInstanceUID")
                found.folders.setdefault(series, set()).add(path.parent)
                found.headers.setdefault(series, header)
    return found


def _case(path: Path, header: Dataset, found: _Found, structure: str, concept: str) -> Case:
    named = [uid for uid in referenced_series(header) if uid in found.folders]
    if len(named) != 1:
        said = "none of the series that it names is" if not named else f"{len(named)} of the series that it names are"
        raise InputError(f"{path}: {said} below the folder; put the one series that it was drawn on beside it")
    series = named[0]
    image = found.headers[series]
    is_rtstruct = text(header, "SOPClassUID") == RTSTRUCT
    return Case(
        case_id=_digest(series), image=Path(os.path.commonpath(sorted(found.folders[series]))),
        patient_id=_digest(text(image, "PatientID") or series), series=series, references=(path,),
        reference_kind="rtstruct" if is_rtstruct else "mask",
        reference_key=structure if is_rtstruct else _segment(header, structure, path), concept=concept,
        modality=DOMAINS.get(modality_of(image), ""), split="test",
        columns={"sex": text(image, "PatientSex"), "scanner": text(image, "ManufacturerModelName")},
    )  # fmt: skip


def _segment(header: Dataset, structure: str, path: Path) -> str:
    if not structure:
        return ""
    known = {text(item, "SegmentLabel"): text(item, "SegmentNumber") for item in items(header, "SegmentSequence")}
    if structure not in known:
        raise InputError(f"{path}: no segment {structure!r}; there are {', '.join(known)}")
    return known[structure]


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()[:16]
