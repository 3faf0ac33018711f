"""The names of array axes, as jaxtyping aliases for NumPy. Every public array signature uses one of these.

A volume is (slices, rows, columns); a plane is (rows, columns); a radiograph is a volume of one slice.
Torch tensors are annotated where they are used, as `Float[Tensor, "batch channels rows columns"]`.
"""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Shaped
from numpy.typing import NDArray

Voxels = Shaped[np.ndarray, "slices rows columns"]
MaskVoxels = Bool[np.ndarray, "slices rows columns"]
MapVoxels = Float32[np.ndarray, "slices rows columns"]
Plane = Float32[np.ndarray, "rows columns"]
MaskPlane = Bool[np.ndarray, "rows columns"]
Affine = Float64[np.ndarray, "4 4"]
Points3 = Float[np.ndarray, "points 3"]
PointsXY = Float[np.ndarray, "points 2"]
BoxesXYXY = Float[np.ndarray, "boxes 4"]
Array = NDArray[Any]
"""Numbers of any kind on any axes, as a file holds them."""
