"""Pages as HTML that opens from disk: no network, pictures inside. The templates are files, and share one base."""

import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from medkt.about import NOT_A_MEDICAL_DEVICE, __version__
from medkt.report.sections import Section

# what a page with scripts may load: files beside it and what is in it, and nothing from any network
ONLY_FROM_DISK = "default-src 'none'; script-src 'self' file:; style-src 'unsafe-inline'; img-src data: blob:; connect-src data: blob:"


def render_sections(title: str, sections: Sequence[Section], *, demonstration: str = "", script: str = "") -> str:
    """A page of sections, with a list of them at its head.

    Args:
        title: of the page.
        sections: in their order.
        demonstration: what is said where the model is a demonstration.
        script: address of the script beside the page that shows volumes; "" for a page without any script.
    """
    return render(
        "sections.html.j2",
        {"title": title, "sections": sections, "demonstration": demonstration, "script": script, "csp": ONLY_FROM_DISK},
    )


def render(template: str, content: Mapping[str, Any]) -> str:
    """A page by the name of its template in `medkt/report/templates`; what it names and is not given is an error."""
    return (
        _environment()
        .get_template(template)
        .render({"notice": NOT_A_MEDICAL_DEVICE, "version": __version__, **content})
    )


@cache
def _environment() -> Environment:
    """Every template is compiled once for all pages of a run."""
    environment = Environment(
        loader=PackageLoader("medkt.report"), autoescape=select_autoescape(default=True), undefined=StrictUndefined
    )
    environment.filters["figure"] = _figure
    environment.tests["of"] = lambda part, kind: type(part).__name__ == kind
    return environment


def _figure(value: float | None, digits: int) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.{digits}f}"
