"""Masks in: NIfTI, NRRD, MetaImage, a picture or a DICOM SEG. The one reader, for two folders, a manifest, `--reference` and Python."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medkt.errors import GeometryMismatchError, InputError, UnsupportedError
from medkt.io.digest import digest_of
from medkt.io.mask_choice import MaskChoice
from medkt.io.mask_picture import read_mask_picture
from medkt.io.mask_values import Foreground, inside_of, levels_of
from medkt.io.nifti import read_nifti
from medkt.io.read import kind_of_file
from medkt.shapes import MaskVoxels
from medkt.spatial.geometry import Geometry
from medkt.spatial.image import Image, Mask
from medkt.spatial.provenance import Provenance


def read_mask(
    path: str | Path, *, like: Image | None = None, label: int | str | None = None, threshold: float | None = None
) -> Mask:
    """Read a mask, (slices, rows, columns) bool; the last of its provenance's steps says what was taken as inside.

    Its only label is inside. Whatever could be meant in two ways is an error that says what to state: several labels or
    segments, fractions, negative values, many levels, several colours, a mask in the alpha channel, no outside at all.

    Args:
        path: NIfTI, NRRD, MetaImage, PNG, TIFF or BMP, JPEG (128 or more is inside), or a DICOM SEG.
        like: the image that the mask belongs to; the mask then has its geometry, or an error says how the two differ.
        label: only voxels of this value, or this segment of a SEG; "1+3" takes two together, "all" all of them.
        threshold: this value and all above is inside; of a fractional SEG, the part of its largest value.

    Raises:
        InputError: the file is no mask, could be meant in two ways, or has no such label; else as `read_image`.
        GeometryMismatchError: another grid than `like`.
    """
    choice = MaskChoice.of(label=label, threshold=threshold)
    return require_held(read_chosen(path, choice, like=like), choice, str(path))


def require_held(mask: Mask, choice: MaskChoice, shown: str) -> Mask:
    """The mask, which holds what was asked for; a SEG's segment may be empty, for the file lists it.

    Raises:
        InputError: no voxel has the label.
    """
    if choice.labels and not mask.values.any() and mask.provenance.source != "dicom":
        raise InputError(
            f"{shown}: no voxel has {choice.words()}; look into the file, or give another --label", code="mask-empty"
        )
    return mask


def read_chosen(path: str | Path, choice: MaskChoice, *, like: Image | None = None) -> Mask:
    """As `read_mask`, with the choice of a run; a file that does not hold the label is an empty mask, and its step says so.

    Raises:
        InputError, GeometryMismatchError: as `read_mask`.
    """
    file, shown = Path(path), str(path)
    kind = kind_of_file(file, shown)
    if kind == "dicom":
        if file.is_dir():
            raise UnsupportedError(f"{shown}: is a folder; give the SEG file itself")
        from medkt.io.dicom_seg import read_seg

        return read_seg(file, shown, like=like, choice=choice)
    if kind == "zip":
        raise UnsupportedError(f"{shown}: is an archive; unpack it and give the mask itself")
    return onto(like, _of_kind(file, kind, choice, shown), shown)


def _of_kind(file: Path, kind: str, choice: MaskChoice, shown: str) -> Mask:
    if kind == "nifti":
        return _nifti(file, choice, shown)
    return _picture(file, choice, shown) if kind == "raster" else _itk(file, choice, shown)


def _nifti(file: Path, choice: MaskChoice, shown: str) -> Mask:
    stored = read_nifti(file, shown)
    if any("luma" in step for step in stored.provenance.steps):
        raise InputError(f"{shown}: is a colour volume; save each label as a whole number of its own")
    inside = inside_of(stored.values, choice, shown)
    return _mask(inside, stored.geometry, Provenance(source="nifti", digest=stored.provenance.digest))


def _itk(file: Path, choice: MaskChoice, shown: str) -> Mask:
    """A mask in NRRD or MetaImage; 3D Slicer keeps segments that overlap in layers, each a volume of the file."""
    from medkt.io.itk import geometry_of, stored_of

    stored = stored_of(file, shown)
    if stored.colour:
        raise InputError(f"{shown}: is a colour volume; save each label as a whole number of its own")
    layers = stored.voxels
    _require_labels_apart(layers, choice, shown)
    inside = inside_of(layers.reshape(-1, *layers.shape[2:]), choice, shown)
    values: MaskVoxels = np.asarray(inside.values.reshape(layers.shape).any(axis=0))
    geometry, _ = geometry_of(stored, shown)
    return _mask(
        Foreground(values, inside.rule),
        geometry,
        Provenance(source=stored.text.kind, digest=digest_of(values, geometry)),
    )


def _require_labels_apart(layers: NDArray[Any], choice: MaskChoice, shown: str) -> None:
    """That no label stands for different segments in different layers, unless all are taken.

    Raises:
        InputError: one does.
    """
    if len(layers) == 1 or choice.every:
        return
    counts = Counter(label for layer in layers for label in levels_of(layer))
    twice = sorted(
        label for label, count in counts.items() if count > 1 and (not choice.labels or label in choice.labels)
    )
    if twice:
        raise InputError(
            f"{shown}: label {twice[0]:g} stands for several segments that overlap; give each a label of its own and save again (3D "
            "Slicer: Segmentations, Collapse labelmap layers), or take all together with --label all", code="mask-unclear",
        )  # fmt: skip


def _picture(file: Path, choice: MaskChoice, shown: str) -> Mask:
    plane, how, lossy = read_mask_picture(file, shown)
    values = np.ascontiguousarray(plane[None], dtype=plane.dtype.newbyteorder("="))
    geometry = Geometry.of_pixels(*plane.shape)
    inside = inside_of(values, choice, shown, lossy=lossy)
    inside = replace(inside, rule=f"{inside.rule} ({how})" if how else inside.rule)
    return _mask(inside, geometry, Provenance(source="raster", digest=digest_of(values, geometry)))


def _mask(inside: Foreground, geometry: Geometry, source: Provenance) -> Mask:
    return Mask(values=inside.values, geometry=geometry, provenance=source.then(inside.rule))


def onto(like: Image | None, mask: Mask, shown: str) -> Mask:
    """The mask with the geometry of its image, which knows a frame of reference and a unit that the file may not.

    Pictures know no place: their shape must be the image's. All else must lie where the image lies.
    """
    if like is None:
        return mask
    wanted, found = like.geometry, mask.geometry
    if mask.provenance.source == "raster":
        if found.shape != wanted.shape:
            raise GeometryMismatchError(
                f"{shown}: the mask is {found.shape[1]}x{found.shape[2]} (rows x columns) in {found.shape[0]} slices, the "
                f"image {wanted.shape[1]}x{wanted.shape[2]} in {wanted.shape[0]}; is it the mask of another image?",
                code="mask-shape",
                slices=found.shape[0],
                rows=found.shape[1],
                columns=found.shape[2],
                image_slices=wanted.shape[0],
                image_rows=wanted.shape[1],
                image_columns=wanted.shape[2],
            )
        return replace(mask, geometry=wanted)
    try:
        wanted.require_same_grid(replace(found, unit=wanted.unit), what="mask")
    except GeometryMismatchError as error:
        raise GeometryMismatchError(f"{shown}: {error}") from error
    return replace(mask, geometry=wanted)
