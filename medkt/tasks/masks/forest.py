"""A forest plot: one mean with its interval a row, over concepts and subgroups, one mark a run."""

from collections.abc import Mapping, Sequence

from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from medkt.report.plots import svg_of
from medkt.report.sections import Plot
from medkt.tasks.masks.evaluation import Evaluation, Line
from medkt.tasks.masks.words import interval_text, subgroup_text

MARKS = ("o", "s")
COLOURS = ("#1f5fa8", "#b3541e")  # told apart in grey too, together with the marks
MOST_ROWS = 60


def draw_forest(arms: Mapping[str, Evaluation], metric: str, *, part: str = "positives") -> Plot | None:
    """The means of one metric with their intervals; None where no case has it.

    Args:
        arms: the runs by name, at most two.
        metric: its name.
        part: which cases, as of `Line`.
    """
    held = {
        name: [one for one in evaluation.lines if one.summary.metric == metric and one.part == part]
        for name, evaluation in arms.items()
    }
    rows = list(dict.fromkeys(_label(line) for lines in held.values() for line in lines if line.summary.counts.used))
    if not rows:
        return None
    shown = rows[:MOST_ROWS]
    figure = Figure(figsize=(8.0, 1.1 + 0.32 * len(shown)), layout="constrained")
    FigureCanvasSVG(figure)
    axis = figure.subplots()
    for place, (name, lines) in enumerate(held.items()):
        _draw_arm(axis, {_label(line): line for line in lines}, shown, name, place, len(held))
    axis.set_yticks(range(len(shown)), shown, fontsize=8)
    axis.invert_yaxis()
    axis.set_xlabel(f"{metric}: mean and 95 % interval over patients, {part}", fontsize=8)
    axis.tick_params(axis="x", labelsize=8)
    axis.grid(axis="x", color="#cccccc", linewidth=0.6)
    axis.spines[["top", "right", "left"]].set_visible(False)
    if len(held) > 1:
        axis.legend(fontsize=8, frameon=False)
    words = [
        f"{_label(line)}{f', {name}' if len(held) > 1 else ''}: {interval_text(line.summary.mean)}"
        for name, lines in held.items()
        for line in lines
        if _label(line) in shown[:12]
    ]
    left_out = f" {len(rows) - len(shown)} further rows are in the tables." if len(rows) > len(shown) else ""
    return Plot(
        svg=svg_of(figure), alt=f"Forest plot of {metric} ({part}). {'; '.join(words)}",
        caption=f"{metric} where the reference shows the finding: mean with 95 % interval over patients.{left_out}",
    )  # fmt: skip


def _draw_arm(axis: object, lines: Mapping[str, Line], shown: Sequence[str], name: str, place: int, count: int) -> None:
    shift = (place - (count - 1) / 2) * 0.26
    drawn = [(row, lines[label].summary.mean) for row, label in enumerate(shown) if label in lines]
    heights = [row + shift for row, _ in drawn]
    means = [interval.estimate for _, interval in drawn]
    # an interval that is not there has no whiskers
    low = [max(0.0, i.estimate - i.low) if i.low == i.low else 0.0 for _, i in drawn]
    high = [max(0.0, i.high - i.estimate) if i.high == i.high else 0.0 for _, i in drawn]
    axis.errorbar(  # type: ignore[attr-defined]
        means, heights, xerr=[low, high], fmt=MARKS[place % 2], color=COLOURS[place % 2], markersize=5, linewidth=1.2,
        capsize=2.5, label=name,
    )  # fmt: skip


def _label(line: Line) -> str:
    return line.concept if not line.group else f"{line.concept}, {subgroup_text(line.group, line.value)}"
