"""Cases to claims: summaries with intervals over patients, paired comparisons, agreement."""

from medkt.statistics.agreement import BlandAltman, bland_altman, bland_altman_of_volumes
from medkt.statistics.auc import auc_difference, auc_interval, auc_of
from medkt.statistics.bootstrap import (
    BootstrapSettings,
    Interval,
    bootstrap_interval,
    bootstrap_intervals,
    mean_of,
    median_of,
)
from medkt.statistics.holm import holm
from medkt.statistics.paired import Comparison, compare, patient_differences, rank_biserial, signed_rank_p
from medkt.statistics.shares import share_interval, wilson
from medkt.statistics.signed_rank import PermutationTest, flip_signs, hodges_lehmann
from medkt.statistics.summary import Counts, Summary, count, summarise, summarise_by
from medkt.statistics.table import NOT_STATED, CaseRow, CaseTable, Status

__all__ = [
    "NOT_STATED",
    "BlandAltman",
    "BootstrapSettings",
    "CaseRow",
    "CaseTable",
    "Comparison",
    "Counts",
    "Interval",
    "PermutationTest",
    "Status",
    "Summary",
    "auc_difference",
    "auc_interval",
    "auc_of",
    "bland_altman",
    "bland_altman_of_volumes",
    "bootstrap_interval",
    "bootstrap_intervals",
    "compare",
    "count",
    "flip_signs",
    "hodges_lehmann",
    "holm",
    "mean_of",
    "median_of",
    "patient_differences",
    "rank_biserial",
    "share_interval",
    "signed_rank_p",
    "summarise",
    "summarise_by",
    "wilson",
]
