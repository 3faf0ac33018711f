"""NRRD and MetaImage in, 3D Slicer's and ITK's own files, by SimpleITK. Its world is LPS+ already.

SimpleITK gives voxels as (k, j, i), so they come as (slices, rows, columns); the columns of its direction, each times its
spacing, are the steps along i, j, k.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from medkt.errors import (
    GeometryError,
    IncompleteError,
    UnreadableError,
    UnsupportedError,
)
from medkt.io.digest import digest_of
from medkt.io.itk_decode import ItkVolume, decoded
from medkt.io.itk_header import HeaderText, header_of, itk_kind
from medkt.io.luma import coloured, luma
from medkt.io.native import ItkNative
from medkt.io.nifti import require_finite
from medkt.io.volume_number import which_of
from medkt.shapes import Affine, Array
from medkt.spatial.completeness import Completeness
from medkt.spatial.geometry import Geometry
from medkt.spatial.image import Image
from medkt.spatial.provenance import Provenance


class ItkFile(NamedTuple):
    """A file as it stands.

    Attributes:
        decoded: SimpleITK's voxels and their place.
        voxels: the same as (volumes, slices, rows, columns), or (slices, rows, columns, 3) where `colour`.
        colour: whether the last axis is red, green and blue.
        text: the header.
        completeness: what lies in the file beside what was read.
    """

    decoded: ItkVolume
    voxels: Array
    colour: bool
    text: HeaderText
    completeness: Completeness

    def chosen(self, volume: int | str | None, shown: str) -> Array:
        """One volume, (slices, rows, columns)."""
        return np.ascontiguousarray(self.voxels[which_of(volume, len(self.voxels), self.voxels.shape[:0:-1], shown)])


def read_itk(path: Path, shown: str, *, volume: int | str | None = None, allow_incomplete: bool = False) -> Image:
    """The image in a NRRD or MetaImage file; axes (slices, rows, columns) = (k, j, i), world LPS+ mm.

    Args:
        path: .nrrd, .mha, or the header .nhdr or .mhd with its voxels beside it.
        shown: how to name it in messages.
        volume: which of several volumes, from 1; components that are no colours are volumes, too.
        allow_incomplete: read what the header counts where a slice or more lies beyond it.

    Raises:
        IncompleteError: more lies there than the header counts.
        AmbiguousInputError: several volumes and none chosen.
        UnsupportedError: complex, colour with alpha, several axes beyond space, voxels in other files, lengths in other units.
        UnreadableError: damaged or truncated. GeometryError: a singular direction. InputError: NaN or infinite voxels.
    """
    stored = stored_of(path, shown, allow_incomplete=allow_incomplete)
    geometry, warnings = geometry_of(stored, shown)
    colour = coloured(stored.voxels.reshape(-1, stored.voxels.shape[-2], 3), "RGB") if stored.colour else 0.0
    values = _luma(stored.voxels) if stored.colour else stored.chosen(volume, shown)
    require_finite(values, shown)
    return Image(
        values=values,
        geometry=geometry,
        colour=colour,
        provenance=Provenance(
            source=stored.text.kind,
            digest=digest_of(values, geometry),
            steps=("colour reduced to luma (ITU-R BT.601)",) if stored.colour else (),
            warnings=(*stored.completeness.warnings, *warnings),
            completeness=stored.completeness,
        ),
        native=_native(stored),
    )


def stored_of(path: Path, shown: str, *, allow_incomplete: bool = False) -> ItkFile:
    """What a file holds, before one of its volumes is chosen.

    Raises:
        IncompleteError, UnsupportedError, UnreadableError, InputError: as `read_itk`.
    """
    kind = itk_kind(path)
    if kind is None:
        raise UnreadableError(f"{shown}: is neither NRRD nor MetaImage; export it again")
    text = header_of(path, kind, shown)
    text.require_millimetres(shown)
    beyond = text.slices_beyond(path, shown)
    if beyond and not allow_incomplete:
        raise IncompleteError(
            f"{shown}: {beyond}. Export it again, or read what the header counts with --allow-incomplete."
        )
    found = decoded(path, text, shown)
    colour = _is_colour(found, text, shown)
    completeness = Completeness(unexplained={beyond: 1}, allowed=True) if beyond else Completeness()
    return ItkFile(found, _in_volumes(found, colour), colour, text, completeness)


def _is_colour(found: ItkVolume, text: HeaderText, shown: str) -> bool:
    """Whether components are red, green and blue: NRRD says so; in MetaImage three bytes a voxel are what ITK writes for them.

    Raises:
        UnsupportedError: with alpha.
    """
    kinds = text.fields.get("kinds", "").lower()
    of_bytes = text.kind == "metaimage" and found.voxels.dtype == np.uint8
    if found.components == 4 and ("rgba-color" in kinds or of_bytes):
        raise UnsupportedError(f"{shown}: voxels are colour with alpha; save real values", code="voxel-type")
    return found.components == 3 and ("rgb-color" in kinds or of_bytes)


def _in_volumes(found: ItkVolume, colour: bool) -> Array:
    """(volumes, slices, rows, columns) of what SimpleITK gives; colours stay last."""
    voxels = found.voxels
    if colour:
        return voxels.reshape(-1, *voxels.shape[-3:])
    if found.components > 1:
        moved = np.moveaxis(voxels, -1, 0)
        return np.ascontiguousarray(moved.reshape(found.components, -1, *moved.shape[-2:]))
    volumes = voxels.shape[0] if found.axes == 4 else 1
    return voxels.reshape(volumes, -1, *voxels.shape[-2:])


def _luma(voxels: Array) -> Array:
    return np.stack([luma(plane, "RGB") for plane in voxels])


def geometry_of(stored: ItkFile, shown: str) -> tuple[Geometry, tuple[str, ...]]:
    """The grid, and what a reader should know of it.

    Raises:
        GeometryError: two axes are parallel.
    """
    found, text = stored.decoded, stored.text
    columns, rows, slices = (*found.size, 1)[:3]
    shape = (slices, rows, columns)
    if not text.sized:
        geometry = Geometry(affine=np.eye(4)[[2, 1, 0, 3]], shape=shape, unit="pixel")
        return geometry, ("the file states no spacing: every length is in pixels",)
    try:
        geometry = Geometry(affine=_affine(found), shape=shape)
    except GeometryError as error:
        raise GeometryError(f"{shown}: {error}; repair its directions") from error
    notes = {
        "the file does not say which way the patient lies: left and right are a guess": not text.placed
        and found.axes > 2,
        "a single slice without depth: taken as 1": found.axes == 2,
        "sheared affine: some programs do not open such a study or a mask of it": geometry.is_sheared,
    }
    return geometry, tuple(note for note, holds in notes.items() if holds)


def _affine(found: ItkVolume) -> Affine:
    """(slice, row, column) to LPS+ mm; a fourth axis, time, is left out, and a picture lies flat and is 1 thick."""
    directions = np.array(found.directions).reshape(found.axes, found.axes)[:3, :3]
    steps, affine = np.eye(3), np.eye(4)
    inside = min(found.axes, 3)
    steps[:inside, :inside] = directions * np.array(found.spacing)[:3]
    affine[:3, :3] = steps[:, ::-1]
    affine[:inside, 3] = found.origin[:3]
    return affine


def _native(stored: ItkFile) -> ItkNative:
    found, axes = stored.decoded, min(stored.decoded.axes, 3)
    directions = np.array(found.directions).reshape(found.axes, -1)[:axes, :axes]
    place = ("space", "space directions", "space origin", "measurement frame")
    plain = stored.text.kind == "nrrd" and found.components == 1 and axes == found.axes
    return ItkNative(
        axes=axes, spacing=found.spacing[:axes], origin=found.origin[:axes], directions=tuple(directions.ravel().tolist()),
        place={name: stored.text.fields[name] for name in place if plain and name in stored.text.fields},
    )  # fmt: skip
