"""The plots of a run's page beside the forest: ROC and calibration of presence, Bland-Altman of volumes, FROC of lesions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from medkt.report.plots import svg_of
from medkt.report.sections import Plot
from medkt.statistics.froc import RATES
from medkt.tasks.masks.agreement import LesionCurve, VolumeAgreement
from medkt.tasks.masks.forest import COLOURS, MARKS
from medkt.tasks.masks.presence import PresenceCurve
from medkt.tasks.masks.words import figure as figure_text
from medkt.tasks.masks.words import interval_text

MOST_CONCEPTS = 6  # of each plot; the others are in the tables
MOST_DOTS = 2_000  # of a Bland-Altman plot
LINES = ("-", "--")
PRESENCE_HEAD = ("concept", "positives", "negatives", "AUC (95 %)", "calibration error", "Brier score")
VOLUME_HEAD = (
    "concept", "cases", "patients", "bias, mL (95 %)", "lower limit, mL (95 %)", "upper limit, mL (95 %)",
    "rank correlation of difference and size",
)  # fmt: skip
LESION_HEAD = (
    "concept",
    "lesions",
    "studies",
    *(f"at {rate:g}" for rate in RATES),
    "mean",
)

Curve = TypeVar("Curve", PresenceCurve, VolumeAgreement, LesionCurve)


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """What the plots of one run are drawn from."""

    presence: tuple[PresenceCurve, ...] = ()
    volumes: tuple[VolumeAgreement, ...] = ()
    lesions: tuple[LesionCurve, ...] = ()


def presence_row(curve: PresenceCurve) -> tuple[str, ...]:
    """A row under `PRESENCE_HEAD`."""
    counts = (str(curve.positives), str(curve.negatives))
    return (curve.concept, *counts, interval_text(curve.auc), figure_text(curve.ece), figure_text(curve.brier))


def volume_row(one: VolumeAgreement) -> tuple[str, ...]:
    """A row under `VOLUME_HEAD`."""
    found = one.found
    ends = [interval_text(interval, 2) for interval in (found.bias, found.lower, found.upper)]
    return (one.concept, str(found.cases), str(found.patients), *ends, figure_text(found.trend, 2))


def lesion_row(one: LesionCurve) -> tuple[str, ...]:
    """A row under `LESION_HEAD`."""
    found = one.found
    reached = [figure_text(found.at(rate)) for rate in RATES]
    return (one.concept, str(found.lesions), str(found.studies), *reached, figure_text(found.score()))


def draw_curves(arms: Mapping[str, Curves]) -> list[Plot]:
    """Every plot that there is something for; the arms of a run in one, volumes each by itself."""
    plots = _each({name: one.presence for name, one in arms.items()}, _draw_presence)
    for name, one in arms.items():
        plots += _each({name: one.volumes}, _draw_volumes)
    return plots + _each({name: one.lesions for name, one in arms.items()}, _draw_lesions)


def _each(arms: Mapping[str, Sequence[Curve]], draw: Callable[[str, Mapping[str, Curve]], Plot]) -> list[Plot]:
    concepts = sorted({one.concept for curves in arms.values() for one in curves})[:MOST_CONCEPTS]
    return [
        draw(concept, {name: one for name, curves in arms.items() for one in curves if one.concept == concept})
        for concept in concepts
    ]


def _draw_presence(concept: str, arms: Mapping[str, PresenceCurve]) -> Plot:
    told = any(curve.bins for curve in arms.values())
    figure, axes = _axes(2 if told else 1)
    for place, (name, curve) in enumerate(arms.items()):
        style: dict[str, Any] = {"color": COLOURS[place % 2], "linestyle": LINES[place % 2]}
        label = f"{name}{': ' if name else ''}AUC {interval_text(curve.auc, 2)}"
        axes[0].step(curve.false_positives, curve.sensitivity, where="post", label=label, linewidth=1.4, **style)
        bins = [one for one in curve.bins if one.cases]
        if told and bins:
            shares = [one.mean_probability for one in bins], [one.share_positive for one in bins]
            axes[1].plot(*shares, marker=MARKS[place % 2], markersize=4, linewidth=1.2, label=name, **style)
    for axis in axes:
        axis.plot([0, 1], [0, 1], color="#777777", linewidth=0.8, linestyle=":")
        axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    _label(axes[0], "called seen though it is not there (1 - specificity)", "seen where it is there (sensitivity)")
    axes[0].legend(fontsize=8, frameon=False, loc="lower right")
    if told:
        _label(axes[1], "probability that the calibration gave", "share in which it is there")
    words = "; ".join(
        f"{name}{': ' if name else ''}AUC {interval_text(curve.auc)} over {curve.positives} cases with the finding and "
        f"{curve.negatives} without{f', calibration error {figure_text(curve.ece)}' if curve.bins else ''}"
        for name, curve in arms.items()
    )
    calibrated = (
        " Right: calibrated probabilities against what was true; on the dotted line they agree." if told else ""
    )
    caption = f"{concept}: the presence score at every threshold, against the reference (ROC).{calibrated}"
    return Plot(svg=svg_of(figure), alt=f"ROC curve of the presence score of {concept}. {words}", caption=caption)


def _draw_volumes(concept: str, arms: Mapping[str, VolumeAgreement]) -> Plot:
    ((name, one),) = arms.items()
    found = one.found
    figure, (axis,) = _axes(1, width=6.4)
    dots = np.arange(found.cases)
    if found.cases > MOST_DOTS:
        dots = np.sort(np.random.default_rng(0).choice(found.cases, MOST_DOTS, replace=False))
    axis.plot(found.means[dots], found.differences[dots], "o", color=COLOURS[0], markersize=3.5, alpha=0.6)
    for interval, style in ((found.bias, "-"), (found.lower, "--"), (found.upper, "--")):
        axis.axhline(interval.estimate, color=COLOURS[1], linewidth=1.2, linestyle=style)
        if interval.low == interval.low:  # an interval that is not there is not drawn
            axis.axhspan(interval.low, interval.high, color=COLOURS[1], alpha=0.12, linewidth=0)
    axis.axhline(0, color="#777777", linewidth=0.8, linestyle=":")
    _label(axis, "mean of reference and prediction, mL", "prediction minus reference, mL")
    said = (
        f"bias {interval_text(found.bias, 2)} mL, limits of agreement {interval_text(found.lower, 2)} and "
        f"{interval_text(found.upper, 2)} mL, {found.cases} cases of {found.patients} patients"
    )
    where = f"{concept}{f', {name}' if name else ''}"
    shown = f" {MOST_DOTS} of {found.cases} cases are drawn." if found.cases > MOST_DOTS else ""
    caption = (
        f"{where}: volumes of all lesions together, prediction against reference (Bland and Altman). Line: bias; dashed: limits "
        f"of agreement, 95 % of cases; bands: their intervals over patients.{shown}"
    )
    return Plot(svg=svg_of(figure), alt=f"Bland-Altman plot of the volumes of {where}: {said}", caption=caption)


def _draw_lesions(concept: str, arms: Mapping[str, LesionCurve]) -> Plot:
    figure, (axis,) = _axes(1, width=6.4)
    for place, (name, one) in enumerate(arms.items()):
        found = one.found
        rates = np.concatenate([[RATES[0]], np.clip(found.false_positives, RATES[0], None), [RATES[-1]]])
        reached = np.concatenate([[found.at(RATES[0])], found.sensitivity, [found.at(RATES[-1])]])
        order = np.argsort(rates, kind="stable")
        label = f"{name}{': ' if name else ''}mean {figure_text(found.score(), 2)}"
        axis.step(
            rates[order], np.maximum.accumulate(reached[order]), where="post", label=label, linewidth=1.4,
            color=COLOURS[place % 2], linestyle=LINES[place % 2],
        )  # fmt: skip
    axis.set_xscale("log", base=2)
    axis.set_xticks(RATES, [f"{rate:g}" for rate in RATES])
    axis.set(xlim=(RATES[0] * 0.97, RATES[-1] * 1.03), ylim=(-0.02, 1.02))
    axis.legend(fontsize=8, frameon=False, loc="lower right")
    _label(axis, "false alarms a study", "share of the lesions found")
    words = "; ".join(
        f"{name}{': ' if name else ''}{one.found.lesions} lesions in {one.found.studies} studies, sensitivity "
        f"{figure_text(one.found.at(1.0), 2)} at 1 false alarm a study, mean {figure_text(one.found.score(), 2)}"
        for name, one in arms.items()
    )
    caption = (
        f"{concept}: lesions found against false alarms (FROC). A lesion's score is the highest presence score of a plane that "
        "it touches."
    )
    return Plot(svg=svg_of(figure), alt=f"FROC curve of {concept}. {words}", caption=caption)


def _axes(count: int, *, width: float = 4.2) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(width * count, 4.0), layout="constrained")
    FigureCanvasSVG(figure)
    return figure, list(figure.subplots(1, count, squeeze=False)[0])


def _label(axis: Axes, x: str, y: str) -> None:
    axis.set_xlabel(x, fontsize=8)
    axis.set_ylabel(y, fontsize=8)
    axis.tick_params(labelsize=8)
    axis.grid(color="#dddddd", linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)
