"""Masks as a DICOM segmentation (SEG) in the study of the image, by highdicom.

Binary, one segment a concept, empty frames left out. Patient and study are taken over, for a DICOM object needs them;
no description, comment, operator or institution of the source is.
"""

import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import highdicom as hd
import numpy as np
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import UID
from pydicom.valuerep import DA, TM

from medkt.about import __version__
from medkt.errors import GeometryError, SettingsError, UnsupportedError
from medkt.io.atomic import write_atomically
from medkt.io.dicom_header import integer, items, text, value
from medkt.io.guard import one_line
from medkt.io.native import DicomNative
from medkt.io.write_seg_clip import one_frame_of, spread_over_frames
from medkt.spatial.image import Image, Mask

DISCLAIMER = "Not a medical device: research use only"

# Required by the Patient, Study and Frame of Reference modules or by references to the source; nothing else is copied.
_STUDY = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex",
    "StudyID", "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName",
)  # fmt: skip
_NEEDED = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
_PLACE = (
    "Modality", "Rows", "Columns", "NumberOfFrames", "InstanceNumber", "ImageType",
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "SpacingBetweenSlices",
    "FrameOfReferenceUID", "PositionReferenceIndicator", "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence", "PatientIdentityRemoved", "DeidentificationMethod",
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
class Finding(Protocol):
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


def write_dicom_seg(masks: Sequence[Mask], concepts: Sequence[Finding], image: Image, path: str | Path) -> Path:
    """Write masks as segments 1, 2, ... of one DICOM SEG, BINARY, in the study and frame of reference of the image.

    Args:
        masks: on the grid of the image; they may overlap, and all may be empty.
        concepts: one a mask; names, codes and colour of the segment.
        image: read from DICOM and not regridded.
        path: the file.

    Raises:
        SettingsError: as many masks as concepts are needed, at least one.
        GeometryMismatchError: a mask lies on another grid. GeometryError: the image was regridded.
        UnsupportedError: the image is not from DICOM, or its files lack the identifiers that a SEG refers to.
        OutputError: the file cannot be written; nothing is left behind.
    """
    if not masks or len(masks) != len(concepts):
        raise SettingsError(f"a SEG takes one concept a mask, got {len(masks)} masks and {len(concepts)} concepts")
    for mask in masks:
        image.geometry.require_same_grid(mask.geometry, what="mask")
    native = _usable(image, path)
    segments = [_segment(number, concept) for number, concept in enumerate(concepts, 1)]
    sources = [_stripped(dataset, image) for dataset in native.datasets]
    try:
        with warnings.catch_warnings(record=True):  # about values of the source, which are not ours to mend
            seg = _segmentation(masks, segments, native, sources, concepts)
            _take_over_study(seg, native.datasets[0])
    except Exception as error:  # the source headers may hold anything, and highdicom says so in many ways
        raise UnsupportedError(
            f"{path}: no SEG can be made of this series ({type(error).__name__}: {one_line(str(error))}); write NIfTI"
        ) from error
    return write_atomically(path, lambda temporary: _save(seg, temporary))


def _save(seg: Dataset, path: Path) -> None:
    with warnings.catch_warnings(record=True):  # the same values of the source again
        seg.save_as(path)


def _usable(image: Image, path: str | Path) -> DicomNative:
    native = image.native
    if not isinstance(native, DicomNative):
        raise UnsupportedError(f"{path}: a DICOM SEG refers to DICOM images, and this one is not; write NIfTI or PNG")
    if native.regridded:
        raise GeometryError(
            f"{path}: the image was regridded, so its slices are no longer those of the files; write NIfTI"
        )
    if native.mosaic:
        raise UnsupportedError(
            f"{path}: the slices are parts of a mosaic, and a SEG refers to whole frames; write NIfTI, on the slices' grid"
        )
    for keyword in _NEEDED:
        if any(not UID(text(dataset, keyword)).is_valid for dataset in native.datasets):
            raise UnsupportedError(
                f"{path}: the source files lack a valid {keyword}, which a SEG refers to; write NIfTI"
            )
    if len({text(dataset, "SOPInstanceUID") for dataset in native.datasets}) < len(native.datasets):
        raise UnsupportedError(
            f"{path}: several of the source files have one SOPInstanceUID, so a SEG cannot say which it means; write NIfTI"
        )
    if image.geometry.stack == "space" and image.geometry.shape[0] > 1 and not _has_place(image):
        raise UnsupportedError(
            f"{path}: the source files lack a FrameOfReferenceUID, which a SEG refers to; write NIfTI"
        )
    if len(native.datasets) > 1 and any((integer(d, "NumberOfFrames") or 1) > 1 for d in native.datasets):
        raise UnsupportedError(
            f"{path}: a SEG refers to one multi-frame file or many of one frame, not both; write NIfTI"
        )
    return native


def _has_place(image: Image) -> bool:
    return image.geometry.stack == "space" and image.geometry.frame_of_reference_uid is not None


def _segmentation(
    masks: Sequence[Mask],
    segments: list[hd.seg.SegmentDescription],
    native: DicomNative,
    sources: list[Dataset],
    concepts: Sequence[Finding],
) -> Dataset:
    frames = np.stack([mask.values for mask in masks], axis=-1).astype(np.uint8)  # (slices, rows, columns, segments)
    names = ", ".join(concept.name for concept in concepts)
    count = integer(sources[0], "NumberOfFrames") or 1
    placed = "FrameOfReferenceUID" in sources[0]
    clip = not placed and count > 1
    if clip:
        sources = [one_frame_of(sources[0])]
    elif count > 1:
        sources = [_only_frames_of(sources[0], native)]
    seg = hd.seg.Segmentation(
        source_images=sources,
        pixel_array=frames[:1] if clip else frames,
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
        series_description=one_line(f"medkt research only: {names}", 64),
        omit_empty_frames=not clip and bool(frames.any()),  # an image has one frame at least
    )
    if not placed:  # type 2C: has to be there where no plane has a place; empty where the source is silent
        seg.PatientOrientation = sources[0].get("PatientOrientation")
    if clip:
        return spread_over_frames(seg, frames, native.datasets[0])
    if count > 1:
        _name_frames_of_file(seg, native)
    return seg


def _only_frames_of(source: Dataset, native: DicomNative) -> Dataset:
    """The header of a multi-frame file as if it held the frames of the image alone, in slice order."""
    chosen = Dataset()
    chosen.update(source)
    groups = source.PerFrameFunctionalGroupsSequence
    del chosen.PerFrameFunctionalGroupsSequence, chosen.NumberOfFrames  # the elements are shared with the source
    chosen.PerFrameFunctionalGroupsSequence = [groups[number - 1] for _, number in native.frames]
    chosen.NumberOfFrames = len(native.frames)
    return chosen


def _name_frames_of_file(seg: Dataset, native: DicomNative) -> None:
    """Frame numbers that count slices become those of the file."""
    for group in seg.PerFrameFunctionalGroupsSequence:
        for derivation in items(group, "DerivationImageSequence"):
            for source in items(derivation, "SourceImageSequence"):
                source.ReferencedFrameNumber = native.frames[int(source.ReferencedFrameNumber) - 1][1]


def _label(concepts: Sequence[Finding]) -> str:
    """A code string: at most 16 capitals, digits, underscores."""
    return re.sub("[^A-Z0-9_]", "_", concepts[0].id.upper())[:16] if len(concepts) == 1 else "MEDKT"


def _segment(number: int, concept: Finding) -> hd.seg.SegmentDescription:
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


def _stripped(dataset: Dataset, image: Image) -> Dataset:
    """What a SEG needs of a source header, and no more; absent names and dates become empty."""
    source = Dataset()
    for keyword in (*_NEEDED, *_PLACE):
        found = value(dataset, keyword)
        if found is not None:
            setattr(source, keyword, found)
    for keyword in _STUDY:  # empty for highdicom, whose complaints would quote a name; `_take_over_study` fills them in
        setattr(source, keyword, "")
    if not text(source, "Modality"):
        source.Modality = "OT"
    if "SliceThickness" not in source:  # highdicom asks for it
        source.SliceThickness = f"{image.geometry.spacing[0]:.6g}"
    if not _has_place(image):  # a frame of reference without positions says nothing, and highdicom would look for them
        for keyword in ("FrameOfReferenceUID", "PositionReferenceIndicator", "ImagePositionPatient"):
            if keyword in source:
                delattr(source, keyword)
    return source


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
            DA(str(found))
        elif keyword.endswith("Time"):
            TM(str(found))
        elif keyword == "PatientSex" and str(found) not in ("M", "F", "O"):
            return ""
    except ValueError:
        return ""
    return found
