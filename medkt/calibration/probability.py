"""From a score to a probability that the finding is there, where labels exist: Platt's sigmoid, or isotonic regression.

Platt 1999 (*Probabilistic outputs for support vector machines*), with his smoothed targets, so that classes which do not
overlap give finite slopes; Zadrozny and Elkan 2002 (KDD) for isotonic regression. scikit-learn fits both. A probability
is one for the share of findings among the labelled studies; `at_prevalence` moves it to another share.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float64

from medkt.errors import InputError, SettingsError
from medkt.statistics.classification import Truth

ProbabilityMethod = Literal["platt", "isotonic"]
METHODS: tuple[ProbabilityMethod, ...] = get_args(ProbabilityMethod)
FEWEST_OF_EACH = 10  # positives and negatives; below, a fold of the cross-validation has one or none
FOLDS = 5
_TOO_SURE = 1e-6  # an isotonic step may be exactly 0 or 1, which no later prevalence could move


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbabilityMap:
    """A rising function of the score.

    Attributes:
        method: "platt" or "isotonic".
        scores: where the function is given: for "platt" two points of the line of log-odds, else the steps' corners.
        log_odds: there.
        prevalence: the share with the finding among the labelled studies.
    """

    method: ProbabilityMethod
    scores: tuple[float, ...]
    log_odds: tuple[float, ...]
    prevalence: float

    def __post_init__(self) -> None:
        if len(self.scores) != len(self.log_odds) or len(self.scores) < (2 if self.method == "platt" else 1):
            raise InputError(f"{self.method}: {len(self.scores)} scores and {len(self.log_odds)} log-odds do not pair")

    def __call__(self, score: float) -> float:
        """The probability at a score, from 0 to 1."""
        return float(_sigmoid(self._log_odds(np.array([score], np.float64)))[0])

    def of(self, scores: Float64[np.ndarray, " cases"]) -> Float64[np.ndarray, " cases"]:
        """The probability at each score."""
        return _sigmoid(self._log_odds(scores))

    def at_prevalence(self, prevalence: float) -> "ProbabilityMap":
        """The same where another share has the finding (Saerens, Latinne and Decaestecker 2002, Neural Comput 14:21).

        Raises:
            SettingsError: the prevalence is not between 0 and 1.
        """
        if not 0 < prevalence < 1:
            raise SettingsError(f"a prevalence lies between 0 and 1, got {prevalence:g}")
        shift = float(_logit(np.array([prevalence]))[0] - _logit(np.array([self.prevalence]))[0])
        moved = tuple(value + shift for value in self.log_odds)
        return ProbabilityMap(method=self.method, scores=self.scores, log_odds=moved, prevalence=prevalence)

    def _log_odds(self, scores: Float64[np.ndarray, " cases"]) -> Float64[np.ndarray, " cases"]:
        if self.method == "isotonic":
            return np.asarray(np.interp(scores, self.scores, self.log_odds), np.float64)
        (left, right), (low, high) = self.scores, self.log_odds
        return np.asarray(low + (scores - left) * (high - low) / (right - left), np.float64)


def fit_probability(
    scores: Float64[np.ndarray, " cases"], truth: Truth, method: ProbabilityMethod = "platt"
) -> ProbabilityMap:
    """Fit a probability to labelled scores.

    Raises:
        InputError: fewer than `FEWEST_OF_EACH` studies of one kind, or all scores are equal.
    """
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if min(positives, negatives) < FEWEST_OF_EACH:
        raise InputError(
            f"a probability needs at least {FEWEST_OF_EACH} studies with and without the finding, got {positives} and "
            f"{negatives}; add some, or say --probability none"
        )
    if scores.min() == scores.max():
        raise InputError("all scores are equal: no probability can be told from them; check the concept and the model")
    made = _isotonic(scores, truth) if method == "isotonic" else _platt(scores, truth)
    return ProbabilityMap(
        method=method, scores=made[0], log_odds=made[1], prevalence=positives / (positives + negatives)
    )


def cross_validated(
    scores: Float64[np.ndarray, " cases"], truth: Truth, method: ProbabilityMethod = "platt", *, seed: int = 0
) -> Float64[np.ndarray, " cases"]:
    """The probability of each study from a fit to the other folds, so that none is judged by a fit that has seen it."""
    from sklearn.model_selection import StratifiedKFold

    probabilities = np.zeros(len(scores))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    for others, own in folds.split(scores[:, None], truth):
        fit = _isotonic if method == "isotonic" else _platt
        at, log_odds = fit(scores[others], truth[others])
        part = ProbabilityMap(method=method, scores=at, log_odds=log_odds, prevalence=float(truth[others].mean()))
        probabilities[own] = part.of(scores[own])
    return probabilities


def _platt(scores: Float64[np.ndarray, " cases"], truth: Truth) -> tuple[tuple[float, float], tuple[float, float]]:
    from sklearn.linear_model import LogisticRegression

    centre, width = float(scores.mean()), float(scores.std()) or 1.0
    unit = ((scores - centre) / width)[:, None]
    positives, negatives = int(truth.sum()), int((~truth).sum())
    target = np.where(truth, (positives + 1) / (positives + 2), 1 / (negatives + 2))  # Platt's equation for t+ and t-
    # a target of t is t of a positive and 1 - t of a negative
    line = LogisticRegression(C=1e6, max_iter=1000).fit(
        np.concatenate([unit, unit]), np.repeat([1, 0], len(unit)), sample_weight=np.concatenate([target, 1 - target])
    )
    slope, height = float(line.coef_[0, 0]), float(line.intercept_[0])
    if slope < 0:  # it would call the lower of two scores the likelier: such a score tells nothing but the share
        slope, height = 0.0, float(_logit(np.array([target.mean()]))[0])
    return (centre - width, centre + width), (height - slope, height + slope)


def _isotonic(scores: Float64[np.ndarray, " cases"], truth: Truth) -> tuple[tuple[float, ...], tuple[float, ...]]:
    from sklearn.isotonic import IsotonicRegression

    steps = IsotonicRegression(y_min=_TOO_SURE, y_max=1 - _TOO_SURE).fit(scores, truth.astype(np.float64))
    return (
        tuple(float(one) for one in steps.X_thresholds_),
        tuple(float(one) for one in _logit(np.asarray(steps.y_thresholds_, np.float64))),
    )


def _sigmoid(log_odds: Float64[np.ndarray, " cases"]) -> Float64[np.ndarray, " cases"]:
    return np.asarray(0.5 * (1 + np.tanh(log_odds / 2)), np.float64)  # never overflows


def _logit(shares: Float64[np.ndarray, " cases"]) -> Float64[np.ndarray, " cases"]:
    return np.asarray(np.log(shares) - np.log1p(-shares), np.float64)
