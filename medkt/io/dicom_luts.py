"""Stored values to real ones (modality LUT), and what the file says about showing them (VOI LUT, inversion)."""

from collections.abc import Callable

import numpy as np
from pydicom import Dataset

from medkt.errors import UnreadableError
from medkt.io.dicom_groups import functional
from medkt.io.dicom_header import integer, items, number, text, value
from medkt.io.dicom_regions import region_to_show
from medkt.io.guard import reading
from medkt.io.rescaling import CONTAINERS, keeps_whole, smallest
from medkt.shapes import Array
from medkt.spatial.image import Display


def modality_lut(header: Dataset, frame_number: int, shown: str) -> tuple[Callable[[Array], Array], str]:
    """A function from stored to real values of one frame (from 1), and its name for the record.

    Whole slope and intercept keep whole numbers, in the smallest type that holds them; all else becomes float32.

    Raises:
        UnreadableError: a slope of zero, values that would be infinite, or a damaged table.
    """
    sequence = items(header, "ModalityLUTSequence")
    if sequence and not is_empty(sequence[0]):
        first, entries = table_of(sequence[0], header, shown)
        return (lambda stored: entries[np.clip(stored.astype(np.int64) - int(first), 0, len(entries) - 1)]), "table"
    if sequence and number(header, "RescaleSlope") is None:
        raise UnreadableError(
            f"{shown}: its modality look-up table (ModalityLUTSequence) is empty, so what the stored values mean is unknown; "
            "restore the table, or remove the sequence where they are the values themselves"
        )
    item = functional(header, frame_number, "PixelValueTransformationSequence") or header
    slope, intercept = number(item, "RescaleSlope"), number(item, "RescaleIntercept")
    slope, intercept = 1.0 if slope is None else slope, 0.0 if intercept is None else intercept
    if slope == 0:
        raise UnreadableError(f"{shown}: the rescale slope is 0, so every voxel would be the same; repair the header")
    if (slope, intercept) == (1.0, 0.0):
        return (lambda stored: stored), "identity"
    if keeps_whole(slope, intercept, shown):
        return (lambda stored: scaled(stored, int(slope), int(intercept))), "whole"
    # in the precision in which NIfTI keeps them, so that a converted study has the same values
    slope, intercept = float(np.float32(slope)), float(np.float32(intercept))
    return (lambda stored: (stored * np.float64(slope) + intercept).astype(np.float32)), "real"


def scaled(stored: Array, slope: int, intercept: int) -> Array:
    """`stored * slope + intercept`, whole numbers, in the type of `smallest`.

    The ends of the stored values say which type that is; what overflows in it on the way comes back by the end, for its
    numbers go round (modulo 2 to the number of bits).
    """
    ends = [int(end) * slope + intercept for end in (stored.min(), stored.max())]
    kind = next((one for one in CONTAINERS if np.iinfo(one).min <= min(ends) and max(ends) <= np.iinfo(one).max), None)
    if kind is None:
        return smallest(stored.astype(np.int64) * slope + intercept)
    values: Array = stored.astype(kind)
    if slope != 1:
        np.multiply(values, np.array(slope % (1 << 64), np.uint64).astype(kind), out=values)
    np.add(values, np.array(intercept % (1 << 64), np.uint64).astype(kind), out=values)
    return values


def is_empty(item: Dataset) -> bool:
    """Whether a LUT item holds no table at all; one that is merely too short is damaged."""
    return value(item, "LUTData") is None


def empty_luts(header: Dataset, frame_number: int) -> tuple[str, ...]:
    """A word about tables of a frame (from 1) that hold nothing and are passed over."""
    shown = functional(header, frame_number, "FrameVOILUTSequence") or header
    notes = []
    if any(is_empty(item) for item in items(header, "ModalityLUTSequence")):
        notes.append("the modality look-up table is empty: rescale slope and intercept are applied")
    if any(is_empty(item) for item in items(shown, "VOILUTSequence")):
        notes.append("a look-up table for display (VOI LUT) is empty: passed over")
    return tuple(notes)


def table_of(item: Dataset, header: Dataset, shown: str) -> tuple[float, Array]:
    """(first mapped value, entries) of a LUT item (PS3.3 C.11.1.1.1).

    Raises:
        UnreadableError: no descriptor of three numbers, or too few entries.
    """
    with reading(shown, "reading a look-up table"):
        count, first, _ = (int(n) for n in item.LUTDescriptor)
        data: object = item.LUTData
        if isinstance(data, bytes):
            data = np.frombuffer(data, dtype="<u2" if header.original_encoding[1] is not False else ">u2")
        entries = np.asarray(data, dtype=np.int64).reshape(-1) & 0xFFFF
    count = count or 65536  # 0 stands for 2 to the 16th
    if integer(header, "PixelRepresentation") == 1 and first > 32767:
        first -= 65536  # written unsigned by mistake, but it counts in the signed values of the pixels
    if len(entries) < count:
        raise UnreadableError(f"{shown}: a look-up table of {count} entries holds {len(entries)}; repair it")
    return float(first), entries[:count].astype(np.uint16)


def display_of(header: Dataset, frame_number: int, shown: str) -> Display:
    """VOI LUT, inversion and region of one frame (from 1)."""
    item = functional(header, frame_number, "FrameVOILUTSequence") or header
    centres, widths = _list(item, "WindowCenter"), _list(item, "WindowWidth")
    windows = tuple((c, w) for c, w in zip(centres, widths, strict=False) if w > 0)
    tables = [one for one in items(item, "VOILUTSequence") if not is_empty(one)]  # the windows are there without it
    inverted = (
        text(header, "PhotometricInterpretation") == "MONOCHROME1" or text(header, "PresentationLUTShape") == "INVERSE"
    )
    function = text(item, "VOILUTFunction") or "LINEAR"
    return Display(
        windows=windows,
        function=function if function in ("LINEAR", "LINEAR_EXACT", "SIGMOID") else "LINEAR",
        table=table_of(tables[0], header, shown) if tables else None,
        inverted=inverted,
        region=region_to_show(header),
    )


def _list(item: Dataset, keyword: str) -> list[float]:
    found = value(item, keyword)
    if found is None:
        return []
    try:
        return [float(found)] if isinstance(found, (str, float, int)) else [float(one) for one in found]
    except (TypeError, ValueError):
        return []
