"""From planes to the pieces of a volume under settings drawn together, against an account with loops and sets.

What is taken as it is: the encoder's feature of one plane, and the map of one plane (`test_maps` has it). Everything after
is written here once more: scores, the study's decision, which slices are looked at, thresholds, parts, agreement.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from segmentation.bright_spots import BrightSpots

from medkt.saliency.explain import explain_planes, prepare_plane
from medkt.saliency.m2ib import M2IBSettings
from medkt.saliency.methods import SaliencySettings
from medkt.saliency.targets import ConceptTexts, Target, embed_targets
from medkt.segmentation.presence import PresenceSettings
from medkt.segmentation.slicewise import MapSettings, SegmentationSettings, segment_planes
from medkt.segmentation.threshold import ThresholdSettings
from medkt.segmentation.volume import VolumeSettings

Part = frozenset[tuple[int, int]]
SPACING = (0.7, 1.9)
CONTRASTS = {
    "none": {},
    "normal": {"normal": ("a dark plane",)},
    "confusable": {"confusable": ("a dark plane", "something else")},
    "both": {"normal": ("a dark plane",), "confusable": ("something else", "another dark thing", "a third")},
}


def drawn(seed: int) -> tuple[SegmentationSettings, ConceptTexts, list[int], list[np.ndarray]]:
    """Settings, words, indices and planes that have nothing to do with each other."""
    random = np.random.default_rng(seed)

    def pick(*options: Any) -> Any:
        return options[random.integers(len(options))]

    rule = pick("softmax", "margin", "cosine")
    low, high = {"softmax": (0.2, 0.8), "margin": (-0.4, 0.1), "cosine": (0.55, 0.8)}[rule]
    presence = PresenceSettings(
        gate=pick(True, True, False), rule=rule, threshold=high, weak=pick(low, low, high),
        aggregate=pick("supported", "max", "top_mean"), support=pick(low, (low + high) / 2), top=pick(1, 2, 20),
    )  # fmt: skip
    threshold = ThresholdSettings(
        method=pick("otsu", "kmeans", "fixed"), value=pick(0.2, 0.55), side=pick(None, None, 16, 61),
        min_area_mm2=pick(0.0, 0.0, 60.0), min_area_pixels=pick(1, 30), min_confidence=pick(0.0, 0.0, 0.5), keep=pick(None, 1, 2),
        order=pick("confidence", "mass", "area"),
    )  # fmt: skip
    settings = SegmentationSettings(
        saliency=SaliencySettings(method=M2IBSettings(beta=0.1, steps=3, samples=1, alpha0=1.0)), presence=presence, threshold=threshold,
        map=MapSettings(check_words="off", max_slices=pick(None, None, 3)), keep_largest=pick(None, None, 1, 2),
        volume=VolumeSettings(hysteresis=pick(True, True, False), close_gaps=pick(True, False), min_slices=pick(1, 1, 2)),
    )  # fmt: skip
    indices = pick([0], [3, 4], list(range(7)), [0, 1, 2, 4, 5, 6], [1, 3, 5])
    planes = []
    for _ in indices:
        plane = 0.1 * random.random((28, 23), dtype=np.float32)
        for row, column in ((3, 4), (14, 12)):
            if random.random() < 0.6:
                shift = random.integers(0, 3)
                plane[row + shift : row + 8, column : column + 6 + shift] += np.float32(
                    random.choice([0.25, 0.45, 0.85])
                )
        planes.append(plane)
    return settings, ConceptTexts(id="spot", prompts=("a bright spot",), **CONTRASTS[pick(*CONTRASTS)]), indices, planes


def scores_of(encoder: BrightSpots, planes: Sequence[np.ndarray], target: Target, s: PresenceSettings) -> list[float]:
    scores = []
    for plane in planes:
        with torch.no_grad():
            feature = encoder.encode_image(prepare_plane(encoder, plane).pixels[None])[0].double().numpy()
        feature = feature / np.sqrt((feature**2).sum())
        own = float(feature @ target.wanted.numpy())
        normal = [] if target.normal is None else [float(feature @ target.normal.numpy())]
        others = [float(feature @ row) for row in target.confusable.numpy()]
        if s.rule == "cosine" or not normal + others:
            scores.append(own)
        elif s.rule == "margin":
            scores.append(own - max(normal + others))
        else:
            scale = encoder.logit_scale
            rest = [np.exp(scale * one) for one in normal] + (
                [sum(np.exp(scale * one) for one in others) / len(others)] if others else []
            )  # all others share one vote
            scores.append(float(np.exp(scale * own) / (np.exp(scale * own) + sum(rest))))
    return scores


def studys(scores: list[float], indices: list[int], s: PresenceSettings) -> float:
    if s.aggregate == "max":
        return max(scores)
    if s.aggregate == "top_mean":
        best = sorted(scores, reverse=True)[: s.top]
        return sum(best) / len(best)
    at = dict(zip(indices, scores, strict=True))
    if not any(index + 1 in at for index in at):  # no slice has a neighbour
        return max(scores)
    borne = []
    for index, score in at.items():
        beside = [at[k] for k in (index - 1, index + 1) if k in at]
        better = max(beside, default=-np.inf)
        borne.append(score if better >= s.support else min(score, better))
    return max(borne)


def nearest(to: int, of: int) -> list[int]:
    """The cell that each new cell's upper left corner falls into, as OpenCV has it."""
    return [min(int(k * (1 / (to / of))), of - 1) for k in range(to)]


def foreground(map_: np.ndarray, s: ThresholdSettings) -> np.ndarray:
    if s.side is not None:
        rows, columns = map_.shape
        small = np.array([[map_[r, c] for c in nearest(s.side, columns)] for r in nearest(s.side, rows)])
        inner = foreground(small, ThresholdSettings(method=s.method, value=s.value))
        return np.array([[inner[r, c] for c in nearest(columns, s.side)] for r in nearest(rows, s.side)])
    if s.method == "fixed":
        return map_ > np.float32(s.value)
    levels = np.rint(map_ * np.float32(255)).astype(int)
    known = sorted(set(levels.ravel().tolist()))
    if len(known) < 2:
        return np.zeros(map_.shape, bool)
    if s.method == "otsu":  # the least sum of squares within the two classes, of equal ones the lowest
        within = [
            sum(((part - part.mean()) ** 2).sum() for part in (levels[levels <= t], levels[levels > t]))
            for t in known[:-1]
        ]
        return levels > known[int(np.argmin(np.round(within, 6)))]
    low, high = float(known[0]), float(known[-1])
    for _ in range(1000):
        near = levels <= (low + high) / 2
        low, high = levels[near].mean(), levels[~near].mean()
    return ~near


def parts_of(mask: np.ndarray) -> list[Part]:
    """8-connected parts, in reading order, by filling."""
    left, parts = {(int(r), int(c)) for r, c in zip(*np.nonzero(mask), strict=True)}, []
    while left:
        part, open_ = set(), [min(left)]
        while open_:
            row, column = open_.pop()
            if (row, column) in left:
                left.remove((row, column))
                part.add((row, column))
                open_ += [(row + i, column + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
        parts.append(frozenset(part))
    return parts


def on(shape: tuple[int, ...], parts: Sequence[Part]) -> np.ndarray:
    mask = np.zeros(shape, bool)
    for place in (place for part in parts for place in part):
        mask[place] = True
    return mask


def found_on(map_: np.ndarray, s: SegmentationSettings) -> list[Part]:
    """The parts of one plane's mask."""
    t, kept = s.threshold, []
    for part in parts_of(foreground(map_, t)):
        mass = sum(float(map_[place]) for place in part)
        worth = {"confidence": mass / len(part), "mass": mass, "area": len(part)}
        large = len(part) >= t.min_area_pixels and len(part) * SPACING[0] * SPACING[1] >= t.min_area_mm2
        if large and worth["confidence"] >= t.min_confidence:
            kept.append((worth[t.order], part))
    taken = [part for _, part in sorted(kept, key=lambda one: -one[0])[: t.keep]]
    final = sorted(parts_of(on(map_.shape, taken)), key=lambda part: -len(part))
    return final[: s.keep_largest]


def agreeing(
    at: dict[int, list[Part]], strong: set[int], s: VolumeSettings, slices: int
) -> dict[int, set[tuple[int, int]]]:
    """By slice, the pixels of the pieces that stay."""
    nodes = [(index, part, index in strong) for index, parts in at.items() for part in parts]
    if slices > 1:
        if s.close_gaps:
            for index, part, _ in list(nodes):
                for after in at.get(index + 2, []):
                    shared = part & after
                    if shared and not any(shared & other for other in at.get(index + 1, [])):
                        nodes.append((index + 1, shared, False))
        kept, left = [], list(nodes)
        while left:
            group, open_ = [], [left.pop()]
            while open_:
                one = open_.pop()
                group.append(one)
                touching = [other for other in left if abs(other[0] - one[0]) == 1 and other[1] & one[1]]
                left = [other for other in left if not any(other is chosen for chosen in touching)]
                open_ += touching
            if len({index for index, _, _ in group}) >= s.min_slices and (
                not s.hysteresis or any(is_strong for _, _, is_strong in group)
            ):
                kept += group
        nodes = kept
    pixels: dict[int, set[tuple[int, int]]] = {}
    for index, part, _ in nodes:
        pixels.setdefault(index, set()).update(part)
    return pixels


@pytest.mark.parametrize("seed", range(48))
def test_a_volume_is_put_together_as_the_settings_say(seed: int) -> None:
    settings, concept, indices, planes = drawn(seed)
    encoder = BrightSpots()
    shown = dict(zip(indices, planes, strict=True))
    (found,) = segment_planes(encoder, None, indices, shown.__getitem__, [concept], settings, spacing_mm=SPACING)

    (target,) = embed_targets(encoder, [concept])
    scores = scores_of(encoder, planes, target, settings.presence)
    np.testing.assert_allclose(found.presence.scores, scores, rtol=1e-4, atol=1e-5)
    study = studys(scores, indices, settings.presence)
    assert found.presence.score == pytest.approx(study, rel=1e-4, abs=1e-5)
    gate, s = settings.presence.gate, settings.presence
    assert found.presence.present is (not gate or study >= s.threshold)
    looked = [(-score, index) for score, index in zip(scores, indices, strict=True) if not gate or score >= s.weak]
    chosen = sorted(index for _, index in sorted(looked)[: settings.map.max_slices]) if found.presence.present else []
    assert [one.index for one in found.slices] == chosen

    at: dict[int, list[Part]] = {}
    for index in chosen:
        ((map_,),) = explain_planes(
            encoder, [prepare_plane(encoder, shown[index])], [target], settings.m2ib,
            patches=settings.relevance, check_words=False,
        )  # fmt: skip
        at[index] = found_on(map_.on_plane(), settings)
    strong = {index for index, score in zip(indices, scores, strict=True) if score >= s.threshold or not gate}
    wanted = agreeing(at, strong, settings.volume, len(indices))
    got = {index: {(int(r), int(c)) for r, c in zip(*np.nonzero(mask), strict=True)} for index, mask in found.masks()}
    assert got == wanted


def test_the_draws_reach_what_they_are_for() -> None:
    """Among them are: a finding and none, weak slices that stay and that go, bridges, and every option."""
    settings = [drawn(seed)[0] for seed in range(48)]
    for gate in (True, False):
        for hysteresis in (True, False):
            for rule in ("softmax", "margin", "cosine"):
                assert any(
                    (s.presence.gate, s.volume.hysteresis, s.presence.rule) == (gate, hysteresis, rule)
                    for s in settings
                )
