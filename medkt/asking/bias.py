"""From which lead on a finding counts as seen: a bias, set on pictures that do not show it.

A lead above 0 says no more than that the finding is nearer than any known name, and a normal study has no name among them at
all. So the bias is the greatest of

- the 0.99 quantile of the leads of known findings' pictures, those that the model itself names right, and of normal studies
  together (where nobody says what a study shows, the 0.95 quantile of all: some may show the finding);
- of normal studies alone, the lead that at most 5 % of new ones are to be expected above: of n leads the ceil(0.95 (n + 1))-th
  from below, as in split conformal prediction (Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005); of
  fewer than 19 the highest, and then more than 5 % are to be expected.

A way that tells a normal study apart by a lead of its own has two such bounds. By its other rivals alone the bias is set as above;
by the normal study alone, the lead that at most 5 % of new normal studies are above. What the second is more than the first by is
the normal study's handicap, so that one bias bounds both, and it is set as above once more, on the lesser of both leads.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray

from medkt.errors import InputError
from medkt.saliency.directions import Directions

NORMALS_CALLED_SEEN = 0.05
"""The part of new normal studies that may be called seen."""
OF_ALL = 0.99
"""The quantile of known findings and normal studies."""
OF_UNLABELLED = 0.95
"""The quantile of studies of which nobody says what they show."""
ENOUGH_NORMALS = 19
"""Of fewer, no lead is one that 5 % are expected above."""

Leads = Float64[np.ndarray, "_"]
_NONE: NDArray[np.float64] = np.zeros(0)


def bias_of(*, known: Leads = _NONE, normal: Leads = _NONE, unlabelled: Leads = _NONE) -> float:
    """The lead above which a picture is called by the finding's name.

    Args:
        known: leads of known findings' pictures that the model names right.
        normal: leads of studies without any finding.
        unlabelled: leads of studies of the usual mixture.

    Raises:
        InputError: there is no lead at all, or one is not finite.
    """
    every = np.concatenate([known, normal, unlabelled])
    if not len(every) or not np.isfinite(every).all():
        raise InputError(f"a bias needs leads of pictures, finite ones; got {len(every)}")
    bounds = []
    if len(known) or len(normal):
        bounds.append(float(np.quantile(np.concatenate([known, normal]), OF_ALL)))
    if len(unlabelled):
        bounds.append(float(np.quantile(unlabelled, OF_UNLABELLED)))
    if len(normal):
        bounds.append(bound_on_new(normal, NORMALS_CALLED_SEEN))
    return max(bounds)


def settled(
    directions: Directions, leads_of_each: Callable[[Directions], Mapping[str, Leads]]
) -> tuple[Directions, float]:
    """Directions with the normal study's handicap, and the lead above which a picture is called by the finding's name.

    Args:
        directions: of a way of asking.
        leads_of_each: the leads of pictures that do not show the finding, by the names of `bias_of`'s arguments; some are normal
            where the way tells a normal study apart.
    """
    if directions.normal is not None:
        others = replace(directions, normal=None)
        normal = Directions(wanted=directions.wanted, rivals=directions.normal[None])
        apart = bound_on_new(leads_of_each(normal)["normal"], NORMALS_CALLED_SEEN)
        directions = replace(directions, handicap=apart - bias_of(**leads_of_each(others)))
    return directions, bias_of(**leads_of_each(directions))


def bound_on_new(leads: Leads, share: float) -> float:
    """The lead that no more than this share of new pictures of the kind is expected above; the highest where they are too few."""
    place = math.ceil((1 - share) * (len(leads) + 1))
    return float(np.sort(leads)[min(place, len(leads)) - 1])
