"""What a metric says where a mask is empty: one policy with a name, recorded beside every number.

Peers differ here (0, 1, NaN or infinity for the same pair of masks), and means differ by points for it. So the rule is
chosen by name, the same for all metrics of a run, and a number that a rule made missing keeps the reason.
"""

from dataclasses import dataclass
from typing import Literal

from medkt.errors import UnknownNameError

MetricKind = Literal["overlap", "distance"]
Emptiness = Literal["normal", "both empty", "reference empty", "prediction empty"]

NAN = float("nan")
BEST: dict[MetricKind, float] = {"overlap": 1.0, "distance": 0.0}
WORST: dict[MetricKind, float] = {"overlap": 0.0, "distance": float("inf")}
NOTHING_TO_COMPARE = "both masks are empty: there is nothing to compare"


@dataclass(frozen=True, slots=True, kw_only=True)
class EmptyPolicy:
    """The rule for empty masks.

    Attributes:
        name: by which it is asked for and recorded.
        both_counts: whether two empty masks are full agreement (overlap 1, distance 0); else the number is missing.
        distance_is_missing: where one mask is empty, whether a distance is missing; else it is infinite.
    """

    name: str
    both_counts: bool = False
    distance_is_missing: bool = False

    def value(self, kind: MetricKind, outcome: Emptiness) -> tuple[float, str]:
        """The number for a pair of which at least one is empty, and why it is missing ("" where it is not).

        >>> EMPTY_POLICIES["standard"].value("distance", "prediction empty")
        (inf, '')
        """
        if outcome == "both empty":
            return (BEST[kind], "") if self.both_counts else (NAN, NOTHING_TO_COMPARE)
        if kind == "distance" and self.distance_is_missing:
            return NAN, f"{outcome}: there is no boundary to measure a distance to"
        return WORST[kind], ""

    def words(self, *, distances: bool) -> str:
        """The rule as recorded; `distances` where the run has metrics that are distances."""
        both = "both empty: 1 (distance 0)" if self.both_counts else "both empty: NaN"
        if not distances:
            return f"{both.removesuffix(' (distance 0)')}; one empty: 0"
        far = "NaN" if self.distance_is_missing else "infinity"
        return f"{both}; one empty: 0 (distance {far})"


EMPTY_POLICIES = {
    policy.name: policy
    for policy in (
        EmptyPolicy(name="standard"),
        EmptyPolicy(name="distances-missing", distance_is_missing=True),
        EmptyPolicy(name="agreement-counts", both_counts=True),
    )
}


def empty_policy(name: str) -> EmptyPolicy:
    """The policy of that name.

    Raises:
        UnknownNameError: there is none.
    """
    if name not in EMPTY_POLICIES:
        raise UnknownNameError(f"no rule for empty masks is called {name!r}; known are: {', '.join(EMPTY_POLICIES)}")
    return EMPTY_POLICIES[name]


def outcome_of(*, reference_is_empty: bool, prediction_is_empty: bool) -> Emptiness:
    """Which of the two masks is empty."""
    words: dict[tuple[bool, bool], Emptiness] = {
        (True, True): "both empty", (True, False): "reference empty", (False, True): "prediction empty",
    }  # fmt: skip
    return words.get((reference_is_empty, prediction_is_empty), "normal")
