"""Pictures of a result: the plane, where the words point, and what was outlined."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.patches import Rectangle

from medkt.shapes import MaskPlane, Plane

_WIDTH = 3.2  # inches of one picture's place
_TITLE, _CAPTION = 0.3, 0.25  # inches above and below a picture
_GAP, _FOOT = 0.1, 0.35  # inches between two pictures, and for the footer
DPI = 110
BACKGROUND = "#101216"
TEXT = "#e8e8e8"
_UNKNOWN = "\N{WHITE SQUARE}"  # for a character that the font has not


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Panel:
    """One plane of one finding, ready to draw.

    Attributes:
        plane: (rows, columns) float32 in [0, 1], as shown to a radiologist.
        saliency: (rows, columns) float32 of any range from 0, or None where the plane was not looked at.
        mask: (rows, columns) bool.
        boxes_xyxy: (boxes, 4) pixel edges of the prompts that were given to the segmenter.
        reference: (rows, columns) bool outline to compare with, or None.
        aspect: height of a pixel over its width.
        title: finding and slice, at most some 50 characters; caption: score and decision.
        colour: of the outline, sRGB 0-255.
    """

    plane: Plane
    saliency: Plane | None
    mask: MaskPlane
    boxes_xyxy: Float[np.ndarray, "boxes 4"]
    title: str
    caption: str
    aspect: float = 1.0
    colour: tuple[int, int, int] = (230, 60, 60)
    reference: MaskPlane | None = None


def draw_panels(panels: Sequence[Panel], *, footer: str) -> bytes:
    """A PNG with one row a panel: the plane, the saliency over it, the outline and boxes over it."""
    ratio = max(p.plane.shape[0] * p.aspect / p.plane.shape[1] for p in panels)
    height = min(max(_WIDTH * ratio, 1.2), 2.5 * _WIDTH)
    row_height = _TITLE + height + _CAPTION
    wide, high = 3 * _WIDTH, len(panels) * row_height + _FOOT
    figure = Figure(figsize=(wide, high), facecolor=BACKGROUND)
    FigureCanvasAgg(figure)
    for number, panel in enumerate(panels):
        # every place is known beforehand: matplotlib's own layout draws the figure twice more to find it
        bottom = high - number * row_height - _TITLE - height
        size = (_WIDTH - _GAP) / wide, height / high
        row = [figure.add_axes((((column * _WIDTH + _GAP / 2) / wide), bottom / high, *size)) for column in range(3)]
        _draw_row(row, panel)
    figure.text(0.5, 0.05 / high, footer, color=TEXT, ha="center", va="bottom", fontsize=6.5)
    buffer = BytesIO()
    # the software line that matplotlib would add changes with its version, and with it the bytes
    figure.savefig(buffer, format="png", dpi=DPI, facecolor=BACKGROUND, metadata={"Software": None})
    return buffer.getvalue()


def _draw_row(row: Sequence[Axes], panel: Panel) -> None:
    title = drawable(panel.title)
    titles = (title, "where the words point", "outline and boxes")
    for axis, title in zip(row, titles, strict=True):
        axis.imshow(panel.plane, cmap="gray", vmin=0.0, vmax=1.0, aspect=panel.aspect, interpolation="nearest")
        axis.set_axis_off()
        size = 8 if title is titles[0] else 7
        axis.text(
            0.5, 1.01, title, color=TEXT, fontsize=size, ha="center", va="bottom", transform=axis.transAxes,
            parse_math=False,
        )  # fmt: skip
    if panel.saliency is not None and float(panel.saliency.max()) > 0:
        heat = panel.saliency / float(panel.saliency.max())
        row[1].imshow(heat, cmap="inferno", alpha=0.25 + 0.5 * heat, vmin=0.0, vmax=1.0, aspect=panel.aspect)
    colour = tuple(channel / 255 for channel in panel.colour)
    _outline(row[2], panel.mask, colour, "-")
    if panel.reference is not None:
        _outline(row[2], panel.reference, (0.35, 0.9, 0.45), ":")
    for x0, y0, x1, y1 in panel.boxes_xyxy:
        box = Rectangle((x0 - 0.5, y0 - 0.5), x1 - x0, y1 - y0, fill=False, edgecolor="#4fc3f7", linewidth=0.8)
        row[2].add_patch(box)
    row[1].text(
        0.5, -0.02, drawable(panel.caption), color=TEXT, fontsize=7, ha="center", va="top", transform=row[1].transAxes,
        parse_math=False,
    )  # fmt: skip


def _outline(axis: Axes, mask: MaskPlane, colour: tuple[float, ...], style: str) -> None:
    if mask.any() and min(mask.shape) > 1:
        # a border of zeros, so that a mask which touches the edge is outlined there too
        padded = np.pad(mask, 1).astype(np.float32)
        columns, rows = np.arange(-1, mask.shape[1] + 1), np.arange(-1, mask.shape[0] + 1)
        axis.contour(columns, rows, padded, levels=[0.5], colors=[colour], linewidths=1.1, linestyles=style)
        axis.set_xlim(-0.5, mask.shape[1] - 0.5)
        axis.set_ylim(mask.shape[0] - 0.5, -0.5)


def drawable(text: str) -> str:
    """The text with a square for every character that the pictures' font has not."""
    known = get_font(findfont(FontProperties())).get_charmap()
    return "".join(letter if ord(letter) in known or letter == " " else _UNKNOWN for letter in text)
