"""Voxels with a place: an image, a saliency map, a mask."""

from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from medkt.errors import GeometryMismatchError
from medkt.shapes import MapVoxels, MaskVoxels, Voxels
from medkt.spatial.geometry import Geometry
from medkt.spatial.provenance import Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class Display:
    """What the file itself says about showing its values; the order is VOI first, inversion last.

    Attributes:
        windows: (centre, width) pairs of VOI LUT, in the image's own values; the first is the file's default.
        function: "LINEAR", "LINEAR_EXACT" or "SIGMOID" (DICOM PS3.3 C.11.2.1.2).
        table: a VOI LUT as (first mapped value, entries), or None. It replaces the windows where both stand.
        inverted: MONOCHROME1 or PRESENTATION LUT SHAPE INVERSE: low values are shown bright.
        region: (first row, first column, end row, end column) of the part of each slice that is the image, the ends not
            in it (the largest 2-D region of an ultrasound screen); None where it is all of it.
    """

    windows: tuple[tuple[float, float], ...] = ()
    function: str = "LINEAR"
    table: tuple[float, NDArray[Any]] | None = None
    inverted: bool = False
    region: tuple[int, int, int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageStatements:
    """What the file says that it shows, in medkt's own words; "" where it does not say, or in words of its own.

    Attributes:
        body: "chest", "head", "abdomen", "breast", "neck", "pelvis", "spine" or "limb".
        side: "left" or "right" of the patient.
        view: "lateral" for a radiograph from the side.
    """

    body: str = ""
    side: str = ""
    view: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Image:
    """One study to look at.

    Attributes:
        values: (slices, rows, columns), real-valued after the modality LUT (HU for CT); integer dtype where the
            file stores integers and the LUT is the identity on them or has integer slope and intercept. Colour is
            reduced to luma (ITU-R BT.601) on reading.
        geometry: the grid.
        modality: DICOM's code ("CR", "DX", "MG", "CT", "MR", "US") or "" where the file does not say.
        display: what the file says about windows and inversion.
        padding: the value that stands for what is no part of the patient, and for nothing else; statistics leave it out.
            None where the file names none, and in CT, where air stands for it.
        stated: what the file says that it shows.
        colour: the share of pixels that were clearly no grey before colour was reduced to luma, in [0, 1]; of a clip, of
            all its frames. 0 for grey, and for an image from memory.
        provenance: digests, steps, warnings.
        native: what the writer of the same format needs to put a mask back into the file's own frame; only
            `medkt.io` looks inside.
    """

    values: Voxels
    geometry: Geometry
    modality: str = ""
    display: Display = field(default_factory=Display)
    padding: float | None = None
    stated: ImageStatements = field(default_factory=ImageStatements)
    colour: float = 0.0
    provenance: Provenance = field(default_factory=Provenance)
    native: object | None = None

    def __post_init__(self) -> None:
        _require_shape(self.values, self.geometry, "image")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SaliencyMap:
    """How much each voxel matters to a text: (slices, rows, columns) float32, 0 or more, on the image's geometry.

    Slices that were not looked at are 0 and absent from `looked_at` (indices along `axis`).
    """

    values: MapVoxels
    geometry: Geometry
    axis: int = 0
    looked_at: tuple[int, ...] = ()
    provenance: Provenance = field(default_factory=Provenance)

    def __post_init__(self) -> None:
        _require_shape(self.values, self.geometry, "saliency map")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mask:
    """Where a finding is: (slices, rows, columns) bool on the image's geometry. Empty is a legal result."""

    values: MaskVoxels
    geometry: Geometry
    label: str = ""
    provenance: Provenance = field(default_factory=Provenance)

    def __post_init__(self) -> None:
        _require_shape(self.values, self.geometry, "mask")


def _require_shape(values: Voxels, geometry: Geometry, what: str) -> None:
    if values.shape != geometry.shape:
        raise GeometryMismatchError(f"the {what} has shape {values.shape}, its geometry {geometry.shape}")
