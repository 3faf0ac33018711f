"""How often a forced decision is wrong where only the surest cases are answered (Geifman and El-Yaniv 2017, NeurIPS)."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from medkt.statistics.classification import Truth


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskCoverage:
    """The curve of risk against coverage.

    Attributes:
        coverage: the share answered, rising to 1.
        risk: the share of these that is wrong.
        area: under the curve, the mean risk over all shares; lower is better.
    """

    coverage: tuple[float, ...]
    risk: tuple[float, ...]
    area: float


def risk_coverage(probabilities: Float64[np.ndarray, " cases"], truth: Truth) -> RiskCoverage:
    """The curve of a forced decision at one half, surest cases first; cases that are equally sure come together."""
    sure = np.abs(probabilities - 0.5)
    order = np.argsort(-sure, kind="stable")
    wrong = np.cumsum((probabilities >= 0.5)[order] != truth[order])
    number = np.arange(1, len(order) + 1)
    ends = np.append(np.diff(sure[order]) != 0, True)
    coverage, risk = (number / len(order))[ends], (wrong / number)[ends]
    area = float(np.sum(risk * np.diff(coverage, prepend=0.0)))
    return RiskCoverage(
        coverage=tuple(float(one) for one in coverage), risk=tuple(float(one) for one in risk), area=area
    )
