"""Two masks of one case to its numbers, and why a number is missing.

The rule for empty masks, for every metric: where both are empty there is nothing to compare, the number is NaN and the
reason is kept; where one is empty, the number is 0. `outcome` says which it was, so that a table can tell a finding
that was missed from one that was invented, and a mean can say how many cases it left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from medkt.errors import InputError, SettingsError
from medkt.metrics.overlap import dice, iou
from medkt.metrics.surface import SLAB_TOLERANCE_PX, Number, nsd, nsd_slab
from medkt.spatial import Geometry, Mask, Provenance

Outcome = Literal["normal", "both empty", "reference empty", "prediction empty"]
EMPTY_RULE = "both empty: NaN; one empty: 0"
NAN = float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """The numbers of one case.

    Attributes:
        case_id: as in the manifest; pairing is by it.
        numbers: by name, with the tolerance and its unit in the name: "dsc", "iou", "nsd@2mm"; NaN where missing.
        missing: for each NaN, why.
        outcome: which of the two masks was empty.
        settings: what the numbers depend on (tolerance, spacing, the empty rule), to be kept beside them.
        seconds: how long the case took, where someone measured it.
        reference, prediction: where the masks come from.
    """

    case_id: str
    numbers: Mapping[str, float]
    missing: Mapping[str, str] = field(default_factory=dict)
    outcome: Outcome = "normal"
    settings: Mapping[str, str] = field(default_factory=dict)
    seconds: float | None = None
    reference: Provenance = field(default_factory=Provenance)
    prediction: Provenance = field(default_factory=Provenance)


def evaluate_case(
    *,
    reference: Mask,
    prediction: Mask,
    case_id: str = "",
    tolerance_mm: Number | None = None,
    tolerance_px: Number | None = None,
    with_slab: bool = False,
) -> CaseResult:
    """Dice, IoU and NSD of one case; the tolerance is given in millimetres or, by name, in pixels.

    Args:
        reference: the mask that counts as true.
        prediction: the other one, on the same grid.
        case_id: kept in the result.
        tolerance_mm: NSD tolerance; needs an image that has a spacing.
        tolerance_px: NSD tolerance in pixels, every step of the grid counting 1.
        with_slab: adds `nsd_slab@2px`, to compare with tables of MedCLIP-SAMv2; for one plane only.

    Raises:
        GeometryMismatchError: the masks lie on two grids.
        SettingsError: none or both of the tolerances are given, or one is negative.
        InputError: millimetres are asked of an image without spacing.
    """
    reference.geometry.require_same_grid(prediction.geometry, what="prediction")
    tolerance, unit = _tolerance(tolerance_mm, tolerance_px, reference.geometry)
    outcome = _outcome(reference, prediction)
    name = f"nsd@{tolerance:g}{unit}"
    numbers, missing, settings = _boundary(reference, prediction, name, tolerance, unit)
    masks = {"reference": reference.values, "prediction": prediction.values}
    numbers = {"dsc": dice(**masks), "iou": iou(**masks), **numbers}
    if with_slab:
        slab, why = _slab(reference, prediction)
        numbers |= slab
        missing |= why
    if outcome == "both empty":
        missing = dict.fromkeys(numbers, "both masks are empty: there is nothing to compare")
    return CaseResult(
        case_id=case_id, numbers=numbers, missing=missing, outcome=outcome, settings=settings,
        reference=reference.provenance, prediction=prediction.provenance,
    )  # fmt: skip


def _tolerance(tolerance_mm: Number | None, tolerance_px: Number | None, geometry: Geometry) -> tuple[Number, str]:
    if tolerance_px is not None and tolerance_mm is None:
        return tolerance_px, "px"
    if tolerance_mm is None or tolerance_px is not None:
        raise SettingsError("NSD needs one tolerance: give tolerance_mm or tolerance_px, and not both")
    if geometry.unit != "mm":
        raise InputError("the masks have no spacing, so a tolerance in mm means nothing; give tolerance_px instead")
    return tolerance_mm, "mm"


def _outcome(reference: Mask, prediction: Mask) -> Outcome:
    empty = (not reference.values.any(), not prediction.values.any())
    words: dict[tuple[bool, bool], Outcome] = {
        (True, True): "both empty", (True, False): "reference empty", (False, True): "prediction empty",
    }  # fmt: skip
    return words.get(empty, "normal")


def _boundary(
    reference: Mask, prediction: Mask, name: str, tolerance: Number, unit: str
) -> tuple[dict[str, float], dict[str, str], dict[str, str]]:
    geometry = reference.geometry
    spacing = geometry.spacing if unit == "mm" else (1.0, 1.0, 1.0)
    thin = _thin_axis(geometry)
    kept = [axis for axis in range(3) if axis != thin]
    settings = {
        "tolerance": f"{tolerance:g} {unit}",
        "spacing": " x ".join(f"{spacing[axis]:g}" for axis in kept) + f" {unit}",
        "boundary": "surface of the volume" if thin is None else "contours of one plane",
        "empty": EMPTY_RULE,
    }
    why = _no_boundary(geometry, unit)
    if why:
        return {name: NAN}, {name: why}, settings
    planes = [mask.values if thin is None else mask.values.squeeze(thin) for mask in (reference, prediction)]
    steps = tuple(spacing[axis] for axis in kept)
    score = nsd(reference=planes[0], prediction=planes[1], spacing=steps, tolerance=tolerance)
    return {name: score}, {}, settings


def _no_boundary(geometry: Geometry, unit: str) -> str:
    if geometry.stack == "time":
        return "the frames of a clip have no common surface: evaluate them one by one"
    if geometry.is_sheared and unit == "mm":
        return "the voxel axes are not at right angles: resample the masks onto a grid whose axes are"
    return ""


def _slab(reference: Mask, prediction: Mask) -> tuple[dict[str, float], dict[str, str]]:
    name = f"nsd_slab@{SLAB_TOLERANCE_PX:g}px"
    thin = _thin_axis(reference.geometry)
    if thin is None:
        return {name: NAN}, {name: "defined for one plane only"}
    planes = [mask.values.squeeze(thin) for mask in (reference, prediction)]
    return {name: nsd_slab(reference=planes[0], prediction=planes[1])}, {}


def _thin_axis(geometry: Geometry) -> int | None:
    """The first axis that holds a single plane; None for a volume."""
    return next((axis for axis in range(3) if geometry.shape[axis] == 1), None)
