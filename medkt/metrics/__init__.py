"""Two masks to numbers; one mask to its size."""

from medkt.metrics.case_result import CaseResult, evaluate_case
from medkt.metrics.measures import Measures, measure, measure_components
from medkt.metrics.overlap import dice, iou
from medkt.metrics.surface import nsd, nsd_slab

__all__ = ["CaseResult", "Measures", "dice", "evaluate_case", "iou", "measure", "measure_components", "nsd", "nsd_slab"]
