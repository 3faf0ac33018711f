"""The voxels of a NRRD or MetaImage file and where they lie, by SimpleITK, in a process apart.

Its parsers of headers crash on some that are damaged, so no file reaches them in a process that holds anything. In this one
only where `MEDKT_DECODE_APART=never`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medkt.bounds import budget
from medkt.errors import UnreadableError, UnsupportedError
from medkt.io.apart import Conversation, goes_apart, request_for
from medkt.io.guard import reading
from medkt.io.itk_header import SHOWN, HeaderText, ItkFormat
from medkt.shapes import Array

_READERS = {"nrrd": "NrrdImageIO", "metaimage": "MetaImageIO"}
_SCALARS = ("UInt8", "Int8", "UInt16", "Int16", "UInt32", "Int32", "UInt64", "Int64", "Float32", "Float64")
_MOST_AXES = 4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ItkVolume:
    """What SimpleITK makes of a file.

    Attributes:
        voxels: ([time,] slices, rows, columns) or (rows, columns), numbers of one voxel last where there are several.
        components: how many numbers a voxel has.
        spacing, origin: along the axes in space and time, (i, j, k, t) as far as there are.
        directions: (axes x axes), row by row; column n is the step along axis n, LPS+.
    """

    voxels: Array
    components: int
    spacing: tuple[float, ...]
    origin: tuple[float, ...]
    directions: tuple[float, ...]

    @property
    def axes(self) -> int:
        """Of the grid: 2 for a picture, 3, or 4 with time."""
        return len(self.spacing)

    @property
    def size(self) -> tuple[int, ...]:
        """Along (i, j, k, t) as far as there are."""
        return self.voxels.shape[: self.axes][::-1]


def itk_library() -> Any:
    """SimpleITK, which is silent: its warnings would go to the terminal, past every log."""
    import SimpleITK  # a third of a second, and few files are of its kinds

    itk: Any = SimpleITK  # without hints
    itk.ProcessObject.GlobalWarningDisplayOff()
    return itk


def decoded(path: Path, text: HeaderText, shown: str) -> ItkVolume:
    """What a file holds.

    Args:
        path: of the header, and in most files of the voxels, too.
        text: of the header.
        shown: how to name it in messages.

    Raises:
        UnsupportedError: complex voxels, too many axes. UnreadableError: damaged. InputError: larger than the budget.
    """
    needed = text.bytes_of_voxels(shown)
    budget().require_bytes(needed, shown)
    if not goes_apart(large=False, strange=True):
        return decoded_here(path, text.kind, shown)
    held = text.voxels_of(path, shown)
    asked = request_for("itk", path, shown, picture=needed, whole=needed + held.stat().st_size, format=text.kind)
    with Conversation([asked]) as apart:
        (said,) = apart.answers()
    assert said.array is not None
    place = {name: tuple(map(float, said.header[name])) for name in ("spacing", "origin", "directions")}
    return _checked(ItkVolume(voxels=said.array, components=int(said.header["components"]), **place), shown)


def decoded_here(path: Path, kind: ItkFormat, shown: str) -> ItkVolume:
    """The same, in this process."""
    itk = itk_library()
    reader = itk.ImageFileReader()
    reader.SetImageIO(_READERS[kind])
    reader.SetFileName(str(path))
    with reading(shown, f"reading the {SHOWN[kind]} header"):
        reader.ReadImageInformation()
    axes, components = reader.GetDimension(), reader.GetNumberOfComponents()
    if reader.GetPixelID() not in _real(itk):
        raise UnsupportedError(f"{shown}: its voxels are no real numbers; save real values", code="voxel-type")
    if axes + (components > 1) > _MOST_AXES:
        raise UnsupportedError(
            f"{shown}: has {axes} axes and {components} numbers a voxel; save the volume that you need",
            code="too-many-axes",
        )
    with reading(shown, f"reading the voxels of this {SHOWN[kind]} file"):
        image = reader.Execute()
        voxels = np.array(itk.GetArrayViewFromImage(image))
    place = {"spacing": image.GetSpacing(), "origin": image.GetOrigin(), "directions": image.GetDirection()}
    return _checked(ItkVolume(voxels=voxels, components=components, **place), shown)


def _real(itk: Any) -> set[int]:
    return {getattr(itk, f"sitk{several}{name}") for name in _SCALARS for several in ("", "Vector")}


def _checked(found: ItkVolume, shown: str) -> ItkVolume:
    numbers = np.array([*found.spacing, *found.origin, *found.directions])
    axes = len(found.spacing)
    shaped = (
        found.voxels.ndim == axes + (found.components > 1)
        and found.voxels.size > 0
        and len(found.directions) == axes**2
    )
    if not 2 <= axes <= _MOST_AXES or not shaped or not np.isfinite(numbers).all():
        raise UnreadableError(f"{shown}: its header gives no grid of voxels; it is damaged, export it again")
    return found
