"""Two masks to numbers; one mask to its size. What is computed over cases is in `medkt.statistics`."""

from medkt.metrics.case_result import METRICS, CaseResult, MetricSettings, evaluate_case
from medkt.metrics.empty import EMPTY_POLICIES, EmptyPolicy, empty_policy
from medkt.metrics.grid import CommonGrid, join_grids, resample_to_reference
from medkt.metrics.lesions import LesionMatch, LesionSettings, MaskLesion, lesion_scores, match_lesions
from medkt.metrics.measures import LesionMeasures, Measures, measure
from medkt.metrics.overlap import dice, iou
from medkt.metrics.pairing import MaskPair, pair_by_case
from medkt.metrics.retrieval import places_of_answers, ranks, recall_at_k
from medkt.metrics.surface import (
    SurfaceDistances,
    assd,
    average_distances,
    hausdorff,
    measure_surfaces,
    nsd,
    nsd_slab,
    surface_dice,
    surface_overlap,
)
from medkt.metrics.volume import VolumeDifference, volume_difference

__all__ = [
    "EMPTY_POLICIES",
    "METRICS",
    "CaseResult",
    "CommonGrid",
    "EmptyPolicy",
    "LesionMatch",
    "LesionMeasures",
    "LesionSettings",
    "MaskLesion",
    "MaskPair",
    "Measures",
    "MetricSettings",
    "SurfaceDistances",
    "VolumeDifference",
    "assd",
    "average_distances",
    "dice",
    "empty_policy",
    "evaluate_case",
    "hausdorff",
    "iou",
    "join_grids",
    "lesion_scores",
    "match_lesions",
    "measure",
    "measure_surfaces",
    "nsd",
    "nsd_slab",
    "pair_by_case",
    "places_of_answers",
    "ranks",
    "recall_at_k",
    "resample_to_reference",
    "surface_dice",
    "surface_overlap",
    "volume_difference",
]
