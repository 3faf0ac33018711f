"""What a page is made of: sections of text, tables, plots, pictures and notes. What is shown, not how it looks.

How each part looks stands in `templates/parts.html.j2`, in the macro of its name. Whatever stands in a part is text and no HTML.
"""

import base64
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

MOST_LINES = 600  # rows of a table in a page; all of them are in the run's own tables


@dataclass(frozen=True, slots=True, kw_only=True)
class TextSpan:
    """Words of one look inside a line; `below`: they begin a line of their own."""

    text: str
    look: Literal["", "strong", "code", "mark", "quiet", "good", "bad"] = ""
    below: bool = False


TextLine = str | tuple[str | TextSpan, ...]
"""A line of one look, or of several."""


def with_code(line: str) -> TextLine:
    """A line of medkt's own in which commands stand between backticks.

    >>> with_code("see `medkt doctor`")
    ('see ', TextSpan(text='medkt doctor', look='code', below=False), '')
    """
    return tuple(TextSpan(text=one, look="code") if place % 2 else one for place, one in enumerate(line.split("`")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A paragraph: plain, of less weight ("quiet"), or of more ("headline")."""

    text: TextLine
    style: Literal["", "quiet", "headline"] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerLine:
    """The one line that a page is read for, and how it came out."""

    text: str
    outcome: Literal["yes", "no", "open"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """A heading inside a section."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Notes:
    """Lines of a list."""

    lines: tuple[TextLine, ...]
    quiet: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of words under a head.

    Attributes:
        caption: what it tells.
        head: a name a column; none for a table of names and values.
        rows: each as long as the head.
        left_out: how many rows are not shown.
        numbers: columns of numbers, from 0, which stand below each other by their last digit.
        captioned: whether the caption is seen; else it is there for those who hear the page alone.
    """

    caption: str
    head: Sequence[str] = ()
    rows: Sequence[Sequence[TextLine]] = ()
    left_out: int = 0
    numbers: Collection[int] = ()
    captioned: bool = True

    @classmethod
    def of(cls, caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> "Table":
        """A table of at most `MOST_LINES` rows, which counts those left out."""
        held = list(rows)
        return cls(caption=caption, head=head, rows=held[:MOST_LINES], left_out=max(0, len(held) - MOST_LINES))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """A drawn plot: the picture as it stands in a `data:` address, what it shows in words, and what stands below it."""

    svg: str
    alt: str
    caption: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """A button that opens a volume in the viewer whose scripts lie beside the page.

    Attributes:
        key: of the place in the page.
        name: of the volume.
        library: address of the script that draws.
        scripts: addresses of the scripts with the voxels.
        megabytes: of these together.
        facts: what the viewer needs, as JSON.
        words: how the volume is shown, and what is not there.
    """

    key: str
    name: str
    library: str
    scripts: tuple[str, ...]
    megabytes: float
    facts: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture under its title.

    Attributes:
        title: of whom.
        words: what goes with it.
        image: as it stands in a `data:` address; "" where there is none.
        alt: what it shows, in words.
        missing: what is said where there is no image.
        viewer: where it is of a volume that can be looked at.
    """

    title: str
    words: str
    image: str
    alt: str
    missing: str = ""
    viewer: Viewer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A picture, and lines that go with it.

    Attributes:
        image: as it stands in a `data:` address.
        alt: what it shows, in words.
        lines: below or beside it.
    """

    image: str
    alt: str
    lines: tuple[Text, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureRow:
    """Figures that are looked at together: large ones side by side, or small ones as cards with their lines beside them."""

    figures: tuple[Figure, ...]
    layout: Literal["across", "cards"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewerNote:
    """That volumes have a viewer, and which folder beside the page it needs."""

    folder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadedWord:
    """One word of a text.

    Attributes:
        text: the word.
        shade: how dark, from 0 to 1.
        framed: whether it has a frame.
        note: what is told of it on demand.
    """

    text: str
    shade: float
    framed: bool
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadedText:
    """A text whose words are shaded by their weight; `note` stands at its end."""

    words: tuple[ShadedWord, ...]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """What opens on demand: parts, and a long text as it stands."""

    summary: str
    parts: tuple["PagePart", ...] = ()
    text: str = ""


PagePart = (
    Text
    | AnswerLine
    | Heading
    | Notes
    | Table
    | Plot
    | Picture
    | Figure
    | FigureRow
    | ShadedText
    | ViewerNote
    | Details
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A section of a page: its anchor, its title, and what stands in it, from top to bottom."""

    key: str
    title: str
    parts: tuple[PagePart, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HtmlPage:
    """A whole page.

    Attributes:
        title: of its window.
        sections: in their order; one without parts is not shown.
        heading: above all but `first`; the title where there is none.
        byline: below the heading: whose the page is, and of which version.
        first: what is to be read before the heading.
        lead: what is to be read before the sections.
        demonstration: what is said where the model is a demonstration.
        script: address of the script beside the page that shows volumes; "" for a page without any script.
    """

    title: str
    sections: Sequence[Section]
    heading: TextLine = ""
    byline: TextLine = ""
    first: tuple[PagePart, ...] = ()
    lead: tuple[PagePart, ...] = ()
    demonstration: str = ""
    script: str = ""


def picture_address(png: bytes) -> str:
    """A PNG as it stands in a page."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
