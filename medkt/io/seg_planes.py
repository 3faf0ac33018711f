"""Which pixels of a DICOM SEG's frames are inside: the segments that are asked for, and of fractions what is cut."""

from pathlib import Path

import numpy as np
from pydicom import Dataset

from medkt.bounds import budget
from medkt.errors import InputError
from medkt.io.apart import Conversation, goes_apart, request_for
from medkt.io.dicom_apart import bytes_of_a_frame, is_encoded
from medkt.io.dicom_frames import functional
from medkt.io.dicom_header import integer, items, number, text
from medkt.io.guard import reading
from medkt.io.mask_choice import MaskChoice
from medkt.io.mask_values import SAY_THRESHOLD
from medkt.io.within import whole_dicom
from medkt.shapes import Array

LABELMAP = "1.2.840.10008.5.1.4.1.1.66.7"


def chosen_planes(path: Path, header: Dataset, shown: str, choice: MaskChoice) -> tuple[Array, str]:
    """(frames, rows, columns) bool, frames of other segments empty; and by which rule.

    Raises:
        InputError: no such segment, several and none chosen, fractions without a threshold, or a threshold without them.
    """
    numbers = _asked(header, choice, shown)
    stored = _stored(path, header, shown)
    stored = stored.reshape((-1, *stored.shape[-2:]))
    if text(header, "SOPClassUID") == LABELMAP:
        _require_part(choice, shown)
        return np.isin(stored, sorted(numbers)), _rule(numbers)
    planes, cut = _fractions(stored, header, choice, shown)
    for n in range(len(planes)):
        item = functional(header, n + 1, "SegmentIdentificationSequence")
        if len(_known(header)) > 1 and (item is None or integer(item, "ReferencedSegmentNumber") not in numbers):
            planes[n] = False
    return planes, f"{_rule(numbers)}{cut}"


def stored_planes(path: Path, shown: str) -> Array:
    """The pixels as they are stored, decoded here.

    Raises:
        UnreadableError: damaged.
    """
    with reading(shown, "decoding the segmentation", explain=True):
        return np.asarray(whole_dicom(path).pixel_array)


def _stored(path: Path, header: Dataset, shown: str) -> Array:
    """The same, in a process apart where a native codec decodes it: segmentations are seldom encoded so."""
    if not is_encoded(header) or not goes_apart(large=False, strange=True):
        return stored_planes(path, shown)
    picture = bytes_of_a_frame(header)
    whole = picture * (integer(header, "NumberOfFrames") or 1) + path.stat().st_size
    budget().require_bytes(whole, shown)
    with Conversation([request_for("segmentation", path, shown, picture=picture, whole=whole)]) as apart:
        found = [said.array for said in apart.answers() if said.array is not None]
    return found[0]


def _known(header: Dataset) -> dict[int, str]:
    """Number and label of each segment; a labelmap's background is none."""
    background = integer(header, "PixelPaddingValue") or 0 if text(header, "SOPClassUID") == LABELMAP else None
    known = {
        integer(item, "SegmentNumber") or 0: text(item, "SegmentLabel") for item in items(header, "SegmentSequence")
    }
    return {segment: label for segment, label in sorted(known.items()) if segment != background}


def _asked(header: Dataset, choice: MaskChoice, shown: str) -> set[int]:
    known = _known(header)
    lacking = [segment for segment in choice.labels if segment not in known]
    if lacking:
        raise InputError(f"{shown}: no segment {lacking[0]}; there are {sorted(known)}", code="mask-unclear")
    if choice.labels:
        return set(choice.labels)
    if len(known) > 1 and not choice.every:
        first, second = list(known)[:2]
        listed = ", ".join(f"{segment} {label!r}" for segment, label in known.items())
        raise InputError(
            f"{shown}: holds {len(known)} segments, {listed}; say which is meant: --label {first}, or {first}+{second} for "
            "both, or all (label=..., column reference_key)",
            code="mask-unclear",
        )
    return set(known)


def _fractions(stored: Array, header: Dataset, choice: MaskChoice, shown: str) -> tuple[Array, str]:
    """Which pixels are inside by their value; fractions are parts of the largest value that the file states."""
    whole = number(header, "MaximumFractionalValue") or 255
    _require_part(choice, shown)
    if text(header, "SegmentationType") != "FRACTIONAL":
        return stored > 0, ""
    if choice.threshold is not None:
        parts = stored / np.float32(whole)
        return parts >= choice.threshold if choice.at_least else parts > choice.threshold, f", {choice.words()}"
    between = (stored > 0) & (stored < whole)
    if between.any():
        raise InputError(
            f"{shown}: holds fractions, such as {float(stored[between].min()) / whole:.2g} in {int(between.sum())} pixels; "
            f"{SAY_THRESHOLD.format(cut='0.5')}",
            code="mask-unclear",
        )
    return stored > 0, ""


def _require_part(choice: MaskChoice, shown: str) -> None:
    if choice.threshold is not None and choice.threshold > 1:
        raise InputError(
            f"{shown}: a SEG is cut at a part from 0 to 1, got {choice.threshold:g}; give --threshold 0.5",
            code="mask-unclear",
        )


def _rule(numbers: set[int]) -> str:
    return f"segment{'s' if len(numbers) > 1 else ''} {'+'.join(map(str, sorted(numbers)))}"
