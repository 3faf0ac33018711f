"""Pages as HTML that opens from disk: no network, pictures inside. The templates are files; every page is one of them, filled with parts."""

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from medkt.about import NOT_A_MEDICAL_DEVICE
from medkt.report.sections import HtmlPage, PagePart

# what a page with scripts may load: files beside it and what is in it, and nothing from any network
ONLY_FROM_DISK = "default-src 'none'; script-src 'self' file:; style-src 'unsafe-inline'; img-src data: blob:; connect-src data: blob:"


def render_page(page: HtmlPage) -> str:
    """The page, with a list of its sections at its head."""
    sections = [section for section in page.sections if section.parts]
    template = _environment().get_template("page.html.j2")
    return template.render(page=page, sections=sections, notice=NOT_A_MEDICAL_DEVICE, csp=ONLY_FROM_DISK)


def _show(part: PagePart) -> str:
    """One part as HTML, by the macro that is called as its class."""
    looks = _environment().get_template("parts.html.j2").module
    shown: str = getattr(looks, type(part).__name__)(part)
    return shown


@cache
def _environment() -> Environment:
    """Every template is compiled once for all pages of a run."""
    environment = Environment(
        loader=PackageLoader("medkt.report"), autoescape=select_autoescape(default=True), undefined=StrictUndefined
    )
    environment.filters["show"] = _show
    return environment
