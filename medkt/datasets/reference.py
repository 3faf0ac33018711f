"""A case's image and its reference mask, read when they are needed and only then."""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medkt.datasets.case import Case
from medkt.datasets.coco import coco_mask
from medkt.datasets.jsrt import read_jsrt
from medkt.datasets.rle import siim_mask
from medkt.datasets.rtstruct import read_rtstruct
from medkt.errors import GeometryMismatchError, InputError, UnsupportedError
from medkt.io.read import kind_of_file, read_image
from medkt.io.read_mask import JPEG_THRESHOLD, read_mask
from medkt.shapes import MaskVoxels
from medkt.spatial import Geometry, Image, Mask, Provenance

MOST_BETWEEN = 0.25  # part of the pixels between black and white: edges stay far below it, photographs far above
MOST_LEVELS = 64  # a mask with more values than this is a photograph of something


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
        raise InputError(f"case {case.case_id!r} has no reference mask; name one in its row of the manifest")
    image = read_case_image(case) if image is None else image
    values = _KINDS[case.reference_kind](case, image)
    source = Provenance(source="reference", steps=(f"reference of kind {case.reference_kind}",))
    return Mask(values=values, geometry=image.geometry, label=case.concept, provenance=source)


@lru_cache(maxsize=2)  # an image and its mask: the slices of one volume come one after another
def _volume(path: Path, series: str, volume: int | None, allow_incomplete: bool = False) -> Image:
    return read_image(path, series=series or None, volume=volume, allow_incomplete=allow_incomplete)


def _empty(case: Case, image: Image) -> MaskVoxels:
    return np.zeros(image.geometry.shape, dtype=bool)


def _masks(case: Case, image: Image) -> MaskVoxels:
    union = np.zeros(image.geometry.shape, dtype=bool)
    for path in case.references:
        union |= _one_mask(path, case, image)
    if case.present is False and union.any():
        raise InputError(f"{case.references[0]}: {int(union.sum())} voxels inside, though the case says present 0")
    return union


def _one_mask(path: Path, case: Case, image: Image) -> MaskVoxels:
    shown = str(path)
    if kind_of_file(path, shown) == "dicom":
        return _segmentation(path, case, image)
    stored = read_image(path) if case.slice_index is None else _volume(path, "", None)
    if case.slice_index is not None and stored.geometry.shape[0] > 1:
        stored = _one_slice(stored, case.slice_index, shown)
    _require_same_grid(stored, image.geometry, shown)
    inside = _inside(stored.values, case.reference_key, path)
    if inside.all():
        raise InputError(f"{shown}: every voxel is inside; is it a mask, or an image saved as one?")
    return inside


def _segmentation(path: Path, case: Case, image: Image) -> MaskVoxels:
    if case.slice_index is not None:
        raise UnsupportedError(f"{path}: a DICOM SEG for a single slice of a volume; leave the column slice empty")
    if not case.reference_key:
        return read_mask(path, like=image).values
    union = np.zeros(image.geometry.shape, dtype=bool)
    for label in labels_of(case.reference_key, path):
        union |= read_mask(path, like=image, label=label).values
    return union


def _inside(values: NDArray[Any], key: str, path: Path) -> MaskVoxels:
    """Which voxels of a stored mask are inside, by the key."""
    if key.startswith(">"):
        return _above(values, key, path)
    if key:
        return np.isin(values, labels_of(key, path))
    if path.suffix.lower() in (".jpg", ".jpeg"):
        _require_two_tones(values, path)
        return np.asarray(values >= JPEG_THRESHOLD)
    levels = np.unique(values[:: max(1, len(values) // 8)])
    if len(levels) > MOST_LEVELS:
        raise InputError(
            f"{path}: {len(levels)} different values, a mask has few; are images and masks swapped? Masks saved with loss "
            "need reference_key >127"
        )
    return np.asarray(values != 0)


def _above(values: NDArray[Any], key: str, path: Path) -> MaskVoxels:
    if not key[1:].isdecimal():
        raise InputError(f"{path}: reference_key {key!r} is no threshold such as >200")
    threshold, highest = int(key[1:]), values.max()
    if 0 < highest <= threshold:
        raise InputError(
            f"{path}: its highest value is {highest}, so nothing is above {threshold}; a 0/1 mask needs reference_key >0"
        )
    _require_two_tones(values, path)
    return np.asarray(values > threshold)


def _require_two_tones(values: NDArray[Any], path: Path) -> None:
    """A mask that is cut at a threshold is nearly all black and white, whatever its edges became on saving."""
    highest = float(values.max())
    between = float(((values > 0.1 * highest) & (values < 0.9 * highest)).mean())
    if between > MOST_BETWEEN:
        raise InputError(
            f"{path}: {between:.0%} of its pixels are neither black nor white; are images and masks swapped?"
        )


def labels_of(key: str, path: Path) -> list[int]:
    """The values of a key: "1+3" is [1, 3].

    Raises:
        InputError: it is nothing of the kind.
    """
    parts = key.split("+")
    if not all(part.isdecimal() for part in parts):
        raise InputError(f"{path}: reference_key {key!r} is no label value such as 1, or 1+3 for two taken together")
    return [int(part) for part in parts]


def _rle(case: Case, image: Image) -> MaskVoxels:
    rows, columns = _only_plane(case, image)
    return siim_mask(case.references[0], case.reference_key, rows=rows, columns=columns)[None]


def _coco(case: Case, image: Image) -> MaskVoxels:
    rows, columns = _only_plane(case, image)
    return coco_mask(case.references[0], case.reference_key, rows=rows, columns=columns)[None]


def _rtstruct(case: Case, image: Image) -> MaskVoxels:
    if case.slice_index is not None:
        raise UnsupportedError(f"{case.references[0]}: an RTSTRUCT for a single slice; leave the column slice empty")
    return read_rtstruct(case.references[0], geometry=image.geometry, structure=case.reference_key)


def _only_plane(case: Case, image: Image) -> tuple[int, int]:
    slices, rows, columns = image.geometry.shape
    if slices != 1:
        raise GeometryMismatchError(f"{case.references[0]}: outlines of one plane, the image has {slices} slices")
    return rows, columns


def _require_same_grid(stored: Image, wanted: Geometry, shown: str) -> None:
    """Pictures know no place: their shape must be the image's. All else must lie where the image lies."""
    found = stored.geometry
    if stored.provenance.source == "raster":
        if found.shape != wanted.shape:
            raise GeometryMismatchError(
                f"{shown}: the mask is {found.shape[1]}x{found.shape[2]} (rows x columns) in {found.shape[0]} slices, the "
                f"image {wanted.shape[1]}x{wanted.shape[2]} in {wanted.shape[0]}; is it the mask of another image?"
            )
        return
    try:
        wanted.require_same_grid(replace(found, unit=wanted.unit), what="mask")
    except GeometryMismatchError as error:
        raise GeometryMismatchError(f"{shown}: {error}") from error


def _one_slice(whole: Image, index: int, shown: str) -> Image:
    slices = whole.geometry.shape[0]
    if index >= slices:
        raise InputError(f"{shown}: no slice {index}; there are {slices}, counted from 0")
    affine = whole.geometry.affine.copy()
    affine[:3, 3] += index * affine[:3, 0]
    geometry = replace(whole.geometry, affine=affine, shape=(1, *whole.geometry.shape[1:]))
    values = np.ascontiguousarray(whole.values[index : index + 1])
    kept = whole.provenance.then(f"slice {index + 1} of {slices} taken")
    return replace(whole, values=values, geometry=geometry, provenance=kept, native=None)


_KINDS: dict[str, Callable[[Case, Image], MaskVoxels]] = {
    "mask": _masks,
    "empty": _empty,
    "rle": _rle,
    "coco": _coco,
    "rtstruct": _rtstruct,
}
