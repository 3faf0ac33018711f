"""One picture of an inversion: the images of each text, how well each fits, and the way there."""

import textwrap
from io import BytesIO

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from medkt.inversion.invert import InvertedImages

_SIDE = 1.35  # inches of one image
_DPI = 110
_BACKGROUND = "#101216"
_TEXT = "#e8e8e8"
_LINE = "#6cb4ee"


def contact_sheet(found: InvertedImages, *, most: int = 10) -> bytes:
    """A PNG with one row a text: up to `most` images with their similarity, then the curve of the augmented similarity.

    Axes of the curve: step from 1, and the mean similarity of the text's images; its range is shared by all rows.
    """
    texts, shown = len(found.texts), min(most, found.pixels.shape[1])
    width, height = (shown + 2) * _SIDE + 0.6, texts * (_SIDE + 0.62) + 0.3
    figure = Figure(figsize=(width, height), facecolor=_BACKGROUND)
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(texts, shown + 1, width_ratios=[1] * shown + [1.7])
    finite = found.curves[~found.curves.isnan()]
    limits = (
        min(0.0, float(finite.min())),
        max(1.0 if getattr(found.settings, "similarity", "") == "cross_entropy" else 0.1, float(finite.max())),
    )
    for row, text in enumerate(found.texts):
        for column in range(shown):
            axes = figure.add_subplot(grid[row, column])
            axes.imshow(found.pixels[row, column].permute(1, 2, 0).cpu().numpy(), interpolation="nearest")
            axes.set_axis_off()
            axes.set_title(f"{float(found.similarity[row, column]):.3f}", color=_TEXT, fontsize=7, pad=2, y=-0.14)
            if column == 0:
                axes.text(
                    0, 1.05, textwrap.shorten(text, 22 * shown, placeholder=" ..."), transform=axes.transAxes,
                    color=_TEXT, fontsize=7.5, va="bottom", parse_math=False,
                )  # fmt: skip
        axes = figure.add_subplot(grid[row, shown], facecolor=_BACKGROUND)
        curve = found.curves[row]
        taken = (~curve.isnan()).nonzero().flatten()
        axes.plot(
            (taken + 1).numpy(), curve[taken].numpy(), color=_LINE, linewidth=1, marker="." if len(taken) < 3 else ""
        )
        axes.set_ylim(limits[0], limits[1] * 1.05)
        axes.yaxis.tick_right()
        axes.tick_params(colors=_TEXT, labelsize=6, length=2)
        for spine in axes.spines.values():
            spine.set_color("#555a63")
        if row == 0:
            axes.set_title("similarity by step (augmented)", color=_TEXT, fontsize=6.5, pad=3)
    figure.text(
        0.5, 0.02 / height, "made from words by an encoder: not images of a patient", color=_TEXT, ha="center", va="bottom",
        fontsize=6,
    )  # fmt: skip
    figure.subplots_adjust(
        left=0.1 / width, right=1 - 0.4 / width, bottom=0.34 / height, top=1 - 0.3 / height, wspace=0.08, hspace=0.42
    )
    buffer = BytesIO()
    # the software line that matplotlib would add changes with its version, and with it the bytes
    figure.savefig(buffer, format="png", dpi=_DPI, facecolor=_BACKGROUND, metadata={"Software": None})
    return buffer.getvalue()
