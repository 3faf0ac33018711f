"""A drawn chest CT: an analytic chest in Hounsfield units, cut into axial planes or rendered as a volume.

Points are (z, y, x) in millimetres from the centre of the field of view: z towards the head, y towards the back (down
the image), x towards the patient's left (the image's right).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from jaxtyping import Int16
from scipy import ndimage

from medkt.phantom.finding import Attributes, PhantomPlane, TwoLesions
from medkt.phantom.lesion import (
    Coordinate,
    LesionBlob,
    Values,
    draw_free_attributes,
    draw_number,
    draw_radius,
    make_lesion,
    settle_attributes,
)
from medkt.phantom.texture import grain, smooth_noise
from medkt.shapes import MaskPlane, MaskVoxels, Plane

PLACES = ("upper", "middle", "lower", "central", "peripheral", "posterior", "throughout")
"""Every word for a place in a chest CT."""
UNNAMED_PLACES = ("upper", "middle", "lower", "central", "peripheral")
"""Where in the lung lesions without a name may lie."""
SHAPES = ("round", "oval", "lobulated", "irregular", "wedge", "crescent", "linear")
"""Which shapes lesions without a name may have."""
WINDOWS = {"lung": (1500.0, -600.0), "soft": (400.0, 40.0)}
"""Width and level of each display window, in HU."""
FIELD_MM = 360.0
"""The side of an axial plane."""
Z_RANGE_MM = (-120.0, 120.0)

_LEVEL_MM = {"upper": (30.0, 78.0), "middle": (-15.0, 35.0), "lower": (-60.0, -15.0)}
_BLUR_MM = 2.2  # edges are never sharper than what a scanner resolves

Points = npt.NDArray[np.floating[Any]]


def draw_unnamed_attributes(rng: np.random.Generator) -> Attributes:
    """A random look for a lung lesion without a name, never one that a held-out finding has."""
    return draw_free_attributes("ct", rng, shapes=SHAPES, places=UNNAMED_PLACES)


def draw_plane(
    finding: str, rng: np.random.Generator, *, side: int = 128, attributes: Attributes | None = None
) -> PhantomPlane:
    """One axial plane of `side` by `side` pixels through `finding`, in the window that shows it.

    `finding` is a finding's id, "" for a normal chest, or "unnamed" for a lung lesion with the given `attributes`.
    The window's name, the level in millimetres and the pixel size are in the plane's context.

    Raises:
        UnknownNameError: the finding is unknown or of another domain, or is "unnamed" without attributes.
    """
    study = make_study(finding, rng, attributes)
    z_mm, mask = study.draw_level(rng, side)
    plane = display(study.hu_plane(z_mm, side), study.window)
    context = {"window": study.window, "z_mm": z_mm, "spacing_mm": FIELD_MM / side}
    return PhantomPlane(
        plane=plane, mask=mask, domain="ct", finding=finding, attributes=study.attributes, context=context
    )


def draw_both(first: Attributes, second: Attributes, rng: np.random.Generator, *, side: int = 128) -> TwoLesions:
    """One axial plane through a lesion of each look, wherever they fall in it; see `two.draw_two`.

    The second lies at the first one's level, whatever its own place says; `share_a_level` tells whether that is no lie.
    """
    one = make_study("unnamed", rng, first)
    lesions = _draw_lesions(second, one.body, rng, level=one.lesions[0].centre[0])
    other = replace(one, attributes=second, lesions=lesions, hu_change=_draw_change(second, one.body, rng))
    window = _joint_window(first, second, rng)
    noise_hu = float(rng.uniform(22, 55) if window == "lung" else rng.uniform(9, 20))
    both = replace(one, window=window, noise_hu=noise_hu, beside=(other,))
    z_mm = float(np.mean([study.lesions[0].centre[0] for study in (one, other)]))
    masks = (one.mask_plane(z_mm, side), other.mask_plane(z_mm, side))
    plane = display(both.hu_plane(z_mm, side), window)
    return TwoLesions(plane=plane, masks=masks, domain="ct", attributes=(first, second))


def share_a_level(first: Attributes, second: Attributes) -> bool:
    """Whether one axial plane can show both where their places say; most places are no levels."""
    levels = {place for place in (first.place, second.place) if place in _LEVEL_MM}
    return len(levels) < 2


def display(hu: npt.NDArray[Any], window: str) -> Plane:
    """HU through a display window, as [0, 1]."""
    width, level = WINDOWS[window]
    scaled = (np.asarray(hu, np.float32) - np.float32(level)) / np.float32(width) + np.float32(0.5)
    return np.asarray(np.clip(scaled, 0.0, 1.0), np.float32)


def volume(
    finding: str,
    rng: np.random.Generator,
    *,
    shape: tuple[int, int, int] = (48, 128, 128),
    spacing_mm: tuple[float, float, float] = (5.0, 2.8125, 2.8125),
    attributes: Attributes | None = None,
) -> tuple[Int16[np.ndarray, "slices rows columns"], MaskVoxels]:
    """A study as HU voxels and the finding's mask; slices run from the feet to the head, centred on the chest.

    Voxel (k, i, j) lies at ((k, i, j) - (shape - 1) / 2) * spacing_mm, so that voxels need not be cubes.
    """
    study = make_study(finding, rng, attributes)
    zs, ys, xs = (_centres(n, step) for n, step in zip(shape, spacing_mm, strict=True))
    hu = np.empty(shape, np.int16)
    mask = np.zeros(shape, np.bool_)
    for k, z in enumerate(zs):
        hu[k] = np.clip(np.rint(study.hu_at(float(z), ys, xs)), -1024, 3071)
        mask[k] = study.mask_at(float(z), ys, xs)
    return hu, mask


def _centres(length: int, step: float) -> Values:
    return ((np.arange(length) - (length - 1) / 2) * step).astype(np.float32)


def make_study(finding: str, rng: np.random.Generator, attributes: Attributes | None = None) -> "ChestCT":
    """A random chest with this finding in it; the arguments are those of `draw_plane`."""
    sides = {"ct_effusion": ("left", "right", "both"), "ct_adenopathy": ("",)}.get(finding, ("left", "right"))
    attributes = settle_attributes("ct", finding, rng, attributes, sides=sides)
    body = ChestBody.draw(rng)
    window = _draw_window(finding, attributes, rng)
    noise_hu = float(rng.uniform(22, 55) if window == "lung" else rng.uniform(9, 20))  # a softer kernel is quieter
    study = ChestCT(
        finding=finding, attributes=attributes, body=body, window=window, noise_hu=noise_hu,
        seed=int(rng.integers(2**31)),
    )  # fmt: skip
    if finding == "ct_effusion":
        return replace(study, fluid=Fluid.draw(rng, body, "" if attributes is None else attributes.side))
    if attributes is None:
        return study
    if finding == "ct_adenopathy":
        return replace(study, lesions=_draw_nodes(attributes, rng), in_lung=False, hu_change=_Change(45.0, True))
    change = _draw_change(attributes, body, rng)
    return replace(study, lesions=_draw_lesions(attributes, body, rng), hu_change=change)


def _draw_window(finding: str, attributes: Attributes | None, rng: np.random.Generator) -> str:
    if attributes is None:
        soft = 0.35
    elif finding in ("ct_effusion", "ct_adenopathy"):
        soft = 1.0
    elif attributes.intensity == "very_bright" or attributes.texture == "stippled":
        soft = 0.9  # calcium and soft tissue look alike in a lung window
    else:
        soft = 0.12 if attributes.intensity == "bright" else 0.0  # only solid tissue can be seen in a soft window
    return "soft" if rng.random() < soft else "lung"


def _joint_window(first: Attributes, second: Attributes, rng: np.random.Generator) -> str:
    """The window that shows both: the soft one where both are solid or calcified and either asks for it."""
    looks = (first, second)
    if any(look.intensity in ("faint", "dark") for look in looks):
        return "lung"
    return "soft" if "soft" in [_draw_window("unnamed", look, rng) for look in looks] else "lung"


def _soft(depth: Points, width_mm: float = _BLUR_MM) -> Values:
    """Membership from a depth in mm: 0 outside, 1 inside."""
    return np.asarray(np.clip(depth * np.float32(1.0 / width_mm) + np.float32(0.5), 0.0, 1.0), np.float32)


def _mix(hu: Values, value: float | Values, weight: Values) -> Values:
    """Tissue of HU `value` put over what is there, as far as `weight` says."""
    return np.asarray(hu + (value - hu) * weight, np.float32)


# ---- anatomy


@dataclass(frozen=True, slots=True, kw_only=True)
class ChestBody:
    """One person's chest: lengths in mm, tissues in HU. Its methods take points that broadcast: (z, y, x)."""

    half_width: float
    half_depth: float
    fat: float
    muscle: float
    dome_right: float
    dome_left: float
    heart: tuple[float, float, float]  # centre z, y, x
    heart_size: tuple[float, float, float]
    lung_hu: float
    blood_hu: float
    vessel_phases: tuple[float, ...]
    rib_phase: float
    rib_pitch: float
    table_gap: float
    organ_hu: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "ChestBody":
        level = rng.uniform(-85, -62)
        return cls(
            half_width=rng.uniform(148, 172), half_depth=rng.uniform(106, 126), fat=rng.uniform(5, 18),
            muscle=rng.uniform(14, 22), dome_right=level + rng.uniform(0, 12), dome_left=level,
            heart=(rng.uniform(-48, -36), rng.uniform(-34, -22), rng.uniform(18, 28)),
            heart_size=(rng.uniform(48, 58), rng.uniform(38, 46), rng.uniform(52, 62)),
            lung_hu=rng.uniform(-870, -790), blood_hu=float(rng.choice((42.0, rng.uniform(110, 230)))),
            vessel_phases=tuple(rng.uniform(0, 2 * np.pi, 16)), rib_phase=rng.uniform(0, 1),
            rib_pitch=rng.uniform(26, 31), table_gap=rng.uniform(1, 10), organ_hu=rng.uniform(50, 100),
        )  # fmt: skip

    def skin_depth(self, y: Points, x: Points) -> Values:
        return _oval_depth(y, x, self.half_depth, self.half_width)

    def cage_depth(self, z: Coordinate, y: Points, x: Points) -> Values:
        """Depth below the inner surface of the ribs; the cage narrows towards the neck."""
        shrink = 0.55 + 0.45 * _taper(z)
        wall = self.fat + self.muscle
        return _oval_depth(y, x, (self.half_depth - wall) * shrink, (self.half_width - wall) * shrink)

    def dome_depth(self, z: Coordinate, y: Points, x: Points) -> Values:
        """Height above the diaphragm, shrunk a little as its slope asks."""
        peak = np.where(x > 0, np.float32(self.dome_left), np.float32(self.dome_right))
        drop = ((np.abs(x) - 62) / 62) ** 2 * 22 + ((y + 5) / 70) ** 2 * 30
        return np.asarray((z - peak + drop) * 0.8, np.float32)

    def lung_depth(self, z: Coordinate, y: Points, x: Points) -> Values:
        """Depth below the surface of the nearer lung, negative outside of both."""
        aside = np.abs(x)
        z = np.asarray(z, np.float32)
        waist = 9.0 + 25.0 * np.exp(-(((y - 8.0) / 44.0) ** 2))
        waist = waist + np.clip((y - 40.0) / 10.0, 0.0, 1.0) * (24.0 - waist)  # beside the spine
        apex = 78.0 * _taper(z) - np.hypot(aside - 50.0, y - 8.0) * np.clip((z - 20.0) / 40.0, 0.0, 1.0)
        depth = np.minimum(self.cage_depth(z, y, x), aside - waist)
        depth = np.minimum(np.minimum(depth, apex), self.dome_depth(z, y, x))
        depth = np.minimum(depth, -self.heart_depth(z, y, x) - 3.0)
        return np.asarray(np.minimum(depth, -self.aorta_depth(z, y, x) - 1.0), np.float32)

    def heart_depth(self, z: Coordinate, y: Points, x: Points) -> Values:
        (cz, cy, cx), (sz, sy, sx) = self.heart, self.heart_size
        dy, dx = y - np.float32(cy), x - np.float32(cx)
        along, across = dx * np.float32(0.86) + dy * np.float32(0.5), dy * np.float32(0.86) - dx * np.float32(0.5)
        far = np.sqrt(((z - cz) / sz) ** 2 + (along / np.float32(sx)) ** 2 + (across / np.float32(sy)) ** 2)
        return np.asarray((1.0 - far) * sy, np.float32)

    def aorta_depth(self, z: Coordinate, y: Points, x: Points) -> Values:
        """Ascending and descending aorta, joined by the arch."""
        z = np.asarray(z, np.float32)
        below = np.clip((58.0 - z) / 6.0, 0.0, 1.0)
        descending = 12.5 - np.hypot(y - 46.0, x - 24.0)
        ascending = 15.5 - np.hypot(y + 14.0, x + 12.0) - np.clip((-25.0 - z) / 2.0, 0.0, 30.0)
        along = np.clip(((y + 14.0) * 60.0 + (x + 12.0) * 36.0) / (60.0**2 + 36.0**2), 0.0, 1.0)
        arch = 12.5 - np.sqrt((y + 14.0 - 60.0 * along) ** 2 + (x + 12.0 - 36.0 * along) ** 2 + (z - 50.0) ** 2)
        pipes = np.maximum(descending, ascending) - 40.0 * (1.0 - below)
        return np.asarray(np.maximum(pipes, arch), np.float32)

    def airway_depth(self, z: float, y: Points, x: Points) -> Values:
        """Trachea, and the two main bronchi below its division at z = 22."""
        aside = min(max(22.0 - z, 0.0), 34.0)
        trachea = 8.0 - np.hypot(y - 14.0, np.abs(x) - 1.1 * aside) - 0.1 * aside
        return np.asarray(trachea if z > -12.0 else trachea - 40.0, np.float32)

    def vessel_weight(self, z: float, y: Points, x: Points) -> Values:
        """Lung vessels: rays from each hilum, bent, on three generations of ever finer and denser directions."""
        p = self.vessel_phases
        left = x > 0
        dy, dx, dz = y - 6.0, np.abs(x) - 30.0, z - 5.0
        flat = np.hypot(dy, dx)
        far = np.hypot(flat, dz)
        wave = np.sin(y / 27 + p[0]) + np.sin(x / 23 + dz / 31 + p[1])
        turn = np.arctan2(dy, dx) + np.where(left, np.float32(p[2]), np.float32(p[3])) + 0.13 * wave + 0.0022 * dz
        rise = np.arctan2(dz, flat) + 0.1 * np.sin(x / 19 + y / 25 + p[4])
        total = np.zeros(np.shape(far), np.float32)
        for count, start, width in ((11, 0.0, 3.2), (21, 26.0, 2.2), (39, 48.0, 1.6)):
            column = turn * (count / 6.2831853)
            nearest = np.rint(column)
            chance = np.modf(np.abs(np.sin(nearest * 12.9898 + p[5] + count)) * 437.58)[0]
            row = rise * (count / 6.3) + 3.0 * chance  # rays of neighbouring columns do not line up in rings
            row_nearest = np.rint(row)
            kept = np.modf(np.abs(np.sin(nearest * 7.31 + row_nearest * 78.233 + p[6])) * 437.58)[0] < 0.62
            gap = np.hypot((row - row_nearest) * (6.3 / count) * far, (column - nearest) * (6.2831853 / count) * flat)
            size = width * np.clip(1.35 - far / 105.0, 0.3, 1.2) * np.clip((far - start) / 8.0, 0.0, 1.0) * kept
            total = np.maximum(total, _soft(size - gap) * np.minimum(size / 1.6, 1.0))
        return total

    def hu(self, z: float, y: Points, x: Points) -> tuple[Values, Values]:
        """HU of the healthy chest at a level, before blur and noise, and how much of each point is lung."""
        cage = self.cage_depth(z, y, x)
        lung = _soft(self.lung_depth(z, y, x))
        hu = _mix(np.full(cage.shape, -1000.0, np.float32), -105.0, _soft(self.skin_depth(y, x)))
        table = np.abs(y - self.half_depth - self.table_gap - 2.5 + (x / 95.0) ** 2 * 6.0)
        hu = _mix(hu, -120.0, _soft(1.6 - table) * _soft(190.0 - np.abs(x)))
        hu = _mix(hu, 55.0, _soft(np.minimum(cage + self.muscle, self.skin_depth(y, x) - 2.0)))
        inside = _soft(cage)
        hu = _mix(hu, -85.0, inside)
        hu = _mix(hu, self.organ_hu, inside * _soft(-4.0 - self.dome_depth(z, y, x)) * _soft(np.abs(x) - 6.0, 8.0))
        hu = self._with_mediastinum(hu, z, y, x)
        parenchyma = self.lung_hu + 0.35 * y
        parenchyma = parenchyma + (880.0 + 0.4 * (self.blood_hu - 42.0)) * self.vessel_weight(z, y, x)
        hu = _mix(hu, np.asarray(parenchyma, np.float32), lung)
        return self._with_bones(hu, cage, z, y, x), lung

    def _with_mediastinum(self, hu: Values, z: float, y: Points, x: Points) -> Values:
        hu = _mix(hu, 0.4 * self.blood_hu + 25.0, _soft(self.heart_depth(z, y, x)))
        chambers = np.maximum(
            21.0 - np.hypot(y - self.heart[1] - 12.0, x - self.heart[2] + 22.0),
            19.0 - np.hypot(y - self.heart[1] - 3.0, x - self.heart[2] - 14.0),
        )
        hu = _mix(hu, self.blood_hu, _soft(np.minimum(chambers, self.heart_depth(z, y, x) - 8.0)))
        hu = _mix(hu, self.blood_hu, _soft(self.aorta_depth(z, y, x)))
        cava = 8.5 - np.hypot(y + 6.0, x + 27.0)
        trunk = 13.0 - np.hypot(np.hypot(y + 22.0 - 0.35 * np.abs(x - 14.0), 0.0), 0.5 * (x - 14.0)) - abs(z - 8.0)
        hu = _mix(hu, self.blood_hu, _soft(np.maximum(cava, trunk) if z > -5 else trunk))
        hu = _mix(hu, 35.0, _soft(7.0 - np.hypot(y - 33.0, x - 3.0)))  # the oesophagus
        airway = self.airway_depth(z, y, x)
        return _mix(_mix(hu, 30.0, _soft(airway + 2.5)), -990.0, _soft(airway))

    def _with_bones(self, hu: Values, cage: Values, z: float, y: Points, x: Points) -> Values:
        back = (self.half_depth - self.fat - self.muscle) * 0.78
        body = 17.0 - np.hypot((y - back) * 1.15, x)
        disc = 1.0 if np.sin(z / 25.0 * 2 * np.pi) > -0.75 else 0.35  # discs lie between the vertebral bodies
        hu = _mix(hu, 60.0, _soft(np.minimum(40.0 - np.abs(x), y - back - 2.0)) * (y < self.half_depth - self.fat - 4))
        hu = _mix(hu, 150.0 * disc + 40.0, _soft(body))
        hu = _mix(hu, 420.0 * disc + 60.0, _soft(2.0 - np.abs(body - 1.5)))
        arch = np.minimum(3.2 - np.abs(np.hypot(y - back - 23.0, x) - 10.5), y - back - 14.0)
        tip = min(back + 58.0, self.half_depth - self.fat - 3.0)  # of the spinous process
        spine = np.minimum(3.2 - np.abs(x), np.minimum(tip - y, y - back - 30.0))
        wings = np.minimum(4.0 - np.abs(y - back - 18.0 + 0.1 * np.abs(x)), 30.0 - np.abs(x)) - np.clip(
            12.0 - np.abs(x), 0.0, 12.0
        )
        hu = _mix(hu, 380.0, _soft(np.maximum(np.maximum(arch, spine), wings)) * (0.5 + 0.5 * disc))
        angle = np.arctan2(np.abs(x), -y)  # 0 at the sternum, pi at the spine
        turns = (z + 55.0 * np.cos(angle)) / self.rib_pitch + self.rib_phase
        along = (0.23 - np.abs(turns - np.rint(turns))) * self.rib_pitch
        rib = np.minimum(along, 4.2 - np.abs(cage + 6.5)) - 20.0 * (angle < 0.45)
        hu = _mix(_mix(hu, 620.0, _soft(rib)), 240.0, _soft(rib - 2.2))
        front = -(self.half_depth - self.fat - self.muscle) * (0.55 + 0.45 * float(_taper(z))) - 7.0
        sternum = np.minimum(5.0 - np.abs(y - front), 17.0 - np.abs(x)) if z > -60 else np.full(cage.shape, -9.0)
        return _mix(_mix(hu, 480.0, _soft(sternum)), 170.0, _soft(sternum - 2.0))


def _oval_depth(y: Points, x: Points, half_depth: Coordinate, half_width: Coordinate) -> Values:
    """Depth below a flattened ellipse, as a chest's cross-section is."""
    a, b = np.abs(y / half_depth), np.abs(x / half_width)
    norm = (a * a * np.sqrt(a) + b * b * np.sqrt(b)) ** np.float32(0.4)
    return np.asarray((1.0 - norm) * half_depth, np.float32)


def _taper(z: Coordinate) -> Points:
    """1 in the chest's lower part, falling to 0 at its top."""
    above = np.clip((np.asarray(z, np.float32) - 10.0) / 104.0, 0.0, 1.0)
    return np.asarray(np.sqrt(1.0 - above * above), np.float32)


# ---- findings


@dataclass(frozen=True, slots=True, kw_only=True)
class Fluid:
    """Free fluid that lies against the back of one or both pleural spaces; its surface sinks towards the head."""

    sides: tuple[int, ...]
    levels: tuple[float, ...]
    fall: float
    hu: float

    @classmethod
    def draw(cls, rng: np.random.Generator, body: ChestBody, side: str) -> "Fluid":
        sides = {"left": (1,), "right": (-1,)}.get(side, (1, -1))
        back = body.half_depth - body.fat - body.muscle
        levels = tuple(back - rng.uniform(24, 62) for _ in sides)
        return cls(sides=sides, levels=levels, fall=rng.uniform(0.3, 0.6), hu=rng.uniform(0, 20))

    def depth(self, z: float, y: Points, x: Points) -> Values:
        total = np.full(np.broadcast_shapes(np.shape(y), np.shape(x)), -99.0, np.float32)
        for sign, level in zip(self.sides, self.levels, strict=True):
            surface = level + self.fall * max(z + 40.0, 0.0) - 0.0012 * (np.abs(x) - 60.0) ** 2
            total = np.maximum(total, np.minimum(y - surface, sign * x))
        return total


@dataclass(frozen=True, slots=True, kw_only=True)
class ChestCT:
    """One study: a body, what is wrong in it, and how it was scanned. Build it with `make_study`.

    Planes are square, `extent_mm` (z range; y and x side) large and seen from the feet, as a radiologist sees them.
    The noise of a plane depends on the study and the level only, so rendering a plane twice gives the same plane.
    """

    finding: str
    attributes: Attributes | None
    body: ChestBody
    window: str
    noise_hu: float
    seed: int
    lesions: tuple[LesionBlob, ...] = ()
    fluid: Fluid | None = None
    in_lung: bool = True
    hu_change: "_Change | None" = None
    beside: tuple["ChestCT", ...] = ()
    """Studies of the same body whose lesions are drawn too; masks are this study's own."""
    extent_mm: Mapping[str, tuple[float, float]] = field(
        default_factory=lambda: {
            "z": Z_RANGE_MM,
            "y": (-FIELD_MM / 2, FIELD_MM / 2),
            "x": (-FIELD_MM / 2, FIELD_MM / 2),
        }
    )

    def hu_plane(self, z_mm: float, side: int = 128) -> Plane:
        """The axial plane at this level in HU, (rows, columns), blurred and noisy as scanned."""
        centres = _centres(side, FIELD_MM / side)
        return self.hu_at(z_mm, centres, centres)

    def mask_plane(self, z_mm: float, side: int = 128) -> MaskPlane:
        """Where the finding is on the plane that `hu_plane` gives."""
        centres = _centres(side, FIELD_MM / side)
        return self.mask_at(z_mm, centres, centres)

    def hu_at(self, z_mm: float, ys: Values, xs: Values) -> Plane:
        """HU at one level on the grid of these rows' y and these columns' x, in mm."""
        y, x = ys[:, None], xs[None, :]
        hu, lung = self.body.hu(z_mm, y, x)
        for study in (self, *self.beside):
            hu = study._with_finding(hu, lung, z_mm, y, x)
        rng = np.random.default_rng((self.seed, round((z_mm + 1000.0) * 100)))
        pitch = float(abs(ys[1] - ys[0])) if len(ys) > 1 else 1.0
        hu = np.asarray(ndimage.gaussian_filter(hu, 1.1 / pitch, truncate=3.0), np.float32)
        noise = 12.0 * smooth_noise(hu.shape, rng, 12.0 / pitch) * lung + self.noise_hu * grain(hu.shape, rng, 0.55)
        return np.asarray(np.maximum(hu + noise, -1024.0), np.float32)

    def mask_at(self, z_mm: float, ys: Values, xs: Values) -> MaskPlane:
        """Where the finding is, on the grid of `hu_at`."""
        y, x = ys[:, None], xs[None, :]
        mask = np.zeros((len(ys), len(xs)), np.bool_)
        if self.fluid is not None:
            return mask | ((self.fluid.depth(z_mm, y, x) >= 0) & (self.body.lung_depth(z_mm, y, x) >= 0))
        for lesion, box in self._lesions_at(z_mm, ys, xs):
            mask[box] |= lesion.mask(np.float32(z_mm), y[box[0]], x[:, box[1]])
        if mask.any():
            mask &= self._room_depth(z_mm, y, x) >= 0
        return mask

    def draw_level(self, rng: np.random.Generator, side: int = 128) -> tuple[float, MaskPlane]:
        """A level that shows the finding (any level of a healthy chest), and the mask there."""
        for attempt in range(6):
            z = self._propose_level(rng, spread=0.45 if attempt < 4 else 0.1)
            mask = self.mask_plane(z, side)
            if mask.any() or self.finding == "":
                break
        return z, mask

    def _propose_level(self, rng: np.random.Generator, spread: float) -> float:
        if self.lesions:
            lesion = self.lesions[int(rng.integers(len(self.lesions)))]
            if lesion.attributes.shape == "lobulated" or lesion.attributes.texture != "uniform":
                spread *= 0.4  # a look that only planes near the centre show
            return lesion.centre[0] + float(rng.uniform(-spread, spread)) * lesion.radius * (
                0.4 if lesion.attributes.shape == "linear" else 1.0
            )
        return float(rng.uniform(-62, 5)) if self.fluid is not None else float(rng.uniform(-75, 85))

    def _room_depth(self, z_mm: float, y: Points, x: Points) -> Values:
        """How deep a point lies in the space that the lesions may fill."""
        return self.body.lung_depth(z_mm, y, x) if self.in_lung else self.body.cage_depth(z_mm, y, x)

    def _with_finding(self, hu: Values, lung: Values, z_mm: float, y: Points, x: Points) -> Values:
        if self.fluid is not None:
            return _mix(hu, self.fluid.hu, _soft(self.fluid.depth(z_mm, y, x)) * lung)
        if self.hu_change is None:
            return hu
        hu = hu.copy()
        room = lung if self.in_lung else _soft(self._room_depth(z_mm, y, x))
        for lesion, box in self._lesions_at(z_mm, y[:, 0], x[0]):
            at = (np.float32(z_mm), y[box[0]], x[:, box[1]])
            weight, profile = lesion.weight(*at) * room[box], self._profile(lesion, *at)
            hu[box] = self.hu_change.apply(hu[box], weight, profile, self.body.lung_hu if self.in_lung else 0.0)
        return hu

    @staticmethod
    def _profile(lesion: LesionBlob, z: np.float32, y: Points, x: Points) -> Values:
        profile = lesion.profile(z, y, x)
        if lesion.attributes.texture == "mottled":
            return np.asarray(1.0 - 0.5 * (1.0 - profile), np.float32)  # solid tissue throughout, not islands in air
        return profile

    def _lesions_at(self, z_mm: float, ys: Points, xs: Points) -> list[tuple[LesionBlob, tuple[slice, slice]]]:
        """The lesions near a level, each with the rows and columns around it."""
        found = []
        for lesion in self.lesions:
            if abs(lesion.centre[0] - z_mm) > lesion.reach * 1.2:
                continue
            rows, columns = (
                slice(*np.searchsorted(axis, (centre - lesion.reach, centre + lesion.reach)).tolist())
                for axis, centre in ((ys, lesion.centre[1]), (xs, lesion.centre[2]))
            )
            if rows.start < rows.stop and columns.start < columns.stop:
                found.append((lesion, (rows, columns)))
        return found


@dataclass(frozen=True, slots=True)
class _Change:
    """What a lesion does to the HU under it: replaces the tissue, or adds to it so that vessels show through."""

    amount: float
    replaces: bool

    def apply(self, hu: Values, weight: Values, profile: Values, tissue_hu: float) -> Values:
        if self.replaces:
            return _mix(hu, np.maximum(tissue_hu + self.amount * profile, np.float32(-1000.0)), weight)
        return np.asarray(np.maximum(hu + self.amount * weight * profile, -1000.0), np.float32)


def _draw_change(attributes: Attributes, body: ChestBody, rng: np.random.Generator) -> _Change:
    target = {
        "bright": rng.uniform(0, 60),
        "very_bright": rng.uniform(300, 900),
        "faint": body.lung_hu + rng.uniform(250, 420),
        "dark": -1000.0,
    }[attributes.intensity]
    return _Change(target - body.lung_hu, replaces=attributes.intensity != "faint")


def _draw_nodes(attributes: Attributes, rng: np.random.Generator) -> tuple[LesionBlob, ...]:
    """Enlarged nodes of the mediastinum, close enough in z to share a plane."""
    stations = [(40, 6, -20), (40, -30, 16), (25, 8, 26), (2, 26, 4), (8, 2, -40), (8, 6, 40), (45, -32, -6)]
    first = stations[int(rng.integers(len(stations)))]
    near = sorted(stations, key=lambda s: abs(s[0] - first[0]) + float(rng.uniform(0, 8)))
    nodes = []
    for z, y, x in near[: draw_number(attributes.number, rng)]:
        level, aside, back = 0.6 * first[0] + 0.4 * z + rng.normal(0, 2), x + rng.normal(0, 3), y + rng.normal(0, 3)
        radius = min(draw_radius(attributes.size, rng) * FIELD_MM, 26.0)
        nodes.append(
            make_lesion(attributes, rng, centre=(float(level), float(back), float(aside)), radius=float(radius))
        )
    return tuple(nodes)


def _draw_lesions(
    attributes: Attributes, body: ChestBody, rng: np.random.Generator, *, level: float | None = None
) -> tuple[LesionBlob, ...]:
    if attributes.number == "many":
        return _draw_scattered(attributes, body, rng)
    lesions = []
    for _ in range(draw_number(attributes.number, rng)):
        radius = min(draw_radius(attributes.size, rng), 0.15) * FIELD_MM
        centre = _draw_centre(attributes, body, radius, level, rng)
        level = centre[0]  # a few lesions shall share a plane
        slope = (centre[1] / body.half_depth**2, centre[2] / body.half_width**2)
        outward = (0.0, *slope) if attributes.shape in ("wedge", "crescent") else None
        lesions.append(make_lesion(attributes, rng, centre=centre, radius=radius, outward=outward))
    return tuple(lesions)


def _draw_scattered(attributes: Attributes, body: ChestBody, rng: np.random.Generator) -> tuple[LesionBlob, ...]:
    """Many lesions through both lungs; six times the number, as one plane shows about a sixth of them."""
    number = 6 * draw_number(attributes.number, rng)
    points = rng.uniform((-60.0, -85.0, -140.0), (85.0, 85.0, 140.0), (4 * number, 3))
    points = points[body.lung_depth(*points.T) > 2.0][:number]
    return tuple(
        make_lesion(attributes, rng, centre=(z, y, x), radius=draw_radius(attributes.size, rng) * FIELD_MM)
        for z, y, x in points.tolist()
    )


def _draw_centre(
    attributes: Attributes, body: ChestBody, radius: float, level: float | None, rng: np.random.Generator
) -> tuple[float, float, float]:
    """The best of some random points: deep enough in the lung, and against the ribs or the hilum where asked."""
    tries = 48
    low, high = _LEVEL_MM.get(attributes.place, (-55.0, 80.0 if attributes.place == "throughout" else 50.0))
    z = rng.uniform(low, high, tries) if level is None else level + rng.uniform(-0.4, 0.4, tries) * radius
    y, aside = rng.uniform(-80, 80, tries), rng.uniform(18, 140, tries)
    sign = {"left": 1, "right": -1}.get(attributes.side, 0)
    free = sign == 0 or attributes.number != "single"
    x = aside * (rng.choice((-1, 1), tries) if free else sign)
    depth, wall = body.lung_depth(z, y, x), body.cage_depth(z, y, x)
    wish = np.minimum(depth, 1.05 * radius + 3.0)
    if attributes.place == "peripheral" or attributes.shape in ("wedge", "crescent"):
        inward = 1.0 - radius / np.maximum(np.hypot(y, x), 1.0)  # where a wedge has its tip
        tip = np.minimum(body.lung_depth(z, y * inward, x * inward), 0.0)
        wish = np.minimum(depth, 3.0) * 3 - np.abs(wall - 0.95 * radius) + 2.0 * tip
    elif attributes.place == "central":
        wish = wish - 0.3 * np.maximum(aside - 55.0, 0.0)
    elif attributes.place == "posterior":
        wish = wish + 0.3 * np.minimum(y, 40.0)
    best = int(np.argmax(wish))
    return float(z[best]), float(y[best]), float(x[best])
