"""Who draws the phantoms of each domain, and normal studies of it."""

from collections.abc import Mapping
from types import ModuleType

import numpy as np
from jaxtyping import Float32

from medkt.phantom import ct, cxr, mri, ultrasound
from medkt.phantom.finding import DomainName

DRAWERS: Mapping[DomainName, ModuleType] = {"cxr": cxr, "ct": ct, "mri": mri, "ultrasound": ultrasound}
DRAWN_BODY: Mapping[DomainName, str] = {"cxr": "chest", "ct": "chest", "mri": "head", "ultrasound": "breast"}
"""The part of the body that the phantoms of a domain show."""


def draw_normal(domain: DomainName, rng: np.random.Generator, *, side: int) -> Float32[np.ndarray, "side side"]:
    """A plane of a study without a finding, in [0, 1], as it is shown."""
    plane: Float32[np.ndarray, "side side"] = DRAWERS[domain].draw_plane("", rng, side=side).plane
    return plane
