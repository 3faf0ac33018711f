"""What an encoder makes of pictures: unit features of planes, and the leads of studies."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Float64
from numpy.typing import NDArray
from torch import Tensor

from medkt.asking.directions import unit
from medkt.models.encoder import DualEncoder
from medkt.models.module import frozen
from medkt.saliency.directions import Directions, leads
from medkt.saliency.explain import prepare_plane
from medkt.shapes import Plane

_AT_ONCE = 16


def vectors_of_planes(encoder: DualEncoder, planes: Sequence[Plane]) -> Float[Tensor, "planes width"]:
    """The unit feature of each plane in [0, 1], all of one size; float32, without a gradient."""
    rows: list[Tensor] = []
    with torch.no_grad(), frozen(encoder.module):
        for start in range(0, len(planes), _AT_ONCE):
            some = planes[start : start + _AT_ONCE]
            pixels = torch.stack([prepare_plane(encoder, plane).pixels for plane in some])
            rows.append(encoder.encode_image(pixels).float())
    return unit(torch.cat(rows))


def leads_of(vectors: Sequence[Float[Tensor, "_ width"]], directions: Directions) -> Float64[np.ndarray, " studies"]:
    """The lead of each study, given by its planes' vectors: that of the plane which leads most."""
    highest = [float(leads(planes, directions).max()) for planes in vectors]
    made: NDArray[np.float64] = np.asarray(highest, np.float64)
    return made
