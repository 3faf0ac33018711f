"""Mosaics: the slices of a volume side by side in one flat picture (Siemens "MOSAIC", United Imaging "VFRAME").

How many slices there are, where they lie and which way they run stands in a private header and nowhere else: the public
position is that of a plane that nobody scanned. Siemens: the CSA header, read by nibabel; the first slice lies where the mosaic's plane would, moved by half of what the mosaic is larger than a slice (dcm2niix,
SPM). United Imaging lists the position of every slice.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from medkt.errors import UnreadableError, UnsupportedError
from medkt.io.dicom_header import image_type, integer, number, numbers, private, private_items
from medkt.io.guard import reading

Vector = NDArray[np.float64]

_CSA_GROUP, _CSA_CREATOR = 0x0029, "SIEMENS CSA HEADER"
_UIH_GROUP, _UIH_CREATOR = 0x0065, "Image Private Header"
_UIH_COUNT, _UIH_SLICES = 0x50, 0x51
_KEEP = (
    "export it again with its private groups, or convert it with dcm2niix before they are removed, and give the NIfTI"
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mosaic:
    """How a flat picture is cut.

    Attributes:
        size: (rows, columns) of a slice.
        corners: first (row, column) of each slice in the picture.
        positions: (slices, 3) centre of the first pixel of each slice, LPS+ mm.
        directions: (2, 3) unit vectors LPS+: the way the column index grows, the way the row index grows.
        blank: first (row, column) of the places that hold no slice.
    """

    size: tuple[int, int]
    corners: tuple[tuple[int, int], ...]
    positions: Vector
    directions: Vector
    blank: tuple[tuple[int, int], ...]


def mosaic_of(header: Dataset, shown: str) -> Mosaic | None:
    """How the picture is cut, None for one that is a slice itself.

    Raises:
        UnsupportedError: the file says that it is a mosaic, but its private header does not say how to cut it.
        UnreadableError: the private header is damaged.
    """
    kinds = image_type(header)
    if "VFRAME" in kinds or len(private_items(header, _UIH_GROUP, _UIH_CREATOR, _UIH_SLICES)) > 1:
        return _united_imaging(header, shown)
    csa = _csa(header, shown)
    slices = _scalar(csa, "NumberOfImagesInMosaic")
    if slices is not None and slices > 1:
        return _siemens(header, int(slices), csa, shown)
    if "MOSAIC" not in kinds and (csa is not None or _counted_elsewhere(header) < 2):
        return None
    says = "has no private header (CSA)" if csa is None else "does not say how many slices it holds"
    raise UnsupportedError(
        f"{shown}: is a mosaic, the slices of a volume in one flat picture, and {says}, without which nobody knows how "
        f"many there are and which way they run; {_KEEP}",
        code="mosaic",
    )


def directions_of(orientation: tuple[float, ...] | None) -> Vector | None:
    """(2, 3) unit vectors, or None where the six numbers are no two directions at right angles."""
    if orientation is None:
        return None
    pair = np.array(orientation, dtype=np.float64).reshape(2, 3)
    lengths = np.linalg.norm(pair, axis=1)
    if lengths.min() < 0.9 or lengths.max() > 1.1 or abs(float(pair[0] @ pair[1])) > 0.01:
        return None
    unit: Vector = pair / lengths[:, None]
    return unit


def tile(plane: NDArray[Any], corner: tuple[int, int], size: tuple[int, int]) -> NDArray[Any]:
    """The slice of (rows, columns) that begins at that (row, column) of a flat picture."""
    return plane[corner[0] : corner[0] + size[0], corner[1] : corner[1] + size[1]]


def require_blank(plane: NDArray[Any], mosaic: Mosaic, shown: str) -> None:
    """Pass silently where the places without a slice hold nothing.

    Raises:
        UnreadableError: one of them holds a picture, so the private header counts wrongly.
    """
    for corner in mosaic.blank:
        rest = tile(plane, corner, mosaic.size)
        if rest.min() != rest.max():
            raise UnreadableError(
                f"{shown}: its private header counts {len(mosaic.corners)} slices in the mosaic, but there is a picture "
                "beyond them; the header is not that of these pixels; export the file again",
                code="mosaic",
            )


def _siemens(header: Dataset, slices: int, csa: dict[str, Any] | None, shown: str) -> Mosaic:
    side = math.ceil(math.sqrt(slices))
    size, corners = _grid(header, (side, side), slices, shown)
    origin, spacing = _place(header, shown)
    directions = _directions(header, shown)
    step = _step(header, shown)
    across = np.cross(directions[0], directions[1])
    normal = _vector(csa, "SliceNormalVector")
    if normal is None or abs(float(normal @ across)) < 0.5:
        raise UnsupportedError(
            f"{shown}: is a mosaic of {slices} slices whose private header does not say which way they run "
            f"(SliceNormalVector); {_KEEP}",
            code="mosaic",
        )
    rows, columns = integer(header, "Rows") or 0, integer(header, "Columns") or 0
    moved = directions[0] * spacing[1] * (columns - size[1]) / 2 + directions[1] * spacing[0] * (rows - size[0]) / 2
    along = across * math.copysign(step, float(normal @ across))
    positions = origin + moved + np.arange(slices)[:, None] * along
    return Mosaic(
        size=size, corners=corners[:slices], positions=positions, directions=directions, blank=corners[slices:]
    )


def _united_imaging(header: Dataset, shown: str) -> Mosaic:
    slices = private_items(header, _UIH_GROUP, _UIH_CREATOR, _UIH_SLICES)
    count = private(header, _UIH_GROUP, _UIH_CREATOR, _UIH_COUNT)
    if not slices or count is None:
        raise UnsupportedError(
            f"{shown}: is a grid of slices in one flat picture (VFRAME) without the private header that says where they "
            f"lie; {_KEEP}",
            code="mosaic",
        )
    positions = [numbers(item, "ImagePositionPatient", 3) for item in slices]
    if int(float(count)) != len(slices) or None in positions:
        raise UnsupportedError(
            f"{shown}: is a grid of {count} slices in one flat picture, of which {len(slices)} have a place; export it again",
            code="mosaic",
        )
    columns = math.ceil(math.sqrt(len(slices)))
    size, corners = _grid(header, (math.ceil(len(slices) / columns), columns), len(slices), shown)
    return Mosaic(
        size=size,
        corners=corners[: len(slices)],
        positions=np.array(positions, dtype=np.float64),
        directions=_directions(header, shown),
        blank=corners[len(slices) :],
    )


def _grid(
    header: Dataset, cells: tuple[int, int], slices: int, shown: str
) -> tuple[tuple[int, int], tuple[tuple[int, int], ...]]:
    """(rows, columns) of a slice and where each cell begins, row by row."""
    rows, columns = integer(header, "Rows") or 0, integer(header, "Columns") or 0
    if rows < 1 or columns < 1 or rows % cells[0] or columns % cells[1]:
        raise UnreadableError(
            f"{shown}: {slices} slices in {cells[0]} x {cells[1]} places do not fill a picture of {rows} rows and {columns} "
            "columns; the private header is not that of these pixels; export the file again",
            code="mosaic",
        )
    size = (rows // cells[0], columns // cells[1])
    scanned = [int(n) for n in numbers(header, "AcquisitionMatrix", 4) or () if n > 0]
    if scanned and not any(
        side % n == 0 for side in size for n in scanned
    ):  # reconstructions are 1 or 2 times as large
        raise UnreadableError(
            f"{shown}: its private header counts {slices} slices in the mosaic, which makes them {size[0]} x {size[1]}, but "
            f"{' x '.join(map(str, scanned))} were scanned; the header is not that of these pixels; export the file again",
            code="mosaic",
        )
    return size, tuple((row * size[0], column * size[1]) for row in range(cells[0]) for column in range(cells[1]))


def _place(header: Dataset, shown: str) -> tuple[Vector, tuple[float, ...]]:
    """Position and (row step, column step) of the mosaic's plane."""
    position, spacing = numbers(header, "ImagePositionPatient", 3), numbers(header, "PixelSpacing", 2)
    if position is None or spacing is None or min(spacing) <= 0:
        raise UnsupportedError(
            f"{shown}: is a mosaic of slices without position or pixel spacing; export it again", code="mosaic"
        )
    return np.array(position), spacing


def _directions(header: Dataset, shown: str) -> Vector:
    found = directions_of(numbers(header, "ImageOrientationPatient", 6))
    if found is None:
        raise UnsupportedError(
            f"{shown}: is a mosaic of slices without a sound orientation; export it again", code="mosaic"
        )
    return found


def _step(header: Dataset, shown: str) -> float:
    step = number(header, "SpacingBetweenSlices")
    if step is None or step == 0:
        raise UnsupportedError(
            f"{shown}: is a mosaic that does not say how far its slices lie apart (SpacingBetweenSlices; their thickness "
            "leaves gaps out); restore it, or convert the file to NIfTI with a program where you can say it",
            code="mosaic",
        )
    return abs(step)


def _counted_elsewhere(header: Dataset) -> int:
    """How many slices Siemens' other private group counts; some take the CSA header away and leave that."""
    found = private(header, 0x0019, "SIEMENS MR HEADER", 0x0A)
    if isinstance(found, bytes):
        return int.from_bytes(found[:2], "little")
    return found if isinstance(found, int) else 0


def _csa(header: Dataset, shown: str) -> dict[str, Any] | None:
    """The tags of Siemens' private image header, None where there is none."""
    stored = private(header, _CSA_GROUP, _CSA_CREATOR, 0x10)
    if not isinstance(stored, bytes) or not stored.strip(b"\0"):
        return None
    with reading(shown, "reading the private (CSA) header"):
        from nibabel.nicom.csareader import read  # warns on importing that it is experimental

        untyped: Any = read
        tags: dict[str, Any] = untyped(stored)["tags"]
    return tags


def _scalar(csa: dict[str, Any] | None, name: str) -> float | None:
    found = _vector(csa, name, 1)
    return None if found is None else float(found[0])


def _vector(csa: dict[str, Any] | None, name: str, count: int = 3) -> Vector | None:
    values = [] if csa is None else csa.get(name, {}).get("items", [])
    try:
        found = np.array(values[:count], dtype=np.float64)
    except (TypeError, ValueError):
        return None
    return found if found.shape == (count,) and bool(np.isfinite(found).all()) else None
