"""A drawn head in magnetic resonance: an analytic brain in millimetres, three sequences, eleven findings.

The head is a function of place, so that a plane and a volume of one study show the same anatomy. Places are
(z, y, x) in millimetres with x towards the patient's left, y towards the back and z towards the crown, from a
point at the level of the thalami. Every boundary is a little soft: at 128 pixels that is the partial volume.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import cos, pi, radians, sin

import numpy as np
from jaxtyping import Float

from medkt.datasets.phantom.finding import Attributes, PhantomPlane, find
from medkt.datasets.phantom.lesion import Lesion, draw_free_attributes, draw_number, draw_radius, make_lesion
from medkt.datasets.phantom.texture import grain
from medkt.errors import NumericalError, UnknownNameError
from medkt.shapes import MapVoxels, MaskPlane, MaskVoxels, Plane

Grid = Float[np.ndarray, "..."]

PLACES: tuple[str, ...] = ("deep", "lobar", "peripheral", "periventricular")
SHAPES: tuple[str, ...] = ("round", "oval", "lobulated", "irregular", "wedge", "crescent", "linear")
SEQUENCES: tuple[str, ...] = ("T1 after contrast", "T2", "FLAIR")
# A brain without its top and base: the levels at which every structure below can be told apart.
LEVELS_MM = (-6.0, 40.0)

_TISSUES: Mapping[str, Mapping[str, float]] = {
    "T1 after contrast": {"scalp": 0.95, "skull": 0.14, "csf": 0.13, "grey": 0.42, "white": 0.54, "falx": 0.75},
    "T2": {"scalp": 0.62, "skull": 0.08, "csf": 0.92, "grey": 0.53, "white": 0.38, "falx": 0.25},
    "FLAIR": {"scalp": 0.58, "skull": 0.08, "csf": 0.09, "grey": 0.54, "white": 0.44, "falx": 0.22},
}
_BRIGHT = {"T1 after contrast": 0.42, "T2": 0.46, "FLAIR": 0.44}
_UNITS = 1000.0  # a scanner's numbers are large and mean nothing by themselves


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waves:
    """A random field without a grid: a sum of plane waves of about one wavelength, unit variance."""

    directions: Float[np.ndarray, "waves 3"]
    phases: Float[np.ndarray, " waves"]

    @classmethod
    def draw(cls, rng: np.random.Generator, wavelength_mm: float, count: int = 10) -> "_Waves":
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
class _Subdural:
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
class _Head:
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
    folds: _Waves
    warp: _Waves
    mottle: _Waves
    bias: _Waves
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
class _Parts:
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


def _draw_head(rng: np.random.Generator, finding: str) -> _Head:
    # Fluid is bright on T2 whatever its cause: wide ventricles could not be called dark there.
    sequences = [s for s in SEQUENCES if not (finding == "mri_hydrocephalus" and s == "T2")]
    sequence = str(rng.choice(sequences))
    wide = rng.uniform(2.3, 3.4) if finding == "mri_hydrocephalus" else rng.uniform(0.75, 1.25)
    return _Head(
        half_x=rng.uniform(63, 71), half_y=rng.uniform(78, 88), half_z=rng.uniform(64, 72),
        egg=rng.uniform(0.04, 0.14), csf=rng.uniform(1.5, 3.5), skull=rng.uniform(5, 8), scalp=rng.uniform(4, 8),
        ventricle=wide, ventricle_skew=rng.uniform(-0.12, 0.12),
        folds=_Waves.draw(rng, rng.uniform(19, 26)), warp=_Waves.draw(rng, 45.0, 4), mottle=_Waves.draw(rng, 9.0, 6),
        bias=_Waves.draw(rng, 260.0, 3), bias_strength=rng.uniform(0.02, 0.14), atrophy=rng.uniform(0.6, 1.4),
        stripped=rng.random() < 0.2, rotation=radians(rng.normal(0, 5)),
        shift=(rng.normal(0, 3), rng.normal(0, 3)), sequence=sequence,
        tissues={k: v * rng.uniform(0.92, 1.08) for k, v in _TISSUES[sequence].items()},
        noise=rng.uniform(0.008, 0.04), blur_mm=rng.uniform(1.6, 2.6),
    )  # fmt: skip


def _ventricles(head: _Head, z: Grid, y: Grid, x: Grid) -> Grid:
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


def _reach(head: _Head, z: Grid, y: Grid, x: Grid) -> tuple[Grid, Grid]:
    """How far out each place lies as a fraction of the way to the brain's surface, and that way's length in mm."""
    half_x = head.half_x * (1 + head.egg * np.clip(y / head.half_y, -1, 1))
    # Below the thalami the skull narrows less than above them.
    up = np.where(z > 0, z / head.half_z, z / (1.5 * head.half_z))
    rho = np.sqrt((x / half_x) ** 2 + (y / head.half_y) ** 2 + up**2) + np.float32(1e-4)
    return rho, np.sqrt(x * x + y * y + z * z) / rho + np.float32(1e-3)


def _clefts(head: _Head, wave: Grid, z: Grid, y: Grid, x: Grid) -> tuple[Grid, Grid]:
    """Signed distances in mm to the fissure between the hemispheres and to the Sylvian fissures."""
    between = np.where((np.abs(y) > 36 + 2 * wave) | (z > 30), np.abs(x + 1.2 * wave) - 1.1 * head.atrophy, 9)
    sylvian = np.abs(y + 14 - 0.25 * (np.abs(x) - 50) + 4 * wave) - 1.6 * head.atrophy
    return between, np.where((np.abs(x) > 36) & (np.abs(z) < 14), sylvian, 9)


def _parts(head: _Head, subdural: _Subdural | None, z: Grid, y: Grid, x: Grid) -> _Parts:
    blur = head.blur_mm
    rho, radius_mm = _reach(head, z, y, x)
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
    return _Parts(
        scalp=_soft(table - head.skull - head.scalp, blur), skull=_soft(table - head.skull, blur),
        inside=_soft(table, blur), brain=brain, collection=collection,
        grey=np.maximum(np.maximum(cortex, _soft(cleft - 3.5, blur + 1)), _deep_grey(z, y, x)),
        sulci=np.maximum(sulci, _soft(cleft, blur)), falx=_soft(between + 0.8, blur),
        ventricles=_soft(_ventricles(head, z, y, x), blur) * brain,
    )  # fmt: skip


def _towards(values: Grid | float, target: Grid | float, membership: Grid) -> Grid:
    return np.asarray(values + (target - values) * membership, np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class MriStudy:
    """One patient's head in one sequence. Build it with `make_study`.

    `level_mm` is a level at which the finding shows; `side_mm` the field of view of its planes.
    """

    finding: str
    attributes: Attributes | None
    level_mm: float
    side_mm: float
    head: _Head
    lesions: tuple[Lesion, ...]
    contrast: float
    subdural: _Subdural | None
    noise_seed: int

    @property
    def context(self) -> Mapping[str, str]:
        return {"sequence": self.head.sequence}

    def plane(self, z_mm: float, side: int) -> Plane:
        """The axial plane at this level, (side, side), in a scanner's arbitrary units, noise included."""
        return self.render(z_mm, *self.axes_mm(side))[0]

    def mask_plane(self, z_mm: float, side: int) -> MaskPlane:
        """Where the finding shows on that plane; all False for a normal head."""
        return self.render(z_mm, *self.axes_mm(side))[1]

    def render(self, z_mm: float, y_mm: Grid, x_mm: Grid) -> tuple[Plane, MaskPlane]:
        """Plane and mask at one level, for any rows `y_mm` and columns `x_mm` of the patient's millimetres."""
        signal, mask = self._signal(*self._turn(z_mm, *np.meshgrid(y_mm, x_mm, indexing="ij")))
        return self._noisy(signal, z_mm), mask

    def axes_mm(self, side: int) -> tuple[Grid, Grid]:
        """The rows (y) and columns (x) of a square plane over the study's field of view."""
        axis = (np.arange(side, dtype=np.float32) + np.float32(0.5 - side / 2)) * np.float32(self.side_mm / side)
        return axis, axis

    def _turn(self, z_mm: float, y: Grid, x: Grid) -> tuple[Grid, Grid, Grid]:
        """From the scanner's millimetres to the head's own."""
        y, x = y - np.float32(self.head.shift[0]), x - np.float32(self.head.shift[1])
        c, s = np.float32(cos(self.head.rotation)), np.float32(sin(self.head.rotation))
        return np.full_like(y, z_mm), c * y - s * x, s * y + c * x

    def _signal(self, z: Grid, y: Grid, x: Grid) -> tuple[Grid, MaskPlane]:
        head, t = self.head, self.head.tissues
        parts = _parts(head, self.subdural, z, y, x)
        outer = np.zeros_like(x)
        if not head.stripped:
            outer = _towards(t["scalp"] * parts.scalp, t["skull"], parts.skull)
        tissue = _towards(t["white"], t["grey"], parts.grey) + 0.012 * head.mottle(z, y, x)
        tissue = _towards(tissue, t["csf"], parts.sulci)
        tissue = _towards(tissue, t["falx"], parts.falx * 0.7)
        tissue = _towards(tissue, t["csf"], parts.ventricles)
        values = _towards(outer, _towards(t["csf"], tissue, parts.brain), parts.inside)
        values = _towards(values, self._target(1.0), parts.collection)
        weight = parts.ventricles if self.finding == "mri_hydrocephalus" else parts.collection
        if self.lesions:
            weight, profile = self._lesions(z, y, x)
            weight = weight * parts.inside
            values = _towards(values, self._target(profile), weight)
        return np.maximum(values * (1 + head.bias_strength * head.bias(z, y, x)), 0), np.asarray(weight >= 0.5)

    def _target(self, profile: Grid | float) -> Grid | float:
        return np.maximum(
            0.5 * (self.head.tissues["grey"] + self.head.tissues["white"]) + self.contrast * profile, 0.04
        )

    def _noisy(self, signal: Grid, z_mm: float) -> Plane:
        # Rician: the length of a vector whose two parts have independent noise. A level has its noise for good.
        rng = np.random.default_rng([self.noise_seed, round(z_mm * 1000) & 0xFFFFFFFF])
        shape = (signal.shape[0], signal.shape[1])
        real = signal + self.head.noise * grain(shape, rng, 0.5)
        noisy = np.hypot(real, self.head.noise * rng.standard_normal(shape, dtype=np.float32))
        return np.asarray(noisy * _UNITS, np.float32)

    def _lesions(self, z: Grid, y: Grid, x: Grid) -> tuple[Grid, Grid]:
        """Membership of the nearest lesion at each place of a plane, and the multiplier of its contrast."""
        # Nothing grows in the brain with a ruler's edge: lesions are read at slightly bent places.
        wave = self.head.warp(z, y, x)
        y, x = y + 1.2 * wave, x - 1.2 * wave
        weight, profile = np.zeros_like(x), np.ones_like(x)
        for lesion in self.lesions:
            near = np.hypot(y - lesion.centre[1], x - lesion.centre[2]) < lesion.reach
            rows, columns = np.flatnonzero(near.any(axis=1)), np.flatnonzero(near.any(axis=0))
            if rows.size == 0:
                continue
            window = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
            place = (z[window], y[window], x[window])
            own = lesion.weight(*place)
            ahead = own > weight[window]
            profile[window] = np.where(ahead, lesion.profile(*place), profile[window])
            weight[window] = np.maximum(weight[window], own)
        return weight, profile


def make_study(finding: str, rng: np.random.Generator, attributes: Attributes | None = None) -> MriStudy:
    """A head with this finding ("" for a normal one, "unnamed" for a lesion that looks as `attributes` say).

    Raises:
        UnknownNameError: `finding` is "unnamed" without attributes, or belongs to another domain.
    """
    if finding == "unnamed" and attributes is None:
        raise UnknownNameError("an unnamed finding needs attributes: pass those of draw_unnamed_attributes")
    if attributes is None and finding:
        named = find(finding)
        if named.domain != "mri":
            raise UnknownNameError(f"{finding} is a finding of {named.domain}, not of mri")
        attributes = named.draw(rng)
    head, level = _draw_head(rng, finding), float(rng.uniform(*LEVELS_MM))
    if attributes is not None:
        attributes = _with_side(attributes, rng)
    if finding == "mri_hydrocephalus":
        level = float(rng.uniform(0, 24))
    side_mm = 2 * (head.half_y + head.csf + head.skull + head.scalp) * rng.uniform(1.04, 1.2)
    lesions: tuple[Lesion, ...] = ()
    subdural = None
    if finding == "mri_subdural":
        head, subdural = replace(head, stripped=False), _draw_subdural(rng, level, attributes)
    elif attributes is not None and finding != "mri_hydrocephalus":
        lesions = _draw_lesions(head, attributes, rng, level, side_mm)
    intensity = attributes.intensity if attributes is not None else "bright"
    return MriStudy(
        finding=finding, attributes=attributes, level_mm=level, side_mm=side_mm, head=head, lesions=lesions,
        contrast=_contrast(head, intensity, rng), subdural=subdural, noise_seed=int(rng.integers(2**32)),
    )  # fmt: skip


def _contrast(head: _Head, intensity: str, rng: np.random.Generator) -> float:
    brain = 0.5 * (head.tissues["grey"] + head.tissues["white"])
    gain = float(rng.uniform(0.85, 1.15))
    if intensity == "dark":
        return -gain * 0.9 * (brain - 0.05) if gain < 1 else -0.9 * (brain - 0.05)
    return gain * {"bright": 1.0, "faint": 0.45, "very_bright": 1.5}[intensity] * _BRIGHT[head.sequence]


def _with_side(attributes: Attributes, rng: np.random.Generator) -> Attributes:
    if attributes.side or attributes.place not in PLACES:
        return attributes
    return replace(attributes, side=str(rng.choice(["left", "right"])) if attributes.number == "single" else "both")


def _draw_subdural(rng: np.random.Generator, level_mm: float, attributes: Attributes | None) -> _Subdural:
    right = attributes is not None and attributes.side == "right"
    azimuth = rng.uniform(-0.55, 0.55)
    thickness = rng.uniform(10, 17)
    shift = thickness * rng.uniform(0.25, 0.5)
    return _Subdural(
        thickness_mm=thickness, azimuth=pi - azimuth if right else azimuth, half_width=rng.uniform(0.85, 1.2),
        level_mm=level_mm + rng.normal(0, 4), height_mm=rng.uniform(35, 50), shift_mm=-shift if right else shift,
    )  # fmt: skip


def _draw_lesions(
    head: _Head, attributes: Attributes, rng: np.random.Generator, level_mm: float, side_mm: float
) -> tuple[Lesion, ...]:
    count = draw_number(attributes.number, rng)
    lesions: list[Lesion] = []
    for _ in range(count):
        # A radius beyond this would leave one hemisphere; of many, most are in the lower part of the range.
        radius = min(draw_radius(attributes.size, rng) for _ in range(1 if count < 5 else 3)) * side_mm
        radius = min(radius, 0.5 * head.half_x)
        z = level_mm + float(rng.normal(0, 0.25)) * radius
        y, x, room = _place(head, attributes, rng, z, radius, lesions)
        if room < 1.1 and len(lesions) >= 8:
            continue  # the place is full
        lesions.append(make_lesion(attributes, rng, centre=(z, y, x), radius=radius, outward=(0.0, y, x)))
    return tuple(lesions)


def _place(
    head: _Head, attributes: Attributes, rng: np.random.Generator, z: float, radius: float, others: list[Lesion]
) -> tuple[float, float, float]:
    """A centre (y, x) in mm at the place and side that the attributes name, and its room in radii to the others."""
    angle = rng.uniform(-pi, pi, 160).astype(np.float32)
    out = np.sqrt(rng.uniform(0.01, 0.98, 160)).astype(np.float32)
    up = z / head.half_z if z > 0 else z / (1.5 * head.half_z)
    # The surface at this level, then inwards by what the lesion's outer part needs.
    edge_y, edge_x = np.sin(angle) * head.half_y * (1 - up**2) ** 0.5, np.cos(angle) * head.half_x * (1 - up**2) ** 0.5
    if attributes.place == "peripheral":
        inset = radius * (1.0 if attributes.shape in ("wedge", "crescent") else 0.62)
        out = 1 - inset / np.hypot(edge_y, edge_x)
    y, x = edge_y * out, edge_x * out
    near = _ventricles(head, np.full_like(x, z), y, x)
    good = {
        "peripheral": np.abs(x) > 22,
        "periventricular": (near > 1) & (near < 13) & (out < 0.75),
        "deep": (out < 0.42) & (np.abs(x) > 9) & (near > -2),
        "lobar": (out < 0.86) & (out > 0.42) & (np.abs(x) > 12) & (near > 0.6 * radius),
    }[attributes.place]
    if attributes.side in ("left", "right"):
        good &= (x > 0) == (attributes.side == "left")
    room = np.where(good, np.float32(5), np.float32(-1))  # in radii to the nearest other lesion
    for other in others:
        away = np.hypot(y - other.centre[1], x - other.centre[2]) / np.float32(radius + other.radius)
        room = np.minimum(room, np.where(good, away, -1))
    chosen = int(np.argmax(np.minimum(room, 1.4)))  # anywhere with room, else where there is most
    return float(y[chosen]), float(x[chosen]), float(room[chosen])


def display(plane: Grid) -> Plane:
    """A scanner's units as shown: the 0.5 to 99.5 percentile of what is not zero becomes [0, 1]."""
    seen = plane[plane > 0]
    if seen.size == 0:
        return np.zeros(plane.shape, np.float32)
    low, high = np.percentile(seen, (0.5, 99.5))
    shown: Plane = np.clip((plane - low) / max(high - low, 1e-6), 0, 1).astype(np.float32)
    return shown


def draw_plane(
    finding: str, rng: np.random.Generator, *, side: int = 128, attributes: Attributes | None = None
) -> PhantomPlane:
    """One axial plane, (side, side) float32 in [0, 1], patient's left on the image's right.

    `finding` is a finding's id, "" for a normal head, or "unnamed" for a lesion that looks as `attributes` say.

    Example:
        >>> draw_plane("mri_glioma", np.random.default_rng(0)).mask.any()
        np.True_
    """
    for _ in range(20):
        study = make_study(finding, rng, attributes)
        plane, mask = study.render(study.level_mm, *study.axes_mm(side))
        if not finding or mask.any():
            break
    else:
        raise NumericalError(f"no plane of {finding} shows it at {side} pixels: use a larger side")
    return PhantomPlane(
        plane=display(plane),
        mask=mask,
        domain="mri",
        finding=finding,
        attributes=study.attributes,
        context=study.context,
    )


def volume(
    finding: str, rng: np.random.Generator, *, shape: tuple[int, int, int], spacing_mm: tuple[float, float, float]
) -> tuple[MapVoxels, MaskVoxels]:
    """Voxels (slices, rows, columns) float32 in arbitrary units, and the finding's mask on the same grid.

    Slices go up, rows towards the back, columns towards the patient's left; the finding's level lies near the
    middle slice.
    """
    study = make_study(finding, rng)
    z, y, x = (
        ((np.arange(n) - (n - 1) / 2) * step).astype(np.float32) for n, step in zip(shape, spacing_mm, strict=True)
    )
    slabs = [study.render(float(level) + study.level_mm, y, x) for level in z]
    return np.stack([s[0] for s in slabs]), np.stack([s[1] for s in slabs])


def draw_unnamed_attributes(rng: np.random.Generator) -> Attributes:
    """A random look for a lesion without a name, never one that a held-out finding has."""
    return draw_free_attributes("mri", rng, shapes=SHAPES, places=PLACES)
