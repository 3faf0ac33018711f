"""The anatomy of a drawn head: scalp, skull, folded cortex, ventricles and deep grey matter as functions of place.

Places are (z, y, x) in millimetres with x towards the patient's left, y towards the back and z towards the crown, from
a point at the level of the thalami. Every boundary is a little soft: at 128 pixels that is the partial volume.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import pi, radians

import numpy as np
from jaxtyping import Float

Grid = Float[np.ndarray, "..."]

SEQUENCES: tuple[str, ...] = ("T1 after contrast", "T2", "FLAIR")
TISSUES: Mapping[str, Mapping[str, float]] = {
    "T1 after contrast": {"scalp": 0.95, "skull": 0.14, "csf": 0.13, "grey": 0.42, "white": 0.54, "falx": 0.75},
    "T2": {"scalp": 0.62, "skull": 0.08, "csf": 0.92, "grey": 0.53, "white": 0.38, "falx": 0.25},
    "FLAIR": {"scalp": 0.58, "skull": 0.08, "csf": 0.09, "grey": 0.54, "white": 0.44, "falx": 0.22},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Waves:
    """A random field without a grid: a sum of plane waves of about one wavelength, unit variance."""

    directions: Float[np.ndarray, "waves 3"]
    phases: Float[np.ndarray, " waves"]

    @classmethod
    def draw(cls, rng: np.random.Generator, wavelength_mm: float, count: int = 10) -> "Waves":
        directions = rng.normal(size=(count, 3))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        scale = 2 * pi / wavelength_mm * rng.uniform(0.75, 1.3, size=(count, 1))
        return cls(directions=(directions * scale).astype(np.float32), phases=rng.uniform(0, 2 * pi, count))

    def __call__(self, zz: Grid, yy: Grid, xx: Grid) -> Grid:
        total: Grid = np.zeros(np.broadcast_shapes(zz.shape, yy.shape, xx.shape), np.float32)
        for (kz, ky, kx), phase in zip(self.directions, self.phases, strict=True):
            total += np.cos(kz * zz + ky * yy + kx * xx + np.float32(phase))
        total *= np.float32((2 / len(self.phases)) ** 0.5)
        return total


@dataclass(frozen=True, slots=True, kw_only=True)
class Subdural:
    """A collection along one side of the inner table. `azimuth` is the angle of its thickest point."""

    thickness_mm: float
    azimuth: float
    half_width: float
    level_mm: float
    height_mm: float
    shift_mm: float

    def thickness(self, z: Grid, y: Grid, x: Grid) -> Grid:
        away = np.abs((np.arctan2(y, x) - self.azimuth + pi) % (2 * pi) - pi) / self.half_width
        up = (z - self.level_mm) / self.height_mm
        return np.asarray(self.thickness_mm * np.sqrt(np.maximum(1 - away**2 - up**2, 0)), np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The sizes of one head, all in millimetres, and the scanner's way of seeing it."""

    half_x: float
    half_y: float
    half_z: float
    egg: float  # how much wider the back is than the front
    csf: float
    skull: float
    scalp: float
    ventricle: float  # 1 is usual
    ventricle_skew: float
    folds: Waves
    warp: Waves
    mottle: Waves
    bias: Waves
    bias_strength: float
    atrophy: float
    stripped: bool
    rotation: float
    shift: tuple[float, float]
    sequence: str
    tissues: Mapping[str, float]
    noise: float
    blur_mm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadParts:
    """Soft memberships in [0, 1]. The first four hold each other: the scalp's outside, the skull's, the table's."""

    scalp: Grid
    skull: Grid
    inside: Grid
    brain: Grid
    grey: Grid
    sulci: Grid
    ventricles: Grid
    falx: Grid
    collection: Grid


def _soft(distance_mm: Grid, blur_mm: float) -> Grid:
    """1 where the signed distance is well below zero, 0 where well above."""
    return np.clip(0.5 - distance_mm / np.float32(blur_mm), 0, 1)


def draw_head(rng: np.random.Generator, finding: str) -> Head:
    # Fluid is bright on T2 whatever its cause: wide ventricles could not be called dark there.
    sequences = [s for s in SEQUENCES if not (finding == "mri_hydrocephalus" and s == "T2")]
    sequence = str(rng.choice(sequences))
    wide = rng.uniform(2.3, 3.4) if finding == "mri_hydrocephalus" else rng.uniform(0.75, 1.25)
    return Head(
        half_x=rng.uniform(63, 71), half_y=rng.uniform(78, 88), half_z=rng.uniform(64, 72),
        egg=rng.uniform(0.04, 0.14), csf=rng.uniform(1.5, 3.5), skull=rng.uniform(5, 8), scalp=rng.uniform(4, 8),
        ventricle=wide, ventricle_skew=rng.uniform(-0.12, 0.12),
        folds=Waves.draw(rng, rng.uniform(19, 26)), warp=Waves.draw(rng, 45.0, 4), mottle=Waves.draw(rng, 9.0, 6),
        bias=Waves.draw(rng, 260.0, 3), bias_strength=rng.uniform(0.02, 0.14), atrophy=rng.uniform(0.6, 1.4),
        stripped=rng.random() < 0.2, rotation=radians(rng.normal(0, 5)),
        shift=(rng.normal(0, 3), rng.normal(0, 3)), sequence=sequence,
        tissues={k: v * rng.uniform(0.92, 1.08) for k, v in TISSUES[sequence].items()},
        noise=rng.uniform(0.008, 0.04), blur_mm=rng.uniform(1.6, 2.6),
    )  # fmt: skip


def distance_to_ventricles(head: Head, z: Grid, y: Grid, x: Grid) -> Grid:
    """Signed distance in mm (roughly) to the lateral and third ventricles."""
    w = head.ventricle
    right_or_left = np.abs(x) * (1 + head.ventricle_skew * np.sign(x))
    along = np.clip((y - 6) / (38 + 4 * w), -1.2, 1.2)  # -1 at the frontal horns, 1 at the occipital ones
    mid_x = 6 + 2.5 * w + 5 * np.minimum(along, 0) ** 2 + 15 * np.maximum(along, 0) ** 1.5
    mid_z = 17 - 13 * along**2
    taper = np.sqrt(np.maximum(1 - along**4, 0.0))
    width, height = (4.2 * w) * taper + 0.3, (7 + 3.0 * w) * taper + 0.3
    lateral = (np.hypot((right_or_left - mid_x) / width, (z - mid_z) / height) - 1) * width
    lateral = np.where(np.abs(along) < 1, lateral, 20)
    third = (np.sqrt((x / (1.6 * w)) ** 2 + ((y - 3) / 14) ** 2 + ((z + 4) / 9) ** 2) - 1) * (1.6 * w)
    return np.minimum(lateral, third).astype(np.float32)


def _deep_grey(z: Grid, y: Grid, x: Grid) -> Grid:
    """Membership of thalami, lentiform nuclei and heads of the caudates."""
    x = np.abs(x)
    bodies = ((2, 10, 11, 9, 13, 7), (2, -6, 24, 9, 15, 6.5), (9, -22, 12.5, 10, 8, 4.5))
    total = np.zeros_like(x)
    for cz, cy, cx, rz, ry, rx in bodies:
        inside = 1 - np.sqrt(((z - cz) / rz) ** 2 + ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2)
        total = np.maximum(total, np.clip(0.5 + inside * 4, 0, 1))
    return total


def reach(head: Head, z: Grid, y: Grid, x: Grid) -> tuple[Grid, Grid]:
    """How far out each place lies as a fraction of the way to the brain's surface, and that way's length in mm."""
    half_x = head.half_x * (1 + head.egg * np.clip(y / head.half_y, -1, 1))
    # Below the thalami the skull narrows less than above them.
    up = np.where(z > 0, z / head.half_z, z / (1.5 * head.half_z))
    rho = np.sqrt((x / half_x) ** 2 + (y / head.half_y) ** 2 + up**2) + np.float32(1e-4)
    return rho, np.sqrt(x * x + y * y + z * z) / rho + np.float32(1e-3)


def _clefts(head: Head, wave: Grid, z: Grid, y: Grid, x: Grid) -> tuple[Grid, Grid]:
    """Signed distances in mm to the fissure between the hemispheres and to the Sylvian fissures."""
    between = np.where((np.abs(y) > 36 + 2 * wave) | (z > 30), np.abs(x + 1.2 * wave) - 1.1 * head.atrophy, 9)
    sylvian = np.abs(y + 14 - 0.25 * (np.abs(x) - 50) + 4 * wave) - 1.6 * head.atrophy
    return between, np.where((np.abs(x) > 36) & (np.abs(z) < 14), sylvian, 9)


def parts_at(head: Head, subdural: Subdural | None, z: Grid, y: Grid, x: Grid) -> HeadParts:
    blur = head.blur_mm
    rho, radius_mm = reach(head, z, y, x)
    outside_mm = (rho - 1) * radius_mm
    table = outside_mm - head.csf
    collection = np.zeros_like(rho)
    if subdural is not None:
        thickness = subdural.thickness(z, y, x)
        collection = _soft(table, blur) * _soft(-table - thickness, blur) * (thickness > 0.8)
        # The brain gives way: it is drawn at the place that it would have without the collection.
        push = 1 + thickness / radius_mm * rho
        x = x * push + subdural.shift_mm * np.exp(-((y / 60) ** 2) - (x / 45) ** 2)
        y, z, rho = y * push, z * push, rho * push
        outside_mm = (rho - 1) * radius_mm
    wave = head.warp(z, y, x)
    # Folds run inwards from the surface, so their field is read near the surface.
    spread = np.clip(rho, 0.5, 1.2) ** np.float32(-0.75)
    fold = np.abs(head.folds(z * spread + 4 * wave, y * spread, x * spread - 4 * wave))
    depth_mm = np.maximum(-outside_mm, 0)
    opening = head.atrophy * 0.24 * np.clip(1.2 - depth_mm / 18, 0, 1)
    sulci = np.clip((opening - fold) / 0.10 + 0.5, 0, 1) * (depth_mm < 21)
    between, sylvian = _clefts(head, wave, z, y, x)
    cleft = np.minimum(between, sylvian)
    cortex = np.maximum(_soft(depth_mm - 3.6, blur + 1), np.clip(1.9 - fold / 0.36, 0, 1) * (depth_mm < 24))
    brain = _soft(outside_mm, blur)
    return HeadParts(
        scalp=_soft(table - head.skull - head.scalp, blur), skull=_soft(table - head.skull, blur),
        inside=_soft(table, blur), brain=brain, collection=collection,
        grey=np.maximum(np.maximum(cortex, _soft(cleft - 3.5, blur + 1)), _deep_grey(z, y, x)),
        sulci=np.maximum(sulci, _soft(cleft, blur)), falx=_soft(between + 0.8, blur),
        ventricles=_soft(distance_to_ventricles(head, z, y, x), blur) * brain,
    )  # fmt: skip


def towards(values: Grid | float, target: Grid | float, membership: Grid) -> Grid:
    return np.asarray(values + (target - values) * membership, np.float32)
