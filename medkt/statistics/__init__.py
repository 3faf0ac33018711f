"""Every interval, test, agreement, curve and area: arrays in, numbers out. Knows no cases, tables or pages.

Intervals count patients, whose cases go together; the rules stand in docs/concepts/statistics.md.
"""

from medkt.statistics.agreement import BlandAltman, bland_altman
from medkt.statistics.auc import auc_difference, auc_interval, auc_of, mean_auc_difference, mean_auc_interval
from medkt.statistics.bootstrap import (
    BootstrapSettings,
    Interval,
    bootstrap_interval,
    bootstrap_intervals,
    mean_of,
    median_of,
)
from medkt.statistics.classification import (
    BinaryResult,
    ReliabilityBin,
    brier,
    calibration_error,
    classify,
    multiclass_accuracy,
    reliability,
)
from medkt.statistics.contrast import contrast
from medkt.statistics.froc import Froc, froc
from medkt.statistics.holm import holm
from medkt.statistics.means import (
    ValueSummary,
    mean_and_median,
    mean_interval,
    median_interval,
    rate_interval,
    student_interval,
    summary_of,
)
from medkt.statistics.paired import Comparison, compare, mcnemar_p, patient_differences, rank_biserial, signed_rank_p
from medkt.statistics.risk_coverage import RiskCoverage, risk_coverage
from medkt.statistics.roc import Roc, roc_curve
from medkt.statistics.shares import share_interval, wilson
from medkt.statistics.signed_rank import PermutationTest, flip_signs, hodges_lehmann
from medkt.statistics.weighted import Statistic, difference, interval_of, mean_over, numbered, share

__all__ = [
    "BinaryResult",
    "BlandAltman",
    "BootstrapSettings",
    "Comparison",
    "Froc",
    "Interval",
    "PermutationTest",
    "ReliabilityBin",
    "RiskCoverage",
    "Roc",
    "Statistic",
    "ValueSummary",
    "auc_difference",
    "auc_interval",
    "auc_of",
    "bland_altman",
    "bootstrap_interval",
    "bootstrap_intervals",
    "brier",
    "calibration_error",
    "classify",
    "compare",
    "contrast",
    "difference",
    "flip_signs",
    "froc",
    "hodges_lehmann",
    "holm",
    "interval_of",
    "mcnemar_p",
    "mean_and_median",
    "mean_auc_difference",
    "mean_auc_interval",
    "mean_interval",
    "mean_of",
    "mean_over",
    "median_interval",
    "median_of",
    "multiclass_accuracy",
    "numbered",
    "patient_differences",
    "rank_biserial",
    "rate_interval",
    "reliability",
    "risk_coverage",
    "roc_curve",
    "share",
    "share_interval",
    "signed_rank_p",
    "student_interval",
    "summary_of",
    "wilson",
]
