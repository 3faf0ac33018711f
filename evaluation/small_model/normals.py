"""The drawn studies without a finding that ship with the small model, as it sees them, made anew from the recipe."""

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from medkt.concepts import load_concept
from medkt.domains import domain
from medkt.guard.default import default_guard
from medkt.io import read_image
from medkt.models.encoder import DualEncoder
from medkt.phantom.drawers import DRAWN_BODY
from medkt.phantom.finding import DOMAINS, DomainName, findings_of
from medkt.phantom.study import write_study
from medkt.pipeline.answer import sight_of
from medkt.pipeline.look import View, look_at, shown_plane, windows_of
from medkt.presence import Guard, PlaneGuard
from medkt.presence.normals import NormalStudies
from medkt.segmentation.slicewise import features_of_planes
from medkt.spatial import Image

SEED = 1_105_000
"""No study of the training set, and none of any evaluation, is drawn with this or one of the next 1000."""
PLANES, VOLUMES = 500, 32
SHAPES = {"ct": ((64, 128, 128), (4.0, 2.8, 2.8)), "mri": ((48, 128, 128), (3.0, 1.8, 1.8))}
"""Of the volumes: slices about as close as any are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Seen:
    """The planes of one study in one window."""

    features: np.ndarray
    places: np.ndarray


def normals_of(encoder: DualEncoder, *, planes: int = PLANES, volumes: int = VOLUMES) -> Iterator[NormalStudies]:
    """Normal studies of each modality as this encoder sees them: single images, then volumes, in each window that findings ask for.

    Planes of a volume that the encoder's guard gives no voice are left out.
    """
    guard = default_guard(encoder)
    for name in DOMAINS:
        yield from _groups(encoder, guard, name, planes, is_volume=False)
        if name in SHAPES:
            yield from _groups(encoder, guard, name, volumes, is_volume=True)


def _groups(
    encoder: DualEncoder, guard: Guard, name: DomainName, number: int, *, is_volume: bool
) -> Iterator[NormalStudies]:
    seen = [_seen(encoder, guard, name, drawn(name, SEED + n, is_volume=is_volume)) for n in range(number)]
    for window in seen[0]:
        features = np.concatenate([one[window].features for one in seen]).astype(np.float32)
        yield NormalStudies(
            modality=name, body=DRAWN_BODY[name], window=window, step_mm=SHAPES[name][1][0] if is_volume else 0.0,
            features=features / np.linalg.norm(features, axis=1, keepdims=True),
            studies=np.repeat(np.arange(number), [len(one[window].places) for one in seen]),
            places=np.concatenate([one[window].places for one in seen]),
        )  # fmt: skip


def drawn(name: DomainName, seed: int, *, is_volume: bool) -> Image:
    """A study without a finding, written and read back as one of a user is."""
    shape, spacing = SHAPES[name] if is_volume else (None, None)
    with tempfile.TemporaryDirectory() as folder:
        path = write_study(
            Path(folder), domain=name, finding="", seed=seed, format="nifti" if is_volume else "png", shape=shape,
            spacing_mm=spacing,
        )  # fmt: skip
        return read_image(path)


def _seen(encoder: DualEncoder, guard: Guard, name: DomainName, image: Image) -> Mapping[str, _Seen]:
    kind = domain(name)
    concepts = [load_concept(one.id) for one in findings_of(name)]
    found = {}
    for window in windows_of(kind, concepts):
        looked = look_at(image, kind, View(modality=name), window=window)
        features, _ = features_of_planes(encoder, looked.positions, partial(shown_plane, image, looked), None)
        every = np.arange(len(looked.positions))
        odd = np.zeros(len(every), dtype=bool)
        if isinstance(guard, PlaneGuard) and len(every) > 1:
            odd = guard.odd_planes(sight_of(encoder, image, kind, looked, features), every)
        found[window or ""] = _Seen(features=features.numpy()[~odd], places=np.array(looked.positions)[~odd])
    return found
