"""One volume in all 48 orders in which its voxels can be stored, turned by nibabel and by nothing of medkt's."""

import itertools
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

ORDERS: tuple[tuple[tuple[int, int], ...], ...] = tuple(
    tuple(zip(axes, signs, strict=True))
    for axes in itertools.permutations(range(3))
    for signs in itertools.product((1, -1), repeat=3)
)
"""What nibabel calls an orientation: for each axis of the file the axis that it becomes, and whether it is turned round."""


def write_in_order(path: Path, order: tuple[tuple[int, int], ...], to: Path, kind: str = "") -> Path:
    """The NIfTI file `path` with its voxels stored in another order, and as another type where `kind` names one."""
    turned = nib.load(path).as_reoriented(np.array(order))
    voxels = np.asarray(turned.dataobj).astype(kind or turned.get_data_dtype())
    nib.save(nib.Nifti1Image(voxels, turned.affine), to)
    return to


def in_world(path: Path) -> NDArray[np.generic]:
    """The voxels of a NIfTI file in nibabel's canonical order: right, anterior, superior."""
    voxels: NDArray[np.generic] = np.asarray(nib.as_closest_canonical(nib.load(path)).dataobj).copy()
    return voxels
