"""Words carried: yes, no, or not shown. One rule, with its bounds beside it.

The figure is the name's *net share*: of the exam's pictures of what was described, the part that is called by the name, less the
mean part of the others that is (lesions that differ in one attribute, normal studies, known findings; of a probe, the studies
without the finding). Whoever learns "odd, and none of the known" calls them all by the name and stands at 0, as who calls none.
Asked in this order, the first that answers decides:

1. no audit: not shown.
2. The captions name another modality or part of the body: no.
3. The model cannot picture the captions (similarity or agreement of seeds below the floor): no.
4. No attribute can be read out of the captions and no probe was given: not shown.
5. Most drawn pictures of a known finding take the name, and the caption says nothing that this finding does not look like: no, these
   are the words for that finding.
6. The net share after learning is not above 0, or not above the base's: no where it is not even so in the exam's own pictures, not
   shown where their number does not decide (the lower end of the 95 % interval). It is not above a control's: no; or by no
   more than `NO_MORE`: not shown. (There are six of them at least, each of one seed and cut short; an interval for each would
   refuse nearly all that is learned.)
7. Else: yes.

The bounds were chosen on a few development findings before anything else was measured with them (evaluation/audit/README.md).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from jaxtyping import Float64

from medkt.audit.exam import FINDING, Marks
from medkt.statistics import Interval, contrast

CarriedAnswer = Literal["yes", "no", "not shown"]
SIMILARITY_FLOOR = 0.6
"""Part of the known captions' median similarity that the images of the concept's best caption must reach."""
AGREEMENT_FLOOR = 0.6
"""Part of the known captions' median agreement (cosine between images of one caption with different seeds) that is the least."""
SEEDS_FLOOR = 0.5
"""The least correlation of the leads that two seeds' encoders give to the same pictures."""
RENAMED = 0.15
"""The part of a known finding's drawn pictures above which the first line names it."""
TAKEN = 0.5
"""The part above which words that say a known finding's look are that finding's own."""
NO_MORE = 0.05
"""Of the net share: who has no more than this above a guess or the base is told no; so much a learning must have above each control."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The answer, and what decided it.

    Attributes:
        answer: "yes", "no" or "not shown".
        why: the figure that decided, in words.
        asking: what asking without learning gives beside it, in words; "" where nothing was asked.
        beaten: whether asking does as well as learning.
        renamed: known findings whose drawn pictures take the new name above the bound, with their part.
    """

    answer: CarriedAnswer
    why: str
    asking: str = ""
    beaten: bool = False
    renamed: Mapping[str, float] = field(default_factory=dict)

    @property
    def line(self) -> str:
        """The first line of every card."""
        taken = ", ".join(f"{name} {share:.0%}" for name, share in self.renamed.items())
        return f"words carried: {self.answer}: {self.why}" + (f"; known findings renamed: {taken}" if taken else "")

    def as_json(self) -> dict[str, Any]:
        """For records; `line` is what people read."""
        return {
            "answer": self.answer, "why": self.why, "line": self.line, "asking": self.asking,
            "asking does as well": self.beaten, "known findings renamed": dict(self.renamed),
        }  # fmt: skip


def not_shown(why: str) -> Verdict:
    """The answer where nothing could be asked."""
    return Verdict(answer="not shown", why=why)


def net_share(marks: Marks, other: Marks | None = None) -> Interval:
    """The net share, or how much more it is than another encoder's over the same pictures.

    The interval is of 95 %, by resampling the pictures within each kind; NaN without a picture of the finding or of anything else.
    """
    groups = groups_of(marks)
    if not groups or not len(marks.of(FINDING)):
        return Interval(estimate=float("nan"), note="no picture of the finding, or of nothing else")
    return contrast(_called(marks, other, (FINDING,)), [_called(marks, other, kinds) for kinds in groups])


def groups_of(marks: Marks) -> list[tuple[str, ...]]:
    """What else the pictures show, known findings as one."""
    groups: list[tuple[str, ...]] = [(kind,) for kind in marks.rivals if kind not in marks.known]
    return [*groups, marks.known] if marks.known else groups


def decide(
    after: Marks, before: Marks, controls: Mapping[str, Marks], *, set_on: str, alike: Sequence[str] = ()
) -> tuple[CarriedAnswer, str]:
    """Points 5 to 7 of the rule.

    Args:
        after: what the learned encoder answers, asked by name.
        before: what the base does.
        controls: what each control does.
        set_on: what the exam is set on, in words.
        alike: known findings whose look the caption says.
    """
    own = [name for name in renamed(after, before, TAKEN) if name in alike]
    if own:
        return "no", f"these are words for {own[0]}: {after.share(own[0]):.0%} of its {set_on} take the name"
    whole = net_share(after)
    said = f"on {set_on} {_shares(after)}, net {_said(whole)}"
    if whole.low <= 0:
        return _short(whole.estimate), f"{said}; a guess is 0"
    more = net_share(after, before)
    if more.low <= 0:
        does = "does as well" if more.estimate <= NO_MORE else "may do as well"
        return _short(more.estimate), f"{said}; the base {does}: net {net_share(before).estimate:.2f}"
    for name, marks in controls.items():
        above = net_share(after, marks).estimate
        if above <= NO_MORE:
            does = "does as well" if above <= 0 else "may do as well"
            return (
                "no" if above <= 0 else "not shown"
            ), f"{said}; the control {name} {does}: net {net_share(marks).estimate:.2f}"
    best = max((net_share(marks).estimate for marks in controls.values()), default=float("nan"))
    return "yes", f"{said}; before {net_share(before).estimate:.2f}, best control {best:.2f}"


def beaten_by_asking(after: Marks, ways: Mapping[str, Marks]) -> tuple[str, bool]:
    """The second line, and whether asking the base does as well as what was learned."""
    if not ways:
        return "", False
    name, best = max(ways.items(), key=lambda item: net_share(item[1]).estimate)
    more = net_share(after, best)
    figures = f"net {net_share(best).estimate:.2f} asked by {name}, {net_share(after).estimate:.2f} learned"
    if more.low > 0:
        return f"learning beats asking without learning: {figures}", False
    does = "does better than learning" if more.high < 0 else "does as well as learning"
    return f"asking without learning {does}: {figures}", True


def renamed(after: Marks, before: Marks, bound: float = RENAMED) -> dict[str, float]:
    """Known findings of which more than this part is called by the new name, and was not before; the largest first."""
    found = {one: after.share(one) for one in after.known if after.share(one) - before.share(one) > bound}
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def below_floor(reached: float, known: Sequence[float], floor: float) -> bool:
    """Whether a figure is below this part of the known captions' median; never where there is none, or none above 0."""
    usual = float(np.median(known)) if len(known) else 0.0
    return usual > 0 and reached < floor * usual


def _called(marks: Marks, other: Marks | None, kinds: tuple[str, ...]) -> Float64[np.ndarray, " pictures"]:
    called = (marks.of(*kinds) > 0).astype(np.float64)
    return called if other is None else called - (other.of(*kinds) > 0)


def _short(more: float) -> CarriedAnswer:
    return "no" if more <= NO_MORE else "not shown"


def _shares(marks: Marks) -> str:
    """How many of each kind are called by the name, in words."""
    words = {
        "others": "of lesions that differ in one attribute",
        "normal": "of normals",
        "without": "without the finding",
    }
    parts = [f"{marks.share(*kinds):.0%} {words.get(kinds[0], 'of known findings')}" for kinds in groups_of(marks)]
    return f"{marks.share(FINDING):.0%} called by the name, {', '.join(parts)}"


def _said(found: Interval) -> str:
    return f"{found.estimate:.2f} ({found.low:.2f} to {found.high:.2f})"
