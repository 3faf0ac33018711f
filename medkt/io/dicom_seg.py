"""DICOM SEG back in: frames to a mask on the grid of the image, or on a grid of its own."""

import math
from pathlib import Path

import numpy as np
from pydicom import Dataset

from medkt.bounds import budget
from medkt.errors import GeometryMismatchError, UnreadableError, UnsupportedError
from medkt.io.dicom_files import DicomFile
from medkt.io.dicom_frames import Frame, frames_of
from medkt.io.dicom_groups import functional
from medkt.io.dicom_header import integer, items, number, read_header, text
from medkt.io.dicom_mosaic import Vector
from medkt.io.dicom_stack import usual_step
from medkt.io.dicom_volumes import by_position, normal_of
from medkt.io.mask_choice import MaskChoice
from medkt.io.native import DicomNative
from medkt.io.seg_planes import LABELMAP, chosen_planes
from medkt.shapes import Array
from medkt.spatial.geometry import Geometry
from medkt.spatial.image import Image, Mask
from medkt.spatial.provenance import Provenance

BINARY_OR_FRACTIONAL = "1.2.840.10008.5.1.4.1.1.66.4"
ON_GRID = 0.1  # of a voxel: a frame lies on a slice of the image when its corners are this near


def read_seg(path: Path, shown: str, *, like: Image | None = None, choice: MaskChoice | None = None) -> Mask:
    """The mask of one segment of a SEG, or of several together; (slices, rows, columns), world LPS+.

    Args:
        path: the file.
        shown: how to name it in messages.
        like: the image that was segmented; the mask is put on its grid. Without it the grid spans the frames there are.
        choice: the segment numbers, or where a fractional one is cut; nothing said means its only segment.

    Raises:
        UnsupportedError: not a SEG, or a slide. UnreadableError: damaged, or pixels of another size than it says.
        InputError: no such segment, several and none chosen, or fractions and no threshold.
        GeometryMismatchError: a frame does not lie on a slice of the image.
    """
    header = read_header(path, shown)
    if text(header, "SOPClassUID") not in (BINARY_OR_FRACTIONAL, LABELMAP):
        raise UnsupportedError(f"{shown}: is DICOM but no segmentation (SEG); give a SEG, NIfTI or PNG mask")
    if "TotalPixelMatrixRows" in header:
        raise UnsupportedError(f"{shown}: is the segmentation of a slide; medkt reads those of CR, DX, MG, CT, MR, US")
    frames = frames_of([DicomFile(path=path, shown=shown, header=header)])
    budget().require_bytes(len(frames) * math.prod(frames[0].size), shown)
    planes, rule = chosen_planes(path, header, shown, choice or MaskChoice())
    if planes.shape != (len(frames), *frames[0].size):
        raise UnreadableError(
            f"{shown}: its pixels are other than {len(frames)} frames of {frames[0].size[0]} rows and {frames[0].size[1]} "
            "columns; export it again", code="damaged-header", rows=frames[0].size[0], columns=frames[0].size[1], frames=len(frames),
        )  # fmt: skip
    if like is not None:
        values, geometry = _on_image(planes, frames, header, like, shown), like.geometry
    elif frames[0].position is not None:
        values, geometry = _on_own_grid(planes, frames, header, shown)
    else:
        values, geometry = _by_source_frame(planes, header)
    return Mask(values=values, geometry=geometry, provenance=Provenance(source="dicom", steps=(rule,)))


def _on_image(planes: Array, frames: list[Frame], header: Dataset, like: Image, shown: str) -> Array:
    values = np.zeros(like.geometry.shape, dtype=bool)
    if planes.shape[1:] != values.shape[1:]:
        raise GeometryMismatchError(
            f"{shown}: frames of {planes.shape[1:]} (rows, columns), the image {values.shape[1:]}; resample the mask"
        )
    targets = [
        [_slice_of(frame, like.geometry, shown)] if _by_place(frame, like) else _sources(header, frame.number, like)
        for frame in frames
    ]
    if not any(targets):
        raise GeometryMismatchError(
            f"{shown}: names other images as its sources, and none of its frames is of this one"
        )
    for plane, slices in zip(planes, targets, strict=True):
        for place in slices:
            values[place] |= plane
    return values


def _by_place(frame: Frame, like: Image) -> bool:
    """Whether positions say where a frame belongs; where the image has none, those of the SEG are stand-ins."""
    nowhere = isinstance(like.native, DicomNative) and like.geometry.frame_of_reference_uid is None
    return frame.position is not None and like.geometry.stack == "space" and not nowhere


def _slice_of(frame: Frame, geometry: Geometry, shown: str) -> int:
    """The slice whose corners are those of the frame."""
    if frame.position is None or frame.directions is None or frame.spacing is None:
        raise GeometryMismatchError(f"{shown}: a frame has no place; the segmentation cannot be put onto the image")
    rows, columns = frame.size
    down = frame.directions[1] * frame.spacing[0] * (rows - 1)
    across = frame.directions[0] * frame.spacing[1] * (columns - 1)
    corners = np.stack([frame.position, frame.position + down, frame.position + across])
    index = geometry.to_index(corners)
    place = int(np.rint(index[0, 0]))
    expected = np.array([[place, 0, 0], [place, rows - 1, 0], [place, 0, columns - 1]], dtype=float)
    if np.abs(index - expected).max() > ON_GRID or not 0 <= place < geometry.shape[0]:
        raise GeometryMismatchError(
            f"{shown}: frame {frame.number} lies on no slice of the image; resample the mask first"
        )
    return place


def _sources(header: Dataset, frame_number: int, like: Image) -> list[int]:
    """Slices of the image that a frame names as its source; the only slice where it names none."""
    native = like.native
    derivation = functional(header, frame_number, "DerivationImageSequence")
    sources = items(derivation, "SourceImageSequence") if derivation is not None else []
    if not isinstance(native, DicomNative) or not sources:
        return [0] if like.geometry.shape[0] == 1 else [frame_number - 1]
    uids = [text(dataset, "SOPInstanceUID") for dataset in native.datasets]
    named = {(text(s, "ReferencedSOPInstanceUID"), integer(s, "ReferencedFrameNumber") or 1) for s in sources}
    return [place for place, (file, number) in enumerate(native.frames) if (uids[file], number) in named]


def _on_own_grid(planes: Array, frames: list[Frame], header: Dataset, shown: str) -> tuple[Array, Geometry]:
    places = by_position(frames)
    first = places[0][0]
    along = np.array([float(place[0].position @ normal_of(first)) for place in places if place[0].position is not None])
    if first.spacing is None or first.position is None or first.directions is None or len(along) < len(places):
        raise GeometryMismatchError(
            f"{shown}: the segmentation has no pixel spacing, or a frame without a place; give the image that it belongs to"
        )
    step = _step_of(header, along)
    indices = np.rint((along - along[0]) / step).astype(int)
    affine = np.eye(4)
    affine[:3, 0] = normal_of(first) * step
    affine[:3, 1] = first.directions[1] * first.spacing[0]
    affine[:3, 2] = first.directions[0] * first.spacing[1]
    affine[:3, 3] = first.position
    budget().require_bytes((int(indices[-1]) + 1) * math.prod(first.size), shown)
    values = np.zeros((int(indices[-1]) + 1, *first.size), dtype=bool)
    for place, index in zip(places, indices, strict=True):
        for frame in place:
            _require_on_grid(frame, affine, int(index), shown)
            values[index] |= planes[frame.number - 1]
    geometry = Geometry(affine=affine, shape=values.shape, frame_of_reference_uid=first.frame_of_reference or None)
    return values, geometry


def _step_of(header: Dataset, along: Vector) -> float:
    """The step between slices, mm, of frames at these places: stated, or what the frames show.

    Slices without a mask may be left out, so one frame shows no step, and the distance of two need not be one: where it is
    some whole slices, the slices are as thick as they say.
    """
    measures = functional(header, 1, "PixelMeasuresSequence")
    stated, thick = (
        number(measures, name) if measures is not None else None for name in ("SpacingBetweenSlices", "SliceThickness")
    )
    if stated:
        return abs(stated)
    apart = np.diff(along)
    if thick and thick > 0 and len(apart) < 2:
        many = apart / thick
        if (np.abs(many - np.rint(many)) <= ON_GRID).all() and (np.rint(many) >= 1).all():
            return thick
    return usual_step(along) if len(apart) else 1.0


def _require_on_grid(frame: Frame, affine: Array, index: int, shown: str) -> None:
    """Pass silently where a frame is a slice of an upright grid; one of a tilted stack would be shifted otherwise."""
    away = np.abs(np.linalg.solve(affine[:3, :3], frame.position - affine[:3, 3]) - [index, 0, 0])
    turned = frame.directions is None or np.abs(frame.directions[1] @ affine[:3, 2]) > ON_GRID * abs(affine).max()
    if away.max() > ON_GRID or turned:
        raise GeometryMismatchError(
            f"{shown}: the frames lean, are turned or lie at uneven steps: they are no grid; give the image that it belongs to"
        )


def _by_source_frame(planes: Array, header: Dataset) -> tuple[Array, Geometry]:
    """Frames in the order of the source frames that they name, in pixels."""
    targets = []
    for n in range(len(planes)):
        derivation = functional(header, n + 1, "DerivationImageSequence")
        sources = items(derivation, "SourceImageSequence") if derivation is not None else []
        targets.append((integer(sources[0], "ReferencedFrameNumber") or 1) if sources else 1)
    values = np.zeros((max(targets), *planes.shape[1:]), dtype=bool)
    for plane, target in zip(planes, targets, strict=True):
        values[target - 1] |= plane
    return values, Geometry.of_pixels(*planes.shape[1:], frames=max(targets))
