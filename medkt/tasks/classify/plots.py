"""The plots of a page about classes: accuracies with their intervals, and the confusion table as a picture."""

from collections.abc import Mapping

import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from medkt.report.plots import svg_of
from medkt.report.sections import Plot
from medkt.tasks.classify.evaluation import ACCURACY, ALL, ClassEvaluation
from medkt.tasks.masks.forest import COLOURS, MARKS
from medkt.tasks.masks.words import interval_text

MOST_CLASSES = 20  # of a confusion plot; beyond them the numbers cannot be read
LONGEST_NAME = 28


def draw_accuracies(arms: Mapping[str, ClassEvaluation]) -> Plot | None:
    """The accuracy of each class and of all, a mark an arm, with chance as a dotted line; None without a case."""
    targets = [ALL, *next(iter(arms.values())).classes]
    rows = [target for target in targets if any(one.line(target, ACCURACY) for one in arms.values())]
    if not rows:
        return None
    figure = Figure(figsize=(8.0, 1.2 + 0.34 * len(rows)), layout="constrained")
    FigureCanvasSVG(figure)
    axis = figure.subplots()
    words = []
    for place, (name, evaluation) in enumerate(arms.items()):
        held = [(n, line.found) for n, row in enumerate(rows) if (line := evaluation.line(row, ACCURACY)) is not None]
        shift = (place - (len(arms) - 1) / 2) * 0.26
        # an interval that is not there has no whiskers
        low = [max(0.0, one.estimate - one.low) if one.low == one.low else 0.0 for _, one in held]
        high = [max(0.0, one.high - one.estimate) if one.high == one.high else 0.0 for _, one in held]
        axis.errorbar(
            [one.estimate for _, one in held], [n + shift for n, _ in held], xerr=[low, high], fmt=MARKS[place % 2],
            color=COLOURS[place % 2], markersize=5, linewidth=1.2, capsize=2.5, label=name,
        )  # fmt: skip
        words += [f"{rows[n]}{f', {name}' if name else ''}: {interval_text(one)}" for n, one in held]
    axis.axvline(1 / (len(targets) - 1), color="#777777", linewidth=0.8, linestyle=":")
    axis.set_yticks(range(len(rows)), [_short(row) for row in rows], fontsize=8)
    axis.invert_yaxis()
    axis.set_xlim(-0.02, 1.02)
    axis.set_xlabel("accuracy and 95 % interval over patients", fontsize=8)
    axis.tick_params(axis="x", labelsize=8)
    axis.grid(axis="x", color="#cccccc", linewidth=0.6)
    axis.spines[["top", "right", "left"]].set_visible(False)
    if len(arms) > 1:
        axis.legend(fontsize=8, frameon=False)
    caption = (
        "Accuracy: of each class the share of its images that are called by its name. Dotted: an even choice by chance."
    )
    return Plot(svg=svg_of(figure), alt=f"Accuracies. {'; '.join(words)}", caption=caption)


def draw_confusion(name: str, evaluation: ClassEvaluation) -> Plot | None:
    """Which class is called by which name, in shares of the true class; None without a case, or with too many classes."""
    classes = evaluation.classes
    if len(classes) > MOST_CLASSES or not any(one.cases for one in evaluation.confusion):
        return None
    shape = (len(classes), len(classes))
    shares = np.array([one.share.estimate for one in evaluation.confusion]).reshape(shape)
    counts = np.array([one.cases for one in evaluation.confusion]).reshape(shape)
    side = 2.6 + 0.62 * len(classes)
    figure = Figure(figsize=(side + 0.6, side), layout="constrained")
    FigureCanvasSVG(figure)
    axis = figure.subplots()
    axis.imshow(np.nan_to_num(shares), cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(shape):
        dark = shares[row, column] > 0.55
        text = f"{counts[row, column]}\n{100 * shares[row, column]:.0f} %" if counts[row].sum() else "–"
        axis.text(column, row, text, ha="center", va="center", fontsize=7, color="#ffffff" if dark else "#222222")
    names = [_short(one) for one in classes]
    axis.set_xticks(range(len(classes)), names, fontsize=8, rotation=40, ha="right", rotation_mode="anchor")
    axis.set_yticks(range(len(classes)), names, fontsize=8)
    axis.set_xlabel("called", fontsize=8)
    axis.set_ylabel("true class", fontsize=8)
    said = "; ".join(
        f"{one.truth} called {one.predicted}: {one.cases}" for one in evaluation.confusion if one.cases
    )  # fmt: skip
    of = f" of {name}" if name else ""
    caption = f"Confusion table{of}: images, and their share of the true class."
    return Plot(svg=svg_of(figure), alt=f"Confusion table{of}. {said}", caption=caption)


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
