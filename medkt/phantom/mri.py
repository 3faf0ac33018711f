"""A drawn head in magnetic resonance: the anatomy of `head` in three sequences, with eleven findings.

The head is a function of place, so that a plane and a volume of one study show the same anatomy. Places are
(z, y, x) in millimetres with x towards the patient's left, y towards the back and z towards the crown.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import cos, pi, sin

import numpy as np

from medkt.errors import NumericalError, UnknownNameError
from medkt.phantom.finding import Attributes, PhantomPlane, TwoLesions, find
from medkt.phantom.head import (
    Grid,
    Head,
    Subdural,
    distance_to_ventricles,
    draw_head,
    parts_at,
    towards,
)
from medkt.phantom.lesion import LesionBlob, draw_free_attributes, draw_number, draw_radius, make_lesion
from medkt.phantom.texture import grain
from medkt.shapes import MapVoxels, MaskPlane, MaskVoxels, Plane

PLACES: tuple[str, ...] = ("deep", "lobar", "peripheral", "periventricular")
SHAPES: tuple[str, ...] = ("round", "oval", "lobulated", "irregular", "wedge", "crescent", "linear")
# A brain without its top and base: the levels at which every structure below can be told apart.
LEVELS_MM = (-6.0, 40.0)
SEEN = 7e-4  # the least part of a plane that a finding covers, the area of a disc of a tiny radius

_BRIGHT = {"T1 after contrast": 0.42, "T2": 0.46, "FLAIR": 0.44}
_UNITS = 1000.0  # a scanner's numbers are large and mean nothing by themselves


@dataclass(frozen=True, slots=True, kw_only=True)
class MriStudy:
    """One patient's head in one sequence. Build it with `make_study`.

    `level_mm` is a level at which the finding shows; `side_mm` the field of view of its planes.
    """

    finding: str
    attributes: Attributes | None
    level_mm: float
    side_mm: float
    head: Head
    lesions: tuple[LesionBlob, ...]
    contrast: float
    subdural: Subdural | None
    noise_seed: int
    beside: tuple["MriStudy", ...] = ()
    """Studies of the same head whose lesions are drawn too; masks are this study's own."""

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
        parts = parts_at(head, self.subdural, z, y, x)
        outer = np.zeros_like(x)
        if not head.stripped:
            outer = towards(t["scalp"] * parts.scalp, t["skull"], parts.skull)
        tissue = towards(t["white"], t["grey"], parts.grey) + 0.012 * head.mottle(z, y, x)
        tissue = towards(tissue, t["csf"], parts.sulci)
        tissue = towards(tissue, t["falx"], parts.falx * 0.7)
        tissue = towards(tissue, t["csf"], parts.ventricles)
        values = towards(outer, towards(t["csf"], tissue, parts.brain), parts.inside)
        values = towards(values, self._target(1.0), parts.collection)
        weight = parts.ventricles if self.finding == "mri_hydrocephalus" else parts.collection
        if self.lesions:
            weight, profile = self._lesions(z, y, x)
            weight = weight * parts.inside
            values = towards(values, self._target(profile), weight)
        for study in self.beside:
            others, profile = study._lesions(z, y, x)
            values = towards(values, study._target(profile), others * parts.inside)
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


def make_study(
    finding: str, rng: np.random.Generator, attributes: Attributes | None = None, *, spread_mm: float = 0.0
) -> MriStudy:
    """A head with this finding ("" for a normal one, "unnamed" for a lesion that looks as `attributes` say).

    The first lesion lies at the study's level, others up to `spread_mm` above or below it.

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
    head, level = draw_head(rng, finding), float(rng.uniform(*LEVELS_MM))
    if attributes is not None:
        attributes = _with_side(attributes, rng)
    if finding == "mri_hydrocephalus":
        level = float(rng.uniform(0, 24))
    side_mm = 2 * (head.half_y + head.csf + head.skull + head.scalp) * rng.uniform(1.04, 1.2)
    lesions: tuple[LesionBlob, ...] = ()
    subdural = None
    if finding == "mri_subdural":
        head, subdural = replace(head, stripped=False), _draw_subdural(rng, level, attributes)
    elif attributes is not None and finding != "mri_hydrocephalus":
        lesions = _draw_lesions(head, attributes, rng, level, side_mm, spread_mm)
    intensity = attributes.intensity if attributes is not None else "bright"
    return MriStudy(
        finding=finding, attributes=attributes, level_mm=level, side_mm=side_mm, head=head, lesions=lesions,
        contrast=_contrast(head, intensity, rng), subdural=subdural, noise_seed=int(rng.integers(2**32)),
    )  # fmt: skip


def draw_both(first: Attributes, second: Attributes, rng: np.random.Generator, *, side: int = 128) -> TwoLesions:
    """One axial plane with a lesion of each look, wherever they fall; see `two.draw_two`."""
    one = make_study("unnamed", rng, first)
    second = _with_side(second, rng)
    other = replace(
        one, attributes=second, contrast=_contrast(one.head, second.intensity, rng),
        lesions=_draw_lesions(one.head, second, rng, one.level_mm, one.side_mm, 0.0, others=one.lesions),
    )  # fmt: skip
    plane, mask = replace(one, beside=(other,)).render(one.level_mm, *one.axes_mm(side))
    masks = (mask, other.mask_plane(one.level_mm, side))
    return TwoLesions(plane=display(plane), masks=masks, domain="mri", attributes=(one.attributes or first, second))


def _contrast(head: Head, intensity: str, rng: np.random.Generator) -> float:
    brain = 0.5 * (head.tissues["grey"] + head.tissues["white"])
    gain = float(rng.uniform(0.85, 1.15))
    if intensity == "dark":
        return -gain * 0.9 * (brain - 0.05) if gain < 1 else -0.9 * (brain - 0.05)
    return gain * {"bright": 1.0, "faint": 0.45, "very_bright": 1.5}[intensity] * _BRIGHT[head.sequence]


def _with_side(attributes: Attributes, rng: np.random.Generator) -> Attributes:
    if attributes.side or attributes.place not in PLACES:
        return attributes
    return replace(attributes, side=str(rng.choice(["left", "right"])) if attributes.number == "single" else "both")


def _draw_subdural(rng: np.random.Generator, level_mm: float, attributes: Attributes | None) -> Subdural:
    right = attributes is not None and attributes.side == "right"
    azimuth = rng.uniform(-0.55, 0.55)
    thickness = rng.uniform(10, 17)
    shift = thickness * rng.uniform(0.25, 0.5)
    return Subdural(
        thickness_mm=thickness, azimuth=pi - azimuth if right else azimuth, half_width=rng.uniform(0.85, 1.2),
        level_mm=level_mm + rng.normal(0, 4), height_mm=rng.uniform(35, 50), shift_mm=-shift if right else shift,
    )  # fmt: skip


def _draw_lesions(
    head: Head, attributes: Attributes, rng: np.random.Generator, level_mm: float, side_mm: float, spread_mm: float,
    *, others: tuple[LesionBlob, ...] = (),
) -> tuple[LesionBlob, ...]:  # fmt: skip
    count = draw_number(attributes.number, rng)
    lesions: list[LesionBlob] = []
    for number in range(count):
        # A radius beyond this would leave one hemisphere; of many, most are in the lower part of the range.
        radius = min(draw_radius(attributes.size, rng) for _ in range(1 if count < 5 else 3)) * side_mm
        radius = min(radius, 0.5 * head.half_x)
        z = (
            level_mm
            + float(rng.uniform(-0.3, 0.3)) * radius
            + (float(rng.uniform(-1, 1)) * spread_mm if number else 0.0)
        )
        y, x, room = _place(head, attributes, rng, z, radius, [*others, *lesions])
        if room < 1.1 and len(lesions) >= 8:
            continue  # the place is full
        lesions.append(make_lesion(attributes, rng, centre=(z, y, x), radius=radius, outward=(0.0, y, x)))
    return tuple(lesions)


def _place(
    head: Head, attributes: Attributes, rng: np.random.Generator, z: float, radius: float, others: list[LesionBlob]
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
    near = distance_to_ventricles(head, np.full_like(x, z), y, x)
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
        if not finding or mask.sum() > SEEN * mask.size:
            break
    else:
        raise NumericalError(f"no plane of {finding} shows it at {side} pixels: use a larger side")
    return PhantomPlane(
        plane=display(plane),
        mask=mask,
        domain="mri",
        finding=finding,
        attributes=study.attributes,
        context={**study.context, "z_mm": study.level_mm, "spacing_mm": study.side_mm / side},
    )


def volume(
    finding: str,
    rng: np.random.Generator,
    *,
    shape: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
    attributes: Attributes | None = None,
) -> tuple[MapVoxels, MaskVoxels]:
    """Voxels (slices, rows, columns) float32 in arbitrary units, and the finding's mask on the same grid.

    Slices go up, rows towards the back, columns towards the patient's left; the finding's level lies near the
    middle slice.
    """
    study = make_study(finding, rng, attributes, spread_mm=18.0)
    z, y, x = (
        ((np.arange(n) - (n - 1) / 2) * step).astype(np.float32) for n, step in zip(shape, spacing_mm, strict=True)
    )
    slabs = [study.render(float(level) + study.level_mm, y, x) for level in z]
    return np.stack([s[0] for s in slabs]), np.stack([s[1] for s in slabs])


def draw_unnamed_attributes(rng: np.random.Generator) -> Attributes:
    """A random look for a lesion without a name, never one that a held-out finding has."""
    return draw_free_attributes("mri", rng, shapes=SHAPES, places=PLACES)
