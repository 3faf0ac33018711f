"""Outlines to pixels: a pixel is inside where its centre is inside an odd number of the outlines."""

from collections.abc import Iterable

import numpy as np

from medkt.shapes import MaskPlane, PointsXY


def fill_even_odd(outlines: Iterable[PointsXY], *, rows: int, columns: int) -> MaskPlane:
    """The mask of closed outlines, (rows, columns) bool; an outline within another is a hole.

    Args:
        outlines: points (x, y) where (0, 0) is the centre of the first pixel; the last point joins the first.
        rows: of the plane.
        columns: of the plane.
    """
    from skimage.draw import polygon as pixels_within  # pages and tables of a run load this module, and draw nothing

    mask = np.zeros((rows, columns), dtype=bool)
    for points in outlines:
        if len(points) > 2:
            across, down = np.asarray(points, dtype=np.float64).T
            row, column = pixels_within(down, across, shape=(rows, columns))  # type: ignore[no-untyped-call]
            mask[row, column] ^= True
    return mask
