"""Learning what an encoder knows from looks of images of known kinds; arrays in, `KnownImages` out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Int64

from medkt.errors import InputError
from medkt.guard.known_images import Distances, ImageKind, KnownImages
from medkt.guard.looks import PlaneNumbers

FOLDS = 5
ROUNDS = 12  # of k-means
SHRINK = 0.05  # of the mean variance, added to each: directions in which no kind varies are none to judge by
OF_ITS_OWN = 0.995  # the share of a kind's own images that lie within the limit, before room is left
ROOM = 1.1  # how much farther than that an image may lie: other machines, other cuts
ROOM_BETWEEN = 1.05  # the same for its share of the way to another kind
_LEAST = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """Looks of images of one kind.

    Attributes:
        name, modality, body: as `ImageKind` has them.
        looks: one row a plane.
        images: (planes,) which image each is of: several planes may be one image changed a little.
        centres: how many the kind is to have, at most half its images.
        room: how much farther than its own images one of the kind may lie.
    """

    name: str
    modality: str
    body: str
    looks: PlaneNumbers
    images: Int64[np.ndarray, " planes"]
    centres: int
    room: float = ROOM


def fit_known(samples: Sequence[Sample], *, encoder: str, layer: int, seed: int = 0) -> KnownImages:
    """Learn the space, the centres of each kind, and the limits from images that had no part in a kind's centres.

    Raises:
        InputError: a kind with fewer images than folds.
    """
    for sample in samples:
        if len(np.unique(sample.images)) < FOLDS:
            raise InputError(f"{sample.name}: {len(np.unique(sample.images))} images, at least {FOLDS} are needed")
    everything = np.concatenate([sample.looks for sample in samples])
    mean, scale = everything.mean(axis=0), everything.std(axis=0) + _LEAST
    bare = KnownImages(
        encoder=encoder, layer=layer, mean=mean, scale=scale, kinds=(),
        change=_whitening([(sample.looks - mean) / scale for sample in samples]),
    )  # fmt: skip
    placed = {sample.name: bare.placed(sample.looks) for sample in samples}
    kinds = {one.name: _kind(one, placed[one.name], seed) for one in samples}
    return replace(bare, kinds=tuple(_with_limits(one, placed[one.name], kinds, seed) for one in samples))


def _whitening(groups: Sequence[PlaneNumbers]) -> Float32[np.ndarray, "numbers numbers"]:
    """The change after which kinds spread alike in all directions, on average over them."""
    within = np.mean([np.cov(group.T, bias=True) for group in groups], axis=0)
    values, directions = np.linalg.eigh(within)
    return np.asarray(directions / np.sqrt(np.maximum(values, 0) + SHRINK * values.mean()), np.float32)


def _kind(sample: Sample, placed: PlaneNumbers, seed: int) -> ImageKind:
    images = len(np.unique(sample.images))
    return ImageKind(
        name=sample.name, modality=sample.modality, body=sample.body, limit=np.inf, contrast=np.inf, own=(),
        centres=_centres(placed, min(sample.centres, max(3, images // 2)), seed), images=images,
    )  # fmt: skip


def _centres(placed: PlaneNumbers, number: int, seed: int) -> np.ndarray:
    """Of k-means from random rows."""
    rng = np.random.default_rng(seed)
    centres = placed[np.sort(rng.choice(len(placed), min(number, len(placed)), replace=False))]
    for _ in range(ROUNDS):
        nearest = ((centres**2).sum(axis=1) - 2 * placed @ centres.T).argmin(axis=1)
        centres = np.stack(
            [placed[nearest == k].mean(axis=0) if (nearest == k).any() else old for k, old in enumerate(centres)]
        )
    return np.asarray(centres, np.float16).astype(np.float32)


def _with_limits(sample: Sample, placed: PlaneNumbers, kinds: Mapping[str, ImageKind], seed: int) -> ImageKind:
    kind = kinds[sample.name]
    own, order = _own_distances(sample, placed, kind, seed)
    same = {one.name for one in kinds.values() if (one.modality, one.body) == (kind.modality, kind.body)}
    others = [one.distances(placed[order]) for name, one in kinds.items() if name not in same]
    shares = own / np.min(others, axis=0) if others else np.zeros(len(own))
    return replace(
        kind, own=tuple(float(f"{one:.5g}") for one in np.percentile(own, np.arange(101))),
        limit=_with_room(own, sample.room), contrast=_with_room(shares, ROOM_BETWEEN),
    )  # fmt: skip


def _own_distances(
    sample: Sample, placed: PlaneNumbers, kind: ImageKind, seed: int
) -> tuple[Distances, Int64[np.ndarray, " planes"]]:
    """Distances of the kind's own planes to centres of its other images, and which plane each is of."""
    names = np.random.default_rng(seed).permutation(np.unique(sample.images))
    found, order = [], []
    for fold in range(FOLDS):
        held = np.isin(sample.images, names[fold::FOLDS])
        centres = _centres(placed[~held], len(kind.centres), seed)
        found.append(replace(kind, centres=centres).distances(placed[held]))
        order.append(np.flatnonzero(held))
    return np.concatenate(found), np.concatenate(order)


def _with_room(values: Distances, room: float) -> float:
    return float(f"{np.quantile(values, OF_ITS_OWN) * room:.5g}")
