"""MONAI's tensors with a place to medkt's images, and masks back: no voxel is resampled.

A MetaTensor is channel first, (1, X, Y, Z) or (1, X, Y), and its affine leads from (x, y, z) to RAS+, or to LPS+ where its `space`
says so. An `Image` is (slices, rows, columns) = (z, y, x), and leads to LPS+ mm.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.data.utils import to_affine_nd
from numpy.typing import NDArray

from medkt.errors import InputError
from medkt.io.nifti import World, grid_of, require_finite, unit_in_mm
from medkt.shapes import Array
from medkt.spatial import Geometry, Image, Provenance

_OF_PICTURES = {"mode", "width", "height"}  # what MONAI's reader of PNG and JPEG says, and no other
_DATATYPE, _UNITS, _SPACE = "datatype", "xyzt_units", "space"  # what its readers of volumes say


def image_of(tensor: object) -> Image:
    """A study of a MetaTensor, as `medkt.read_image` reads it from its file.

    Lengths are in millimetres, by the unit that a NIfTI header names; in pixels for what MONAI read as a picture. Whole
    numbers that came from a file of whole numbers are such again, since MONAI loads all as float32.

    Args:
        tensor: (1, X, Y) or (1, X, Y, Z), with an affine.

    Raises:
        InputError: a tensor without a place, of several channels or another number of axes, or with NaN.
        GeometryError: its affine is singular.
    """
    placed = require_placed(tensor)
    shape = tuple(placed.shape)
    if len(shape) not in (3, 4) or shape[0] != 1:
        raise InputError(
            f"a study is (1, X, Y) or (1, X, Y, Z), got {shape}; put EnsureChannelFirstd after LoadImaged, and of several channels or "
            "volumes choose one"
        )
    values = _as_stored(placed.as_tensor()[0].detach().cpu().numpy(), placed.meta)
    values = np.ascontiguousarray(values.reshape((*values.shape, 1)[:3]).transpose(2, 1, 0))
    require_finite(values, "the tensor")
    geometry, warnings = _grid(placed)
    return Image(values=values, geometry=geometry, provenance=Provenance(warnings=warnings))


def require_placed(tensor: object) -> MetaTensor:
    """The tensor itself.

    Raises:
        InputError: it says no place.
    """
    if isinstance(tensor, MetaTensor):
        return tensor
    raise InputError(
        f"a MetaTensor says where its voxels lie, and this is a {type(tensor).__name__}; load the file with LoadImaged, or give "
        "MetaTensor(values, affine=...)"
    )


def mask_like(masks: NDArray[np.bool_], tensor: MetaTensor, said: Mapping[str, Any]) -> MetaTensor:
    """(masks, slices, rows, columns) as uint8 0 and 1, (masks, X, Y, Z) or (masks, X, Y), at the place of the study's tensor.

    Args:
        masks: on the grid of `image_of(tensor)`.
        tensor: the study, whose metadata the mask has, too.
        said: more metadata.
    """
    values = torch.from_numpy(np.ascontiguousarray(masks.transpose(0, 3, 2, 1)).astype(np.uint8))
    values = values.reshape((len(masks), *tensor.shape[1:])).to(tensor.device)
    return MetaTensor(values, meta={**tensor.meta, "affine": tensor.affine.clone(), **said})


def _grid(tensor: MetaTensor) -> tuple[Geometry, tuple[str, ...]]:
    shape, meta = tuple(tensor.shape[1:]), tensor.meta
    affine = np.asarray(to_affine_nd(3, np.asarray(tensor.affine, dtype=np.float64)))
    if meta.keys() >= _OF_PICTURES:
        geometry, _ = grid_of(affine, shape, world="LPS")  # columns along +x, rows along +y, as a picture is read
        return Geometry(affine=geometry.affine, shape=geometry.shape, unit="pixel"), ()
    units = meta.get(_UNITS)
    return grid_of(affine, shape, 1.0 if units is None else unit_in_mm(int(units)), world=_world(meta))


def _world(meta: Mapping[str, Any]) -> World:
    space = str(getattr(meta.get(_SPACE), "value", meta.get(_SPACE) or "RAS"))
    if space not in ("RAS", "LPS"):
        raise InputError(
            f"its affine leads to the space {space!r}; medkt knows RAS and LPS: change it, and meta['space'], to one of them"
        )
    return "LPS" if space == "LPS" else "RAS"


def _as_stored(values: Array, meta: Mapping[str, Any]) -> Array:
    """The values in the type of the file's whole numbers, where it had such and they still are; else as they are."""
    kind = _stored_type(meta)
    if kind is None or values.dtype.kind != "f" or not np.isfinite(values).all():
        return values
    ends = np.iinfo(kind)
    if values.min() < ends.min or values.max() > ends.max:
        return values
    whole = values.astype(kind)
    return whole if np.array_equal(whole, values) else values


def _stored_type(meta: Mapping[str, Any]) -> np.dtype[Any] | None:
    """The file's type of whole numbers; None where it had others, or says none."""
    import nibabel

    if meta.keys() >= _OF_PICTURES:
        return np.dtype(np.uint8) if meta["mode"] in ("L", "P", "1") else None
    kinds: Any = nibabel.nifti1.data_type_codes.dtype
    code = meta.get(_DATATYPE)
    if code is None or int(code) not in kinds:
        return None
    kind: np.dtype[Any] = np.dtype(kinds[int(code)])
    return kind if kind.kind in "iu" else None
