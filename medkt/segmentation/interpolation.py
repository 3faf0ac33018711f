"""Masks of the planes that were passed over, from those that were looked at.

Between two looked-at planes whose masks overlap, the outline moves evenly from one to the other: the signed distances
to the two outlines are mixed in proportion (Raya and Udupa, Shape-based interpolation of multidimensional objects,
IEEE TMI 1990). A mask without such a partner reaches half way to the next looked-at plane.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float32
from scipy.ndimage import distance_transform_edt

from medkt.shapes import MaskPlane


def filled_between(
    looked_at: Sequence[tuple[int, MaskPlane]], stride: int, count: int
) -> Iterator[tuple[int, MaskPlane]]:
    """(plane index, mask) of every plane that holds some of the finding, in order.

    Args:
        looked_at: (plane index, (rows, columns) bool) of planes with a mask, ascending, indices a multiple of `stride`
            apart.
        stride: distance between two looked-at planes; 1 gives `looked_at` back.
        count: how many planes the study has.
    """
    for k, (index, mask) in enumerate(looked_at):
        before = looked_at[k - 1] if k else None
        if before is None or index - before[0] > stride or not (before[1] & mask).any():
            yield from ((j, mask) for j in range(max(0, index - (stride - 1) // 2), index))
        yield index, mask
        after = looked_at[k + 1] if k + 1 < len(looked_at) else None
        if after is not None and after[0] - index == stride and (mask & after[1]).any():
            yield from _mixed(index, mask, after[1], stride)
        else:
            yield from ((j, mask) for j in range(index + 1, min(count, index + stride // 2 + 1)))


def _mixed(index: int, mask: MaskPlane, after: MaskPlane, stride: int) -> Iterator[tuple[int, MaskPlane]]:
    if stride == 1:
        return
    first, second = _signed_distance(mask), _signed_distance(after)
    for step in range(1, stride):
        part = step / stride
        yield index + step, (1 - part) * first + part * second > 0


def _signed_distance(mask: MaskPlane) -> Float32[np.ndarray, "rows columns"]:
    """Pixels to the outline, positive inside; half a pixel is taken off so that it is 0 on the outline itself."""
    if mask.all():
        return np.full(mask.shape, float(max(mask.shape)), np.float32)
    inside = distance_transform_edt(mask) - 0.5
    outside = distance_transform_edt(~mask) - 0.5
    signed: Float32[np.ndarray, "rows columns"] = np.where(mask, inside, -outside).astype(np.float32)
    return signed
