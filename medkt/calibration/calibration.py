"""A presence score turned into a decision with stated error rates: present, absent, or no claim.

Without labels, on normals of the site alone: "present" is said of at most `false_positive_rate` of normals, and of at most
`abstain_rate` more of them nothing is said. With studies that show the finding there is a second promise: "absent" is said
of at most `miss_rate` of these (conformal prediction sets by class, Vovk 2012, ACML; a set of both or of none is no claim).

Promises are averages over calibrations, and hold for studies that come from where the calibration's came from. Nothing
is claimed about a study that is unlike those (`novelty`).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from medkt.calibration.conformal import Tail, conditional_rates, needed, tail_of
from medkt.calibration.novelty import FEWEST, Novelty, fit_novelty
from medkt.calibration.probability import FEWEST_OF_EACH, METHODS, ProbabilityMap, ProbabilityMethod, fit_probability
from medkt.calibration.scoring import ScoringKey, StudyScore
from medkt.errors import InputError, SettingsError

DecisionOutcome = Literal["present", "absent", "abstain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationSettings:
    """What is promised."""

    false_positive_rate: float = 0.05
    """At most this share of normals is called present."""

    miss_rate: float = 0.05
    """At most this share of studies with the finding is called absent, where enough of them are given."""

    abstain_rate: float = 0.05
    """Without enough studies with the finding: of at most this share of normals, besides, no claim is made."""

    novelty_rate: float = 0.02
    """At most this share of like studies is flagged by each of the two distances; more where there are few."""

    probability: str = "auto"  # checked below, with an error that a user can read
    """How labelled scores become probabilities; "auto" takes "platt" where there are labels enough."""

    seed: int = 0
    """For which halves and folds are drawn."""

    def __post_init__(self) -> None:
        for name in ("false_positive_rate", "miss_rate", "novelty_rate"):
            if not 0 < getattr(self, name) < 1:
                raise SettingsError(f"{name} lies between 0 and 1, such as 0.05, got {getattr(self, name):g}")
        if not 0 <= self.abstain_rate < 1 - self.false_positive_rate:
            raise SettingsError(
                f"abstain_rate is 0 or more, and less than 1 together with false_positive_rate, got {self.abstain_rate:g}"
            )
        if self.probability not in ("auto", "none", *METHODS):
            raise SettingsError(f"probability is one of auto, none, {', '.join(METHODS)}, got {self.probability!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is said of one study.

    Attributes:
        outcome: "present", "absent", or "abstain" for no claim.
        p_value: at most this share of normals scores as high, from 0 to 1.
        reason: one sentence with the numbers.
        probability: that the finding is there, at the calibration's own prevalence; None without labels, and where the
            study is unlike those of the calibration.
        unlike: why it is unlike them, one sentence each; then the outcome is "abstain".
    """

    outcome: DecisionOutcome
    p_value: float
    reason: str
    probability: float | None = None
    unlike: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A decision rule for one concept, model and settings at one site. Holds quantiles, means and counts; no study.

    Attributes:
        key: what it is good for.
        site: whose studies it was made from.
        settings: what was promised.
        normals: upper tail of the scores of normals.
        findings: upper tail of the *negated* scores of studies with the finding; None without them.
        probability, novelty: see there; None where there was too little to learn from.
        notes: what a user should know.
        made: the day, ISO.
        threads: that computed the scores; 0 where nothing says it.
    """

    key: ScoringKey
    site: str
    settings: CalibrationSettings
    normals: Tail
    findings: Tail | None = None
    probability: ProbabilityMap | None = None
    novelty: Novelty | None = None
    notes: tuple[str, ...] = field(default=())
    made: str = ""
    threads: int = 0

    @property
    def present_above(self) -> float:
        """The score that a study must exceed to be called present; the promise on normals."""
        return self.normals.threshold(self.settings.false_positive_rate)

    @property
    def promises_misses(self) -> bool:
        """Whether "absent" has a promised rate."""
        return self.findings is not None and self.findings.count >= needed(self.settings.miss_rate)

    @property
    def absent_up_to(self) -> float:
        """The highest score that may be called absent."""
        if self.findings is not None and self.promises_misses:
            return float(np.nextafter(-self.findings.threshold(self.settings.miss_rate), -np.inf))
        rates = self.settings
        return self.normals.threshold(rates.false_positive_rate + rates.abstain_rate)

    def outcome(self, score: float) -> DecisionOutcome:
        """The decision on a score alone."""
        exceeds, may_be_absent = score > self.present_above, score <= self.absent_up_to
        if exceeds == may_be_absent:  # both or neither kind would have such a score
            return "abstain"
        return "present" if exceeds else "absent"

    def decide(self, score: float, *, unlike: Sequence[str] = ()) -> Decision:
        """The decision on a score.

        Args:
            score: in the unit of the rule, from `Scorer.score` or `Pipeline.segment`.
            unlike: why the study is unlike those of the calibration; any reason means that nothing is claimed.

        Raises:
            InputError: the score is not finite.
        """
        if not np.isfinite(score):
            raise InputError(f"a presence score is a finite number, got {score}")
        p_value, outcome = self.normals.p_value(score), self.outcome(score)
        at_most = f"at most {p_value:.2g} of normals score as high"
        if unlike:
            what = f"{self.key.concept}: no claim, for the study is unlike the calibration's: {'; '.join(unlike)}"
            return Decision(outcome="abstain", p_value=p_value, reason=what, unlike=tuple(unlike))
        probability = None if self.probability is None else self.probability(score)
        said = {
            "present": f"present: score {score:.3f} is above {self.present_above:.3g}, {at_most}",
            "absent": f"absent: score {score:.3f} is at most {self.absent_up_to:.3g}",
            "abstain": f"no claim: score {score:.3f} lies where neither can be said ({at_most})",
        }[outcome]
        return Decision(outcome=outcome, p_value=p_value, reason=f"{self.key.concept}: {said}", probability=probability)

    def judge(self, study: StudyScore) -> Decision:
        """The decision on a study, after a look at whether it is like those of the calibration, and whether a guard lets it pass."""
        if study.held:
            return self.decide(study.score, unlike=[one.sentence for one in study.held])
        unlike = () if self.novelty is None else self.novelty.unlike(study, claim=self.outcome(study.score))
        return self.decide(study.score, unlike=unlike)


def calibrate(
    key: ScoringKey,
    normals: Sequence[StudyScore],
    findings: Sequence[StudyScore] = (),
    settings: CalibrationSettings | None = None,
    *,
    site: str = "here",
    made: str = "",
) -> Calibration:
    """A decision rule from scored studies, one a patient.

    Args:
        key: of the scorer.
        normals: studies without the finding, or of which nothing more is known than that they are as they come: if some
            hide the finding, fewer false positives come out than promised, and fewer findings are seen.
        findings: studies known to show it.
        settings: what is promised; None takes the defaults.
        site: whose studies these are.
        made: the day, ISO.

    Raises:
        InputError: too few normals for the rate; says how many it takes. Too few labels for the probability asked for.
    """
    settings = settings or CalibrationSettings()
    rates = (settings.false_positive_rate, settings.false_positive_rate + settings.abstain_rate)
    scores, positive = _scores(normals), _scores(findings)
    tail = tail_of(scores, *rates)
    promised = len(positive) >= needed(settings.miss_rate)
    return Calibration(
        key=key, site=site, settings=settings, normals=tail,
        findings=tail_of(-positive, *([settings.miss_rate] if promised else [])) if len(positive) else None,
        probability=_probability(scores, positive, settings),
        novelty=fit_novelty(normals, findings, rate=settings.novelty_rate, seed=settings.seed),
        notes=(*_notes(scores, positive, settings), *_held_notes(normals, findings)), made=made,
    )  # fmt: skip


def _held_notes(normals: Sequence[StudyScore], findings: Sequence[StudyScore]) -> tuple[str, ...]:
    """How many studies a guard stops: they are in n, and none of them is ever called present or absent."""
    notes = []
    for what, studies in (("normals", normals), ("studies with the finding", findings)):
        codes = Counter(one.code for study in studies for one in study.held)
        if number := sum(bool(study.held) for study in studies):
            why = ", ".join(f"{code} {count}" for code, count in codes.most_common())
            notes.append(
                f"of {number} of {len(studies)} {what} the guard lets nothing be claimed ({why}); they count all the same"
            )
    return tuple(notes)


def _scores(studies: Sequence[StudyScore]) -> NDArray[np.float64]:
    return np.array([study.score for study in studies], np.float64)


def _probability(
    normals: NDArray[np.float64], findings: NDArray[np.float64], settings: CalibrationSettings
) -> ProbabilityMap | None:
    too_few = min(len(normals), len(findings)) < FEWEST_OF_EACH
    if settings.probability == "none" or (settings.probability == "auto" and too_few):
        return None
    method: ProbabilityMethod = "isotonic" if settings.probability == "isotonic" else "platt"
    truth = np.repeat([False, True], [len(normals), len(findings)])
    return fit_probability(np.concatenate([normals, findings]), truth, method)


def _notes(
    normals: NDArray[np.float64], findings: NDArray[np.float64], settings: CalibrationSettings
) -> tuple[str, ...]:
    rate, count = settings.false_positive_rate, len(normals)
    low, high = conditional_rates(rate, count)
    notes = [
        f"the rate of {rate:g} is the average over calibrations with {count} normals; in nine of ten of them the true rate "
        f"lies between {low:.3f} and {high:.3f}, more normals bring it nearer"
    ]
    if len(findings) < needed(settings.miss_rate):
        notes.append(
            f"no rate of misses is promised: {settings.miss_rate:g} takes {needed(settings.miss_rate)} studies with the "
            f"finding, got {len(findings)}"
        )
    if len(normals) < FEWEST:
        notes.append(f"unlike studies are not recognised: that takes {FEWEST} normals, got {len(normals)}")
    elif len(findings) < FEWEST:
        notes.append(
            f"with fewer than {FEWEST} studies that show the finding (got {len(findings)}), embeddings say only whether "
            '"absent" may be claimed'
        )
    ties = int(np.sum(normals == np.max(normals))) if count else 0
    if ties > rate * count and ties > 1:
        notes.append(
            f"{ties} of {count} normals share the highest score: only a study that scores higher than all of them is called "
            "present; where scores end, as at 1, none can"
        )
    return tuple(notes)
