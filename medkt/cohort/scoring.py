"""How a mask is scored against its reference in a run, and what of it goes into the result table."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from medkt.cohort.outcomes import Value
from medkt.errors import SettingsError
from medkt.metrics import CaseResult, MetricSettings, evaluate_case
from medkt.spatial import Mask

UNITS = ("auto", "mm", "pixel")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """Which numbers, by which rules, in which unit."""

    metrics: MetricSettings = field(default_factory=MetricSettings)
    """The metrics and the rule for empty masks."""
    tolerance: float = 2.0
    """Of the boundary NSD, in the unit below."""
    unit: str = "auto"
    """mm, pixel, or auto: mm where the image has a spacing."""

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise SettingsError(f"a tolerance is in one of {', '.join(UNITS)}, got {self.unit!r}")
        if not (math.isfinite(self.tolerance) and self.tolerance >= 0):
            raise SettingsError(f"a tolerance is 0 or more, got {self.tolerance}")

    @classmethod
    def parse(cls, tolerance: str, metrics: MetricSettings) -> "Scoring":
        """Scoring with a tolerance such as "2mm", "2px" or "2" (mm where there is a spacing).

        Raises:
            SettingsError: not of this form.
        """
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(mm|px)?", tolerance.strip())
        if found is None:
            raise SettingsError(f"--tolerance {tolerance}: expected a number and a unit, such as 2mm or 2px")
        unit = {"mm": "mm", "px": "pixel", None: "auto"}[found[2]]
        return cls(metrics=metrics, tolerance=float(found[1]), unit=unit)

    def score(self, *, reference: Mask, prediction: Mask) -> CaseResult:
        """The numbers of one case; as `evaluate_case`."""
        in_mm = self.unit == "mm" or (self.unit == "auto" and reference.geometry.unit == "mm")
        return evaluate_case(
            reference=reference, prediction=prediction, settings=self.metrics,
            tolerance_mm=self.tolerance if in_mm else None, tolerance_px=None if in_mm else self.tolerance,
        )  # fmt: skip


def columns_of(result: CaseResult) -> dict[str, Value]:
    """The result's part of a row: outcome and numbers; which of them are infinite, and why others are missing.

    Tables hold no infinity, so such a number is empty there and its name stands in `infinite`.
    """
    columns: dict[str, Value] = {"outcome": result.outcome}
    columns |= {name: _rounded(number) for name, number in result.numbers.items()}
    if result.infinite:
        columns["infinite"] = " ".join(result.infinite)
    if result.missing:
        columns["no_number"] = "; ".join(_reasons(result.missing))
    return columns


def _reasons(missing: Mapping[str, str]) -> list[str]:
    return list(dict.fromkeys(missing.values()))


def _rounded(number: float) -> float | None:
    return round(float(number), 6) if math.isfinite(number) else None
