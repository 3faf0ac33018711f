"""A drawn breast in ultrasound (B-mode): layers, speckle, attenuation, and the shadow or echo behind a lesion.

Places are (y, x) as fractions of the image side, y from the skin downwards. Levels are display brightness in
[0, 1] after log compression, so that fully developed speckle is a noise of one size that is added to them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32
from scipy import ndimage

from medkt.errors import NumericalError, UnknownNameError
from medkt.phantom.finding import Attributes, PhantomPlane, TwoLesions, find
from medkt.phantom.lesion import LesionBlob, draw_free_attributes, draw_number, draw_radius, make_lesion
from medkt.phantom.texture import smooth_noise, speckle
from medkt.shapes import MaskPlane, Plane

Map = Float32[np.ndarray, "rows columns"]

SHAPES: tuple[str, ...] = ("round", "oval", "lobulated", "irregular", "wedge", "crescent", "linear")
PLACES: tuple[str, ...] = ("superficial", "middle", "deep")
_DEPTH: Mapping[str, tuple[float, float]] = {"superficial": (0.15, 0.3), "middle": (0.3, 0.5), "deep": (0.5, 0.66)}
SEEN = 5e-4  # the least part of an image that a finding covers
SIDE_MM = 40.0  # how deep and how wide an image reaches
_NO_ECHO = 0.035  # the brightness of clear fluid
_BEAM = 0.04  # the least gap, as a fraction of the side, between two lesions that lie side by side


@dataclass(frozen=True, slots=True, kw_only=True)
class _Breast:
    """Depths of the layers as fractions of the image side, and how the machine was set."""

    skin: float
    fat: float
    gland: float
    muscle: float
    fat_level: float
    gland_level: float
    muscle_level: float
    streaks: float
    lobules: float
    ribs: bool
    gain: float
    fading: float
    grain: float
    bottom: float  # the last depth with an image
    sector: float  # how much narrower the top is than the bottom, 0 for a linear probe


def _draw_breast(rng: np.random.Generator) -> _Breast:
    fat = rng.uniform(0.12, 0.32)
    gland = rng.uniform(0.55, 0.72)
    return _Breast(
        skin=rng.uniform(0.02, 0.045), fat=fat, gland=gland, muscle=gland + rng.uniform(0.12, 0.24),
        fat_level=rng.uniform(0.22, 0.34), gland_level=rng.uniform(0.36, 0.54), muscle_level=rng.uniform(0.2, 0.32),
        streaks=rng.uniform(0.12, 0.32), lobules=rng.uniform(0.06, 0.24), ribs=bool(rng.random() < 0.3),
        gain=rng.uniform(0.88, 1.15), fading=rng.uniform(0.1, 0.5), grain=rng.uniform(0.03, 0.06),
        bottom=1.0 if rng.random() < 0.6 else rng.uniform(0.8, 0.95),
        sector=rng.uniform(0.1, 0.3) if rng.random() < 0.25 else 0.0,
    )  # fmt: skip


def _tissue(breast: _Breast, rng: np.random.Generator, side: int, y: Map) -> tuple[Map, Map]:
    """Brightness of the layers without and with their strands, (side, side)."""
    b = breast
    shape = (side, side)
    tilt = rng.normal(0, 0.07) * (np.arange(side, dtype=np.float32) / side - 0.5)
    wavy = y + np.clip(3 * y, 0, 1) * (tilt + 0.03 * smooth_noise(shape, rng, (0.3 * side, 0.25 * side)))
    depths = (0.0, b.skin, b.skin + 0.02, b.fat - 0.02, b.fat + 0.03, b.gland - 0.02, b.gland + 0.03, b.muscle, 1.1)
    levels = (
        b.gland_level + 0.12, b.gland_level + 0.1, b.fat_level, b.fat_level, b.gland_level, b.gland_level - 0.04,
        b.muscle_level, b.muscle_level, b.muscle_level - 0.06,
    )  # fmt: skip
    base = np.interp(wavy.ravel(), depths, levels).astype(np.float32).reshape(shape)
    base += 0.04 * smooth_noise(shape, rng, (0.08 * side, 0.14 * side))
    # Bright thin strands lie where a flat, stretched noise crosses zero: coarse in fat, fine in gland and muscle.
    # Reading the noise on bent rows makes the strands follow the layers.
    rows = np.clip((wavy * side).astype(np.int64), 0, side - 1)
    columns = np.arange(side)[None, :]
    coarse = smooth_noise(shape, rng, (0.07 * side, 0.22 * side))[rows, columns]
    fine = smooth_noise(shape, rng, (0.026 * side, 0.16 * side))[rows, columns]
    patches = np.clip(0.35 + 0.75 * smooth_noise(shape, rng, (0.1 * side, 0.18 * side)), 0, 1.5)
    in_fat = np.clip((b.fat + 0.02 - wavy) / 0.04, 0, 1) * np.clip((wavy - b.skin) / 0.02, 0, 1)
    lines = np.exp(-((fine / 0.3) ** 2)) * patches + 0.5 * np.exp(-((coarse / 0.1) ** 2))
    strands = in_fat * np.exp(-((coarse / 0.13) ** 2)) + (1 - in_fat) * lines
    lobules = (1 - in_fat) * np.clip(-fine - 0.4, 0, 1) * b.lobules  # fat between the strands
    full = base + np.float32(b.streaks) * strands - lobules
    # The skin is two bright lines with a darker one between them.
    full += 0.25 * np.exp(-(((y - b.skin) / 0.008) ** 2)) - 0.15 * np.exp(-(((y - 0.5 * b.skin) / 0.008) ** 2))
    return base, full


def _ribs(rng: np.random.Generator, y: Map, x: Map, muscle: float) -> Map:
    """What ribs add below the muscle: a bright cap and its shadow."""
    centre, half = rng.uniform(0.2, 0.8), rng.uniform(0.1, 0.18)
    across = (x - centre) / half
    cap = muscle + 0.05 + 0.08 * across**2
    near = np.clip((1 - np.abs(across)) * 6, 0, 1)
    shadow = np.clip((y - cap - 0.01) / 0.03, 0, 1) * near
    line: Map = near * 0.35 * np.exp(-(((y - cap) / 0.012) ** 2)) - 0.2 * shadow
    return line


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drawn:
    """The lesions of one image: their membership, brightness and what they do to the echo below them."""

    weight: Map
    level: Map
    behind: Map
    mask: MaskPlane


def _draw_lesions(
    lesions: list[LesionBlob], attributes: Attributes, rng: np.random.Generator, y: Map, x: Map, base: Map
) -> _Drawn:
    weight, level, behind = np.zeros_like(base), base.copy(), np.zeros_like(base)
    strength, gain, side = _behind(attributes, rng), rng.uniform(0.9, 1.1), base.shape[0]
    for lesion in lesions:
        rows, columns = (_window(centre, lesion.reach, side) for centre in lesion.centre[1:])
        window = (rows, columns)
        place = (np.zeros((1, 1), np.float32), y[window], x[window])
        own, profile = lesion.weight(*place), lesion.profile(*place)
        level[window] = _towards(level[window], _brightness(attributes.intensity, base[window], profile, gain), own)
        weight[window] = np.maximum(weight[window], own)
        if strength:
            behind[rows.start :] += strength * _below(own, lesion.radius, columns, side - rows.start, side)
    mask = weight >= 0.5
    return _Drawn(weight=weight, level=level, behind=behind, mask=mask)


def _brightness(intensity: str, base: Map, profile: Map, gain: float) -> Map:
    """Brightness inside a lesion: the tissue's own, changed by the contrast times the texture's profile."""
    if intensity == "dark":
        # A dark mass stays darker than the breast even where it is mottled; a strand in fluid is thin and grey.
        profile = np.clip(0.45 + 0.55 * profile, -0.1, 1)
    contrast = {
        "dark": _NO_ECHO - base,
        "faint": -0.5 * gain * base,
        "bright": np.float32(0.3 * gain),
        "very_bright": 0.98 - base,
    }[intensity]
    return np.asarray(np.clip(base + contrast * profile, _NO_ECHO, 1), np.float32)


def _behind(attributes: Attributes, rng: np.random.Generator) -> float:
    """Above zero: more echo below the lesion, as behind fluid. Below zero: a shadow."""
    if attributes.margin == "spiculated":
        return -float(rng.uniform(0.65, 1.0))
    if attributes.intensity == "very_bright":
        return -float(rng.uniform(0.25, 0.5))
    if attributes.intensity == "dark" and attributes.margin == "sharp":
        return float(rng.uniform(0.6, 1.2)) if attributes.texture != "mottled" else 0.2
    return float(rng.uniform(0.0, 0.15)) if attributes.intensity == "faint" else 0.0


def _window(centre: float, reach: float, side: int) -> slice:
    return slice(max(int((centre - reach) * side), 0), max(min(int((centre + reach) * side) + 2, side), 1))


def _below(own: Map, radius: float, columns: slice, depth: int, side: int) -> Float32[np.ndarray, "depth side"]:
    """How much sound has passed a lesion on its way: (depth, side) from the window's top, fading far below it."""
    height = own.shape[0]
    passed = np.pad(np.cumsum(own, axis=0) / np.float32(radius * side), ((0, depth - height), (0, 0)), mode="edge")
    inside = np.pad(own, ((0, depth - height), (0, 0)))
    rows = np.arange(depth, dtype=np.float32)[:, None]
    last = np.where(inside > 0.5, rows, 0).max(axis=0, keepdims=True)
    fading = np.exp(-np.maximum(rows - last, 0) / np.float32(0.3 * side))
    strip = np.zeros((depth, side), np.float32)
    strip[:, columns] = np.tanh(1.3 * passed) * (1 - inside) * fading * (last > 0)
    # A beam is not infinitely thin: the strip has soft sides.
    soft: Float32[np.ndarray, "depth side"] = ndimage.uniform_filter1d(strip, max(side // 32, 1), axis=1)
    return soft


def draw_plane(
    finding: str, rng: np.random.Generator, *, side: int = 128, attributes: Attributes | None = None
) -> PhantomPlane:
    """One B-mode image, (side, side) float32 in [0, 1], the skin at the top.

    `finding` is a finding's id, "" for a normal breast, or "unnamed" for a lesion that looks as `attributes` say.

    Raises:
        UnknownNameError: `finding` is "unnamed" without attributes, or belongs to another domain.

    Example:
        >>> draw_plane("us_cyst", np.random.default_rng(0)).mask.any()
        np.True_
    """
    attributes = _attributes(finding, rng, attributes)
    breast = _draw_breast(rng)
    y, x, base, levels = _anatomy(breast, rng, side)
    field = _field(breast, y, x)
    mask = np.zeros((side, side), bool)
    if attributes is not None:
        for _ in range(20):
            lesions = _place_lesions(breast, attributes, rng)
            drawn = _draw_lesions(lesions, attributes, rng, y, x, base)
            mask = drawn.mask & field
            if mask.sum() > SEEN * mask.size:
                break
        else:
            raise NumericalError(f"no lesion of {finding} covers a pixel at side {side}: use a larger side")
        levels = _towards(levels * (1 + drawn.behind), drawn.level, drawn.weight)
    return PhantomPlane(
        plane=_shown(breast, levels, rng, y, field), mask=mask, domain="ultrasound", finding=finding, attributes=attributes,
        context={"view": "sector" if breast.sector else "linear", "spacing_mm": SIDE_MM / side},
    )  # fmt: skip


def draw_both(first: Attributes, second: Attributes, rng: np.random.Generator, *, side: int = 128) -> TwoLesions:
    """One image with a lesion of each look, wherever they fall, neither of them below the other if there is room; see
    `two.draw_two`.
    """
    breast = _draw_breast(rng)
    y, x, base, levels = _anatomy(breast, rng, side)
    field = _field(breast, y, x)
    masks = []
    for attributes, lesions in zip((first, second), _place_both(breast, first, second, rng), strict=True):
        drawn = _draw_lesions(lesions, attributes, rng, y, x, base)
        levels = _towards(levels * (1 + drawn.behind), drawn.level, drawn.weight)
        masks.append(drawn.mask & field)
    plane = _shown(breast, levels, rng, y, field)
    return TwoLesions(plane=plane, masks=(masks[0], masks[1]), domain="ultrasound", attributes=(first, second))


def _place_both(
    breast: _Breast, first: Attributes, second: Attributes, rng: np.random.Generator
) -> tuple[list[LesionBlob], list[LesionBlob]]:
    """The first of some placings in which no lesion lies in the other's beam, else that with the widest gap."""
    tried: list[tuple[float, tuple[list[LesionBlob], list[LesionBlob]]]] = []
    for _ in range(12):
        both = _place_lesions(breast, first, rng), _place_lesions(breast, second, rng)
        gap = min(abs(a.centre[2] - b.centre[2]) - a.radius - b.radius for a in both[0] for b in both[1])
        tried.append((gap, both))
        if gap > _BEAM:
            break
    return max(tried, key=lambda one: one[0])[1]


def _anatomy(breast: _Breast, rng: np.random.Generator, side: int) -> tuple[Map, Map, Map, Map]:
    """Every pixel's (y, x), and the brightness there without and with strands and ribs."""
    axis = (np.arange(side, dtype=np.float32) + np.float32(0.5)) / np.float32(side)
    y, x = np.meshgrid(axis, axis, indexing="ij")
    base, levels = _tissue(breast, rng, side, y)
    if breast.ribs:
        levels = levels + _ribs(rng, y, x, breast.muscle)
    return y, x, base, levels


def _shown(breast: _Breast, levels: Map, rng: np.random.Generator, y: Map, field: MaskPlane) -> Plane:
    """The image as the machine shows it, marks included."""
    plane = _scan(breast, levels, rng, y)
    plane *= field
    if rng.random() < 0.2:
        _burn_in(plane, rng)
    return plane


def _towards(values: Map, target: Map, membership: Map) -> Map:
    return np.asarray(values + (target - values) * membership, np.float32)


def _scan(breast: _Breast, levels: Map, rng: np.random.Generator, y: Map) -> Plane:
    """What the machine makes of the echoes: speckle, loss with depth, gain, uneven contact of the probe."""
    side = levels.shape[0]
    grains = speckle((side, side), rng, (max(0.0045 * side, 0.6), max(0.009 * side, 0.9)))
    # After compression the speckle is the logarithm of its amplitude; where nothing echoes there is none.
    noise = np.float32(breast.grain * 1.6) * np.log(np.maximum(grains, 0.06)) * np.clip(levels / 0.25, 0.12, 1.2)
    contact = 1 + 0.06 * smooth_noise((1, side), rng, (1.0, 0.12 * side))
    depth = 1 - np.float32(breast.fading) * np.clip(y - 0.35, 0, 1) ** 1.3
    plane: Plane = np.clip((levels * depth * contact + noise) * np.float32(breast.gain), 0, 1).astype(np.float32)
    return plane


def _field(breast: _Breast, y: Map, x: Map) -> MaskPlane:
    """Where there is an image at all."""
    half = 0.5 - breast.sector * np.clip(1 - y / 0.8, 0, 1) * 0.5
    bulge = 0.25 * breast.sector * (2 * x - 1) ** 2  # a curved probe's image ends on an arc
    return np.asarray((np.abs(x - 0.5) <= half) & (y <= breast.bottom - bulge))


def _burn_in(plane: Plane, rng: np.random.Generator) -> None:
    """Marks that a sonographer leaves: two crosses with a dotted line, or a short label. They mean nothing here."""
    side = plane.shape[0]
    arm = max(side // 50, 1)
    ends = (rng.uniform(0.12, 0.85, (2, 2)) * side).astype(int)
    if rng.random() < 0.4:
        row, column = ends[0]
        label = rng.random((2 * arm + 1, 10 * arm)) < 0.55
        label[:, :: 2 * arm] = False
        patch = plane[row : row + 2 * arm + 1, column : column + 10 * arm]
        patch[label[: patch.shape[0], : patch.shape[1]]] = 0.9
        return
    for row, column in ends:
        plane[row, max(column - arm, 0) : column + arm + 1] = 0.95
        plane[max(row - arm, 0) : row + arm + 1, column] = 0.95
    dots = np.linspace(ends[0], ends[1], max(int(np.hypot(*(ends[1] - ends[0])) // (3 * arm)), 2)).astype(int)
    plane[dots[:, 0], dots[:, 1]] = 0.8


def _place_lesions(breast: _Breast, attributes: Attributes, rng: np.random.Generator) -> list[LesionBlob]:
    low, high = _DEPTH.get(attributes.place, (0.2, 0.6))
    cluster_y, cluster_x = rng.uniform(low, high), rng.uniform(0.25, 0.75)
    count = draw_number(attributes.number, rng)
    spread = {1: 0.0}.get(count, 0.05 if count > 4 else 0.16)
    made: list[LesionBlob] = []
    for _ in range(count):
        radius = draw_radius(attributes.size, rng)
        if count > 4:
            radius = min(radius, 0.02) if attributes.intensity == "very_bright" else radius
        y, x = _room(made, (cluster_y, cluster_x), spread, radius, rng)
        bottom = breast.bottom - 0.04 - 0.7 * radius
        centre = (0.0, float(np.clip(y, 0.05 + 0.9 * radius, bottom)), float(np.clip(x, 0.12, 0.88)))
        # Nothing in the breast stands on its end: long lesions lie along the layers.
        made.append(make_lesion(attributes, rng, centre=centre, radius=radius, outward=(0.0, -1.0, rng.normal(0, 0.2))))
    return made


def _room(
    made: list[LesionBlob], cluster: tuple[float, float], spread: float, radius: float, rng: np.random.Generator
) -> tuple[float, float]:
    """A place in the cluster that is not yet taken, if one is found in a few attempts."""
    y, x = cluster
    for attempt in range(1, 13):
        wide = spread * (0.7 + 0.15 * attempt)
        y, x = cluster[0] + wide * rng.normal() * 0.8, cluster[1] + wide * rng.normal()
        if all(np.hypot(y - o.centre[1], x - o.centre[2]) > 1.2 * (radius + o.radius) for o in made):
            break
    return y, x


def _attributes(finding: str, rng: np.random.Generator, attributes: Attributes | None) -> Attributes | None:
    if finding == "unnamed" and attributes is None:
        raise UnknownNameError("an unnamed finding needs attributes: pass those of draw_unnamed_attributes")
    if not finding or attributes is not None:
        return attributes if finding else None
    named = find(finding)
    if named.domain != "ultrasound":
        raise UnknownNameError(f"{finding} is a finding of {named.domain}, not of ultrasound")
    return named.draw(rng)


def draw_unnamed_attributes(rng: np.random.Generator) -> Attributes:
    """A random look for a lesion without a name, never one that a held-out finding has."""
    return replace(draw_free_attributes("ultrasound", rng, shapes=SHAPES, places=PLACES), side="")  # one breast
