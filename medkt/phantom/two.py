"""Two different lesions in one picture, far enough apart that a map can lie on one of them."""

import numpy as np
from scipy import ndimage

from medkt.phantom import ct
from medkt.phantom.drawers import DRAWERS
from medkt.phantom.finding import Attributes, DomainName, TwoLesions
from medkt.shapes import MaskPlane

GAP = 10 / 128
"""The least distance between the two masks, as a fraction of the side: ten pixels of the small model's picture."""
_LEAST = 24 / 128**2  # the least part of the picture that each covers


def draw_two(
    domain: DomainName, first: Attributes, second: Attributes, rng: np.random.Generator, *, side: int = 128, tries: int = 8
) -> TwoLesions | None:  # fmt: skip
    """A picture in which both lesions can be seen, `GAP` or more apart; None where no try gave one.

    In CT two looks whose places are different levels are never in one picture.

    Args:
        domain: which anatomy.
        first: what one lesion looks like.
        second: what the other does.
        rng: draws everything else.
        side: of the plane, in pixels.
        tries: how many pictures are drawn at most.
    """
    if domain == "ct" and not ct.share_a_level(first, second):
        return None
    for _ in range(tries):
        drawn: TwoLesions = DRAWERS[domain].draw_both(first, second, rng, side=side)
        if min(mask.mean() for mask in drawn.masks) >= _LEAST and distance_px(*drawn.masks) >= GAP * side:
            return drawn
    return None


def distance_px(first: MaskPlane, second: MaskPlane) -> float:
    """The least distance between pixels of two masks that hold some."""
    return float(ndimage.distance_transform_edt(~first)[second].min())
