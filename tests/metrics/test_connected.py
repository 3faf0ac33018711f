"""Lesions are looked for in the box of a mask, and are those of the whole grid."""

import numpy as np
import pytest
import scipy

from medkt.metrics.connected import NEIGHBOURS, label_lesions
from medkt.spatial import Geometry, Mask


@pytest.mark.parametrize("stack", ["space", "time"])
@pytest.mark.parametrize("connectivity", NEIGHBOURS)
def test_the_box_changes_nothing(connectivity: int, stack: str) -> None:
    random = np.random.default_rng(0)
    structure = scipy.ndimage.generate_binary_structure(3, NEIGHBOURS[connectivity])
    if stack == "time":
        structure[[0, 2]] = False
    for share in (0.0, 0.02, 0.2, 0.6, 1.0):
        for shape in ((1, 7, 5), (6, 1, 9), (4, 8, 3), (9, 5, 7)):
            inside = random.random(shape) < share
            grid = Geometry(affine=np.diag([2.5, 0.8, 0.7, 1.0]), shape=shape, stack=stack)  # type: ignore[arg-type]
            found = label_lesions(Mask(values=inside, geometry=grid), connectivity=connectivity)
            np.testing.assert_array_equal(found, scipy.ndimage.label(inside, structure=structure)[0])
            assert found.dtype == np.int64
