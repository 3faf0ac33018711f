"""Which planes of a study are looked at, and how each is shown to the models."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medkt.concepts import Concept
from medkt.domains import Domain
from medkt.domains.intensity import Intensity, is_eight_bit
from medkt.errors import InputError
from medkt.shapes import Plane
from medkt.spatial import Geometry, Image, Planes, SaliencyMap, planes_of


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How a study is read and cut, where the user does not leave it to the domain.

    Attributes:
        modality: "cxr", "ct", "mri" or "ultrasound"; None takes what the file says.
        window: see `Domain.intensity`.
        axis: the array axis to cut across (0 slices, 1 rows, 2 columns); None takes the axis of acquisition.
        step_mm: least distance between planes looked at; None takes the domain's, 0 looks at all.
    """

    modality: str | None = None
    window: str | None = None
    axis: int | None = None
    step_mm: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlaneSelection:
    """Which planes of a study were looked at, and how: plane `first + position * stride` for each position.

    Attributes:
        planes: how the study is cut.
        intensity: how its values are shown.
        first: the first plane looked at, counted as `planes` counts (see `Planes.number`).
        stride: between two positions.
        positions: those looked at.
        count: how many planes the study has.
        window: the named one through which they are shown; "" for the domain's own rule, None for another: see
            `Domain.window_shown`.
        region: the part of each shown plane that the models saw, (first row, first column, end row, end column), or None
            for all of it.
    """

    planes: Planes
    intensity: Intensity
    first: int
    stride: int
    positions: tuple[int, ...]
    count: int
    window: str | None = ""
    region: tuple[int, int, int, int] | None = None

    def number(self, position: int) -> int:
        """Which plane a position is, in the order of looking; the same however the study is stored."""
        return self.first + position * self.stride

    def index(self, position: int) -> int:
        """Where the plane of a position lies along the array's own axis."""
        return self.planes.number(self.number(position), self.count)

    def cut(self, plane: NDArray[Any]) -> NDArray[Any]:
        """The part of a whole plane that the models saw; a view."""
        if self.region is None:
            return plane
        top, left, bottom, right = self.region
        return plane[top:bottom, left:right]

    def seen(self, geometry: Geometry) -> tuple[slice, slice, slice]:
        """The part of the grid in which a mask can lie: the region, and the planes that were looked at or stand for them."""
        before, after = (self.stride - 1) // 2, self.stride // 2
        first, last = self.number(min(self.positions)), self.number(max(self.positions))
        planes = (max(0, first - before), min(self.count, last + after + 1))
        shape = tuple(geometry.shape[axis] for axis in self.planes.order)
        top, left, bottom, right = self.region or (0, 0, shape[1], shape[2])
        return self.planes.box((planes, (top, bottom), (left, right)), geometry)

    def put(self, values: NDArray[Any], index: int, part: NDArray[Any]) -> None:
        """Write what belongs to that part of a plane into (slices, rows, columns) values, in place."""
        if self.region is None:
            self.planes.put(values, index, part)
            return
        whole = np.zeros(self.planes.show(values, index).shape, dtype=part.dtype)
        self.cut(whole)[:] = part
        self.planes.put(values, index, whole)

    def on_whole(self, boxes_xyxy: NDArray[Any]) -> NDArray[Any]:
        """(boxes, 4) of the part that the models saw, as boxes of the whole plane."""
        top, left = self.region[:2] if self.region else (0, 0)
        moved: NDArray[Any] = boxes_xyxy + np.array([left, top, left, top], boxes_xyxy.dtype)
        return moved


SMALLEST_PLANE = 8  # pixels; below this a plane has fewer pixels than the small model has tokens
LONGEST_SIDE_MM = 10_000.0  # of a study; beyond this, and below a micrometre a voxel, a header is wrong
FINEST_SPACING_MM = 1e-3


def look_at(image: Image, kind: Domain, view: View, *, window: str | None = None) -> PlaneSelection:
    """Which planes to look at and how to show them; `window` is used where the view names none.

    Raises:
        InputError: no plane holds anything, a plane is too small to see anything in, or the spacing is no patient's.
    """
    _require_spacing_of_a_patient(image)
    planes, asked = planes_of(image.geometry, view.axis), view.window or window
    intensity = kind.intensity(image, window=asked)
    indices = kind.slices(image, planes, step_mm=view.step_mm)
    if not indices:
        raise InputError("no plane holds anything: every one is constant or air; check the file and --modality")
    rows, columns = planes.show(image.values, indices[0]).shape
    if min(rows, columns) < SMALLEST_PLANE:
        raise InputError(
            f"its planes are {rows} x {columns} pixels, too small to see a finding in (at least {SMALLEST_PLANE}); "
            "choose another --axis or check the file"
        )
    count = image.geometry.shape[planes.axis]
    numbers = [planes.number(index, count) for index in indices]
    stride = kind.stride(image, planes, step_mm=view.step_mm)  # not that of the planes which happen to hold something
    return PlaneSelection(
        planes=planes, intensity=intensity, first=numbers[0], stride=stride,
        positions=tuple((number - numbers[0]) // stride for number in numbers),
        count=count, window=kind.window_shown(image, intensity, asked=asked), region=_region(image, planes),
    )  # fmt: skip


def with_window(view: View, image: Image, window: str | None) -> tuple[View, tuple[str, ...]]:
    """The view with the window of the settings, and what to know of it; a window of the user's own comes before it.

    Published settings were made with pictures of 8 bits. What has other values (HU, a film of 12 bits) has no such window:
    it is shown by the rule of its modality, and a sentence says so.
    """
    if window is None or view.window is not None:
        return view, ()
    if is_eight_bit(image):
        return replace(view, window=window), ()
    return view, (
        f"the settings show pictures of 8 bits as they are (window={window}); this study is none and is shown by the rule "
        "of its modality",
    )


def _region(image: Image, planes: Planes) -> tuple[int, int, int, int] | None:
    if image.display.region is None or planes.axis != 0 or planes.orientation not in ("as stored", "single plane"):
        return None
    return planes.region(image.display.region, image.geometry)


def _require_spacing_of_a_patient(image: Image) -> None:
    geometry = image.geometry
    sides = [step * count for step, count in zip(geometry.spacing, geometry.shape, strict=True)]
    if geometry.unit == "mm" and (max(sides) > LONGEST_SIDE_MM or min(geometry.spacing) < FINEST_SPACING_MM):
        spacing = " x ".join(f"{step:g}" for step in geometry.spacing)
        raise InputError(f"a spacing of {spacing} mm is not that of a patient; correct the header of the file")


def windows_of(kind: Domain, concepts: Iterable[Concept]) -> tuple[str | None, ...]:
    """The windows that the concepts ask for, each once."""
    return tuple(dict.fromkeys(kind.window_for(concept) for concept in concepts))


def spacing_in_mm(placed: Image | SaliencyMap, planes: Planes) -> tuple[float, float] | None:
    return planes.spacing(placed.geometry) if placed.geometry.unit == "mm" else None


def shown_plane(image: Image, looked: PlaneSelection, position: int) -> Plane:
    return looked.intensity.apply(looked.cut(looked.planes.show(image.values, looked.index(position))))
