"""Is the finding there at all? Decided from the words before any map is made: a map always has a brightest place.

Every slice gets a score for the finding against what it is told apart from, and the slices' scores become one decision.
An absent finding ends in an empty mask, which is a legal result, and so does one of which nothing can be claimed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor
from torch.nn import functional

from medkt.errors import InputError, NumericalError, SettingsError
from medkt.presence import NullDistribution, PlaneScores, Sight, State
from medkt.presence import Presence as Presence
from medkt.saliency.directions import leads
from medkt.saliency.targets import Target

ScoreRule = Literal["softmax", "margin", "cosine"]
Aggregate = Literal["supported", "max", "top_mean"]
LEAD = "lead"
"""The unit of a concept that is asked by directions with a bias: its share beside the nearest rival, at the encoder's logit scale
and with the bias taken off its lead, so that 0.5 is a lead of just the bias. No setting asks for it."""
SEEN_FROM = 0.5
UNKNOWN = "what this model scores where there is nothing is not known"

FLOOR = 0.05
"""A softmax below this is not seen, however much less drawn normal studies score: patients are more varied than drawings. Chosen among
0 to 0.2 on drawn planes, where up to 0.05 no lesion is lost, and normal radiographs of role "validate", of which fewer are
called ill with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PresenceSettings:
    """When a finding counts as present."""

    gate: bool = True
    """Whether an absent finding ends the work; without it every slice is looked at, as published."""

    rule: ScoreRule = "softmax"
    """"softmax": probability of the finding against the normal captions and the confusable texts at the encoder's logit
    scale, where all confusable texts share one vote, so that their number does not matter; "margin": its cosine less the
    largest contrast's; "cosine": the cosine alone. A concept without contrasts always has its cosine."""

    threshold: float | None = None
    """A study whose score is at least this has the finding, and so has a slice. In the unit of the rule. None: what `rate` says
    where it is known what studies without the finding score; else 0.2, and 0.5 of a softmax over several slices."""

    rate: float = 0.03
    """The share of studies without anything to be found that may score as much: normal studies ship with the embedded model, and
    each question is asked of them too. In [0, 1); a softmax below 0.05 is not seen in any case."""

    weak: float = 0.1
    """Slices from this score on are looked at too, and kept where they touch a strong one."""

    aggregate: Aggregate = "supported"
    """How the slices' scores become the study's. "supported": the highest of a slice that a neighbour supports, so that of
    many slices a single odd one does not decide; "max": the highest of any slice; "top_mean": the mean of the `top`
    highest, wherever they lie. For a single image all are its score."""

    support: float = 0.05
    """A slice has support where a neighbour scores at least this; without, it counts no more than its better neighbour. In
    the unit of the rule. Take "max" where slices are thicker than what you look for: it shows in one slice only."""

    extent_mm: float | None = None
    """What "supported" asks of slices that lie closer than this: as many in a row as it takes to cover it must bear a score out.
    None: that of the domain; 0: one neighbour at any distance, as `support` says."""

    top: int = 3
    """How many slices "top_mean" takes; all where there are fewer."""

    def __post_init__(self) -> None:
        if self.rule not in get_args(ScoreRule) or self.aggregate not in get_args(Aggregate):
            raise SettingsError(f"unknown presence rule {self.rule!r} or aggregate {self.aggregate!r}")
        if self.weak > self.least(1):
            raise SettingsError(f"presence: weak ({self.weak}) must not be above threshold ({self.least(1)})")
        if not 0 <= self.rate < 1:
            raise SettingsError(f"presence: rate is a share from 0 to below 1, got {self.rate}")
        if self.extent_mm is not None and self.extent_mm < 0:
            raise SettingsError(f"presence: extent_mm is 0 or more, got {self.extent_mm}")
        if self.top < 1:
            raise SettingsError(f"presence: top counts slices and is at least 1, got {self.top}")

    def least(self, slices: int, null: NullDistribution | None = None, *, unit: str = "") -> float:
        """The score from which a study of so many slices has the finding, where `null` is what others score without it.

        `unit` is `LEAD` where its score is one: then it is its own bias, and over slices no less than `null` says.
        """
        if self.threshold is not None:
            return self.threshold
        if unit == LEAD:
            return SEEN_FROM if null is None else max(SEEN_FROM, null.least(self.rate))
        if null is not None:
            return max(null.least(self.rate), FLOOR if self.rule == "softmax" else -math.inf)
        return 0.5 if slices > 1 and self.rule == "softmax" else 0.2

    def weak_of(self, unit: str) -> float:
        """From which score on a slice is looked at. A lead's scale is flat: what one plane in twenty reaches is its bias, not 0.1."""
        return max(self.weak, SEEN_FROM) if unit == LEAD else self.weak


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdRule:
    """The score against the threshold of the settings; a `PresenceRule`."""

    settings: PresenceSettings = field(default_factory=PresenceSettings)

    def decide(self, scores: PlaneScores) -> Presence:
        """Seen from the threshold on; not decided where the gate is off."""
        settings, null = self.settings, scores.null
        least = settings.least(len(scores.scores), null, unit=scores.unit)
        found = scores.score >= least
        state: State = "not decided" if not settings.gate else "seen" if found else "not seen"
        return Presence(
            score=scores.score, state=state, reason=_reason(scores, found, settings), margins=scores.margins,
            scores=scores.scores, strong=least, weak=min(settings.weak_of(scores.unit), least), every=not settings.gate,
            null=None if null is None else null.scores, no_normals=scores.no_normals,
        )  # fmt: skip


def decide_presence(
    features: Float[Tensor, "slices width"],
    target: Target,
    settings: PresenceSettings,
    *,
    logit_scale: float,
    indices: Sequence[int] | None = None,
) -> Presence:
    """Decide by the threshold of the settings; arguments and errors are those of `plane_scores`."""
    scores = plane_scores(features, target, settings, logit_scale=logit_scale, indices=indices)
    return ThresholdRule(settings=settings).decide(scores)


def plane_scores(
    features: Float[Tensor, "slices width"],
    target: Target,
    settings: PresenceSettings,
    *,
    logit_scale: float,
    indices: Sequence[int] | None = None,
    sight: Sight | None = None,
    run: int = 1,
) -> PlaneScores:
    """Scores from the slices' image features, which need not have unit length.

    Args:
        features: one row a slice.
        target: what is asked for.
        settings: in which unit, and how the slices' scores become the study's.
        logit_scale: the encoder's.
        indices: of the slices, ascending; neighbours differ by 1. None: each is the next one's neighbour.
        sight: the study, for rules that ask more than scores.
        run: how many slices in a row must bear a score out, where `settings` say "supported".

    Raises:
        InputError: there is no slice, or not one index for each.
        NumericalError: a feature is NaN, infinite or zero.
    """
    if not len(features):
        raise InputError("presence needs at least one slice")
    indices = range(len(features)) if indices is None else indices
    if len(indices) != len(features):
        raise InputError(f"presence needs an index for each slice, got {len(indices)} for {len(features)}")
    lengths = features.float().norm(dim=-1)
    if not (torch.isfinite(lengths) & (lengths > 0)).all():
        raise NumericalError("the encoder gives no usable image feature for some slice (NaN, infinity or zero)")
    units = functional.normalize(features.float(), dim=-1)
    wanted = units @ target.wanted.to(units)
    contrasts = units @ target.contrasts.to(units).T  # (slices, contrasts)
    margins = wanted - contrasts.max(dim=1).values if contrasts.shape[1] else wanted
    normals, unit = 0 if target.normal is None else 1, settings.rule if target.asked is None else LEAD
    if target.asked is not None:
        margins = leads(units, target.asked.directions)
        scores = torch.sigmoid((margins - target.asked.bias) * logit_scale).cpu().numpy()
    elif settings.rule == "cosine" or not contrasts.shape[1]:
        scores = wanted.cpu().numpy()
    elif settings.rule == "margin":
        scores = margins.cpu().numpy()
    else:
        scores = _probability(wanted, contrasts, normals, logit_scale).cpu().numpy()
    return PlaneScores(
        concept=target.id, unit=unit, scores=scores, score=study_score(scores, indices, settings, run), run=run,
        margins=margins.cpu().numpy(), wanted=wanted.cpu().numpy(), contrasts=contrasts.cpu().numpy(), normals=normals,
        logit_scale=logit_scale, indices=indices, sight=sight,
    )  # fmt: skip


def without_planes(scores: PlaneScores, odd: Bool[np.ndarray, " slices"], settings: PresenceSettings) -> PlaneScores:
    """The scores where some planes have no voice: they take the lowest score of the study."""
    if not odd.any():
        return scores
    left = np.where(odd, scores.scores.min(), scores.scores).astype(np.float32)
    return replace(scores, scores=left, score=study_score(left, scores.indices, settings, scores.run))


def _probability(wanted: Tensor, contrasts: Tensor, normals: int, logit_scale: float) -> Tensor:
    """(slices,) softmax of the finding, the normal direction and the confusable texts as one (their log-mean-exp)."""
    logits = [wanted[:, None], contrasts[:, :normals]]
    if confusable := contrasts.shape[1] - normals:
        together = torch.logsumexp(contrasts[:, normals:] * logit_scale, dim=1, keepdim=True) - math.log(confusable)
        logits.append(together / logit_scale)
    return torch.softmax(torch.cat(logits, dim=1) * logit_scale, dim=1)[:, 0]


def study_score(
    scores: Float32[np.ndarray, " slices"], indices: Sequence[int], settings: PresenceSettings, run: int = 1
) -> float:
    """One score of the slices', as the settings say; `run` as for `plane_scores`."""
    if settings.aggregate == "max":
        return float(scores.max())
    if settings.aggregate == "top_mean":
        return float(np.sort(scores)[-settings.top :].mean(dtype=np.float64))
    if run > 1:
        return _of_a_run(scores, indices, run)
    return float(_supported(scores, indices, settings.support).max())


def _of_a_run(scores: Float32[np.ndarray, " slices"], indices: Sequence[int], run: int) -> float:
    """The highest score that so many neighbours in a row all reach; all of a stretch that is shorter."""
    cuts = np.flatnonzero(np.diff(np.asarray(indices)) != 1) + 1
    least = [
        part[start : start + run].min()
        for part in np.split(scores, cuts)
        for start in range(max(1, len(part) - run + 1))
    ]
    return float(max(least))


def _supported(
    scores: Float32[np.ndarray, " slices"], indices: Sequence[int], support: float
) -> Float32[np.ndarray, " slices"]:
    """Each score as far as the better neighbour bears it out; where no slice has a neighbour, as they are."""
    follows = np.diff(np.asarray(indices)) == 1
    if not follows.any():
        return scores
    before = np.concatenate([[-np.inf], np.where(follows, scores[:-1], -np.inf)])
    after = np.concatenate([np.where(follows, scores[1:], -np.inf), [-np.inf]])
    neighbour = np.maximum(before, after).astype(np.float32)
    borne: Float32[np.ndarray, " slices"] = np.where(neighbour >= support, scores, np.minimum(scores, neighbour))
    return borne


def _reason(scores: PlaneScores, found: bool, settings: PresenceSettings) -> str:
    slices = len(scores.scores)
    of = f"over {slices} slices" if slices > 1 else "of the image"
    relation = "reaches" if found else "is below"
    kept = "" if found or settings.gate else "; looked at all the same, for the gate is off"
    said = f"{scores.concept}: {scores.unit} score {scores.score:.3f} {of} {relation}"
    return f"{said} {settings.least(slices, scores.null, unit=scores.unit):.3g}{_whence(scores, settings)}{kept}"


def _whence(scores: PlaneScores, settings: PresenceSettings) -> str:
    """What the score is held against, where neither the user nor the concept said it."""
    if settings.threshold is not None:
        return ""
    if scores.null is not None:
        share = scores.null.reached_by(scores.score)
        return f"; {f'{share:.1%}' if share else 'none'} of {len(scores.null.scores)} drawn normal {scores.null.what} score as much"
    why = scores.no_normals
    if scores.unit == LEAD:
        return "" if why is None else f" (held against no normal study: {why.sentence})"
    return f" (not calibrated: {UNKNOWN if why is None else why.sentence})"
