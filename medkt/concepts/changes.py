"""By how much a learnt concept changes each weight, read from its safetensors bytes without torch.

A weight is changed by a full difference (one tensor under the weight's name) or by a product of two factors
(`NAME.left` of (rows, rank) and `NAME.right` of (rank, columns)), as `medkt.transfer.delta` writes them. Products are never multiplied out: the inner product
of two of them is that of small matrices.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from medkt.concepts.package import PackagedConcept
from medkt.concepts.tensors import numbers_of
from medkt.errors import WeightsError

LEFT, RIGHT = ".left", ".right"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Change:
    """The change of one weight, as the matrix `left @ right`; of a full difference `left` is None."""

    left: Float64[np.ndarray, "rows rank"] | None
    right: Float64[np.ndarray, "rank columns"]


Changes = Mapping[str, Change]


def changes_of(learnt: PackagedConcept) -> dict[str, Change]:
    """The change of every weight, by the weight's name.

    Raises:
        WeightsError: a factor stands without its other half, their shapes do not fit, or a number is not finite.
        UnreadableError: the bytes are no safetensors.
    """
    header, shown = learnt.header, learnt.concept.id
    made: dict[str, Change] = {}
    for name in header.entries:
        if name.endswith(RIGHT):
            if name.removesuffix(RIGHT) + LEFT not in header.entries:
                raise WeightsError(f"{shown}: {name} stands without its other half; learn the concept again")
            continue
        values = numbers_of(learnt.delta, header, name)
        if not np.isfinite(values).all():
            raise WeightsError(f"{shown}: the change of {name} holds NaN or infinity; learn the concept again")
        if not name.endswith(LEFT):
            made[name] = Change(left=None, right=values.reshape(1, -1))
            continue
        weight = name.removesuffix(LEFT)
        if weight + RIGHT not in header.entries:
            raise WeightsError(f"{shown}: {name} stands without its other half; learn the concept again")
        right = numbers_of(learnt.delta, header, weight + RIGHT)
        if values.ndim != 2 or right.ndim != 2 or values.shape[1] != right.shape[0]:
            raise WeightsError(f"{shown}: the factors of {weight} do not fit: {values.shape} and {right.shape}")
        made[weight] = Change(left=values, right=right)
    return made


def dot(one: Changes, other: Changes) -> float:
    """The inner product over the weights that both change.

    Raises:
        WeightsError: a weight has another shape in the other.
    """
    return math.fsum(_dot(one[name], other[name], name) for name in one if name in other)


def _dot(one: Change, other: Change, name: str) -> float:
    if _size(one) != _size(other):
        raise WeightsError(f"{name} has {_size(one)} numbers in one concept and {_size(other)} in the other")
    if one.left is not None and other.left is not None:  # sum of (A B) * (C D) is that of (A'C) * (B D')
        return float(((one.left.T @ other.left) * (one.right @ other.right.T)).sum())
    return float((_whole(one) * _whole(other)).sum())


def _size(change: Change) -> int:
    rows = 1 if change.left is None else change.left.shape[0]
    return int(rows * change.right.shape[1])


def _whole(change: Change) -> Float64[np.ndarray, " numbers"]:
    whole = change.right if change.left is None else change.left @ change.right
    flat: Float64[np.ndarray, " numbers"] = whole.reshape(-1)
    return flat
