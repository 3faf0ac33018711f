"""Several files under one SOP instance UID: copies of one object, or different pictures that were given one name.

The UID is meant to name one object in the world. Programs that cut, anonymise or convert files break that, so the name
alone drops nothing: what two files show and where it lies is compared first.
"""

import hashlib
from dataclasses import replace
from functools import cached_property

import numpy as np
from pydicom import Dataset

from medkt.io.dicom_files import DicomFile, transfer_syntax
from medkt.io.dicom_frames import frames_of
from medkt.io.dicom_header import text
from medkt.io.dicom_pixels import read_voxels
from medkt.io.guard import reading
from medkt.io.within import whole_dicom

_PLACE = (
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns", "NumberOfFrames",
    "PixelRepresentation", "BitsStored", "PhotometricInterpretation", "RescaleSlope", "RescaleIntercept",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
)  # fmt: skip
_VOXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


def without_copies(files: list[DicomFile]) -> tuple[list[DicomFile], tuple[str, ...]]:
    """Every picture once, in the order of the files, and a word about the copies and about names used twice.

    Files of one SOP instance UID are copies where their voxels and their places are equal; else all are kept.

    Raises:
        InputError: one of those to be compared cannot be read.
    """
    kept: list[DicomFile] = []
    named: dict[str, list[_Known]] = {}
    for file in files:
        uid = text(file.header, "SOPInstanceUID")
        others, one = named.setdefault(uid, []), _Known(file)
        if not uid or not any(one.same_picture(other) for other in others):
            others.append(one)
            kept.append(file)
    copies = len(files) - len(kept)
    notes = []
    if copies:
        many = "files repeat" if copies > 1 else "file repeats"
        notes.append(
            f"{copies} {many} the SOP instance of another, voxel for voxel, and {'are' if copies > 1 else 'is'} skipped"
        )
    for uid, others in named.items():
        if uid and len(others) > 1:
            notes.append(f"{len(others)} different pictures have one SOP instance UID: all are kept")
    return kept, tuple(notes)


class _Known:
    """A file, and the digests of what it holds, which are made when they are first asked for."""

    def __init__(self, file: DicomFile) -> None:
        self._file = file

    def same_picture(self, other: "_Known") -> bool:
        """Whether both show the same voxels at the same place."""
        mine, others = self._file.header, other._file.header
        if any(_value(mine, keyword) != _value(others, keyword) for keyword in _PLACE):
            return False
        return self._stored == other._stored or self._decoded == other._decoded

    @cached_property
    def _stored(self) -> tuple[str, str]:
        """Transfer syntax and the voxels as they stand in the file."""
        with reading(self._file.shown, "reading the DICOM file"):
            dataset = whole_dicom(self._file.path)
            voxels = [dataset.get(keyword) for keyword in _VOXELS]
            return transfer_syntax(dataset), _digest(*(bytes(part) for part in voxels if part is not None))

    @cached_property
    def _decoded(self) -> str:
        """The voxels themselves: one picture may be stored in several ways."""
        frames = [replace(frame, file=0) for frame in frames_of([self._file])]
        values = read_voxels(frames, [self._file])[0]
        return _digest(str(values.shape).encode(), values.astype(np.float64).tobytes())


def _value(header: Dataset, keyword: str) -> object:
    """The value for comparing; damaged ones are equal to no other."""
    try:
        return header.get(keyword)
    except Exception:  # the library decodes here and raises whatever the bytes make it raise
        return object()


def _digest(*parts: bytes) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(part)
    return whole.hexdigest()
