"""Plots as a page holds them."""

import base64
from io import BytesIO

import matplotlib as mpl
from matplotlib.figure import Figure


def svg_of(figure: Figure) -> str:
    """A figure as an SVG in a `data:` address; the same figure gives the same text."""
    buffer = BytesIO()
    # without a salt the names inside change from run to run, and a date has no place in a report
    with mpl.rc_context({"svg.hashsalt": "medkt"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": "medkt"})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
