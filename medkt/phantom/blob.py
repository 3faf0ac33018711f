"""A blob of random texture in a picture: something odd, that no word describes."""

import numpy as np

from medkt.phantom.texture import smooth_noise
from medkt.shapes import Plane

_BLACK = 0.08


def with_blob(plane: Plane, rng: np.random.Generator) -> Plane:
    """A normal study with one blob of random texture, lighter or darker than what is there, its edge soft.

    Its radius is 6 to 16 % of the side; it lies where the picture is not black, in the middle four fifths.
    """
    side = len(plane)
    rows, columns = np.nonzero(plane[side // 10 : -(side // 10), side // 10 : -(side // 10)] > _BLACK)
    at = int(rng.integers(len(rows))) if len(rows) else 0
    y, x = (rows[at] + side // 10, columns[at] + side // 10) if len(rows) else (side // 2, side // 2)
    distance = np.hypot(*np.ogrid[-y : side - y, -x : side - x])
    radius = float(rng.uniform(0.06, 0.16)) * side
    weight = np.clip((radius - distance) / (0.3 * radius) + 0.5, 0, 1)
    texture = 0.25 * smooth_noise((side, side), rng, float(rng.uniform(1.5, 8))) + rng.choice((-0.35, 0.35))
    return np.asarray(np.clip(plane + weight * texture, 0, 1), np.float32)
