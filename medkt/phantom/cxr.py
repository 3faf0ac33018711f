"""A drawn frontal chest radiograph: the sum of what the X-rays pass, from the body's outline down to the ribs.

Points are (v, u) in units of the image side: v runs down from the top, u to the right from the spine, so that the
patient's left, and the heart's apex, have u > 0. `aside` is |u|, which makes one lung's formulas serve both.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from medkt.errors import UnknownNameError
from medkt.phantom.finding import Attributes, PhantomPlane, TwoLesions
from medkt.phantom.lesion import (
    INTENSITY,
    LesionBlob,
    Values,
    draw_free_attributes,
    draw_number,
    draw_radius,
    make_lesion,
    settle_attributes,
)
from medkt.phantom.texture import fractal_noise, grain, smooth_noise

PLACES = ("upper", "middle", "lower", "lateral", "apical", "central", "throughout")
"""Every word for a place on a radiograph."""
UNNAMED_PLACES = ("upper", "middle", "lower", "lateral")
"""Where lesions without a name may lie."""
SHAPES = ("round", "oval", "lobulated", "irregular", "wedge", "crescent", "linear")
"""Which shapes lesions without a name may have."""

_LEVEL = {"upper": (0.2, 0.36), "middle": (0.36, 0.54), "lower": (0.54, 0.72), "lateral": (0.3, 0.66)}
_LEVEL |= {"throughout": (0.18, 0.72), "apical": (0.17, 0.25), "central": (0.38, 0.52)}


def draw_unnamed_attributes(rng: np.random.Generator) -> Attributes:
    """A random look for a lesion without a name, never one that a held-out finding has."""
    return draw_free_attributes("cxr", rng, shapes=SHAPES, places=UNNAMED_PLACES)


def draw_plane(
    finding: str, rng: np.random.Generator, *, side: int = 128, attributes: Attributes | None = None
) -> PhantomPlane:
    """One radiograph of `side` by `side` pixels that shows `finding`, as displayed: rows down, air dark.

    `finding` is a finding's id, "" for a normal image, or "unnamed" for a lesion with the given `attributes`.

    Raises:
        UnknownNameError: the finding is unknown or of another domain, or is "unnamed" without attributes.
    """
    sides = ("",) if finding == "cxr_cardiomegaly" else ("left", "right")
    attributes = settle_attributes("cxr", finding, rng, attributes, sides=sides)
    chest = Chest.draw(rng, side, big_heart=finding == "cxr_cardiomegaly")
    film = chest.film(rng)
    mask = np.zeros((side, side), np.bool_)
    if finding == "cxr_cardiomegaly":
        mask = chest.heart >= 0.5
    elif finding == "cxr_pneumothorax":
        film, mask = _with_pneumothorax(film, chest, _require(attributes), rng)
    elif finding == "cxr_effusion":
        film, mask = _with_effusion(film, chest, _require(attributes), rng)
    elif attributes is not None:
        film, mask = _with_lesions(film, chest, attributes, rng)
    plane = _expose(film + chest.cover(rng), chest, rng)
    context = {"view": "frontal"}
    return PhantomPlane(plane=plane, mask=mask, domain="cxr", finding=finding, attributes=attributes, context=context)


def draw_both(first: Attributes, second: Attributes, rng: np.random.Generator, *, side: int = 128) -> TwoLesions:
    """One radiograph with a lesion of each look, wherever they fall; see `two.draw_two`."""
    chest = Chest.draw(rng, side)
    film, one = _with_lesions(chest.film(rng), chest, first, rng)
    film, other = _with_lesions(film, chest, second, rng)
    plane = _expose(film + chest.cover(rng), chest, rng)
    return TwoLesions(plane=plane, masks=(one, other), domain="cxr", attributes=(first, second))


def _require(attributes: Attributes | None) -> Attributes:
    if attributes is None:
        raise UnknownNameError("a finding needs attributes to be drawn")
    return attributes


def _soft(depth: npt.NDArray[np.floating[Any]], width: float) -> Values:
    """Membership from a depth: 0 outside, 1 inside, an edge of about `width`."""
    return np.asarray(np.clip(depth * np.float32(1.0 / width) + np.float32(0.5), 0.0, 1.0), np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chest:
    """One person's frontal anatomy on the pixel grid. Every field that is an array is (rows, columns) float32.

    `v`, `u` are each pixel's anatomical coordinates; `zoom`, `turn` and `shift` (v, u) are how they follow from the
    pixel's own. `cavity` is the space within the ribs above the diaphragm, `lung` what of it holds aerated lung.
    """

    v: Values
    u: Values
    aside: Values
    zoom: float
    turn: float
    shift: tuple[float, float]
    half_width: float
    widest: float
    apex: float
    domes: tuple[float, float]  # the diaphragm's highest level: right, left
    droop: float
    heart_axes: tuple[float, float, float, float, float]  # centre v, centre u, half height, half width, tilt
    cavity: Values
    heart: Values
    mediastinum: Values

    @classmethod
    def draw(cls, rng: np.random.Generator, side: int, *, big_heart: bool = False) -> "Chest":
        """A random chest; `big_heart` makes the heart wider than half of the chest."""
        zoom, turn = rng.uniform(0.92, 1.1), np.deg2rad(rng.normal(0, 2.5))
        shift = (float(rng.normal(0, 0.02)), float(rng.normal(0, 0.02)))
        steps = (np.arange(side, dtype=np.float32) + np.float32(0.5)) / np.float32(side) - np.float32(0.5)
        y, x = steps[:, None] * np.float32(zoom), steps[None, :] * np.float32(zoom)
        sine, cosine = np.float32(np.sin(turn)), np.float32(np.cos(turn))
        v, u = y * cosine + x * sine + np.float32(0.5 + shift[0]), x * cosine - y * sine + np.float32(shift[1])
        half_width, widest, apex = rng.uniform(0.35, 0.41), rng.uniform(0.66, 0.74), rng.uniform(0.1, 0.15)
        level = rng.uniform(0.7, 0.79)
        domes, droop = (level - rng.uniform(0.0, 0.03), level + rng.uniform(0.0, 0.015)), rng.uniform(0.07, 0.13)
        heart_axes = _draw_heart(rng, half_width, level, big=big_heart)
        aside = np.abs(u)
        cage = _cage_depth(v, aside, half_width, widest, apex)
        dome = _dome_level(aside, u > 0, half_width, domes, droop)
        cavity = _soft(np.minimum(cage, dome - v), 0.012)
        heart = _soft(_heart_depth(v, u, heart_axes), 0.014) * _soft(dome + np.float32(0.035) - v, 0.02)
        mediastinum = _mediastinum(v, u, rng)
        return cls(
            v=v, u=u, aside=aside, zoom=zoom, turn=float(turn), shift=shift, half_width=half_width, widest=widest,
            apex=apex, domes=domes, droop=droop, heart_axes=heart_axes, cavity=cavity, heart=heart,
            mediastinum=mediastinum,
        )  # fmt: skip

    @property
    def lung(self) -> Values:
        return np.asarray(self.cavity * (1.0 - np.maximum(self.heart, self.mediastinum)), np.float32)

    def side_of(self, side: str) -> Values:
        """1 on that side of the patient, 0 on the other."""
        return _soft(self.u if side == "left" else -self.u, 0.01)

    def wall(self, v: float) -> float:
        """How far from the spine the rib cage's inner wall is at this level."""
        above = max(self.widest - v, 0.0) / (self.widest - self.apex)
        return float(self.half_width * max(1.0 - above**2.4, 0.0) ** 0.5)

    def dome(self, aside: float, sign: int) -> float:
        """The diaphragm's level at this distance from the spine; `sign` is +1 on the patient's left."""
        peak = self.domes[1 if sign > 0 else 0]
        return peak + self.droop * ((aside - 0.45 * self.half_width) / (0.5 * self.half_width)) ** 2

    def film(self, rng: np.random.Generator) -> Values:
        """Everything inside the cage and the body around it, as brightness before exposure."""
        body = _soft(_body_depth(self.v, self.u, self.half_width), 0.02)
        tissue = rng.uniform(0.56, 0.66) + 0.025 * fractal_noise(self.v.shape, rng, self.v.shape[0] / 5)
        tissue = tissue + 0.07 * self.cavity + 0.06 * _soft(self.v - np.float32(max(self.domes)), 0.2)
        air = rng.uniform(0.33, 0.4)
        film = tissue - (air + 0.05) * self.cavity * (1.0 - 0.86 * np.maximum(self.heart, self.mediastinum))
        film = film + 0.01 * self.heart * self.cavity + self._vessels(rng) * self.lung
        return np.asarray(body * film, np.float32)

    def _vessels(self, rng: np.random.Generator) -> Values:
        """Vessels that leave each hilum, fork and taper, and the fine haze between them."""
        size = self.v.shape
        left = self.u > 0
        hilum_v = np.where(left, np.float32(rng.uniform(0.4, 0.44)), np.float32(rng.uniform(0.42, 0.46)))
        y, x = self.v - hilum_v, self.aside - np.float32(rng.uniform(0.07, 0.1))
        far = np.hypot(y, x)
        bent = np.arctan2(y, x) + 0.16 * smooth_noise(size, rng, size[0] / 8) + np.where(left, 0.3, -0.2) * far
        total = 0.06 * np.exp(-((far / 0.05) ** 2))
        for count, start, width, gain in ((11, 0.0, 0.0075, 0.09), (23, 0.09, 0.005, 0.07), (43, 0.17, 0.004, 0.05)):
            turn = bent * (count / (2 * np.pi)) + np.where(left, *rng.uniform(0, 1, 2))
            gap = np.abs(turn - np.rint(turn)) * far * (2 * np.pi / count)
            fade = np.clip(1.0 - far / 0.42, 0.0, 1.0) * np.clip((far - start) / 0.03 + 0.3, 0.0, 1.0)
            total = total + gain * fade * np.clip(1.5 - gap / (width * (0.5 + fade)), 0.0, 1.0)
        strength = rng.uniform(0.7, 1.3)
        return np.asarray(strength * total + 0.02 * fractal_noise(size, rng, size[0] / 16), np.float32)

    def cover(self, rng: np.random.Generator) -> Values:
        """What lies before and behind the lungs and shows through everything: ribs, clavicles, spine, breasts."""
        strength = rng.uniform(0.6, 1.3)
        wide = np.clip(self.aside / np.float32(self.half_width), 0.0, 1.3)
        pitch = rng.uniform(0.072, 0.085)
        within = _soft(
            _cage_depth(self.v, self.aside, self.half_width + 0.025, self.widest, self.apex - 0.04), 0.02
        ) * _soft(np.float32(max(self.domes) + 0.1) - self.v, 0.1)
        behind = (self.v - 0.16 + 0.05 * wide - 0.16 * wide**2.5 + rng.uniform(-0.03, 0.03)) / pitch
        before = (self.v - 0.1 - 0.16 * np.maximum(1.0 - wide, 0.0) - 0.05 * wide + rng.uniform(-0.03, 0.03)) / (
            1.2 * pitch
        )
        total = 0.065 * strength * _bands(behind, 0.25) * within * _soft(self.aside - 0.03, 0.03)
        total += 0.035 * strength * _bands(before, 0.24) * within * _soft(wide - 0.5, 0.3)
        clavicle = self.v - rng.uniform(0.15, 0.19) + 0.22 * self.aside - 0.035 * np.sin(self.aside * 17)
        total += 0.1 * strength * _soft(0.013 - np.abs(clavicle), 0.01) * _soft(self.aside - 0.035, 0.02)
        bones = 0.75 + 0.25 * _bands(self.v / rng.uniform(0.042, 0.05), 0.36)
        total += 0.07 * strength * bones * _soft(0.036 - self.aside, 0.014)
        total -= 0.1 * _soft(0.016 - np.abs(self.u - 0.004), 0.01) * _soft(rng.uniform(0.34, 0.38) - self.v, 0.03)
        if rng.random() < 0.4:
            total += self._breasts(rng)
        return np.asarray(total, np.float32)

    def _breasts(self, rng: np.random.Generator) -> Values:
        level, radius = rng.uniform(0.6, 0.68), rng.uniform(0.14, 0.19)
        depth = radius - np.hypot(self.v - level, 1.0 * (self.aside - rng.uniform(0.2, 0.26)))
        return np.asarray(rng.uniform(0.03, 0.09) * _soft(depth, 0.03) * _soft(self.v - level + 0.08, 0.2), np.float32)

    def window(self, v: float, u: float, reach: float) -> tuple[slice, slice]:
        """The pixels around an anatomical point, at least as far as `reach`."""
        side = self.v.shape[0]
        dv, du = (v - 0.5 - self.shift[0]) / self.zoom, (u - self.shift[1]) / self.zoom
        y, x = dv * np.cos(self.turn) - du * np.sin(self.turn), du * np.cos(self.turn) + dv * np.sin(self.turn)
        low, high = [int((c + 0.5 - reach / self.zoom) * side) - 1 for c in (y, x)], reach / self.zoom * 2 * side + 4
        rows, columns = (slice(max(start, 0), max(int(start + high), 0)) for start in low)
        return rows, columns


# ---- outlines: depth inside each, in image sides


def _draw_heart(
    rng: np.random.Generator, half_width: float, level: float, *, big: bool
) -> tuple[float, float, float, float, float]:
    ratio = rng.uniform(0.6, 0.76) if big else rng.uniform(0.4, 0.49)  # of the heart's width to the chest's
    width = ratio * half_width
    centre_u = rng.uniform(0.28, 0.4) * width
    height = rng.uniform(0.105, 0.13) + (0.25 * (ratio - 0.45) if big else 0.0)
    return level - 0.55 * height, centre_u, height, width * 1.05, float(np.deg2rad(rng.uniform(15, 35)))


def _heart_depth(v: Values, u: Values, axes: tuple[float, float, float, float, float]) -> Values:
    centre_v, centre_u, height, width, tilt = axes
    sine, cosine = np.float32(np.sin(tilt)), np.float32(np.cos(tilt))
    y, x = v - np.float32(centre_v), u - np.float32(centre_u)
    along, across = x * cosine + y * sine, y * cosine - x * sine
    ventricles = (1.0 - np.hypot(along / np.float32(width), across / np.float32(height))) * height
    atrium = 0.55 * width - np.hypot((y + np.float32(0.15 * height)) * 0.7, x + np.float32(0.32 * width))
    root = np.minimum(0.42 * width + 0.35 * y - np.abs(x + np.float32(0.1 * width)), y + np.float32(1.3 * height))
    return np.asarray(np.maximum(np.maximum(ventricles, atrium), np.minimum(root, -y + height)), np.float32)


def _cage_depth(v: Values, aside: Values, half_width: float, widest: float, apex: float) -> Values:
    above = np.clip((np.float32(widest) - v) / np.float32(widest - apex), 0.0, 2.0)
    squared = above**2.4 + (aside * np.float32(1.0 / half_width)) ** 2
    return np.asarray((1.0 - np.sqrt(squared)) * half_width, np.float32)


def _dome_level(
    aside: Values, left: npt.NDArray[np.bool_], half_width: float, domes: tuple[float, float], droop: float
) -> Values:
    peak = np.where(left, np.float32(domes[1]), np.float32(domes[0]))
    offset = (aside - 0.45 * half_width) * np.float32(1 / (0.5 * half_width))
    return np.asarray(peak + droop * offset**2, np.float32)


def _body_depth(v: Values, u: Values, half_width: float) -> Values:
    shoulder = 0.13 + (half_width + 0.07) * np.clip((v - 0.03) / 0.14, 0.0, 1.0) ** 0.7
    arms = 0.12 * np.clip((v - 0.1) / 0.1, 0.0, 1.0) * np.clip((0.5 - v) / 0.2, 0.0, 1.0)
    return np.asarray(shoulder + arms - np.abs(u), np.float32)


def _mediastinum(v: Values, u: Values, rng: np.random.Generator) -> Values:
    half = rng.uniform(0.055, 0.075) + 0.02 * np.cos((v - 0.05) * 9)
    column = _soft(half - np.abs(u - 0.008), 0.016)
    knob = rng.uniform(0.035, 0.05) - np.hypot(v - rng.uniform(0.31, 0.35), u - rng.uniform(0.04, 0.055))
    hila = 0.034 - np.hypot((v - 0.44) * 0.7, np.abs(u) - 0.075)
    return np.asarray(np.maximum(np.maximum(column, _soft(knob, 0.012)), 0.55 * _soft(hila, 0.03)), np.float32)


def _bands(turns: Values, half: float) -> Values:
    """Bands at whole numbers, `half` wide each way, with edges brighter than their middle as cortical bone is."""
    gap = np.abs(turns - np.rint(turns)) * np.float32(1.0 / half)
    return np.asarray(np.clip((1.1 - gap) * 5, 0.0, 1.0) * (0.6 + 0.4 * np.clip(gap, 0, 1) ** 2), np.float32)


# ---- findings


def _with_lesions(
    film: Values, chest: Chest, attributes: Attributes, rng: np.random.Generator
) -> tuple[Values, npt.NDArray[np.bool_]]:
    """The film with lesions added inside the rib cage, and where they are."""
    film, mask = film.copy(), np.zeros(film.shape, np.bool_)
    number = draw_number(attributes.number, rng)
    if attributes.number == "many" and attributes.size == "tiny":
        number = int(rng.integers(22, 40))  # miliary seeding is dense
    amplitude = float(rng.uniform(0.15, 0.32)) * INTENSITY[attributes.intensity]
    if attributes.intensity == "faint":
        amplitude = float(rng.uniform(0.2, 0.34)) * INTENSITY["faint"]  # any less would not be seen between the ribs
    if attributes.intensity == "dark":
        amplitude = -float(rng.uniform(0.14, 0.24))  # the lung is dark already; more would leave the film's range
    for _ in range(number):
        lesion = _place_lesion(chest, attributes, rng)
        box = chest.window(lesion.centre[1], lesion.centre[2], lesion.reach)
        v, u, room = chest.v[box], chest.u[box], chest.cavity[box]
        if v.size:
            room = room * _soft(u if lesion.centre[2] > 0 else -u, 0.02)  # a lung ends at the midline
            hidden = 1.0 - 0.6 * np.maximum(chest.heart[box], chest.mediastinum[box])
            film[box] += np.float32(amplitude) * lesion.contrast(0.0, v, u) * room * hidden
            mask[box] |= lesion.mask(0.0, v, u) & (room >= 0.5)
    return film, mask


def _place_lesion(chest: Chest, attributes: Attributes, rng: np.random.Generator) -> LesionBlob:
    radius = draw_radius(attributes.size, rng) * chest.zoom
    if attributes.number == "many":
        radius *= 0.85
    extent = radius * (1.9 if attributes.shape == "linear" else 1.0)  # how far it goes to either side
    sign = {"left": 1, "right": -1}.get(attributes.side, 0)
    if sign == 0 or attributes.number == "many":
        sign = int(rng.choice((-1, 1)))
    level = float(rng.uniform(*_LEVEL["throughout" if attributes.number == "many" else attributes.place]))
    level = max(level, chest.apex + 0.03 + 1.1 * radius)
    outer = chest.wall(level) - 0.012
    if attributes.shape in ("wedge", "crescent") or attributes.place == "lateral":
        aside = outer - radius * (0.92 if attributes.shape in ("wedge", "crescent") else 0.85) - (extent - radius)
    else:
        inner = 0.1 + (0.06 if sign > 0 and level > 0.5 else 0.0)  # the heart covers the left base
        low, high = inner + 0.6 * extent, outer - 0.95 * extent
        aside = float(rng.uniform(low, high)) if high > low else (inner + outer) / 2
    level = min(level, chest.dome(aside, sign) - min(1.0 * radius, 0.09) - 0.01)
    outward = (0.0, 1.0, 0.0) if attributes.shape == "linear" else (0.0, 0.0, float(sign))
    if attributes.shape == "oval":
        return make_lesion(attributes, rng, centre=(0.0, level, sign * aside), radius=radius)
    return make_lesion(attributes, rng, centre=(0.0, level, sign * aside), radius=radius, outward=outward)


def _with_pneumothorax(
    film: Values, chest: Chest, attributes: Attributes, rng: np.random.Generator
) -> tuple[Values, npt.NDArray[np.bool_]]:
    """The film with free air between rib cage and lung: darker, no vessels, a thin bright edge of the lung."""
    apical = attributes.place == "apical"
    narrowing = rng.uniform(0.06, 0.14) if apical else rng.uniform(0.14, 0.3)
    lowering = rng.uniform(0.08, 0.2) if apical else rng.uniform(0.04, 0.1)
    shrunk = _cage_depth(
        chest.v, chest.aside, chest.half_width * (1 - narrowing), chest.widest + 0.08, chest.apex + lowering
    )
    here = chest.side_of(attributes.side) * chest.cavity * (1.0 - np.maximum(chest.mediastinum, chest.heart))
    free = here * _soft(-shrunk, 0.008)
    smooth = ndimage.gaussian_filter(film, film.shape[0] / 40)  # the lung's own brightness without its vessels
    emptied = np.minimum(film, smooth) - np.float32(rng.uniform(0.1, 0.16))
    film = film + (emptied - film) * free + np.float32(rng.uniform(0.02, 0.05)) * here * _soft(shrunk, 0.05)
    line = here * np.clip(1.4 - np.abs(shrunk) * np.float32(1 / 0.004), 0.0, 1.0)
    film = film + np.float32(rng.uniform(0.1, 0.2)) * line
    return film.astype(np.float32), free >= 0.5


def _with_effusion(
    film: Values, chest: Chest, attributes: Attributes, rng: np.random.Generator
) -> tuple[Values, npt.NDArray[np.bool_]]:
    """The film with fluid at one base: bright, concave above where it climbs the wall, the diaphragm lost in it."""
    sign = 1 if attributes.side == "left" else -1
    level = chest.domes[1 if sign > 0 else 0] - rng.uniform(0.0, 0.2) + 0.02
    climb = rng.uniform(0.08, 0.16)
    surface = level - climb * np.clip(chest.aside / np.float32(chest.half_width), 0.0, 1.2) ** 3.5
    below = _soft(chest.v - surface, 0.02)
    wet = below * chest.cavity * chest.side_of(attributes.side)
    opaque = np.float32(rng.uniform(0.64, 0.74)) + 0.012 * fractal_noise(film.shape, rng, film.shape[0] / 6)
    clouded = np.asarray(film + (opaque - film) * wet * rng.uniform(0.85, 0.97), np.float32)
    return clouded, (wet >= 0.5) & (np.maximum(chest.heart, chest.mediastinum) < 0.5)


# ---- from film to display


def _expose(film: Values, chest: Chest, rng: np.random.Generator) -> Values:
    """The displayed plane in [0, 1]: devices and markers, blur, exposure, gamma and noise."""
    side = film.shape[0]
    if rng.random() < 0.2:
        film = np.asarray(film + _line(chest, rng), np.float32)
    if rng.random() < 0.35:
        film = _with_letter(film, rng)
    film = np.asarray(ndimage.gaussian_filter(film, rng.uniform(0.25, 0.55) * side / 128), np.float32)
    low, high = rng.uniform(-0.02, 0.08), rng.uniform(0.82, 1.0)
    plane = np.clip((film - low) / (high - low), 0.0, 1.0) ** rng.uniform(0.85, 1.25)
    plane = (
        plane
        + rng.uniform(0.0, 0.03) * smooth_noise(film.shape, rng, side / 2)
        + rng.uniform(0.008, 0.025) * grain(film.shape, rng, 0.5)
    )
    return np.asarray(np.clip(plane, 0.0, 1.0), np.float32)


def _line(chest: Chest, rng: np.random.Generator) -> Values:
    """A catheter from the neck towards the heart, or a monitoring wire across the chest."""
    if rng.random() < 0.6:
        start, bend = rng.uniform(-0.14, 0.14), rng.uniform(-0.1, 0.1)
        path = chest.u - start * np.clip(1 - chest.v / 0.35, 0.0, 1.0) + 0.02 - bend * chest.v * (0.5 - chest.v)
        return np.asarray(0.2 * _soft(0.004 - np.abs(path), 0.005) * _soft(rng.uniform(0.4, 0.55) - chest.v, 0.01))
    path = chest.v - rng.uniform(0.3, 0.8) - rng.uniform(-0.5, 0.5) * chest.u - 0.06 * np.sin(chest.u * 7)
    return np.asarray(0.16 * _soft(0.003 - np.abs(path), 0.005), np.float32)


_LETTERS = {
    "L": ("X....", "X....", "X....", "X....", "X....", "X....", "XXXXX"),
    "R": ("XXXX.", "X...X", "X...X", "XXXX.", "X.X..", "X..X.", "X...X"),
}


def _with_letter(film: Values, rng: np.random.Generator) -> Values:
    """The film with a lead letter in an upper corner, on the side of the patient that it names."""
    side, name = film.shape[0], str(rng.choice(("L", "R")))
    letter = np.array([[mark == "X" for mark in row] for row in _LETTERS[name]], np.float32)
    letter = np.kron(letter, np.ones((max(1, side // 128),) * 2, np.float32))
    row = int(rng.integers(2, max(3, side // 8)))
    column = int(rng.integers(2, max(3, side // 12)))
    if name == "L":
        column = side - column - letter.shape[1]
    film = film.copy()
    patch = film[row : row + letter.shape[0], column : column + letter.shape[1]]
    np.maximum(patch, 0.95 * letter[: patch.shape[0], : patch.shape[1]], out=patch)
    return film
