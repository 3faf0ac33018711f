"""The answer for one concept in one study, with "no claim" as a state of its own beside seen and not seen."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

import numpy as np
from jaxtyping import Float32, Float64

from medkt.errors import SettingsError

State = Literal["seen", "not seen", "no claim", "not decided"]
"""What is said of a finding. "no claim": it was asked, and an honest answer is not to be had; "not decided": it was not asked,
for the gate is off and every slice is looked at."""

NO_CLAIM: State = "no claim"
_CODE = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why nothing is claimed.

    Attributes:
        code: a few words with hyphens, such as "unlike-modality"; for tables and programs, and it names nobody.
        sentence: for people, to be read after "no claim: ".
        figures: what was measured and the limits, by name; finite.
    """

    code: str
    sentence: str
    figures: Mapping[str, float] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not _CODE.fullmatch(self.code) or not self.sentence.strip():
            raise SettingsError(f"a reason is a code of small letters and a sentence, got {self.code!r}")


NormalsCode = Literal[
    "unknown-model", "other-weights", "other-part", "other-kind", "other-window", "no-distances", "own-bias", "threshold-said"
]  # fmt: skip
"""Why a score is held against no normal study: none are known of the model; of its weights, since it was taught something; of this
part of the body; of single images or of volumes; of the window in which the planes are shown; the slices have no distances in
millimetres; a bias that was set on planes decides; or the user said the threshold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoNormals:
    """Why a score is held against no normal study.

    Attributes:
        code: for tables and programs.
        sentence: for people; a part of one, without a full stop.
    """

    code: NormalsCode
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Presence:
    """The answer for one concept in one study.

    Attributes:
        score: the study's, in the unit of the rule.
        state: what is said.
        reason: one sentence with the numbers.
        margins: (slices,) float32, cosine of the finding less the nearest contrast's; without contrasts the cosine.
        scores: (slices,) float32, each slice's score.
        strong: a slice whose score is at least this stands by itself.
        weak: slices from this score on are looked at, and kept where they touch a strong one.
        every: whether every slice is looked at, whatever is said: the gate is off.
        reasons: why nothing is claimed, the weightiest first; none in any other state.
        null: (studies,) ascending scores of the same question in studies that are known to hold nothing; None where nobody knows.
        no_normals: why there is no `null`; None where there is one, and where no rule asked for one.
    """

    score: float
    state: State
    reason: str
    margins: Float32[np.ndarray, " slices"]
    scores: Float32[np.ndarray, " slices"]
    strong: float = -np.inf
    weak: float = -np.inf
    every: bool = False
    reasons: tuple[Reason, ...] = ()
    null: Float64[np.ndarray, " studies"] | None = None
    no_normals: NoNormals | None = None

    def __post_init__(self) -> None:
        if (self.state == NO_CLAIM) != bool(self.reasons):
            raise SettingsError(f"no claim is made for reasons, and for nothing else: {self.state}, {self.reasons}")

    @property
    def present(self) -> bool:
        """Whether slices are looked at: the finding is seen, or the gate is off."""
        return self.state == "seen" or self.every

    @property
    def claims(self) -> bool:
        """Whether a mask may be made; without a claim there is none, also where the gate is off."""
        return self.state != NO_CLAIM


_Answer = TypeVar("_Answer", bound=Presence)


def withheld(answer: _Answer, reasons: Sequence[Reason], *, concept: str) -> _Answer:
    """The answer as it is where there is no reason against it, else no claim, for these reasons and its own."""
    if not reasons:
        return answer
    every = tuple({one.code: one for one in (*reasons, *answer.reasons)}.values())
    said = f"{concept}: no claim: {'; '.join(one.sentence for one in every)}"
    return replace(answer, state=NO_CLAIM, reason=said, reasons=every)
