"""Two masks of one case to its numbers, and why a number is missing.

Metrics are asked for by name (`METRICS`); the default set is Dice, IoU and NSD. Empty masks follow one policy for all of
them (`empty.py`), recorded in the settings of the result. `outcome` says which mask was empty, so that a table can tell
a finding that was missed from one that was invented, and a mean can say how many cases it left out.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from medkt.errors import InputError, SettingsError, UnknownNameError
from medkt.metrics.empty import NAN, Emptiness, EmptyPolicy, MetricKind, empty_policy, outcome_of
from medkt.metrics.grid import join_grids
from medkt.metrics.lesions import LesionMatch, LesionSettings, match_lesions
from medkt.metrics.overlap import BoolArray, dice, iou, joint_box
from medkt.metrics.surface import (
    SLAB_TOLERANCE_PX,
    Scalar,
    SurfaceDistances,
    assd,
    hausdorff,
    measure_surfaces,
    nsd_slab,
    surface_dice,
)
from medkt.metrics.volume import NO_VOLUME, volume_difference
from medkt.shapes import Voxels
from medkt.spatial import Geometry, Mask, Provenance, planes_of

EMPTY_RULE = empty_policy("standard").words(distances=False)
NumberOrReason = tuple[float, str]  # a number and "", or NaN and why


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSettings:
    """Which numbers, and by which rules."""

    metrics: tuple[str, ...] = ("dsc", "iou", "nsd")
    """Names of `METRICS`."""
    empty: str = "standard"
    """The rule for empty masks: standard, distances-missing or agreement-counts."""
    resample_to_reference: bool = False
    """Bring a prediction on another grid onto the reference's lattice (nearest), which is extended to hold both; else two
    grids are refused, but for a DICOM SEG on the same lattice (`medkt.metrics.grid`)."""
    lesions: LesionSettings = field(default_factory=LesionSettings)
    """What a lesion is and when it is found."""

    def __post_init__(self) -> None:
        unknown = [name for name in self.metrics if name not in METRICS]
        if unknown:
            raise UnknownNameError(f"no metric is called {unknown[0]!r}; known are: {', '.join(METRICS)}")
        if not self.metrics or len(set(self.metrics)) < len(self.metrics):
            raise SettingsError(f"metrics are asked for once each and at least one, got {self.metrics}")
        empty_policy(self.empty)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """The numbers of one case.

    Attributes:
        case_id: as in the manifest; pairing is by it.
        numbers: by name, with parameter and unit in the name: "dsc", "iou", "nsd@2mm", "hd95_mm", "assd_mm",
            "volume_difference_ml"; NaN where missing.
        missing: for each NaN, why.
        outcome: which of the two masks was empty.
        settings: what the numbers depend on (tolerance, spacing, the empty rule), to be kept beside them.
        seconds: how long the case took, where someone measured it.
        reference, prediction: where the masks come from.
        lesions: lesion by lesion, where asked for.
        outside: where the two masks lay on two grids, how much each marks outside the other's field of view:
            "prediction_outside_ml" (counted as false), "reference_outside_ml" (counted as missed).
    """

    case_id: str
    numbers: Mapping[str, float]
    missing: Mapping[str, str] = field(default_factory=dict)
    outcome: Emptiness = "normal"
    settings: Mapping[str, str] = field(default_factory=dict)
    seconds: float | None = None
    reference: Provenance = field(default_factory=Provenance)
    prediction: Provenance = field(default_factory=Provenance)
    lesions: LesionMatch | None = None
    outside: Mapping[str, float] = field(default_factory=dict)

    @property
    def infinite(self) -> tuple[str, ...]:
        """The names of the numbers that are infinite, by the rule for empty masks."""
        return tuple(name for name, number in self.numbers.items() if math.isinf(number))

    @property
    def unwritable(self) -> Mapping[str, str]:
        """For each number that neither JSON nor a table can hold, why: the missing ones, and the infinite ones."""
        return {**self.missing, **dict.fromkeys(self.infinite, f"infinite by the rule for empty masks: {self.outcome}")}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Case:
    """Two masks on one grid and what the metrics share, measured once. `surfaces` is a text where there are none.

    `inside` are the voxels of both in the box that holds them: what lies around it changes no overlap and no boundary.
    """

    reference: Mask
    prediction: Mask
    inside: tuple[BoolArray, BoolArray]
    outcome: Emptiness
    policy: EmptyPolicy
    unit: str
    tolerance: Scalar
    surfaces: SurfaceDistances | str
    lesions: LesionMatch | None


def evaluate_case(
    *,
    reference: Mask,
    prediction: Mask,
    case_id: str = "",
    tolerance_mm: Scalar | None = None,
    tolerance_px: Scalar | None = None,
    with_slab: bool = False,
    settings: MetricSettings | None = None,
    lesion_scores: Voxels | None = None,
) -> CaseResult:
    """The numbers of one case: Dice, IoU and NSD, or those that the settings name.

    Args:
        reference: the mask that counts as true.
        prediction: the other one, on the same grid.
        case_id: kept in the result.
        tolerance_mm: NSD tolerance; needs an image that has a spacing. Distances are then in millimetres.
        tolerance_px: NSD tolerance in pixels, every step of the grid counting 1. Distances are then in pixels.
        with_slab: adds `nsd_slab@2px`, to compare with tables of MedCLIP-SAMv2; for one plane only.
        settings: the metrics, the rule for empty masks, resampling, what a lesion is.
        lesion_scores: how sure the prediction is, by voxel of the reference's grid; what FROC needs.

    Raises:
        GeometryMismatchError: the masks lie on two grids, or their fields of view do not meet.
        SettingsError: NSD is asked for and none or both of the tolerances are given, or one is negative.
        InputError: millimetres are asked of an image without spacing.
    """
    settings = settings or MetricSettings()
    if with_slab and "nsd_slab" not in settings.metrics:
        settings = replace(settings, metrics=(*settings.metrics, "nsd_slab"))
    joined = join_grids(reference=reference, prediction=prediction, resample=settings.resample_to_reference)
    reference, prediction, grid = joined.reference, joined.prediction, joined.reference.geometry
    tolerance, unit = _tolerance(tolerance_mm, tolerance_px, grid, settings.metrics)
    case = _measured(*_in_world_order(reference, prediction, lesion_scores), settings, tolerance, unit)
    values = {name: value for metric in settings.metrics for name, value in METRICS[metric].compute(case).items()}
    words = _words(settings, grid, unit, tolerance)
    return CaseResult(
        case_id=case_id, numbers={name: number for name, (number, _) in values.items()},
        missing={name: why for name, (_, why) in values.items() if why}, outcome=case.outcome,
        settings=words | ({"prediction": joined.words} if joined.words else {}),
        reference=reference.provenance, prediction=prediction.provenance, lesions=case.lesions, outside=joined.outside,
    )  # fmt: skip


def _tolerance(
    tolerance_mm: Scalar | None, tolerance_px: Scalar | None, geometry: Geometry, metrics: tuple[str, ...]
) -> tuple[Scalar, str]:
    if tolerance_mm is None and tolerance_px is None and "nsd" not in metrics:
        return 0, "mm" if geometry.unit == "mm" else "px"
    if tolerance_px is not None and tolerance_mm is None:
        return tolerance_px, "px"
    if tolerance_mm is None or tolerance_px is not None:
        raise SettingsError("NSD needs one tolerance: give tolerance_mm or tolerance_px, and not both")
    if geometry.unit != "mm":
        raise InputError("the masks have no spacing, so a tolerance in mm means nothing; give tolerance_px instead")
    return tolerance_mm, "mm"


def _in_world_order(reference: Mask, prediction: Mask, scores: Voxels | None) -> tuple[Mask, Mask, Voxels | None]:
    """The same with their voxels in the order of the world, so that no sum or tie hangs on how a file stores them."""
    planes = planes_of(reference.geometry)
    grid = planes.geometry(reference.geometry)
    masks = [replace(mask, values=planes.seen(mask.values), geometry=grid) for mask in (reference, prediction)]
    return masks[0], masks[1], None if scores is None else planes.seen(scores)


def _measured(
    reference: Mask, prediction: Mask, scores: Voxels | None, settings: MetricSettings, tolerance: Scalar, unit: str
) -> _Case:
    box = joint_box(reference.values, prediction.values)
    inside = reference.values[box], prediction.values[box]
    outcome = outcome_of(reference_is_empty=not inside[0].any(), prediction_is_empty=not inside[1].any())
    surfaces: SurfaceDistances | str = _no_boundary(reference.geometry, unit)
    if not surfaces and outcome == "normal" and any(METRICS[name].boundary for name in settings.metrics):
        kept, spacing = _steps(reference.geometry, unit)
        planes = [values.squeeze(tuple({0, 1, 2} - set(kept))) for values in inside]
        surfaces = measure_surfaces(reference=planes[0], prediction=planes[1], spacing=spacing)
    lesions = None
    if "lesions" in settings.metrics:
        lesions = match_lesions(reference=reference, prediction=prediction, settings=settings.lesions, scores=scores)
    return _Case(
        reference=reference, prediction=prediction, inside=inside, outcome=outcome, policy=empty_policy(settings.empty), unit=unit,
        tolerance=tolerance, surfaces=surfaces, lesions=lesions,
    )  # fmt: skip


def _words(settings: MetricSettings, geometry: Geometry, unit: str, tolerance: Scalar) -> dict[str, str]:
    kept, spacing = _steps(geometry, unit)
    distances = any(METRICS[name].kind == "distance" for name in settings.metrics)
    words = {"tolerance": f"{tolerance:g} {unit}"} if "nsd" in settings.metrics else {}
    words |= {
        "spacing": " x ".join(f"{step:g}" for step in spacing) + f" {unit}",
        "boundary": "surface of the volume" if len(kept) == 3 else "contours of one plane",
        "empty": empty_policy(settings.empty).words(distances=distances),
    }
    return words | ({"lesions": settings.lesions.words()} if "lesions" in settings.metrics else {})


def _steps(geometry: Geometry, unit: str) -> tuple[list[int], tuple[float, ...]]:
    """The axes that a boundary has here, and one step along each, in the six digits in which it is stated.

    A file that was converted states the last ones otherwise, and one pair of masks has one number.
    """
    thin = _thin_axis(geometry)
    kept = [axis for axis in range(3) if axis != thin]
    return kept, tuple(float(f"{geometry.spacing[axis]:.6g}") if unit == "mm" else 1.0 for axis in kept)


def _thin_axis(geometry: Geometry) -> int | None:
    """The first axis that holds a single plane; None for a volume."""
    return next((axis for axis in range(3) if geometry.shape[axis] == 1), None)


def _no_boundary(geometry: Geometry, unit: str) -> str:
    if geometry.stack == "time":
        return "the frames of a clip have no common surface: evaluate them one by one"
    if geometry.is_sheared and unit == "mm":
        return "the voxel axes are not at right angles: resample the masks onto a grid whose axes are"
    return ""


def _ruled(case: _Case, kind: MetricKind, compute: Callable[[], float]) -> NumberOrReason:
    return (compute(), "") if case.outcome == "normal" else case.policy.value(kind, case.outcome)


def _bounded(case: _Case, kind: MetricKind, compute: Callable[[SurfaceDistances], float]) -> NumberOrReason:
    surfaces = case.surfaces
    if isinstance(surfaces, str):
        return (NAN, surfaces) if surfaces else case.policy.value(kind, case.outcome)
    return compute(surfaces), ""


def _overlap(case: _Case, name: str, measure: Callable[..., float]) -> dict[str, NumberOrReason]:
    reference, prediction = case.inside
    return {name: _ruled(case, "overlap", lambda: measure(reference=reference, prediction=prediction))}


def _nsd(case: _Case) -> dict[str, NumberOrReason]:
    name = f"nsd@{case.tolerance:g}{case.unit}"

    return {name: _bounded(case, "overlap", lambda surfaces: surface_dice(surfaces, tolerance=case.tolerance))}


def _slab(case: _Case) -> dict[str, NumberOrReason]:
    name = f"nsd_slab@{SLAB_TOLERANCE_PX:g}px"
    thin = _thin_axis(case.reference.geometry)
    if thin is None:
        return {name: (NAN, "defined for one plane only")}
    planes = [mask.values.squeeze(thin) for mask in (case.reference, case.prediction)]
    return {name: _ruled(case, "overlap", lambda: nsd_slab(reference=planes[0], prediction=planes[1]))}


def _distance(case: _Case, name: str, compute: Callable[[SurfaceDistances], float]) -> dict[str, NumberOrReason]:
    return {f"{name}_{case.unit}": _bounded(case, "distance", compute)}


def _volume(case: _Case) -> dict[str, NumberOrReason]:
    found = volume_difference(reference=case.reference, prediction=case.prediction)
    millilitres = {
        "volume_reference_ml": found.reference_ml,
        "volume_prediction_ml": found.prediction_ml,
        "volume_difference_ml": found.difference_ml,
    }
    values = {name: (NAN, NO_VOLUME) if value is None else (value, "") for name, value in millilitres.items()}
    no_part = (NAN, "the reference is empty: a difference is no part of it")
    return values | {"volume_difference_relative": no_part if found.relative is None else (found.relative, "")}


def _lesions(case: _Case) -> dict[str, NumberOrReason]:
    found = case.lesions
    if found is None:
        raise ValueError("lesions were not matched for this case")
    none, nothing = "the reference has no lesion", "no lesion was predicted"
    return {
        "lesions_reference": (float(len(found.reference)), ""),
        "lesions_predicted": (float(len(found.prediction)), ""),
        "lesions_found": (float(found.found), ""),
        "lesion_false_positives": (float(found.false_positives), ""),
        "lesion_sensitivity": (found.sensitivity, "" if found.reference else none),
        "lesion_precision": (found.precision, "" if found.prediction else nothing),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedMetric:
    """A metric that can be asked for by name.

    Attributes:
        compute: its numbers of a case, by the names of their columns.
        columns: what each column of a result table holds, by its name; `{...}` is for what differs from run to run, `{mm/px}` for one of these.
        kind: by which rule for empty masks; a "distance" and the NSD are measured between the boundaries.
        boundary: whether it is.
    """

    compute: Callable[[_Case], dict[str, NumberOrReason]]
    columns: Mapping[str, str]
    kind: MetricKind = "overlap"
    boundary: bool = False


def _between(name: str, meaning: str, compute: Callable[[SurfaceDistances], float]) -> NamedMetric:
    """A distance between the boundaries."""
    columns = {f"{name}_{{mm/px}}": meaning}
    return NamedMetric(
        compute=lambda case: _distance(case, name, compute), columns=columns, kind="distance", boundary=True
    )


METRICS: Mapping[str, NamedMetric] = {
    "dsc": NamedMetric(
        compute=lambda case: _overlap(case, "dsc", dice), columns={"dsc": "Dice score of the masks, 0 to 1"}
    ),
    "iou": NamedMetric(
        compute=lambda case: _overlap(case, "iou", iou), columns={"iou": "intersection over union, 0 to 1"}
    ),
    "nsd": NamedMetric(
        compute=_nsd,
        columns={"nsd@{tolerance}": "share of the boundaries within the tolerance, 0 to 1"},
        boundary=True,
    ),
    "nsd_slab": NamedMetric(
        compute=_slab,
        columns={"nsd_slab@{tolerance}": "what publications call NSD: the surface of a slab, 0 to 1"},
    ),
    "hd": _between("hd", "largest distance of the boundaries (Hausdorff)", partial(hausdorff, percentile=100)),
    "hd95": _between("hd95", "95th percentile of the distances of the boundaries", partial(hausdorff, percentile=95)),
    "assd": _between("assd", "mean distance of the boundaries, both ways", assd),
    "volume": NamedMetric(
        compute=_volume,
        columns={
            "volume_{reference/prediction/difference}_ml": "volume of a mask, or of prediction minus reference",
            "volume_difference_relative": "of the reference's volume",
        },
    ),
    "lesions": NamedMetric(
        compute=_lesions,
        columns={
            "lesions_{what}": "how many lesions: of the reference, predicted, found",
            "lesion_{what}": "false positives of a case; sensitivity and precision over its lesions, 0 to 1",
        },
    ),
}
"""By name: a new one is written beside its kind and stands here; tables, statistics and plots take it from here."""
