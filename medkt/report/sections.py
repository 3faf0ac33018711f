"""What a page is made of: sections of text, tables, plots, pictures and notes. What is shown, not how it looks.

How each part looks stands in `templates/parts.html.j2`, by the name of its class.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

MOST_LINES = 600  # rows of a table in a page; all of them are in the run's own tables


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A paragraph: plain, of less weight ("quiet"), or of more ("headline")."""

    text: str
    style: Literal["", "quiet", "headline"] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """A heading inside a section."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Notes:
    """Lines of a list."""

    lines: tuple[str, ...]
    quiet: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of words under a head.

    Attributes:
        caption: what it tells.
        head: a name a column; none for a table of names and values.
        rows: each as long as the head.
        left_out: how many rows are not shown.
    """

    caption: str
    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    left_out: int = 0

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
class ViewerNote:
    """That volumes have a viewer, and which folder beside the page it needs."""

    folder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """Long text that opens on demand."""

    summary: str
    text: str


PagePart = Text | Heading | Notes | Table | Plot | Picture | ViewerNote | Details


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A section of a page: its anchor, its title, and what stands in it, from top to bottom."""

    key: str
    title: str
    parts: tuple[PagePart, ...]
