"""The frames of a SEG: which are written, where each lies, which frame of the source it is of, and its voxels.

highdicom makes the object around them. It takes place and references from the source headers, and leaves them out or
refuses where those are in a form that it does not expect; here they come from the image as medkt read it, so that every
frame names the source frame of its own slice and has its place, for every kind of source (PS3.3 A.51.5).
"""

from collections.abc import Sequence

import numpy as np
from pydicom import Dataset
from pydicom.pixels.utils import pack_bits
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.tag import Tag

from medkt.extras import require
from medkt.io.dicom_groups import functional
from medkt.io.dicom_header import number, text
from medkt.io.native import DicomNative
from medkt.io.write_seg_source import SourceFrame, frame_of_reference, source_frames
from medkt.spatial.image import Image, Mask

require("dicom-objects", "a DICOM SEG")
import highdicom as hd  # noqa: E402, once it is known to be there

PATIENT = hd.CoordinateSystemNames.PATIENT
STAND_IN = (
    "The source has no {missing}: {what} here are those of its pixels (columns along +x, rows along +y{frames}, {unit}), "
    "in a frame of reference of its own. The reference to the source frame says where a frame belongs."
)
NO_FRAME = "The source names no frame of reference: the one here is this object's own, the positions are the source's."


def lay_frames(
    seg: Dataset, masks: Sequence[Mask], image: Image, native: DicomNative, *, every_frame: bool = False
) -> None:
    """Give a SEG the frames of the masks, one a segment and slice that is not empty; changed in place.

    Args:
        seg: what highdicom made; its own frames are replaced.
        masks: of segments 1, 2, ... in this order.
        image: the grid.
        native: the files behind it.
        every_frame: whether empty slices are written too. A mask that is empty throughout has its first slice.
    """
    sources = source_frames(image, native)
    written = [(s, k) for s, mask in enumerate(masks) for k in _slices(mask, every=every_frame)]
    used = sorted({k for _, k in written})
    seg.FrameOfReferenceUID = frame_of_reference(image, native)
    seg.PositionReferenceIndicator = text(native.datasets[0], "PositionReferenceIndicator")
    seg.SharedFunctionalGroupsSequence = [_shared(image, sources)]
    seg.PerFrameFunctionalGroupsSequence = [_group(s, used.index(k), sources[k]) for s, k in written]
    seg.NumberOfFrames = len(written)
    seg.DimensionIndexSequence = _dimensions(seg.DimensionOrganizationSequence[0].DimensionOrganizationUID)
    seg.SegmentsOverlap = "YES" if _overlap(masks) else "NO"
    seg.PixelData = bytes(pack_bits(np.stack([masks[s].values[k].astype(np.uint8) for s, k in written]), pad=True))
    _refer(seg, native)
    _say_what_is_no_place(seg, image, placed=sources[0].placed)


def _slices(mask: Mask, *, every: bool) -> list[int]:
    filled = [int(k) for k in np.flatnonzero(mask.values.any(axis=(1, 2)))]
    return list(range(len(mask.values))) if every else filled or [0]  # no segment without a frame: viewers hang on it


def _overlap(masks: Sequence[Mask]) -> bool:
    seen = np.zeros(masks[0].values.shape, dtype=bool)
    for mask in masks:
        if (seen & mask.values).any():
            return True
        seen |= mask.values
    return False


def _shared(image: Image, sources: Sequence[SourceFrame]) -> Dataset:
    """Pixel size and orientation: those of the grid, which is one for all frames."""
    step, rows, columns = image.geometry.spacing
    across, down = image.geometry.directions[:, 2], image.geometry.directions[:, 1]
    group = Dataset()
    group.PlaneOrientationSequence = hd.PlaneOrientationSequence(PATIENT, [float(x) for x in (*across, *down)])
    thickness = _thickness(sources[0]) or step
    group.PixelMeasuresSequence = hd.PixelMeasuresSequence((rows, columns), thickness, spacing_between_slices=step)
    return group


def _thickness(source: SourceFrame) -> float | None:
    measures = functional(source.header, source.number, "PixelMeasuresSequence") or source.header
    stated = number(measures, "SliceThickness")
    return stated if stated is not None and stated > 0 else None


def _group(segment: int, place: int, source: SourceFrame) -> Dataset:
    """The functional groups of one frame; `segment` and `place` (its slice among those written) count from 0."""
    group, content, identity, derivation = Dataset(), Dataset(), Dataset(), Dataset()
    content.DimensionIndexValues = [segment + 1, place + 1]
    identity.ReferencedSegmentNumber = segment + 1
    derivation.DerivationCodeSequence = [_code(codes.DCM.Segmentation)]
    derivation.SourceImageSequence = [_reference(source)]
    group.FrameContentSequence = [content]
    group.SegmentIdentificationSequence = [identity]
    group.DerivationImageSequence = [derivation]
    group.PlanePositionSequence = hd.PlanePositionSequence(PATIENT, [float(x) for x in source.position])
    return group


def _reference(source: SourceFrame) -> Dataset:
    item = _instance(source.header)
    if source.many:
        item.ReferencedFrameNumber = source.number
    item.SpatialLocationsPreserved = "YES"
    item.PurposeOfReferenceCodeSequence = [_code(codes.DCM.SourceImageForImageProcessingOperation)]
    return item


def _instance(header: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = text(header, "SOPClassUID")
    item.ReferencedSOPInstanceUID = text(header, "SOPInstanceUID")
    return item


def _code(code: Code) -> hd.sr.CodedConcept:
    return hd.sr.CodedConcept.from_code(code)


def _refer(seg: Dataset, native: DicomNative) -> None:
    """Where the whole SEG, not a frame of it, names its sources: all files of the image."""
    series = Dataset()
    series.SeriesInstanceUID = native.series_uid
    series.ReferencedInstanceSequence = [_instance(header) for header in native.datasets]
    seg.ReferencedSeriesSequence = [series]
    seg.SourceImageSequence = [_instance(header) for header in native.datasets]


def _dimensions(organisation: str) -> list[Dataset]:
    """Frames are told apart by segment, then by place."""
    pointers = (
        ("ReferencedSegmentNumber", "SegmentIdentificationSequence", "Referenced Segment Number"),
        ("ImagePositionPatient", "PlanePositionSequence", "Image Position Patient"),
    )
    items = []
    for pointer, group, label in pointers:
        item = Dataset()
        item.DimensionOrganizationUID = organisation
        item.DimensionIndexPointer, item.FunctionalGroupPointer = Tag(pointer), Tag(group)
        item.DimensionDescriptionLabel = label
        items.append(item)
    return items


def _say_what_is_no_place(seg: Dataset, image: Image, *, placed: bool) -> None:
    """In words, where place or size are stand-ins: a reader of the numbers alone would take them for the patient's."""
    geometry = image.geometry
    sized = geometry.unit == "mm"
    if not placed:
        seg.ImageComments = STAND_IN.format(
            missing="place in the patient" if sized else "place in the patient and no pixel size",
            what="positions" if sized else "positions and lengths",
            frames=", frames along +z" if geometry.stack == "time" else "",
            unit="in mm" if sized else "1 mm stands for one pixel",
        )
    elif geometry.frame_of_reference_uid is None:
        seg.ImageComments = NO_FRAME
