"""The columns of a result table of masks: how each compares with its reference."""

from medkt.metrics import METRICS
from medkt.tasks.base import Column

NUMBERS = tuple(
    Column(name=name, kind="number", meaning=meaning)
    for metric in METRICS.values()
    for name, meaning in metric.columns.items()
)
"""Those of the metrics."""

SCORED = (
    Column(name="concept", kind="text", meaning="what was looked for; a row a case and concept"),
    Column(name="present", kind="yes or no", meaning="whether it was seen; empty where nothing was decided"),
    Column(name="outcome", kind="text", meaning="which of the two masks is empty: normal, both empty, ..."),
    *NUMBERS,
    Column(name="scores_found", kind="text", meaning="presence score of each lesion that was found"),
    Column(name="scores_false", kind="text", meaning="presence score of each false alarm"),
    Column(name="infinite", kind="text", meaning="which of the numbers are infinite, and empty here"),
    Column(name="no_number", kind="text", meaning="why other numbers are empty"),
    Column(name="{side}_outside_{unit}", kind="number", meaning="of a mask outside the other's field of view"),
    Column(name="{side}_rule", kind="text", meaning="which values of the mask's file are inside"),
    Column(name="{side}_digest", kind="text", meaning="of the voxels, to know copies by"),
)
"""Where two masks are compared."""
