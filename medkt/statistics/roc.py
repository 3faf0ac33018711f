"""The ROC curve: sensitivity against false positives at every threshold of a score."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64


class Roc(NamedTuple):
    """(points,) shares from 0 to 1, from the strictest threshold to the loosest."""

    false_positives: Float64[np.ndarray, " points"]
    sensitivity: Float64[np.ndarray, " points"]


def roc_curve(
    truth: Bool[np.ndarray, " cases"], scores: Float64[np.ndarray, " cases"], *, most: int | None = None
) -> Roc:
    """The curve of cases of both kinds; cases of one score come together.

    Args:
        truth: (cases,) whether the finding is there.
        scores: (cases,) larger where surer.
        most: points to keep, evenly spread; all where not given.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.diff(scores[order]) != 0, True)
    found, false = np.cumsum(truth[order])[ends], np.cumsum(~truth[order])[ends]
    shares = [np.concatenate([[0.0], one / one[-1]]) for one in (false, found)]
    if most is not None and len(shares[0]) > most:
        kept = np.unique(np.linspace(0, len(shares[0]) - 1, most).round().astype(int))
        shares = [one[kept] for one in shares]
    return Roc(*shares)
