"""How often nothing was claimed, and why: it stands at the head of every table, for it counts as not seen in all of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medkt.statistics import Interval, share_interval
from medkt.tasks.masks.scores import Scores
from medkt.tasks.table import Rows

if TYPE_CHECKING:
    from collections.abc import Sequence

EARLIER = "unlike-site-or-between-rates"  # a calibration of an earlier version, which did not say which


@dataclass(frozen=True, slots=True, kw_only=True)
class UnclaimedCases:
    """The cases of one concept of which nothing was claimed.

    Attributes:
        concept: its id.
        done: cases that were answered at all.
        held: those without a claim.
        share: held of done, with its interval over patients.
        with_finding: of the held, those whose reference shows the finding: each has a DSC of 0 and counts against sensitivity.
        why: how many for each reason, by its code; a case may have several.
    """

    concept: str
    done: int
    held: int
    share: Interval
    with_finding: int
    why: Mapping[str, int]

    @property
    def words(self) -> str:
        """A line for a headline."""
        low, high = self.share.low, self.share.high
        ends = f", {low:.1%} to {high:.1%}" if np.isfinite(low) else ""
        said = f"no claim in {self.held} of {self.done} cases ({self.share.estimate:.1%}{ends})"
        if not self.held:
            return said
        reasons = ", ".join(f"{code} {number}" for code, number in self.why.items())
        shown = f"; {self.with_finding} of them show it and have DSC 0" if self.with_finding else ""
        return f"{said}, counted as not seen{shown}; reasons: {reasons}"


def unclaimed_of(scores: Scores, *, level: float) -> "tuple[UnclaimedCases, ...]":
    """A line a concept; none for tables that do not know the state: masks scored from folders, runs of earlier versions."""
    if scores.unclaimed is None:
        return ()
    return tuple(_of_concept(scores, concept, level) for concept in sorted(scores.concept.words))


def _of_concept(scores: Scores, concept: str, level: float) -> UnclaimedCases:
    done = scores.concept.are(concept) & scores.status.are("done")
    held = done & scores.silent
    return UnclaimedCases(
        concept=concept, done=int(done.sum()), held=int(held.sum()),
        share=share_interval(scores.silent[done], scores.patient.codes[done], level=level),
        with_finding=int((held & scores.positives).sum()), why=_tally(scores, held),
    )  # fmt: skip


def _tally(scores: Scores, held: Rows) -> dict[str, int]:
    reasons = scores.unclaimed
    if reasons is None:
        return {}
    counts = np.bincount(reasons.codes[held], minlength=len(reasons.words))
    found: dict[str, int] = {}
    for word, count in zip(reasons.words, counts.tolist(), strict=True):
        for code in (word or EARLIER).split(";") if count else ():
            found[code] = found.get(code, 0) + count
    return dict(sorted(found.items(), key=lambda one: (-one[1], one[0])))


def headlines(found: "Sequence[UnclaimedCases]") -> Iterator[str]:
    """For a terminal or a page: "cyst: no claim in 3 of 20 cases ..."."""
    return (f"{one.concept}: {one.words}" for one in found if one.done)
