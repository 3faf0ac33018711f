"""A segmentation of a clip without frame of reference (multi-frame ultrasound): frame by frame of the source.

highdicom writes one frame only where there is no coordinate system. The standard allows more: each refers to a frame
of the source (PS3.3 A.51, C.7.6.16.2.6). Here a one-frame SEG is given a frame for every source frame and segment that
is not empty.
"""

from copy import deepcopy
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.pixels.utils import pack_bits
from pydicom.sequence import Sequence
from pydicom.tag import Tag

SINGLE_FRAME = "1.2.840.10008.5.1.4.1.1.6.1"  # Ultrasound Image Storage


def one_frame_of(source: Dataset) -> Dataset:
    """The header as that of a single frame, which highdicom accepts; `spread_over_frames` puts the references right."""
    single = Dataset()
    single.update(source)
    del single.SOPClassUID, single.NumberOfFrames  # setting instead would change the element that both share
    single.SOPClassUID = SINGLE_FRAME
    return single


def spread_over_frames(seg: Dataset, frames: NDArray[Any], source: Dataset) -> Dataset:
    """The SEG with (frames, rows, columns, segments) 0/1 voxels instead of its one frame; changed in place.

    Where all is empty the first frame of the first segment is kept, for an image has one frame at least.
    """
    filled = [(n, s) for s in range(frames.shape[3]) for n in range(frames.shape[0]) if frames[n, :, :, s].any()] or [
        (0, 0)
    ]
    pattern = seg.PerFrameFunctionalGroupsSequence[0]
    shared = seg.SharedFunctionalGroupsSequence[0]
    if "SegmentIdentificationSequence" in shared:  # highdicom puts it there for a single segment
        pattern.SegmentIdentificationSequence = shared.SegmentIdentificationSequence
        del shared.SegmentIdentificationSequence
    numbers = sorted({n for n, _ in filled})
    groups = [_group(pattern, n, s, numbers.index(n) + 1, source) for n, s in filled]
    seg.PerFrameFunctionalGroupsSequence = Sequence(groups)
    seg.DimensionIndexSequence = _dimensions(seg)
    seg.NumberOfFrames = len(groups)
    for reference in _references(seg):
        reference.ReferencedSOPClassUID = source.SOPClassUID
    bits = pack_bits(np.stack([frames[n, :, :, s] for n, s in filled]), pad=True)
    seg.PixelData = bytes(bits)
    return seg


def _references(seg: Dataset) -> list[Dataset]:
    """Where the whole SEG, not a frame of it, names its source."""
    inside = [item for series in seg.get("ReferencedSeriesSequence", []) for item in series.ReferencedInstanceSequence]
    return [*inside, *seg.get("SourceImageSequence", [])]


def _group(pattern: Dataset, frame: int, segment: int, place: int, source: Dataset) -> Dataset:
    group = deepcopy(pattern)
    group.SegmentIdentificationSequence[0].ReferencedSegmentNumber = segment + 1
    group.FrameContentSequence[0].DimensionIndexValues = [segment + 1, place]
    group.FrameContentSequence[0].StackID = "1"
    group.FrameContentSequence[0].InStackPositionNumber = frame + 1
    image = group.DerivationImageSequence[0].SourceImageSequence[0]
    image.ReferencedSOPClassUID = source.SOPClassUID
    image.ReferencedSOPInstanceUID = source.SOPInstanceUID
    image.ReferencedFrameNumber = frame + 1
    return group


def _dimensions(seg: Dataset) -> Sequence:
    """Frames are told apart by segment, then by the source frame."""
    uid = seg.DimensionOrganizationSequence[0].DimensionOrganizationUID
    first, second = Dataset(), Dataset()
    first.DimensionIndexPointer = Tag("ReferencedSegmentNumber")
    first.FunctionalGroupPointer = Tag("SegmentIdentificationSequence")
    first.DimensionDescriptionLabel = "Segment Number"
    second.DimensionIndexPointer = Tag("InStackPositionNumber")
    second.FunctionalGroupPointer = Tag("FrameContentSequence")
    second.DimensionDescriptionLabel = "Source Frame"
    for item in (first, second):
        item.DimensionOrganizationUID = uid
    return Sequence([first, second])
