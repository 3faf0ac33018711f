"""From which score on a reference lesion is found, and which predicted lesions are false alarms, under each rule.

At every threshold of the score the numbers are those of `match_lesions` on the predicted lesions that reach it; so the
end of the FROC curve is the sensitivity and the false positives of the table.
"""

import numpy as np
from jaxtyping import Bool, Float64, Int

OverlapTable = Float64[np.ndarray, "references predictions"]


def found_by_pairs(
    allowed: Bool[np.ndarray, "references predictions"], scores: list[float]
) -> tuple[list[float | None], list[float]]:
    """One to one, as many pairs as possible: the score at which each reference lesion is paired, and those of the others.

    Predicted lesions join in falling order of their score. One that makes a larger pairing possible finds one lesion more,
    and which are paired already stay so; one that does not is a false alarm, and stays one (a matroid's greedy order).
    """
    partner: dict[int, int] = {}  # of a reference lesion, the predicted one
    found: list[float | None] = [None] * allowed.shape[0]
    alarms: list[float] = []
    for new in sorted(range(len(scores)), key=lambda one: -scores[one]):
        before = set(partner)
        if _augment(new, allowed, partner, set()):
            (more,) = set(partner) - before
            found[more] = scores[new]
        else:
            alarms.append(scores[new])
    return found, alarms


def _augment(
    new: int, allowed: Bool[np.ndarray, "references predictions"], partner: dict[int, int], seen: set[int]
) -> bool:
    """Kuhn's step: a partner for one more predicted lesion, moving others where they have another choice."""
    for lesion in np.flatnonzero(allowed[:, new]).tolist():
        if lesion in seen:
            continue
        seen.add(lesion)
        if lesion not in partner or _augment(partner[lesion], allowed, partner, seen):
            partner[lesion] = new
            return True
    return False


def found_by_coverage(
    shared: OverlapTable,
    sizes: tuple[Int[np.ndarray, " references"], Int[np.ndarray, " predictions"]],
    threshold: float,
    scores: list[float],
) -> tuple[list[float | None], list[float]]:
    """The score from which on enough of each reference lesion is covered, by all parts together; and the scores of those
    predicted lesions of which too little lies in the reference.
    """
    order = np.argsort(-np.array(scores), kind="stable")
    falling = np.array(scores)[order]
    covered = np.cumsum(shared[:, order], axis=1) / sizes[0][:, None]
    enough = covered > threshold
    found = [float(falling[np.argmax(row)]) if row.any() else None for row in enough]
    true = shared.sum(axis=0) / sizes[1] > threshold
    return found, [score for score, one in zip(scores, true, strict=True) if not one]
