"""How a study looks to an encoder and without one: the numbers that a guard measures distances in."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from medkt.guard.greys import greys_of
from medkt.models.encoder import DualEncoder
from medkt.models.framing import prepare
from medkt.models.module import device_of, frozen
from medkt.presence import Sight, token_numbers
from medkt.shapes import Plane

PlaneNumbers = Float64[np.ndarray, "planes numbers"]
MOST_PLANES = 5
"""Of a volume or a clip, how many are looked at; the middle one decides, so that ends and odd frames do not."""
_AT_ONCE = 8


def layer_for(encoder: DualEncoder) -> int:
    """The layer whose tokens are looked at: two thirds of the way up, where patches are still patches."""
    return max(0, encoder.spec.layers * 2 // 3 - 1)


def looks_of(encoder: DualEncoder, planes: Iterable[Plane], layer: int) -> PlaneNumbers:
    """One row a plane: mean and spread of its tokens behind a layer, channel by channel, then `greys_of` it."""
    rows: list[PlaneNumbers] = []
    for batch in _batches(planes):
        pixels = torch.cat([prepare(encoder.spec, np.ascontiguousarray(plane))[0] for plane in batch])
        rows.append(np.concatenate([_tokens(encoder, pixels, layer), _greys(batch)], axis=1))
    return np.concatenate(rows)


def looks_at(sight: Sight, places: Sequence[int], layer: int) -> PlaneNumbers:
    """The same of some planes of a study, by place; where the pass that made its features was tapped there, without another."""
    planes = (sight.show(sight.indices[place]) for place in places)
    if sight.tapped is None or sight.tapped.layer != layer:
        return looks_of(sight.encoder, planes, layer)
    return np.concatenate([sight.tapped.of(places), _greys(planes)], axis=1)


def places_looked_at(slices: int) -> list[int]:
    """At most `MOST_PLANES` of a study's planes, at even distances."""
    places: list[int] = np.unique(np.linspace(0, slices - 1, MOST_PLANES).round().astype(int)).tolist()
    return places


def _greys(planes: Iterable[Plane]) -> PlaneNumbers:
    return np.stack([greys_of(one) for one in planes])


def _tokens(encoder: DualEncoder, pixels: Tensor, layer: int) -> PlaneNumbers:
    with torch.no_grad(), frozen(encoder.module):
        hidden = encoder.image_prefix(pixels.to(device_of(encoder)), layer)
        return np.asarray(token_numbers(encoder, hidden, layer).numpy(), np.float64)


def _batches(planes: Iterable[Plane]) -> Iterable[list[Plane]]:
    batch: list[Plane] = []
    for plane in planes:
        batch.append(plane)
        if len(batch) == _AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch
