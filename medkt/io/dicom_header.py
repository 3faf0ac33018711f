"""Header values out of files that may hold anything, without a trace from the library and without quoting a patient."""

import math
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any, BinaryIO, cast

from pydicom import DataElement, Dataset, Sequence
from pydicom.datadict import dictionary_VR
from pydicom.filereader import read_partial
from pydicom.tag import BaseTag, Tag

from medkt.bounds import require_regular
from medkt.errors import UnreadableError
from medkt.io.dicom_deflated import require_inflated
from medkt.io.guard import reading
from medkt.io.within import FileWithin

# Objects that are no picture of a patient, by SOP class. The rest is told by what it holds.
REFUSED: dict[str, str] = {
    "1.2.840.10008.5.1.4.1.1.66.4": "a segmentation (SEG)",
    "1.2.840.10008.5.1.4.1.1.66.7": "a label map segmentation (SEG)",
    "1.2.840.10008.5.1.4.1.1.66.5": "a surface segmentation",
    "1.2.840.10008.5.1.4.1.1.30": "a parametric map",
    "1.2.840.10008.5.1.4.1.1.77.1.6": "a whole-slide microscopy image (SM)",
    "1.2.840.10008.5.1.4.1.1.481.2": "a radiotherapy dose (RTDOSE)",
    "1.2.840.10008.5.1.4.1.1.481.3": "a radiotherapy structure set (RTSTRUCT)",
    "1.2.840.10008.5.1.4.1.1.481.5": "a radiotherapy plan (RTPLAN)",
    "1.2.840.10008.5.1.4.1.1.66": "raw data",
    "1.2.840.10008.5.1.4.1.1.67": "a real-world value map",
    "1.2.840.10008.1.3.10": "a directory of files (DICOMDIR)",
}
_PIXELS = frozenset({Tag("PixelData"), Tag("FloatPixelData"), Tag("DoubleFloatPixelData")})


def read_header(path: Path, shown: str) -> Dataset:
    """Everything before the pixel data.

    Raises:
        UnreadableError: not DICOM or damaged.
    """
    return header_and_pixels(path, shown)[0]


def header_and_pixels(path: Path, shown: str, at: Callable[[BinaryIO], None] | None = None) -> tuple[Dataset, bool]:
    """Everything before the pixel data, and whether there is pixel data; `at` is given the open file where that begins.

    Raises:
        UnreadableError: not DICOM or damaged.
    """
    met: list[bool] = []

    def at_pixels(tag: BaseTag, vr: str | None, length: int) -> bool:
        if tag in _PIXELS:
            met.append(True)
        return bool(met)

    require_regular(path, shown)
    with reading(shown, "reading the DICOM header"):
        with FileWithin(path, rest=partial(require_inflated, shown=shown)) as file:
            dataset = read_partial(file, at_pixels, force=True)
            if met and at is not None:
                at(file)
        for keyword in ("SOPClassUID", "Rows", "Columns"):
            dataset.get(keyword)  # decoded only when asked for; a damaged one shows here
    if "SOPClassUID" not in dataset and "Rows" not in dataset and "DirectoryRecordSequence" not in dataset:
        raise UnreadableError(f"{shown}: is not a DICOM file, or is cut off within its header", code="not-dicom")
    if file.short and not met and "Image Storage" not in _class_name(dataset):  # of a picture, reading it says so
        raise UnreadableError(f"{shown}: is cut off within its header; export it again", code="not-dicom")
    return dataset, bool(met)


def value(dataset: Dataset, keyword: str) -> Any:
    """The value of an attribute, None where it is absent, empty or damaged."""
    tag, tags = _tag_of(keyword), cast(Any, dataset.keys())
    held = tags.mapping.get(tag)  # to ask the data set itself takes several times as long
    if held is None:
        return None
    try:  # what is decoded stays so, and only sequences and what is still raw need the library
        found = held.value if isinstance(held, DataElement) and held.VR != "SQ" else dataset[tag].value
    except Exception:  # the library decodes here and raises whatever the bytes make it raise
        return None
    if isinstance(found, Sequence) and dictionary_VR(keyword) != "SQ":
        return None  # in the place of a word or number; as text it may take hours, for each level is indented anew
    return None if found is None or (hasattr(found, "__len__") and len(found) == 0) else found


@cache
def _tag_of(keyword: str) -> BaseTag:
    return Tag(keyword)


def text(dataset: Dataset, keyword: str) -> str:
    """The value as text, "" where it is absent."""
    found = value(dataset, keyword)
    return "" if found is None else str(found).strip()


def integer(dataset: Dataset, keyword: str) -> int | None:
    """The value as a whole number, None where it is not one."""
    found = number(dataset, keyword)
    return None if found is None else int(found)


def number(dataset: Dataset, keyword: str) -> float | None:
    """The value as a finite number, None where it is not one."""
    found = numbers(dataset, keyword, 1)
    return None if found is None else found[0]


def numbers(dataset: Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    """The values as `count` finite numbers, None where they are not."""
    found = value(dataset, keyword)
    if found is None:
        return None
    try:
        values = [float(found)] if isinstance(found, (str, float, int)) else [float(one) for one in found]
    except (TypeError, ValueError, OverflowError):
        return None
    return tuple(values) if len(values) == count and all(map(math.isfinite, values)) else None


def items(dataset: Dataset, keyword: str) -> list[Dataset]:
    """The items of a sequence, none where it is absent or damaged."""
    found = value(dataset, keyword)
    return (
        [item for item in found if isinstance(item, Dataset)]
        if found is not None and not isinstance(found, str)
        else []
    )


def image_type(dataset: Dataset) -> tuple[str, ...]:
    """The values of ImageType in capitals, () where it is absent."""
    found = value(dataset, "ImageType")
    parts = [found] if isinstance(found, str) else list(found or ())
    return tuple(str(part).strip().upper() for part in parts)


def has_private(dataset: Dataset) -> bool:
    """Whether a maker has written anything of its own; where not, nobody need be asked for."""
    return any(tag >> 16 & 1 for tag in dataset.keys())  # noqa: SIM118  # a data set itself gives elements, not tags


def private(dataset: Dataset, group: int, creator: str, element: int) -> Any:
    """The value of a private element (its low byte), None where it is absent, empty or damaged."""
    tags = dataset.keys()
    if not any(tag >> 16 == group for tag in tags):
        return None  # nobody has written in this group; the library would copy the header to find that out
    try:
        found = dataset.private_block(group, creator)[element].value
    except Exception:  # the library decodes here and raises whatever the bytes make it raise
        return None
    return None if found is None or (hasattr(found, "__len__") and len(found) == 0) else found


def private_items(dataset: Dataset, group: int, creator: str, element: int) -> list[Dataset]:
    """The items of a private sequence, none where it is absent or damaged."""
    found = private(dataset, group, creator, element)
    return [item for item in found if isinstance(item, Dataset)] if isinstance(found, Sequence) else []


_MODALITIES = {  # where the attribute Modality is missing the class of the object says it
    "1.2.840.10008.5.1.4.1.1.1": "CR",
    "1.2.840.10008.5.1.4.1.1.1.1": "DX",
    "1.2.840.10008.5.1.4.1.1.1.2": "MG",
    "1.2.840.10008.5.1.4.1.1.2": "CT",
    "1.2.840.10008.5.1.4.1.1.2.1": "CT",
    "1.2.840.10008.5.1.4.1.1.4": "MR",
    "1.2.840.10008.5.1.4.1.1.4.1": "MR",
    "1.2.840.10008.5.1.4.1.1.6.1": "US",
    "1.2.840.10008.5.1.4.1.1.3.1": "US",
}


def modality_of(dataset: Dataset) -> str:
    """DICOM's code for the modality, "" where the file does not say."""
    return text(dataset, "Modality") or _MODALITIES.get(text(dataset, "SOPClassUID"), "")


def class_modality(dataset: Dataset) -> str:
    """The modality that the class of the object is for, "" where that is none or several."""
    return _MODALITIES.get(text(dataset, "SOPClassUID"), "")


def is_cut_picture(dataset: Dataset) -> bool:
    """Whether it is of a class for images and says no size: the file ends before it does."""
    name = _class_name(dataset)
    return name.endswith("Image Storage") and None in (integer(dataset, "Rows"), integer(dataset, "Columns"))


def _class_name(dataset: Dataset) -> str:
    return str(getattr(value(dataset, "SOPClassUID"), "name", ""))


def kind_of(dataset: Dataset, *, has_pixels: bool = True) -> str | None:
    """What an object is that medkt does not read ("a structured report"), None for a picture.

    One of a class for images that has lost its pixels counts as a picture: it is damaged, and reading it says so.
    """
    uid = value(dataset, "SOPClassUID")
    if str(uid) in REFUSED:
        return REFUSED[str(uid)]
    if "DirectoryRecordSequence" in dataset:
        return "a directory of files (DICOMDIR)"
    name = getattr(uid, "name", "") if uid is not None else ""
    sizes = (integer(dataset, "Rows"), integer(dataset, "Columns"))
    if None in sizes or not (has_pixels or uid is None or name.endswith("Image Storage")):
        name = "" if name == uid else name  # a maker's own class has no name
        return f"an object without pixels ({name or 'unknown kind'})"
    return None
