"""Affines of every kind: the 48 ways to lay voxel axes along world axes, oblique ones, a sheared one."""

from itertools import permutations, product
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

STEPS = (2.5, 0.8, 0.7)  # never two alike
ORIGIN = (-10.5, 21.25, -33.0)


def axis_aligned() -> list[Array]:
    """48 affines: every permutation of the axes with every choice of signs."""
    return [
        _affine(np.eye(3)[:, list(order)] * signs)
        for order in permutations(range(3))
        for signs in product((1, -1), repeat=3)
    ]


def oblique(degrees: tuple[float, float, float] = (20, -35, 50)) -> Array:
    """Axes turned about all three world axes."""
    turned = np.eye(3)
    for axis, angle in enumerate(np.radians(degrees)):
        a, b = (k for k in range(3) if k != axis)
        step = np.eye(3)
        step[[a, a, b, b], [a, b, a, b]] = [np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)]
        turned = turned @ step
    return _affine(turned)


def sheared() -> Array:
    """The slice axis leans by 15 degrees, as under gantry tilt."""
    affine = _affine(np.eye(3)[:, [2, 1, 0]])
    affine[1, 0] = np.tan(np.radians(15)) * affine[2, 0]
    return affine


def _affine(directions: Array) -> Array:
    affine = np.eye(4)
    affine[:3, :3] = directions * STEPS
    affine[:3, 3] = ORIGIN
    return affine
