"""One picture of a calibration: the scores and where decisions change, reliability, and risk against coverage."""

from io import BytesIO

import numpy as np
from jaxtyping import Float64
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from medkt.about import NOT_A_MEDICAL_DEVICE
from medkt.calibration.assessment import Assessment, StudyScores
from medkt.calibration.calibration import Calibration
from medkt.statistics import BinaryResult, RiskCoverage

_NORMAL, _FINDING, _LINE = "#3b6ea5", "#c4572e", "#444444"
_DPI = 120

NormalScores = Float64[np.ndarray, " normals"]
FindingScores = Float64[np.ndarray, " findings"]


def draw_calibration(
    calibration: Calibration, assessment: Assessment, *, normals: NormalScores, findings: FindingScores
) -> bytes:
    """A PNG with a panel for the scores and, where there are labels, one for reliability and one for risk and coverage."""
    panels = 1 + 2 * (assessment.probabilities is not None)
    figure = Figure(figsize=(4.6 * panels, 3.9))
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, panels, squeeze=False)[0]
    _draw_scores(axes[0], calibration, normals, findings)
    if assessment.probabilities is not None and assessment.risk_coverage is not None:
        _draw_reliability(axes[1], assessment.probabilities)
        _draw_risk(axes[2], assessment.risk_coverage)
    figure.text(0.5, 0.01, NOT_A_MEDICAL_DEVICE, ha="center", va="bottom", fontsize=6.5)
    figure.tight_layout(rect=(0.0, 0.04, 1.0, 1.0), w_pad=1.5)
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
    return buffer.getvalue()


def _draw_scores(axis: Axes, calibration: Calibration, normals: NormalScores, findings: FindingScores) -> None:
    """How many studies score above each score: it reads off the rates, and shows no single study as a point."""
    everything = np.concatenate([normals, findings])
    is_share = bool(everything.min() >= 0 and everything.max() <= 1)
    for scores, colour, name in ((normals, _NORMAL, "normals"), (findings, _FINDING, "with the finding")):
        if len(scores):
            ordered = np.sort(scores)
            at = _shown(ordered, is_share)
            axis.step(
                at, 1 - np.arange(1, len(at) + 1) / len(at), where="post", color=colour, label=f"{name} ({len(at)})"
            )
    low, high = sorted((calibration.absent_up_to, calibration.present_above))
    ends = _shown(np.array([low, high]), is_share)
    axis.axvspan(float(ends[0]), float(ends[1]), color="#dddddd", zorder=0, label="no claim")
    axis.axvline(float(_shown(np.array([calibration.present_above]), is_share)[0]), color=_LINE, lw=1, ls="--")
    rate = calibration.settings.false_positive_rate
    axis.axhline(rate, color=_NORMAL, lw=0.8, ls=":")
    axis.set_xlabel("score" + (", log10 of its odds" if is_share else ""))
    axis.set_ylabel("share that scores higher")
    axis.set_ylim(0, 1)
    axis.set_title(f"{calibration.key.concept}: promised false positives {rate:g}", fontsize=9, parse_math=False)
    axis.legend(fontsize=7, loc="best")


def _shown(scores: StudyScores, is_share: bool) -> StudyScores:
    if not is_share:
        return scores
    held = np.clip(scores, 1e-6, 1 - 1e-6)
    return np.asarray(np.log10(held) - np.log10(1 - held), np.float64)


def _draw_reliability(axis: Axes, result: BinaryResult) -> None:
    bins = [one for one in result.reliability if one.cases]
    axis.plot([0, 1], [0, 1], color=_LINE, lw=0.8, ls=":")
    axis.plot(
        [one.mean_probability for one in bins], [one.share_positive for one in bins], "o-", color=_FINDING, ms=4, lw=1
    )
    axis.set_xlabel("probability said (cross-validated)")
    axis.set_ylabel("share with the finding")
    axis.set_xlim(-0.02, 1.02)
    axis.set_ylim(-0.02, 1.02)
    axis.set_title(f"calibration error {result.numbers['ece']:.3f}, Brier {result.numbers['brier']:.3f}", fontsize=9)


def _draw_risk(axis: Axes, curve: RiskCoverage) -> None:
    axis.step(curve.coverage, curve.risk, where="pre", color=_FINDING, lw=1.2)
    axis.set_xlabel("share answered, surest first")
    axis.set_ylabel("share wrong of those answered")
    axis.set_xlim(0, 1)
    axis.set_ylim(0, max(0.05, max(curve.risk) * 1.1))
    axis.set_title(f"risk and coverage, area {curve.area:.4f}", fontsize=9)
