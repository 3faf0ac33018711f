"""How a mask is scored against its reference in a run, and what of it goes into the result table."""

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from medkt.errors import SettingsError
from medkt.metrics import CaseResult, MetricSettings, evaluate_case, lesion_scores
from medkt.runs.work import Value
from medkt.shapes import Voxels
from medkt.spatial import Mask

DIGEST = 32  # hex digits of a mask's digest: 128 bits
DIGITS = 6  # of a number in the table: after the point, and never fewer that count
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

    def score(self, *, reference: Mask, prediction: Mask, sure: Voxels | None = None) -> CaseResult:
        """The numbers of one case; as `evaluate_case`. Scores of lesions are left out where the grids differ."""
        same = sure is not None and reference.geometry.same_grid(prediction.geometry)
        in_mm = self.unit == "mm" or (self.unit == "auto" and reference.geometry.unit == "mm")
        return evaluate_case(
            reference=reference, prediction=prediction, settings=self.metrics,
            tolerance_mm=self.tolerance if in_mm else None, tolerance_px=None if in_mm else self.tolerance,
            lesion_scores=sure if same else None,
        )  # fmt: skip


def columns_of(result: CaseResult, *, sure: bool = False) -> dict[str, Value]:
    """The result's part of a row: outcome and numbers; which of them are infinite, and why others are missing.

    Tables hold no infinity, so such a number is empty there and its name stands in `infinite`. With `sure`, where
    lesions have scores, those of the found ones stand in `scores_found`, those of the false alarms in `scores_false`.
    """
    columns: dict[str, Value] = {"outcome": result.outcome}
    columns |= {name: _rounded(number) for name, number in result.numbers.items()}
    columns |= {name: _rounded(amount) for name, amount in result.outside.items()}
    if result.infinite:
        columns["infinite"] = " ".join(result.infinite)
    if sure and result.lesions is not None and all(one.score is not None for one in result.lesions.prediction):
        found, false = lesion_scores(result.lesions)
        columns |= {"scores_found": _listed(found), "scores_false": _listed(false)}
    if result.missing:
        columns["no_number"] = "; ".join(_reasons(result.missing))
    return columns


def facts_of_mask(mask: Mask, side: str) -> dict[str, Value]:
    """What of a mask stands beside its numbers: by which rule its voxels are inside, and a digest of them to know copies by.

    An empty mask has no digest: many are alike without being copies.
    """
    facts: dict[str, Value] = {f"{side}_rule": "; ".join(mask.provenance.steps)}
    if mask.values.any():
        packed = np.packbits(mask.values).tobytes()
        facts[f"{side}_digest"] = hashlib.sha256(repr(mask.values.shape).encode() + packed).hexdigest()[:DIGEST]
    return facts


def _listed(scores: Sequence[float]) -> str:
    return " ".join(f"{score:.6g}" for score in scores)


def _reasons(missing: Mapping[str, str]) -> list[str]:
    return list(dict.fromkeys(missing.values()))


def _rounded(number: float) -> float | None:
    """In a table a volume of a few cells, some 1e-8 mL, is no 0."""
    if not math.isfinite(number):
        return None
    leading = math.floor(math.log10(abs(number))) if number else 0
    return round(float(number), max(DIGITS, DIGITS - 1 - leading))
