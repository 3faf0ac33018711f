"""A case as the viewer of the page shows it: 8 bits on one coarse grid, with nothing in it that names a patient."""

import gzip
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray

from medkt.datasets.case import Case
from medkt.datasets.reference import reference_mask
from medkt.domains import Domain, domain
from medkt.errors import InputError
from medkt.io import read_image
from medkt.io.mask_choice import MaskChoice
from medkt.io.masks import read_chosen
from medkt.io.nifti import image_from
from medkt.report.run.case_record import finding_in
from medkt.report.study_record import FindingRecord, StudyRecord
from medkt.shapes import Voxels
from medkt.spatial import Geometry, Image

LONGEST_SIDE = 256  # voxels of what is shown
BRIGHTEST = 255
_OWN = MaskChoice(labels=(1,))  # a run's own NIfTI mask holds 1
Bytes = UInt8[np.ndarray, "coarse_slices coarse_rows coarse_columns"]
LayerKind = Literal["image", "inside", "highest"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VolumeView:
    """An image and what lies over it, on one grid.

    Attributes:
        image: (slices, rows, columns), 0 to 255 as the run's window shows it.
        reference: how much of each voxel the reference covers, 0 to 255.
        geometry: of both; a voxel is a block of the study's voxels.
        steps: how many of the study's voxels a block has along each axis.
        whole: the study's own grid.
        window: how values became grey.
    """

    image: Bytes
    reference: Bytes
    geometry: Geometry
    steps: tuple[int, int, int]
    whole: Geometry
    window: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LayerView:
    """What a run found, on the grid of a `VolumeView`.

    Attributes:
        mask: how much of each voxel the run's mask covers, 0 to 255; None where the run wrote none.
        saliency: where the words point, the highest value of each voxel, 255 at the highest of all; None likewise.
        start: (slice, row, column) of the voxel to look at first.
    """

    mask: Bytes | None
    saliency: Bytes | None
    start: tuple[int, int, int]


def show_study(image: Image, case: Case, record: StudyRecord, concept: str, *, window: str | None) -> VolumeView:
    """The image and its reference, as the run looked at it.

    Args:
        image: as `read_case_image` gives it.
        case: the manifest's row of it.
        record: the `result.json` of the case.
        concept: what was looked for, which may have asked for a window of its own.
        window: of the run's view.

    Raises:
        InputError: the image is another than the run saw.
    """
    if image.provenance.digest != record.input.digest:
        raise InputError("the image is another than the run saw; its files have changed since, so run the case again")
    whole = image.geometry
    steps = steps_of(whole.shape)
    shown, description = _grey(image, domain(record.domain), window, finding_in(record, concept).window)
    reference = reference_mask(case, image=image).values
    return VolumeView(
        image=coarse(shown, steps, "image"), reference=coarse(reference, steps, "inside"),
        geometry=coarse_geometry(whole, steps), steps=steps, whole=whole, window=description,
    )  # fmt: skip


def show_layers(shown: VolumeView, image: Image, folder: Path, record: StudyRecord, concept: str) -> LayerView:
    """The mask and the saliency map that a run wrote of a case.

    Args:
        shown: the case.
        image: what it was made from.
        folder: of the case in the run.
        record: the `result.json` there.
        concept: what was looked for.

    Raises:
        GeometryMismatchError: a file lies on another grid than the image.
        InputError: a file cannot be read.
    """
    finding = finding_in(record, concept)
    files = finding.files
    own = next((files[kind] for kind in ("mask", "mask_nrrd", "mask_mha") if kind in files), None)
    name = own or files.get("dicom_seg")
    choice = _OWN if own else MaskChoice(labels=(finding.segment or 1,))
    mask = (
        None if name is None else coarse(read_chosen(folder / name, choice, like=image).values, shown.steps, "inside")
    )
    mapped = next((files[kind] for kind in ("saliency", "saliency_nrrd", "saliency_mha") if kind in files), None)
    saliency = _saliency(folder / mapped, shown) if mapped else None
    return LayerView(mask=mask, saliency=saliency, start=_start(shown, mask, record, finding))


def nifti_bytes(values: Bytes, geometry: Geometry) -> bytes:
    """Gzipped NIfTI of 8 bits: shape, affine and unit, and no free text; the same values are the same bytes."""
    stored = image_from(values, replace(geometry, frame_of_reference_uid=None))
    packed: bytes = gzip.compress(stored.to_bytes(), compresslevel=9, mtime=0)
    return packed


# ---- the coarse grid


def steps_of(shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """How many voxels along (slices, rows, columns) become one, so that no side is longer than `LONGEST_SIDE`.

    >>> steps_of((40, 512, 513))
    (1, 2, 3)
    """
    slices, rows, columns = (-(-count // LONGEST_SIDE) for count in shape)
    return slices, rows, columns


def coarse_geometry(geometry: Geometry, steps: tuple[int, int, int]) -> Geometry:
    """The grid of blocks: a block's centre is the mean of its voxels' centres. The last block may reach beyond the study."""
    affine = geometry.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ ((np.array(steps) - 1) / 2)
    affine[:3, :3] *= steps
    slices, rows, columns = (-(-count // step) for count, step in zip(geometry.shape, steps, strict=True))
    return replace(geometry, affine=affine, shape=(slices, rows, columns))


def coarse(values: Voxels, steps: tuple[int, int, int], kind: LayerKind) -> Bytes:
    """Blocks of voxels as one voxel each.

    Args:
        values: "image" and "highest": 0 to 255; "inside": a mask.
        steps: as `steps_of`.
        kind: "image" gives the mean, "inside" 255 times the part that is inside, rounded up so that nothing vanishes,
            "highest" the maximum.
    """
    shape = np.array(values.shape)
    counts = -(-shape // steps)
    beyond = [(0, int(extra)) for extra in counts * steps - shape]
    # beyond the study the image goes on as it ends; masks and maps do not
    padded = np.pad(values, beyond, mode="edge") if kind == "image" else np.pad(values, beyond)
    blocks = padded.reshape([int(n) for pair in zip(counts, steps, strict=True) for n in pair])
    if kind == "highest":
        return np.asarray(blocks.max(axis=(1, 3, 5)), np.uint8)
    mean = blocks.mean(axis=(1, 3, 5), dtype=np.float32)
    return np.asarray(np.rint(mean) if kind == "image" else np.ceil(BRIGHTEST * mean), np.uint8)


# ---- parts


def _grey(image: Image, kind: Domain, window: str | None, named: str) -> tuple[Bytes, str]:
    """0 to 255 by the view's window, else by the concept's, which the run recorded by name, else by the domain's rule."""
    intensity = kind.intensity(image, window=window or (named if named in kind.windows else None))
    shown = np.empty(image.values.shape, np.uint8)
    for index, plane in enumerate(image.values):
        shown[index] = np.rint(BRIGHTEST * intensity.apply(plane))
    return shown, intensity.description


def _saliency(path: Path, shown: VolumeView) -> Bytes:
    stored = read_image(path)
    # NIfTI knows neither pixels nor frames of reference
    shown.whole.require_same_grid(replace(stored.geometry, unit=shown.whole.unit), what=f"saliency map {path.name}")
    highest = float(stored.values.max()) or 1.0
    return coarse(np.ceil(BRIGHTEST * np.clip(stored.values / highest, 0, 1)).astype(np.uint8), shown.steps, "highest")


def _start(shown: VolumeView, mask: Bytes | None, record: StudyRecord, finding: FindingRecord) -> tuple[int, int, int]:
    """In the plane with the highest score, which the overlay shows too; there where the mask or the reference is."""
    axis = record.slice_axis
    layers = [layer for layer in (mask, shown.reference) if layer is not None]
    if finding.slices:
        best = max(finding.slices, key=lambda one: (one.score, -one.index)).index
        place: int | None = best // shown.steps[axis]
    else:
        place = None
    for layer in layers:
        within = layer if place is None else _only(layer, axis, place)
        if within.any():
            return _middle(within)
    centre = [count // 2 for count in shown.geometry.shape]
    centre[axis] = centre[axis] if place is None else place
    return centre[0], centre[1], centre[2]


def _only(layer: Bytes, axis: int, place: int) -> Bytes:
    kept = np.zeros_like(layer)
    where: list[Any] = [slice(None)] * 3
    where[axis] = place
    kept[tuple(where)] = layer[tuple(where)]
    return kept


def _middle(layer: NDArray[Any]) -> tuple[int, int, int]:
    """The voxel of the layer that is nearest to its centre of mass."""
    inside = np.argwhere(layer)
    nearest = inside[np.linalg.norm(inside - inside.mean(axis=0), axis=1).argmin()]
    return int(nearest[0]), int(nearest[1]), int(nearest[2])
