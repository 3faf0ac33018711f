"""Looks of lesions that a picture tells apart, and whether a drawn picture really shows one.

A question about a picture is worth asking only where the picture decides it. So not every change of a word counts: an
irregular lesion may look lobulated, several may be many, a faint one in a radiograph is bright to one reader and not to the next.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from scipy import ndimage

from medkt.phantom.drawers import DRAWERS
from medkt.phantom.finding import Attributes, DomainName, held_out_identities
from medkt.shapes import MaskPlane, Plane

COMPACT = ("round", "oval", "lobulated", "irregular")
"""Shapes that can have a margin and a texture of every kind."""
SEEN = 0.08
"""How much a lesion differs at least from what is around it, in a picture from 0 (black) to 1 (white)."""

_VALUES: Mapping[str, tuple[str, ...]] = {
    "shape": (*COMPACT, "wedge", "crescent", "linear"),
    "margin": ("sharp", "hazy", "spiculated"),
    "intensity": ("bright", "very_bright", "faint", "dark"),
    "texture": ("uniform", "mottled", "hollow", "septated", "stippled", "streaked"),
    "size": ("small", "large"),
    "number": ("single", "several", "many"),
}
_ALIKE: Mapping[str, tuple[frozenset[str], ...]] = {
    "shape": (
        frozenset({"lobulated", "irregular"}),
        frozenset({"lobulated", "oval"}),
        frozenset({"lobulated", "round"}),
        frozenset({"irregular", "oval"}),
    ),
    "texture": (
        frozenset({"mottled", "stippled"}),
        frozenset({"mottled", "streaked"}),
        frozenset({"septated", "streaked"}),
        frozenset({"mottled", "septated"}),
    ),
    "number": (frozenset({"several", "many"}),),
}
_PLACES: Mapping[DomainName, tuple[frozenset[str], ...]] = {
    "cxr": (frozenset({"upper", "lower"}),),
    "ct": (frozenset({"upper", "lower"}),),
    "mri": (frozenset({"deep", "peripheral"}),),
    "ultrasound": (frozenset({"superficial", "deep"}),),
}
_RING = (3 / 128, 9 / 128)  # from where to where what is around a lesion lies, as fractions of the side


def is_light(domain: DomainName, intensity: str) -> bool:
    """Whether this word means lighter than the tissue around: in ultrasound a faint lesion is hypoechoic."""
    return intensity != "dark" and not (domain == "ultrasound" and intensity == "faint")


def told_apart(domain: DomainName, attribute: str, one: str, other: str) -> bool:
    """Whether a picture of this domain decides between two values of an attribute."""
    both = frozenset({one, other})
    if len(both) < 2:
        return False
    if attribute == "intensity":
        return is_light(domain, one) != is_light(domain, other) or both == {"faint", "very_bright"}
    if attribute == "place":
        return both in _PLACES[domain]
    return both not in _ALIKE.get(attribute, ())


def counterparts(domain: DomainName, look: Attributes, attribute: str) -> tuple[Attributes, ...]:
    """Every look that differs in this attribute alone, so that a picture tells; none that is held out of training."""
    values = _VALUES.get(attribute) or tuple(sorted(word for pair in _PLACES[domain] for word in pair))
    held_out = held_out_identities(domain)
    own = getattr(look, attribute)
    made = (replace(look, **{attribute: value}) for value in values if told_apart(domain, attribute, own, value))
    return tuple(other for other in made if other.identity not in held_out and is_drawn(other))


def is_drawn(look: Attributes) -> bool:
    """Whether phantoms have this combination; a sentence about one that no picture shows would be too easy to refuse."""
    if look.shape not in COMPACT and (look.texture not in ("uniform", "mottled") or look.margin == "spiculated"):
        return False
    if look.shape == "linear" and (look.texture != "uniform" or look.margin != "sharp"):
        return False
    return not (look.margin == "hazy" and look.texture in ("hollow", "septated"))


def draw_look(domain: DomainName, rng: np.random.Generator) -> Attributes:
    """The look of one lesion without a name, large enough and plain enough to be judged, never that of a held-out finding."""
    while True:
        look: Attributes = DRAWERS[domain].draw_unnamed_attributes(rng)
        if look.number != "single" or look.size == "small":
            continue
        if look.intensity == "faint" and domain != "ultrasound":
            continue
        return replace(look, side="") if domain == "ultrasound" else look


def is_seen(
    domain: DomainName, look: Attributes, plane: Plane, mask: MaskPlane, beside: MaskPlane | None = None
) -> bool:
    """Whether the lesion is as light or dark in the picture as its word says, by `SEEN` or more.

    A quarter of it counts, so that a hollow or septated one is not averaged away.

    Args:
        domain: whose tissue is around it.
        look: what it is said to look like.
        plane: the picture, in [0, 1].
        mask: of the lesion.
        beside: of another lesion, which is no part of what is around this one.
    """  # fmt: skip
    near, far = (fraction * len(plane) for fraction in _RING)
    distance = ndimage.distance_transform_edt(~mask)
    around = (distance >= near) & (distance <= far) & (plane > 0)
    if beside is not None:
        around &= ~beside
    if not mask.any() or not around.any():
        return False
    light = is_light(domain, look.intensity)
    inside = float(np.quantile(plane[mask], 0.75 if light else 0.25))
    step = inside - float(np.median(plane[around]))
    return step >= SEEN if light else step <= -SEEN


def parts_seen(mask: MaskPlane) -> int:
    """How many lesions a mask shows: its parts, corners joined, of three pixels or more."""
    labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
    return int((np.bincount(labels.ravel(), minlength=count + 1)[1:] >= 3).sum())
