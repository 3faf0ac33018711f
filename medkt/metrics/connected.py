"""What one lesion is: a connected part of a mask, by one rule wherever medkt counts or measures lesions.

Two voxels belong together that share a face, an edge or a corner (26 neighbours). Which voxels are neighbours does not
depend on the order in which a file stores its axes. Frames of a clip are not space: a lesion of a clip lies in one frame.
"""

import numpy as np
import scipy
from jaxtyping import Int

from medkt.metrics.overlap import joint_box
from medkt.spatial import Mask

NEIGHBOURS = {6: 1, 18: 2, 26: 3}  # of a voxel, to the rank that SciPy asks for
CONNECTIVITY = 26
Labels = Int[np.ndarray, "slices rows columns"]


def label_lesions(mask: Mask, *, connectivity: int = CONNECTIVITY) -> Labels:
    """(slices, rows, columns): 0 outside, 1, 2, ... in the lesions, in the order of their first voxels.

    Args:
        mask: any; an empty one has no lesion.
        connectivity: 6 (faces), 18 (and edges) or 26 (and corners); for one plane and for a clip 4, 8 and 8 of its pixels.
    """
    structure = scipy.ndimage.generate_binary_structure(3, NEIGHBOURS[connectivity])
    if mask.geometry.stack == "time":
        structure[[0, 2]] = False
    labels = np.zeros(mask.values.shape, np.int64)
    box = joint_box(mask.values, mask.values)
    if mask.values[box].size:  # SciPy has no answer for a box without a voxel
        labels[box] = scipy.ndimage.label(mask.values[box], structure=structure)[0]
    return labels
