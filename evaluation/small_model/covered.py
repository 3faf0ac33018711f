"""How much of the body drawn lesions cover: what the guard lets an answer cover comes from it."""

import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from medkt.domains import domain
from medkt.io import read_image, read_mask
from medkt.phantom.finding import DOMAINS, DomainName, findings_of
from medkt.phantom.study import reference_path, write_study
from medkt.pipeline.cover import share_of_body
from medkt.pipeline.look import View, look_at
from medkt.presence.normals import cover_key

ROOM = 2.0
"""How much more than the largest that was drawn an answer may cover: a mask runs over, and patients are more varied than drawings."""
ROOM_IN_A_PLANE = 3.0
"""The same in a single image, where a lesion may be shown nearer than the phantoms show it: of real breast lesions (BUSI) one in 200
fills more of its picture."""
LEAST = 0.05
"""No limit lies below: of what is small in a whole volume an answer covers several times as much and is right all the same."""
SEED = 1_108_000
PLANES, VOLUMES = 30, 6
SHAPES = {"ct": ((20, 128, 128), (10.0, 2.8, 2.8)), "mri": ((16, 128, 128), (6.0, 1.8, 1.8))}


def limits_of(*, planes: int = PLANES, volumes: int = VOLUMES) -> Mapping[str, float]:
    """By `cover_key`, the most of the body that an answer may cover, of every kind of study; in volumes of each known finding too.

    In a single image there is none by finding: how near it is shown decides how much of the picture a lesion fills.

    Args:
        planes: of each finding.
        volumes: of each finding.
    """
    largest: dict[str, float] = defaultdict(float)
    for name, finding, share, is_volume in shares(planes=planes, volumes=volumes):
        for concept in (None, finding) if is_volume else (None,):
            key = cover_key(name, is_volume=is_volume, concept=concept)
            largest[key] = max(largest[key], share)
    room = {key: ROOM if "/volume" in key else ROOM_IN_A_PLANE for key in largest}
    return {key: float(f"{min(1.0, max(LEAST, room[key] * share)):.3g}") for key, share in sorted(largest.items())}


def shares(*, planes: int, volumes: int) -> Iterator[tuple[DomainName, str, float, bool]]:
    """Modality, finding, the share of the body that it covers, and whether the study is a volume."""
    for name in DOMAINS:
        for is_volume, number in ((False, planes), (True, volumes if name in SHAPES else 0)):
            for one in findings_of(name, held_out=False):
                for seed in range(SEED, SEED + number):
                    yield name, one.id, _share(name, one.id, seed, is_volume=is_volume), is_volume


def _share(name: DomainName, finding: str, seed: int, *, is_volume: bool) -> float:
    shape, spacing = SHAPES[name] if is_volume else (None, None)
    with tempfile.TemporaryDirectory() as folder:
        path = write_study(
            Path(folder), domain=name, finding=finding, seed=seed, format="nifti" if is_volume else "png", shape=shape,
            spacing_mm=spacing, side=128,
        )  # fmt: skip
        image, mask = read_image(path), read_mask(reference_path(path))
    kind = domain(name)
    looked = look_at(image, kind, View(modality=name))
    shown = (looked.cut(looked.planes.show(mask.values, looked.index(position))) for position in looked.positions)
    return share_of_body(sum(int(plane.sum()) for plane in shown), image, kind, looked)
