"""What a name means to an encoder: how it ranks pictures of the finding against what must not take the name.

Accuracy by name among known names is a weak measure: whoever learns "odd, and none of the known" has it without a word. Two areas
under the ROC curve of the lead come first, therefore: against **others**, lesions that are neither the finding nor known, and
against **normals**. They cut nowhere, so that no bias changes them. Beside them stand shares at the cut that is used: how much of the
finding is called by the name (accuracy), how much of others and of normals is, and how many pictures of known findings keep their own
name.

Intervals are of 95 %, over pictures: DeLong's on the logit scale for areas, Wilson's for shares. They speak of other pictures of the
same lesions, not of other lesions or of another learning; for those, take means over findings and seeds and resample findings.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Bool, Float64

from medkt.audit.exam import FINDING, NORMAL, OTHERS, Marks
from medkt.statistics import Interval, auc_interval, wilson


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """One encoder asked in one way; NaN where a kind of picture is missing.

    Attributes:
        auc_others: area of the lead, pictures of the finding against lesions that are neither it nor known.
        auc_normals: against studies without a lesion.
        accuracy: the part of the finding's pictures that is called by the name.
        others_taken, normals_taken: of the others and of the normals.
        known_kept: the part of the known findings' pictures that is called by its own name; NaN where nobody asked for it.
    """

    auc_others: Interval
    auc_normals: Interval
    accuracy: Interval
    others_taken: Interval
    normals_taken: Interval
    known_kept: Interval

    def as_json(self) -> dict[str, dict[str, float | None]]:
        """By the measure's name: estimate, low and high; null where there is none."""
        return {one.name: _plain(getattr(self, one.name)) for one in fields(self)}


def meaning_of(marks: Marks, *, right: Bool[np.ndarray, " pictures"] | None = None) -> Meaning:
    """All measures of one way of asking one encoder.

    Args:
        marks: the leads, above 0 where a picture is called by the name.
        right: for each picture whether, were the new name not there, it would be called by its own; only those of known
            findings are looked at. None leaves `known_kept` out.
    """
    return Meaning(
        auc_others=area(marks, OTHERS), auc_normals=area(marks, NORMAL), accuracy=_called(marks.of(FINDING)),
        others_taken=_called(marks.of(OTHERS)), normals_taken=_called(marks.of(NORMAL)), known_kept=_kept(marks, right),
    )  # fmt: skip


AGAINST = {OTHERS: "lesions that are neither it nor known", NORMAL: "normals", "without": "studies without it"}
"""The kinds of pictures that a finding is ranked against, in this order, as they are told."""


def area(marks: Marks, *kinds: str) -> Interval:
    """The area of the lead, pictures of the finding against those of these kinds, with DeLong's interval."""
    return auc_interval(marks.of(*kinds), marks.of(FINDING))


def areas_said(marks: Marks) -> str:
    """The areas in words; "" where nothing is there to rank against.

    >>> areas_said(Marks(leads=np.array([0.3, 0.1, 0.2]), kinds=("finding", "finding", "normal")))
    '0.50 (no interval) against normals'
    """
    said = [f"{_said(area(marks, kind))} against {words}" for kind, words in AGAINST.items() if kind in marks.kinds]
    return ", ".join(said)


def told(after: Marks, ways: Mapping[str, Marks], *, set_on: str) -> str:
    """One sentence: how the learned name ranks, and how the base does where it is asked by the way that ranks best.

    Args:
        after: what was learned, asked by name.
        ways: the base, by each way of asking.
        set_on: what the exam is set on, in words.
    """
    learned = areas_said(after)
    if not learned:
        return ""
    first = next(kind for kind in AGAINST if kind in after.kinds)
    best = max(ways, key=lambda way: area(ways[way], first).estimate, default="")
    beside = f"; asked by {best} without learning: {areas_said(ways[best])}" if best else ""
    return f"what the name means, AUC of its lead on {set_on}: {learned}{beside}"


def _called(leads: Float64[np.ndarray, " some"]) -> Interval:
    return wilson(int((leads > 0).sum()), len(leads))


def _kept(marks: Marks, right: Bool[np.ndarray, " pictures"] | None) -> Interval:
    if right is None:
        return Interval(estimate=math.nan, note="not asked")
    known = np.isin(np.array(marks.kinds), marks.known)
    kept = right[known] & (marks.leads[known] <= 0)
    return wilson(int(kept.sum()), int(known.sum()))


def _plain(found: Interval) -> dict[str, float | None]:
    return {key: _number(getattr(found, key)) for key in ("estimate", "low", "high")}


def _number(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None


def _said(found: Interval) -> str:
    ends = f"{found.low:.2f} to {found.high:.2f}" if math.isfinite(found.low) else "no interval"
    return f"{found.estimate:.2f} ({ends})"
