"""A case's image and its reference mask, read when they are needed and only then."""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np

from medkt.datasets.case import Case
from medkt.datasets.coco import coco_mask
from medkt.datasets.jsrt import read_jsrt
from medkt.datasets.rle import siim_mask
from medkt.errors import GeometryMismatchError, InputError, UnsupportedError
from medkt.io.digest import digest_of
from medkt.io.mask_choice import MaskChoice
from medkt.io.masks import onto, read_chosen
from medkt.io.read import kind_of_file, read_image
from medkt.shapes import MaskVoxels
from medkt.spatial import Image, Mask, Provenance

_Made = tuple[MaskVoxels, *tuple[str, ...]]  # the mask, and by which rules its voxels were taken from files
_Volume = TypeVar("_Volume", Image, Mask)


def read_case_image(case: Case, *, regrid: bool = False, allow_incomplete: bool = False) -> Image:
    """The image of a case, (slices, rows, columns); one slice where the case names one.

    Args:
        case: a row of a manifest.
        regrid: as for `read_image`, where a whole series is read.
        allow_incomplete: as for `read_image`.

    Raises:
        InputError: as `read_image`; or the volume has no such slice.
    """
    if case.image_kind == "jsrt":
        return read_jsrt(case.image)
    if case.slice_index is None:
        return read_image(
            case.image, series=case.series or None, volume=case.volume, regrid=regrid, allow_incomplete=allow_incomplete
        )
    whole = _volume(case.image, case.series, case.volume, allow_incomplete)
    return _one_slice(whole, case.slice_index, str(case.image))


def reference_mask(case: Case, *, image: Image | None = None) -> Mask:
    """Where the finding is, by the reference: a mask on the image's own grid; never resampled.

    Args:
        case: one whose `has_mask` is true.
        image: what `read_case_image(case)` gave, where the caller has it already.

    Raises:
        InputError: the case has no mask; a file is damaged, or is no mask (many grey levels, all of it inside).
        GeometryMismatchError: the mask lies on another grid; the message says how the two differ.
    """
    if not case.has_mask:
        raise InputError(
            f"case {case.case_id!r} has no reference mask; name one in its row of the manifest", code="no-reference"
        )
    image = read_case_image(case) if image is None else image
    values, *rules = _KINDS[case.reference_kind](case, image)
    source = Provenance(source="reference", steps=(f"reference of kind {case.reference_kind}", *rules))
    return Mask(values=values, geometry=image.geometry, label=case.concept, provenance=source)


@lru_cache(maxsize=2)  # an image and its mask: the slices of one volume come one after another
def _volume(path: Path, series: str, volume: int | str | None, allow_incomplete: bool = False) -> Image:
    return read_image(path, series=series or None, volume=volume, allow_incomplete=allow_incomplete)


def _empty(case: Case, image: Image) -> _Made:
    return (np.zeros(image.geometry.shape, dtype=bool),)


def _masks(case: Case, image: Image) -> _Made:
    union = np.zeros(image.geometry.shape, dtype=bool)
    rules: list[str] = []
    for path in case.references:
        mask = _one_mask(path, case, image)
        union |= mask.values
        rules += mask.provenance.steps
    if case.present is False and union.any():
        raise InputError(
            f"{case.references[0]}: {int(union.sum())} voxels inside, though the case says present 0",
            code="not-absent",
            voxels=int(union.sum()),
        )
    return union, *dict.fromkeys(rules)


def _one_mask(path: Path, case: Case, image: Image) -> Mask:
    choice = MaskChoice.parse(case.reference_key)
    if case.slice_index is None:
        return read_chosen(path, choice, like=image)
    if kind_of_file(path, str(path)) == "dicom":
        raise UnsupportedError(f"{path}: a DICOM SEG for a single slice of a volume; leave the column slice empty")
    stored = _mask_volume(path, choice)  # judged as a whole: one slice may hold one label of several
    if stored.geometry.shape[0] > 1:
        stored = _one_slice(stored, case.slice_index, str(path))
    return onto(image, stored, str(path))


@lru_cache(maxsize=2)
def _mask_volume(path: Path, choice: MaskChoice) -> Mask:
    return read_chosen(path, choice)


def _rle(case: Case, image: Image) -> _Made:
    rows, columns = _only_plane(case, image)
    return (siim_mask(case.references[0], case.reference_key, rows=rows, columns=columns)[None],)


def _coco(case: Case, image: Image) -> _Made:
    rows, columns = _only_plane(case, image)
    return (coco_mask(case.references[0], case.reference_key, rows=rows, columns=columns)[None],)


def _rtstruct(case: Case, image: Image) -> _Made:
    if case.slice_index is not None:
        raise UnsupportedError(f"{case.references[0]}: an RTSTRUCT for a single slice; leave the column slice empty")
    from medkt.datasets.rtstruct import read_rtstruct  # the reader of DICOM takes long to load

    return (read_rtstruct(case.references[0], geometry=image.geometry, structure=case.reference_key),)


def _only_plane(case: Case, image: Image) -> tuple[int, int]:
    slices, rows, columns = image.geometry.shape
    if slices != 1:
        raise GeometryMismatchError(f"{case.references[0]}: outlines of one plane, the image has {slices} slices")
    return rows, columns


def _one_slice(whole: _Volume, index: int, shown: str) -> _Volume:
    slices = whole.geometry.shape[0]
    if index >= slices:
        raise InputError(
            f"{shown}: no slice {index}; there are {slices}, counted from 0",
            code="no-such-slice",
            slice=index,
            slices=slices,
        )
    affine = whole.geometry.affine.copy()
    affine[:3, 3] += index * affine[:3, 0]
    geometry = replace(whole.geometry, affine=affine, shape=(1, *whole.geometry.shape[1:]))
    values = np.ascontiguousarray(whole.values[index : index + 1])
    kept = whole.provenance.then(f"slice {index + 1} of {slices} taken")
    if isinstance(whole, Image):  # a slice is no copy of its neighbour: each has a digest of its own
        kept = replace(kept, digest=digest_of(values, geometry))
    if isinstance(whole, Image):
        return replace(whole, values=values, geometry=geometry, provenance=kept, native=None)
    return replace(whole, values=values, geometry=geometry, provenance=kept)


_KINDS: dict[str, Callable[[Case, Image], _Made]] = {
    "mask": _masks,
    "empty": _empty,
    "rle": _rle,
    "coco": _coco,
    "rtstruct": _rtstruct,
}
