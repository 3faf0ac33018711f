"""What an encoder knows: where the looks of the kinds of image lie that it was trained on, and how far away is too far.

A look is a row of numbers (`medkt.guard.looks`). All rows are laid into one space in which images of one kind spread alike in
every direction (Lee et al. 2018, arXiv:1807.03888, whose covariance is shared by all classes too); a kind is a few centres
there. Kept are means, that change of space, centres and limits: no image and no look of any.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64

from medkt.guard.looks import PlaneNumbers
from medkt.models.shipped_files import read_shipped
from medkt.records import fill

Distances = Float64[np.ndarray, " planes"]

NEAREST = 3  # centres, whose mean distance counts
BETWEEN_STUDIES = 1.05  # how much more of the way to another kind of study than to pictures of nothing an image may lie
VERSION = "1"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageKind:
    """Images of one kind.

    Attributes:
        name: such as "ct/chest/drawn"; unique.
        modality: a domain's name; "" for pictures of no modality.
        body: the part of the body, as a domain's words name it.
        centres: in the space of `KnownImages.placed`.
        limit: a plane farther away than this is unlike the kind.
        contrast: a plane whose distance is more than this part of that to the nearest other kind is unlike it.
        own: distances of images of the kind that were not fitted, at the percents 0, 1, ... 100.
        images: how many were fitted.
    """

    name: str
    modality: str
    body: str
    centres: Float32[np.ndarray, "centres numbers"]
    limit: float
    contrast: float
    own: tuple[float, ...]
    images: int

    def distances(self, placed: PlaneNumbers) -> Distances:
        """Of each row to the nearest centres, in standard deviations of a number; about 0.7 for an image of the kind."""
        centres = self.centres.astype(np.float64)
        squared = (placed**2).sum(axis=1)[:, None] - 2 * placed @ centres.T + (centres**2).sum(axis=1)
        nearest = np.sort(np.maximum(squared, 0.0), axis=1)[:, :NEAREST]
        return np.asarray(np.sqrt(nearest.mean(axis=1) / placed.shape[1]), np.float64)

    def beyond(self, distance: float) -> float:
        """The percentage of the kind's own images that lie nearer than this distance."""
        return float(np.interp(distance, np.maximum.accumulate(self.own), np.arange(len(self.own))))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KnownImages:
    """The kinds of image that an encoder knows.

    Attributes:
        encoder: the digest of the weights that the numbers are of.
        layer: whose tokens the looks are of.
        mean, scale: of each number.
        change: (numbers, numbers) into the space of the centres.
        kinds: with at least one modality.
    """

    encoder: str
    layer: int
    mean: Float64[np.ndarray, " numbers"]
    scale: Float64[np.ndarray, " numbers"]
    change: Float32[np.ndarray, "numbers numbers"]
    kinds: tuple[ImageKind, ...]

    def placed(self, looks: PlaneNumbers) -> PlaneNumbers:
        """Looks in the space of the centres."""
        made: PlaneNumbers = ((looks - self.mean) / self.scale) @ self.change.astype(np.float64)
        return made

    def of(self, modality: str, body: str | None = None) -> tuple[ImageKind, ...]:
        """The kinds of a modality, and of one part of the body where that is said."""
        return tuple(kind for kind in self.kinds if kind.modality == modality and body in (None, kind.body))

    def bodies(self, modality: str) -> tuple[str, ...]:
        """The parts of the body that are known of a modality."""
        return tuple(dict.fromkeys(kind.body for kind in self.of(modality)))


def write_known(known: KnownImages, path: Path) -> None:
    """Write a safetensors file, the same bytes for the same numbers."""
    from safetensors.numpy import save_file

    tensors: dict[str, Any] = {"mean": known.mean, "scale": known.scale, "change": known.change}
    tensors |= {f"centres/{kind.name}": kind.centres.astype(np.float16) for kind in known.kinds}
    plain = [
        {"name": k.name, "modality": k.modality, "body": k.body, "limit": k.limit, "contrast": k.contrast, "own": k.own,
         "images": k.images}
        for k in known.kinds
    ]  # fmt: skip
    about = {"version": VERSION, "encoder": known.encoder, "layer": known.layer, "kinds": plain}
    save_file(tensors, path, metadata={"guard": json.dumps(about, sort_keys=True, allow_nan=False)})


def read_known(path: Path) -> KnownImages:
    """What `write_known` wrote.

    Raises:
        WeightsError: it is missing, damaged, or of another version.
    """
    return read_shipped(path, key="guard", version=VERSION, make=_known)


def _known(about: Mapping[str, Any], tensors: Mapping[str, Any]) -> KnownImages:
    kinds = [{**one, "centres": tensors[f"centres/{one['name']}"].astype(np.float32)} for one in about["kinds"]]
    return fill(KnownImages, {**about, **{name: tensors[name] for name in ("mean", "scale", "change")}, "kinds": kinds})


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearness:
    """How a study lies to the kinds that it should be of.

    Attributes:
        own: the nearest of those kinds, by its own limit.
        distance: to it, and `limit` of it.
        other: the nearest of all other kinds.
        share: the distance over that to `other`, and `contrast`, the most that it may be.
        beyond: percentage of the kind's own images that lie nearer.
    """

    own: ImageKind
    distance: float
    limit: float
    other: ImageKind | None
    share: float
    contrast: float
    beyond: float

    @property
    def is_far(self) -> bool:
        """Whether it is unlike everything known of what it should be."""
        return self.distance > self.limit

    @property
    def is_other(self) -> bool:
        """Whether it is rather something else."""
        return self.share > self.contrast


def nearness(known: KnownImages, placed: PlaneNumbers, own: Sequence[ImageKind]) -> Nearness:
    """Where a study lies: of several planes the middle one's distance to each kind counts."""
    middle = {kind.name: float(np.median(kind.distances(placed))) for kind in known.kinds}
    nearest = min(own, key=lambda kind: middle[kind.name] / kind.limit)
    others = [kind for kind in known.kinds if kind.name not in {one.name for one in own}]
    distance, room = middle[nearest.name], {kind.name: BETWEEN_STUDIES if kind.modality else 1.0 for kind in others}
    other = min(others, key=lambda kind: middle[kind.name] * room[kind.name], default=None)
    share = distance / max(middle[other.name], 1e-9) if other else 0.0
    return Nearness(
        own=nearest, distance=distance, limit=nearest.limit, other=other, share=share,
        contrast=nearest.contrast * (room[other.name] if other else 1.0), beyond=nearest.beyond(distance),
    )  # fmt: skip
