"""One lesion as a function of space: how much of it is at a point, and how its contrast varies inside.

Every shape and every texture is a function of three local coordinates in units of the lesion's radius: `along` and
`across` in the image plane, `through` across the slices. The long axis always lies in the image plane, so that a
plane through the centre shows the shape that a report would name. Contrast, blur and noise belong to the domains.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from medkt.errors import UnknownNameError
from medkt.phantom.finding import Attributes, DomainName, find, held_out_identities

SIZE_FRACTION = {"tiny": (0.015, 0.03), "small": (0.03, 0.06), "medium": (0.06, 0.11), "large": (0.11, 0.2)}
"""Range of a lesion's radius as a fraction of the image side, by the word for its size."""
NUMBER = {"single": (1, 1), "several": (2, 4), "many": (8, 20)}
"""Range, both ends included, of how many lesions an image shows, by the word for their number."""
INTENSITY = {"bright": 1.0, "faint": 0.45, "dark": -1.0, "very_bright": 2.0}
"""Multiplier of a domain's base contrast, by the word for the intensity; a domain may use a table of its own."""

Coordinate = float | np.floating[Any] | npt.NDArray[np.floating[Any]]
"""One coordinate of the points to draw; the three of a point broadcast against each other."""
Values = npt.NDArray[np.float32]
DepthFunction = Callable[[Values, Values, Values], Values]
TextureFunction = Callable[[Values, Values, Values, Values], Values]
T = TypeVar("T")

_RAMP = {"sharp": 0.16, "hazy": 1.0, "spiculated": 0.2}  # width of the edge, in radii


def draw_radius(size: str, rng: np.random.Generator) -> float:
    """A radius for this word of size, as a fraction of the image side."""
    return float(rng.uniform(*SIZE_FRACTION[size]))


def draw_number(number: str, rng: np.random.Generator) -> int:
    """How many lesions to draw for this word of number."""
    low, high = NUMBER[number]
    return int(rng.integers(low, high + 1))


def settle_attributes(
    domain: DomainName,
    finding: str,
    rng: np.random.Generator,
    attributes: Attributes | None,
    *,
    sides: tuple[str, ...],
) -> Attributes | None:
    """The attributes to draw: those given, else the finding's own with one of `sides`; None for a normal image ("").

    Raises:
        UnknownNameError: the finding is unknown or of another domain, or is "unnamed" without attributes.
    """
    if finding == "":
        return None
    if finding == "unnamed":
        if attributes is None:
            raise UnknownNameError("an unnamed lesion needs its attributes; draw_unnamed_attributes gives some")
        return attributes
    found = find(finding)
    if found.domain != domain:
        raise UnknownNameError(f"finding {finding!r} belongs to domain {found.domain!r}, not to {domain!r}")
    return attributes or found.draw(rng, side=str(rng.choice(sides)))


def draw_free_attributes(
    domain: DomainName, rng: np.random.Generator, *, shapes: tuple[str, ...], places: tuple[str, ...]
) -> Attributes:
    """A random combination of attributes that can be seen, and that no held-out finding of this domain shares.

    A texture needs room, so only larger lesions have one; rays leave only a compact body; many means small.
    """
    forbidden = held_out_identities(domain)
    while True:
        shape = str(rng.choice(shapes))
        compact = shape in ("round", "oval", "lobulated", "irregular")
        textures = tuple(_TEXTURES) if compact else ("uniform", "mottled")
        texture = "uniform" if shape == "linear" or rng.random() < 0.3 else str(rng.choice(textures))
        number = str(rng.choice(("single", "several", "many"), p=(0.7, 0.18, 0.12)))
        sizes = {"single": ("small", "medium", "large"), "several": ("small", "medium"), "many": ("tiny", "small")}
        size = str(rng.choice(sizes[number]))
        if texture != "uniform" or not compact:
            number, size = "single", str(rng.choice(("medium", "large")))
        margin = str(rng.choice(("sharp", "hazy", "spiculated") if compact else ("sharp", "hazy")))
        if number == "many" or shape == "linear" or (margin == "hazy" and texture in ("hollow", "septated")):
            margin = "sharp"
        made = Attributes(
            shape=shape, margin=margin, intensity=str(rng.choice(tuple(INTENSITY))), texture=texture,
            size=size, number=number, place=str(rng.choice(places)), side=str(rng.choice(("left", "right"))),
        )  # fmt: skip
        if made.identity not in forbidden:
            return made


@dataclass(frozen=True, slots=True, kw_only=True)
class LesionBlob:
    """One blob of a given look at a given place. Build it with `make_lesion`.

    `centre` is (z, y, x) and `radius` a length in the domain's own unit; `along` is the unit vector (y, x) of the
    first local axis; `flatness` stretches the lesion across the slices (1 is as deep as wide).
    """

    attributes: Attributes
    centre: tuple[float, float, float]
    radius: float
    along: tuple[float, float]
    flatness: float
    ramp: float
    depth: DepthFunction
    texture: TextureFunction
    reach: float
    """No point farther from the centre than this belongs to the lesion; draw only there to save time."""

    def local(self, zz: Coordinate, yy: Coordinate, xx: Coordinate) -> tuple[Values, Values, Values]:
        """Points (z, y, x) as (along, across, through), in radii from the centre; a lone point counts as one axis."""
        scale = 1.0 / self.radius
        through, y, x = (
            np.atleast_1d(np.asarray((points - middle) * factor, np.float32))
            for points, middle, factor in zip(
                (zz, yy, xx), self.centre, (scale * self.flatness, scale, scale), strict=True
            )
        )
        cos_y, cos_x = self.along
        return y * cos_y + x * cos_x, x * cos_y - y * cos_x, through

    def weight(self, zz: Coordinate, yy: Coordinate, xx: Coordinate) -> Values:
        """How much of the lesion is at each point, in [0, 1]: 1 inside, 0 outside, 0.5 on its outline."""
        depth = self.depth(*self.local(zz, yy, xx))
        ramp = np.clip(0.5 + depth * np.float32(1.0 / self.ramp), 0.0, 1.0)
        smooth: Values = (ramp * ramp * (3.0 - 2.0 * ramp)).astype(np.float32)
        return smooth

    def mask(self, zz: Coordinate, yy: Coordinate, xx: Coordinate) -> npt.NDArray[np.bool_]:
        """Which points belong to the lesion, a cavity inside it included."""
        inside: npt.NDArray[np.bool_] = self.weight(zz, yy, xx) >= 0.5
        return inside

    def profile(self, zz: Coordinate, yy: Coordinate, xx: Coordinate) -> Values:
        """By what the texture multiplies the lesion's contrast at each point; 1 everywhere for a uniform lesion."""
        local = self.local(zz, yy, xx)
        depth = self.depth(*local)
        return np.asarray(np.broadcast_to(self.texture(*local, depth), depth.shape), np.float32)

    def contrast(self, zz: Coordinate, yy: Coordinate, xx: Coordinate) -> Values:
        """Weight times profile: what a domain multiplies by its base contrast and adds to the tissue."""
        return self.weight(zz, yy, xx) * self.profile(zz, yy, xx)


def make_lesion(
    attributes: Attributes,
    rng: np.random.Generator,
    *,
    centre: tuple[float, float, float],
    radius: float,
    outward: tuple[float, float, float] | None = None,
) -> LesionBlob:
    """A lesion that looks as `attributes` say, with everything they leave open drawn from `rng`.

    `centre` is (z, y, x) and `radius` a length, in the domain's own unit. `outward` points to the nearest surface:
    the base of a wedge and the back of a crescent lie that way, and an oval or linear lesion lies along that surface.
    A wedge's base and a crescent's back are one radius from the centre. Without it the direction is random.

    Raises:
        UnknownNameError: the shape, margin or texture is unknown, or is one that only the anatomy can draw.
    """
    shape, deepest = _look_up(_SHAPES, attributes.shape, "shape")(rng)
    ramp = _look_up(_RAMP, attributes.margin, "margin") * min(1.0, 2.0 * deepest)
    texture = _look_up(_TEXTURES, attributes.texture, "texture")(rng, deepest)
    reach = {"linear": 2.6, "crescent": 2.0, "round": 1.0}.get(attributes.shape, 1.6) + 1.2 * ramp
    if attributes.margin == "spiculated":
        shape, reach = _with_spikes(shape, rng), max(reach, 2.4)
    return LesionBlob(
        attributes=attributes, centre=centre, radius=radius, along=_direction(attributes.shape, rng, outward),
        flatness=float(rng.uniform(0.85, 1.15)), ramp=ramp, depth=shape, texture=texture, reach=reach * radius,
    )  # fmt: skip


def _look_up(table: dict[str, T], name: str, what: str) -> T:
    if name not in table:
        raise UnknownNameError(f"no lesion has {what} {name!r}; known: {', '.join(table)}")
    return table[name]


def _direction(shape: str, rng: np.random.Generator, outward: tuple[float, float, float] | None) -> tuple[float, float]:
    angle = float(rng.uniform(0, 2 * np.pi))
    if outward is not None and np.hypot(outward[1], outward[2]) > 1e-6:
        angle = float(np.arctan2(outward[1], outward[2])) + float(rng.normal(0, 0.12))
        if shape in ("oval", "linear"):
            angle += np.pi / 2
    return float(np.sin(angle)), float(np.cos(angle))


# ---- shapes: depth below the surface in radii (positive inside), and the greatest depth there is


def _norm(*parts: Values) -> Values:
    total = parts[0] * parts[0]
    for part in parts[1:]:
        total = total + part * part
    root: Values = np.sqrt(total)
    return root


def _round(rng: np.random.Generator) -> tuple[DepthFunction, float]:
    return lambda a, b, c: 1.0 - _norm(a, b, c), 1.0


def _oval(rng: np.random.Generator) -> tuple[DepthFunction, float]:
    ratio = float(rng.uniform(1.5, 2.2))
    long, short = ratio**0.5, ratio**-0.5
    return lambda a, b, c: (1.0 - _norm(a / long, b / short, c / short)) * short, short


def _lobulated(rng: np.random.Generator) -> tuple[DepthFunction, float]:
    lobes = int(rng.integers(3, 6))
    angles = rng.uniform(0, 2 * np.pi) + (np.arange(lobes) + rng.uniform(-0.15, 0.15, lobes)) * (2 * np.pi / lobes)
    sizes = rng.uniform(0.42, 0.54, lobes) * (1.15 if lobes == 3 else 1.0)
    heights = rng.uniform(-0.2, 0.2, lobes)
    places = np.stack([0.66 * np.cos(angles), 0.66 * np.sin(angles), heights], axis=1).tolist()

    def depth(a: Values, b: Values, c: Values) -> Values:
        deepest: Values = 0.5 - _norm(a, b, c)  # the core that joins the lobes
        for (y, x, z), size in zip(places, sizes.tolist(), strict=True):
            deepest = np.maximum(deepest, size - _norm(a - y, b - x, c - z))
        return deepest

    return depth, 0.52


def _irregular(rng: np.random.Generator) -> tuple[DepthFunction, float]:
    orders = np.arange(2, 6)
    gains = rng.uniform(0.5, 1.0, 4) / orders**0.6
    gains *= rng.uniform(0.4, 0.55) / gains.sum()
    phases, twists = rng.uniform(0, 2 * np.pi, 4), rng.uniform(-1.5, 1.5, 4)

    def depth(a: Values, b: Values, c: Values) -> Values:
        angle = np.arctan2(b, a)
        outline = np.float32(1.0)
        for order, gain, phase, twist in zip(*(v.tolist() for v in (orders, gains, phases, twists)), strict=True):
            outline = outline + gain * np.cos(order * angle + twist * c + phase)
        return np.asarray(outline - _norm(a, b, c), np.float32)

    return depth, 0.9


def _wedge(rng: np.random.Generator) -> tuple[DepthFunction, float]:
    half_base = float(rng.uniform(0.8, 1.1))
    slant = float(2.0 / np.hypot(2.0, half_base))  # turns a distance across into a distance from the slanting side

    def depth(a: Values, b: Values, c: Values) -> Values:
        sides = (half_base * (a + 1.0) / 2.0 - _norm(b, c)) * slant
        return np.asarray(np.minimum(1.0 - a, sides), np.float32)

    return depth, float(half_base * 2 / (2 + half_base + np.hypot(2.0, half_base)) * 1.1)


def _crescent(rng: np.random.Generator) -> tuple[DepthFunction, float]:
    outer, gap = 1.5, float(rng.uniform(0.6, 0.8))  # the gap is the crescent's thickness at its back

    def depth(a: Values, b: Values, c: Values) -> Values:
        shifted = a + np.float32(outer - 1.0)
        inside, outside = outer - _norm(shifted, b, c), _norm(shifted + np.float32(gap), b, c) - outer
        return np.asarray(np.minimum(inside, outside), np.float32)

    return depth, gap / 2


def _linear(rng: np.random.Generator) -> tuple[DepthFunction, float]:
    half_length, half_width = float(rng.uniform(1.5, 2.5)), float(rng.uniform(0.12, 0.18))
    bend = float(rng.uniform(-0.1, 0.1))

    def depth(a: Values, b: Values, c: Values) -> Values:
        beyond = np.maximum(np.abs(a) - np.float32(half_length - half_width), 0.0)
        return np.asarray(half_width - _norm(beyond, b - bend * a * a, 0.5 * c), np.float32)

    return depth, half_width


def _with_spikes(body: DepthFunction, rng: np.random.Generator) -> DepthFunction:
    """The same body with thin rays that leave it and taper off."""
    spikes = int(rng.integers(11, 17))
    lengths = rng.uniform(1.25, 2.1, spikes).astype(np.float32)
    phase, uneven = rng.uniform(0, 2 * np.pi, 2).tolist()

    def depth(a: Values, b: Values, c: Values) -> Values:
        angle = np.arctan2(b, a)
        turn = (angle + 0.2 * np.sin(2 * angle + uneven) + phase) * np.float32(spikes / (2 * np.pi))
        nearest = np.rint(turn)
        length = lengths[nearest.astype(np.int64) % spikes]
        radius = _norm(a, b, c)
        aside = _norm((turn - nearest) * radius * np.float32(2 * np.pi / spikes), 0.4 * c)
        beyond = np.maximum(radius - length, 0.0)  # ends a ray's faint edge soon after its tip
        rays = 0.15 * (1.0 - radius / length) - 0.7 * (aside + beyond)
        return np.asarray(np.maximum(body(a, b, c), rays), np.float32)

    return depth


_SHAPES: dict[str, Callable[[np.random.Generator], tuple[DepthFunction, float]]] = {
    "round": _round,
    "oval": _oval,
    "lobulated": _lobulated,
    "irregular": _irregular,
    "wedge": _wedge,
    "crescent": _crescent,
    "linear": _linear,
}


# ---- textures: multiplier of the contrast, given the local coordinates and the depth


def _uniform(rng: np.random.Generator, deepest: float) -> TextureFunction:
    return lambda a, b, c, depth: np.ones(1, np.float32)


def _mottled(rng: np.random.Generator, deepest: float) -> TextureFunction:
    waves = rng.normal(size=(7, 3))
    waves *= rng.uniform(5.0, 9.0, (7, 1)) / np.linalg.norm(waves[:, :2], axis=1, keepdims=True)
    waves[:, 2] = np.clip(waves[:, 2], -6, 6)
    phases = rng.uniform(0, 2 * np.pi, 7)

    def profile(a: Values, b: Values, c: Values, depth: Values) -> Values:
        total = np.float32(0.0)
        for (ka, kb, kc), phase in zip(waves.tolist(), phases.tolist(), strict=True):
            total = total + np.cos(ka * a + kb * b + kc * c + phase)
        return np.asarray(0.75 + 0.45 * np.tanh(1.3 * total), np.float32)  # the sum has a variance of 3.5

    return profile


def _hollow(rng: np.random.Generator, deepest: float) -> TextureFunction:
    rim = float(rng.uniform(0.28, 0.42)) * deepest
    centre = float(rng.uniform(-0.6, -0.1))

    def profile(a: Values, b: Values, c: Values, depth: Values) -> Values:
        inner = np.clip((depth - rim) / (0.12 * deepest) + 0.5, 0.0, 1.0)
        return np.asarray(1.0 + (centre - 1.0) * inner, np.float32)

    return profile


def _septated(rng: np.random.Generator, deepest: float) -> TextureFunction:
    strands = int(rng.integers(2, 5))
    angles = rng.uniform(0, np.pi) + np.arange(strands) * (np.pi / strands) + rng.uniform(-0.25, 0.25, strands)
    offsets = rng.uniform(-0.3, 0.3, strands)
    width = float(rng.uniform(0.06, 0.085))

    def profile(a: Values, b: Values, c: Values, depth: Values) -> Values:
        strand = np.float32(0.0)
        for angle, offset in zip(angles.tolist(), offsets.tolist(), strict=True):
            sine, cosine = math.sin(angle), math.cos(angle)
            along, across = a * sine - b * cosine, a * cosine + b * sine
            distance = across - np.float32(offset) + 0.15 * np.sin(2.5 * along + offset * 9) + 0.15 * c
            strand = np.maximum(strand, np.exp(-((distance / width) ** 2)))
        return np.asarray(1.0 - 2.0 * strand, np.float32)

    return profile


def _stippled(rng: np.random.Generator, deepest: float) -> TextureFunction:
    specks = int(rng.integers(6, 11))
    angle, far = rng.uniform(0, 2 * np.pi, specks), 0.75 * np.sqrt(rng.uniform(0.02, 1, specks))
    places = np.stack([far * np.sin(angle), far * np.cos(angle), rng.normal(0, 0.15, specks)], axis=1)
    gains, widths = rng.uniform(2.0, 3.0, specks), rng.uniform(0.07, 0.12, specks)

    def profile(a: Values, b: Values, c: Values, depth: Values) -> Values:
        bright = np.float32(0.0)
        for (y, x, z), gain, width in zip(places.tolist(), gains.tolist(), widths.tolist(), strict=True):
            distance = _norm(a - y, b - x, 0.45 * (c - z)) * np.float32(1 / width)
            bright = np.maximum(bright, np.float32(gain) * np.clip(1.8 - distance, 0.0, 1.0))
        return np.asarray(1.0 + bright, np.float32)

    return profile


def _streaked(rng: np.random.Generator, deepest: float) -> TextureFunction:
    per_radius, fan = float(rng.uniform(1.7, 2.4)), float(rng.uniform(0.0, 0.35))
    phase, bend = float(rng.uniform(0, 1)), float(rng.uniform(-0.3, 0.3))

    def profile(a: Values, b: Values, c: Values, depth: Values) -> Values:
        spread = 1.0 + fan * np.clip(a + 1.0, 0.0, 3.0)  # the lines part towards the outside, as bronchi do
        turn = (b + np.float32(bend) * a * a) / spread * np.float32(per_radius) * (1.0 + fan) + phase + 0.1 * c
        aside = np.abs(turn - np.rint(turn))
        return np.asarray(1.0 - 1.2 * np.exp(-((aside / 0.17) ** 2)), np.float32)

    return profile


_TEXTURES: dict[str, Callable[[np.random.Generator, float], TextureFunction]] = {
    "uniform": _uniform,
    "mottled": _mottled,
    "hollow": _hollow,
    "septated": _septated,
    "stippled": _stippled,
    "streaked": _streaked,
}
