"""Where voxels lie: an affine, a shape, a unit and a frame of reference. No voxels.

Array axes are (slices, rows, columns). Column n of the affine is the step, in the world, along array axis n;
its last column is the centre of voxel (0, 0, 0). The world is LPS+ (x to the patient's left, y to posterior,
z to superior), as in DICOM. NIfTI's RAS+ is converted in `medkt.io.nifti` and nowhere else.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray

from medkt.errors import GeometryError, GeometryMismatchError
from medkt.shapes import Points3

Unit = Literal["mm", "pixel"]
Stack = Literal["space", "time"]

SAME_POINT_VOXELS = 1e-3  # two grids agree where every corner differs by less than this part of the smallest voxel
ORTHOGONAL_COSINE = 1e-3  # axes whose cosine is larger than this are sheared


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Geometry:
    """A grid of voxels in the world.

    Attributes:
        affine: (4, 4) float64, array index (slice, row, column, 1) to world LPS+ (x, y, z, 1).
        shape: (slices, rows, columns).
        unit: "mm", or "pixel" where the file states no spacing; then every length is in pixels.
        frame_of_reference_uid: DICOM's, or None (NIfTI, radiographs, pictures).
        stack: "time" where the first axis counts the frames of a clip; it then has no length in the world.
    """

    affine: NDArray[np.float64]  # checked below, with an error that a user can read
    shape: tuple[int, int, int]
    unit: Unit = "mm"
    frame_of_reference_uid: str | None = None
    stack: Stack = "space"

    def __post_init__(self) -> None:
        affine = np.array(self.affine, dtype=np.float64)  # a copy of our own, so that nobody changes it under us
        if affine.shape != (4, 4):
            raise GeometryError(f"an affine is 4x4, got {affine.shape}")
        if not np.isfinite(affine).all() or not np.array_equal(affine[3], [0, 0, 0, 1]):
            raise GeometryError(f"an affine is finite and ends in the row 0 0 0 1, got {affine.tolist()}")
        if abs(np.linalg.det(affine[:3, :3])) < 1e-12:
            raise GeometryError("the affine is singular: at least two voxel axes are parallel or have no length")
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise GeometryError(f"a shape is three positive numbers (slices, rows, columns), got {self.shape}")
        affine.setflags(write=False)
        object.__setattr__(self, "affine", affine)
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))

    @classmethod
    def of_pixels(cls, rows: int, columns: int, *, frames: int = 1) -> "Geometry":
        """A picture without spacing: the column runs along +x, the row along +y, one pixel each."""
        affine = np.eye(4)[[2, 1, 0, 3]]  # axis 0 -> z, axis 1 -> y, axis 2 -> x
        stack: Stack = "time" if frames > 1 else "space"
        return cls(affine=affine, shape=(frames, rows, columns), unit="pixel", stack=stack)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """The length of one step along (slices, rows, columns), in `unit`."""
        lengths = np.linalg.norm(self.affine[:3, :3], axis=0)
        return (float(lengths[0]), float(lengths[1]), float(lengths[2]))

    @property
    def directions(self) -> Float64[np.ndarray, "3 3"]:
        """(3, 3): unit vectors of the three array axes as columns, in LPS+."""
        steps = self.affine[:3, :3]
        directions: NDArray[np.float64] = steps / np.linalg.norm(steps, axis=0)
        return directions

    @property
    def is_sheared(self) -> bool:
        """Whether two array axes are not at right angles."""
        cosines = self.directions.T @ self.directions - np.eye(3)
        return bool(np.abs(cosines).max() > ORTHOGONAL_COSINE)

    @property
    def voxel_volume_ml(self) -> float | None:
        """Millilitres of one voxel; None where the unit is the pixel, the first axis is time, or there is a single plane."""
        if self.unit != "mm" or self.stack == "time" or 1 in self.shape:
            return None
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000.0

    def pixel_area(self, axis: int = 0) -> float:
        """The area of one pixel of a plane across `axis`, in square `unit`."""
        a, b = (self.affine[:3, k] for k in range(3) if k != axis)
        return float(np.linalg.norm(np.cross(a, b)))

    def to_world(self, indices: Points3) -> Points3:
        """World points LPS+ of (slice, row, column) indices, which may be fractional. Both (points, 3)."""
        points: Points3 = np.asarray(indices, dtype=np.float64) @ self.affine[:3, :3].T + self.affine[:3, 3]
        return points

    def to_index(self, points: Points3) -> Points3:
        """Fractional (slice, row, column) indices of world points LPS+. Both (points, 3)."""
        inverse = np.linalg.inv(self.affine)
        indices: Points3 = np.asarray(points, dtype=np.float64) @ inverse[:3, :3].T + inverse[:3, 3]
        return indices

    def same_grid(self, other: "Geometry") -> bool:
        """Whether both have one shape, unit and frame, and every corner within a thousandth of a voxel."""
        frames = {self.frame_of_reference_uid, other.frame_of_reference_uid} - {None}
        if self.shape != other.shape or self.unit != other.unit or len(frames) > 1:
            return False
        corners = np.array([[i, j, k] for i in (0.0, 1.0) for j in (0, 1) for k in (0, 1)]) * (np.array(self.shape) - 1)
        apart = np.linalg.norm(self.to_world(corners) - other.to_world(corners), axis=1).max()
        return bool(apart <= SAME_POINT_VOXELS * min(*self.spacing, *other.spacing))

    def require_same_grid(self, other: "Geometry", *, what: str) -> None:
        """Pass silently when `other` is this grid.

        Raises:
            GeometryMismatchError: says how the two differ; `what` names the other one.
        """
        if self.same_grid(other):
            return
        raise GeometryMismatchError(
            f"the {what} lies on another grid: shape {other.shape}, spacing {_round(other.spacing)} {other.unit}, "
            f"origin {_round(other.affine[:3, 3])}, frame {other.frame_of_reference_uid}; expected shape {self.shape}, "
            f"spacing {_round(self.spacing)} {self.unit}, origin {_round(self.affine[:3, 3])}, frame "
            f"{self.frame_of_reference_uid}. Resample it onto the image's grid first."
        )


def _round(values: object) -> list[float]:
    return [round(float(v), 4) for v in np.asarray(values).ravel()]
