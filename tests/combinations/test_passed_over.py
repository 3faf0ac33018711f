"""Which planes hold a mask, for volumes and clips, whatever is passed over, cut across, or empty; and in between.

The plain account: planes are counted in the world; those looked at lie one stride apart from the first that holds something.
Between two of them, if their masks meet, the outline moves from one to the other by distances counted pixel by pixel; if not,
each mask reaches half way. A clip's frames are moments: what was not looked at holds nothing.
"""

from dataclasses import replace

import numpy as np
import pytest
from whole_line import bright_pipeline

from medkt.concepts import concept_from_text
from medkt.domains import domain
from medkt.pipeline import View
from medkt.saliency.m2ib import M2IBSettings
from medkt.saliency.methods import SaliencySettings
from medkt.segmentation.presence import PresenceSettings
from medkt.segmentation.segmenter import CandidateSettings
from medkt.segmentation.slicewise import MapSettings, SegmentationSettings
from medkt.segmentation.threshold import ThresholdSettings
from medkt.segmentation.volume import VolumeSettings
from medkt.spatial import Geometry, Image

BRIGHT = concept_from_text("a bright spot")
SETTINGS = SegmentationSettings(
    saliency=SaliencySettings(method=M2IBSettings(steps=2, samples=1)),
    presence=PresenceSettings(rule="cosine", threshold=0.9, weak=0.75, extent_mm=0.0),
    map=MapSettings(check_words="off"),
    choice=CandidateSettings(fallback="best", min_overlap=0.0),
    threshold=ThresholdSettings(keep=1),
)
STEP = 2.0


def volume(spots: list[float], *, empty: tuple[int, ...] = (), axis: int = 0, flip: bool = False) -> Image:
    """Planes of a grainy cube, 2 mm apart, with a square that moves and changes its brightness; some hold nothing."""
    planes = 20 + 10 * np.random.default_rng(0).random((len(spots), 30, 22))
    for k, level in enumerate(spots):
        if level:
            planes[k, 6 + k // 2 : 14 + k, 5 : 12 + k // 3] = level
    planes[list(empty)] = 0.0
    affine = np.diag([0.0, 0.0, 0.0, 1.0])
    affine[2, 0], affine[1, 1], affine[0, 2] = STEP, 0.9, 1.3
    if flip:
        planes, affine = planes[::-1], affine @ np.diag([-1.0, 1, 1, 1])
    order = {0: (0, 1, 2), 1: (1, 0, 2), 2: (1, 2, 0)}[axis]
    values = np.ascontiguousarray(planes.transpose(order)).astype(np.float32)
    moved = affine[:, [*order, 3]]
    return Image(values=values, geometry=Geometry(affine=moved, shape=values.shape), modality="MR")


def clip(spots: list[float]) -> Image:
    still = volume(spots)
    values = np.clip(still.values, 0, 255).astype(np.uint8)
    return Image(values=values, geometry=Geometry.of_pixels(30, 22, frames=len(spots)), modality="US")


def distance(mask: np.ndarray) -> np.ndarray:
    """Pixels to the outline, positive inside, by trying every pixel of the other kind."""
    places = {kind: np.argwhere(mask == kind) for kind in (True, False)}
    signed = np.zeros(mask.shape)
    for row, column in np.ndindex(mask.shape):
        inside = bool(mask[row, column])
        nearest = np.sqrt(((places[not inside] - (row, column)) ** 2).sum(axis=1)).min()
        signed[row, column] = (nearest - 0.5) * (1 if inside else -1)
    return signed


def plain(at: dict[int, np.ndarray], looked: list[int], stride: int, count: int, stack: str) -> dict[int, np.ndarray]:
    """The mask of every plane, by its number in the world; `at` are those that were found."""
    made = dict(at)
    for number in range(count):
        if number in at or stack == "time" or stride == 1:
            continue
        before = (
            looked[0] + (number - looked[0]) // stride * stride
        )  # the looked-at planes to either side, or where they would be
        after, part = before + stride, ((number - looked[0]) % stride) / stride
        if part == 0:  # was looked at itself, or is empty
            continue
        one, other = at.get(before), at.get(after)
        if one is not None and other is not None and (one & other).any():
            made[number] = (1 - part) * distance(one) + part * distance(other) > 0
        else:
            near = one if number - before <= stride // 2 else other
            if near is not None:
                made[number] = near
    return made


SPOTS = [0, 0, 90, 200, 220, 240, 230, 0, 240, 0, 0, 160, 120, 0, 60.0]


@pytest.mark.parametrize("empty", [(), (0, 1, 2), (5,), (7, 8, 9), (4, 5, 6, 7, 8, 9, 10), tuple(range(1, 15))])
@pytest.mark.parametrize(
    ("step_mm", "axis", "flip", "gate"),
    [
        (0.0, 0, False, True),
        (4.0, 1, True, False),
        (6.0, 0, True, True),
        (8.0, 2, False, True),
        (13.0, 0, False, False),
    ],
)
def test_a_volume_with_planes_passed_over(
    step_mm: float, axis: int, flip: bool, gate: bool, empty: tuple[int, ...]
) -> None:
    image = volume(SPOTS, empty=empty, axis=axis, flip=flip)
    presence = replace(SETTINGS.presence, gate=gate)
    settings = replace(SETTINGS, presence=presence, volume=VolumeSettings(hysteresis=gate))
    result = bright_pipeline(settings).segment(image, [BRIGHT], view=View(modality="mri", axis=axis, step_mm=step_mm))
    (finding,) = result.findings
    stride = max(1, int(step_mm / STEP))
    held = [k for k in range(len(SPOTS)) if k not in empty]
    looked = [k for k in held if (k - held[0]) % stride == 0]
    numbers = [finding.looked.number(position) for position in finding.looked.positions]
    assert numbers == looked
    at = {finding.looked.number(position): mask for position, mask in finding.found.masks()}
    assert set(at) <= set(looked)
    wanted = plain(at, looked, stride, len(SPOTS), "space")
    _same(result.mask(finding).values, wanted, finding.looked.planes)
    if (
        gate and stride > 1
    ):  # a neighbour is a plane that was looked at next, not the next that happened to hold something
        places = [(number - looked[0]) // stride for number in looked]
        assert list(finding.looked.positions) == places


@pytest.mark.parametrize(("axis", "flip"), [(0, True), (2, False)])
@pytest.mark.parametrize(
    ("step_mm", "empty"),
    [(0.0, (0,)), (4.0, (0, 1, 2)), (6.0, (0, 14)), (8.0, (0, 1, 2, 3, 13, 14)), (13.0, (0, 1, 2, 3))],
)
def test_what_was_seen_is_where_a_mask_can_lie(step_mm: float, empty: tuple[int, ...], axis: int, flip: bool) -> None:
    """Everything is bright, so every plane that can hold a mask does; a lesion at the end of these is cut by an edge."""
    image = volume([240.0] * 15, empty=empty, axis=axis, flip=flip)
    result = bright_pipeline(SETTINGS).segment(image, [BRIGHT], view=View(modality="mri", axis=axis, step_mm=step_mm))
    (finding,) = result.findings
    planes = finding.looked.planes
    seen = np.zeros(image.values.shape, dtype=bool)
    seen[finding.looked.seen(image.geometry)] = True
    holding = planes.seen(result.mask(finding).values).any(axis=(1, 2))
    assert holding.tolist() == planes.seen(seen).any(axis=(1, 2)).tolist()
    assert finding.measures.largest is not None
    assert finding.measures.largest.touches_border


@pytest.mark.parametrize("gate", [True, False])
@pytest.mark.parametrize("frames", [3, 33, 65, 100])
def test_a_clip_holds_masks_in_the_frames_looked_at_alone(frames: int, gate: bool) -> None:
    spots = [240.0 if k % 5 < 4 else 0.0 for k in range(frames)]
    image = clip(spots)
    settings = replace(SETTINGS, presence=replace(SETTINGS.presence, gate=gate))
    result = bright_pipeline(settings).segment(image, [BRIGHT], view=View(modality="ultrasound"))
    (finding,) = result.findings
    most = domain("ultrasound").slice_rule.most_frames
    stride = next(s for s in range(1, frames + 1) if len(range(0, frames, s)) <= most)
    looked = list(range(0, frames, stride))
    assert [finding.looked.number(position) for position in finding.looked.positions] == looked
    at = {finding.looked.number(position): mask for position, mask in finding.found.masks()}
    assert at
    values = result.mask(finding).values
    assert set(np.flatnonzero(values.any(axis=(1, 2))).tolist()) == set(at)
    for number, mask in at.items():
        np.testing.assert_array_equal(values[number], mask)


def _same(values: np.ndarray, wanted: dict[int, np.ndarray], planes: object) -> None:
    for number, plane in enumerate(planes.seen(values)):  # type: ignore[attr-defined]
        np.testing.assert_array_equal(plane, wanted.get(number, np.zeros(plane.shape, bool)), err_msg=f"plane {number}")
