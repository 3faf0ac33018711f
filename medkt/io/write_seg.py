"""Masks as a DICOM segmentation (SEG) in the study of the image, by highdicom.

Binary, one segment a concept, frames without mask left out. Patient and study are taken over, for a DICOM object needs them;
no description, comment, operator or institution of the source is.
"""

import math
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from pydicom import Dataset
from pydicom.datadict import dictionary_VR
from pydicom.sr.codedict import codes
from pydicom.valuerep import DA, TM

from medkt.about import DEMONSTRATION_SHORT, __version__
from medkt.errors import InputError, SettingsError, UnsupportedError
from medkt.extras import require
from medkt.io.atomic import write_atomically
from medkt.io.dicom_header import integer, text, value
from medkt.io.guard import one_line
from medkt.io.native import DicomNative
from medkt.io.write_seg_frames import lay_frames
from medkt.io.write_seg_source import seg_source
from medkt.spatial.image import Image, Mask

require("dicom-objects", "a DICOM SEG")
import highdicom as hd  # noqa: E402, once it is known to be there

DISCLAIMER = "Not a medical device: research use only"
SINGLE_PICTURE = "1.2.840.10008.5.1.4.1.1.7"  # Secondary Capture; the frames name the sources by their own class

# Required by the Patient, Study and Frame of Reference modules or by references to the source; nothing else is copied.
_STUDY = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex",
    "StudyID", "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName",
)  # fmt: skip
_IDENTITY = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "Rows", "Columns")
_HISTORY = (
    "PatientIdentityRemoved", "DeidentificationMethod",
    "LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod",
)  # fmt: skip


@runtime_checkable
class Term(Protocol):
    """A code: `value` in `scheme`, with its meaning in words."""

    @property
    def value(self) -> str: ...
    @property
    def scheme(self) -> str: ...
    @property
    def meaning(self) -> str: ...


@runtime_checkable
class SegmentFinding(Protocol):
    """What a segment shows; `medkt.concepts.concept.Concept` is one."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def category(self) -> Term: ...
    @property
    def type(self) -> Term | None: ...
    @property
    def region(self) -> Term | None: ...
    @property
    def colour(self) -> tuple[int, int, int]: ...


def write_dicom_seg(
    masks: Sequence[Mask],
    concepts: Sequence[SegmentFinding],
    image: Image,
    path: str | Path,
    *,
    every_frame: bool = False,
    demonstration: bool = False,
) -> Path:
    """Write masks as segments 1, 2, ... of one DICOM SEG, BINARY, in the study and frame of reference of the image.

    Each frame names the source frame of its slice and has that slice's place. Where the image has no place in the
    patient (radiographs, ultrasound) the SEG has a frame of reference of its own, in which the pixels count.

    Args:
        masks: on the grid of the image; they may overlap. One that is empty has one frame without voxels.
        concepts: one a mask; names, codes and colour of the segment.
        image: read from DICOM and not regridded; `seg_refusal` says beforehand whether it will do.
        path: the file.
        every_frame: write slices without mask too, for viewers that misplace what lies behind a gap.
        demonstration: the series, the content and each segment's algorithm say that it is one.

    Raises:
        SettingsError: as many masks as concepts are needed, at least one.
        GeometryMismatchError: a mask lies on another grid. GeometryError: the image was regridded.
        UnsupportedError: the image is not from DICOM, its slices are no whole frames, or its files lack the
            identifiers that a SEG refers to.
        OutputError: the file cannot be written; nothing is left behind.
    """
    if not masks or len(masks) != len(concepts):
        raise SettingsError(f"a SEG takes one concept a mask, got {len(masks)} masks and {len(concepts)} concepts")
    for mask in masks:
        image.geometry.require_same_grid(mask.geometry, what="mask")
    try:
        native = seg_source(image)
    except InputError as error:
        raise type(error)(f"{path}: {error}") from error
    try:
        seg = _made(masks, concepts, image, native, every_frame=every_frame)
        if demonstration:
            _mark(seg, concepts)
    except UnsupportedError as error:
        raise UnsupportedError(f"{path}: {error}", code="no-seg") from error
    return write_atomically(path, lambda temporary: _save(seg, temporary))


def seg_refusal(image: Image) -> str | None:
    """Why no DICOM SEG can be written of this image, in words; None where one can.

    One without a voxel inside is made, so that whatever stops the writer is known before anything is computed.
    """
    try:
        native = seg_source(image)
        empty = Mask(values=np.zeros(image.geometry.shape, dtype=bool), geometry=image.geometry)
        _made([empty], [_Trial()], image, native)
    except InputError as error:
        return str(error)
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    """A code of the trial."""

    value: str
    scheme: str
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trial:
    """A finding that no SEG is kept of."""

    id: str = "trial"
    name: str = "trial"
    category: Term = field(
        default_factory=lambda: _Words(value="49755003", scheme="SCT", meaning="Morphologic abnormality")
    )
    type: Term | None = None
    region: Term | None = None
    colour: tuple[int, int, int] = (0, 0, 0)


def _made(
    masks: Sequence[Mask],
    concepts: Sequence[SegmentFinding],
    image: Image,
    native: DicomNative,
    *,
    every_frame: bool = False,
) -> Dataset:
    """The SEG in memory.

    Raises:
        UnsupportedError: the source headers hold what nothing can be made of.
    """
    segments = [_segment(number, concept) for number, concept in enumerate(concepts, 1)]
    try:
        with warnings.catch_warnings(record=True):  # about values of the source, which are not ours to mend
            warnings.simplefilter("always")
            seg = _around(segments, image, native, concepts)
            lay_frames(seg, masks, image, native, every_frame=every_frame)
            _take_over_study(seg, native.datasets[0])
    except Exception as error:  # the source headers may hold anything, and highdicom says so in many ways
        raise UnsupportedError(
            f"no SEG can be made of this series ({type(error).__name__}: {one_line(str(error))}); write NIfTI",
            code="no-seg",
        ) from error
    return seg


def _mark(seg: Dataset, concepts: Sequence[SegmentFinding]) -> None:
    """What a viewer shows of the object says that it is a demonstration: series, content, and the algorithm of each segment."""
    seg.SeriesDescription = one_line(f"{DEMONSTRATION_SHORT}: medkt {_names(concepts)}", 64)
    seg.ContentDescription = DEMONSTRATION_SHORT
    for segment in seg.SegmentSequence:
        segment.SegmentAlgorithmName = f"medkt, {DEMONSTRATION_SHORT}"


def _names(concepts: Sequence[SegmentFinding]) -> str:
    return ", ".join(concept.name for concept in concepts)


def _save(seg: Dataset, path: Path) -> None:
    with warnings.catch_warnings(record=True):  # the same values of the source again
        warnings.simplefilter("always")
        seg.save_as(path)


def _around(
    segments: list[hd.seg.SegmentDescription], image: Image, native: DicomNative, concepts: Sequence[SegmentFinding]
) -> Dataset:
    """The object around the frames: patient, study, series, equipment, segments; of one empty frame a segment."""
    return hd.seg.Segmentation(
        source_images=[_one_picture(native)],
        pixel_array=np.zeros((1, *image.geometry.shape[1:], len(segments)), np.uint8),
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=segments,
        series_instance_uid=hd.UID(),
        series_number=1000 + min(abs(integer(native.datasets[0], "SeriesNumber") or 0), 10**6),
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer="medkt",
        manufacturer_model_name="medkt",
        software_versions=__version__,
        device_serial_number="none",
        content_description=DISCLAIMER,
        content_label=_label(concepts),
        series_description=one_line(f"medkt research only: {_names(concepts)}", 64),
        omit_empty_frames=False,
    )


def _one_picture(native: DicomNative) -> Dataset:
    """A header as of a picture without a place, which highdicom takes from every kind of source; no words of it."""
    source = Dataset()
    lossy = [dataset for dataset in native.datasets if text(dataset, "LossyImageCompression") == "01"]
    for keyword in (*_IDENTITY, *_HISTORY):
        found = _numeric((lossy or native.datasets)[0], keyword)
        if found is not None:
            setattr(source, keyword, found)
    source.SOPClassUID = SINGLE_PICTURE
    source.Modality, source.InstanceNumber = "OT", 1
    for keyword in _STUDY:  # empty for highdicom, whose complaints would quote a name; `_take_over_study` fills them in
        setattr(source, keyword, "")
    return source


def _numeric(dataset: Dataset, keyword: str) -> Any:
    """The value; of what should be numbers, those that are, None where there is none."""
    found = value(dataset, keyword)
    if dictionary_VR(keyword) not in ("DS", "IS") or found is None:
        return found
    sound = [
        one
        for part in ([found] if isinstance(found, str | float | int) else found)
        if (one := _number(part)) is not None
    ]
    return [f"{one:.10g}" for one in sound] or None


def _number(found: object) -> float | None:
    try:
        number = float(str(found))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _label(concepts: Sequence[SegmentFinding]) -> str:
    """A code string: at most 16 capitals, digits, underscores, which begins with a capital and does not end with an underscore."""
    words = re.sub("[^A-Z0-9_]", "_", concepts[0].id.upper())[:16].rstrip("_")
    return words if len(concepts) == 1 and re.match("[A-Z]", words) else "MEDKT"


def _segment(number: int, concept: SegmentFinding) -> hd.seg.SegmentDescription:
    kind = concept.category if concept.type is None else concept.type
    return hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=one_line(concept.name, 64),
        segmented_property_category=_code(concept.category),
        segmented_property_type=_code(kind),
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            name="medkt", family=codes.cid7162.ArtificialIntelligence, version=__version__
        ),
        tracking_uid=hd.UID(),
        tracking_id=one_line(f"medkt {concept.id} {number}", 64),
        anatomic_regions=None if concept.region is None else [_code(concept.region)],
        display_color=hd.color.CIELabColor.from_rgb(*concept.colour),
    )


def _code(term: Term) -> hd.sr.CodedConcept:
    return hd.sr.CodedConcept(value=term.value, scheme_designator=term.scheme, meaning=one_line(term.meaning, 64))


def _take_over_study(seg: Dataset, source: Dataset) -> None:
    """Patient and study as the source has them, so that archives file the SEG beside it."""
    characters = value(source, "SpecificCharacterSet")
    if characters is not None:
        one = [characters] if isinstance(characters, str) else list(characters)
        seg.SpecificCharacterSet = [name.replace("ISO-IR ", "ISO_IR ") for name in one]  # a common misspelling
    for keyword in _STUDY:
        setattr(seg, keyword, _sound(source, keyword))


def _sound(dataset: Dataset, keyword: str) -> Any:
    """The value, or "" where it does not obey its type; a wrong date would stop the writing of a right mask."""
    found = value(dataset, keyword)
    if found is None:
        return ""
    try:
        if keyword.endswith("Date"):
            DA(found := str(found).replace(".", ""))  # before 1993 dates had dots and times colons
        elif keyword.endswith("Time"):
            TM(found := str(found).replace(":", ""))
        elif keyword == "PatientSex" and str(found) not in ("M", "F", "O"):
            return ""
    except ValueError:
        return ""
    return found
