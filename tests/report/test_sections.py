"""A page of sections: each part has a look, what stands in it stays words, and what is not there is not named."""

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from html import unescape
from typing import Any, get_args

import pytest
from jinja2 import UndefinedError

from medkt.about import NOT_A_MEDICAL_DEVICE
from medkt.report.render import _environment, render_page
from medkt.report.sections import (
    AnswerLine,
    Details,
    Figure,
    FigureRow,
    Heading,
    HtmlPage,
    Notes,
    PagePart,
    Picture,
    Plot,
    Section,
    ShadedText,
    ShadedWord,
    Table,
    Text,
    TextSpan,
    Viewer,
    ViewerNote,
    picture_address,
    with_code,
)

VIEWER = Viewer(
    key="1-1", name="the volume", library="page_files/draw.js", scripts=("page_files/a.js",), megabytes=1.5,
    facts='{"a": 1}', words="in 256 greys",
)  # fmt: skip
PARTS: tuple[PagePart, ...] = (
    Text(text="a <b>bold</b> claim", style="headline"),
    Text(text=("plain, ", TextSpan(text="of weight", look="strong"), TextSpan(text="a line below", look="quiet", below=True))),
    AnswerLine(text="it came out so", outcome="open"),
    Heading(text="an inner heading"),
    Notes(lines=("one note", ("another ", TextSpan(text="note", look="mark"))), quiet=True),
    Table.of("a table", ("head one", "head two"), [("first cell", "second cell")]),
    Table(caption="names and values", rows=(("a name", ("a value", TextSpan(text="bad one", look="bad"))),), captioned=False),
    Plot(svg="data:image/svg+xml;base64,AAAA", alt="what is drawn", caption="below the plot"),
    Picture(title="whose", words="its numbers", image="data:,", alt="its look", missing="no picture", viewer=VIEWER),
    Picture(title="whose", words="its numbers", image="", alt="", missing="no picture was written"),
    Figure(image=picture_address(b"PNG"), alt="what the figure shows"),
    FigureRow(figures=(Figure(image="data:,", alt="a small one", lines=(Text(text="said beside it"),)),), layout="cards"),
    ViewerNote(folder="page_files"),
    ShadedText(words=(ShadedWord(text="darkly", shade=0.25, framed=True, note="2.50 nats"),), note="(cut off here)"),
    Details(summary="opens on demand", text="{long text}"),
    Details(summary="opens too", parts=(Table(caption="inside", head=("one", "two"), rows=(("first", "2"),), numbers=(1,)), Text(text="below"))),
)  # fmt: skip
SAID = (
    "a &lt;b&gt;bold&lt;/b&gt; claim", "<p>plain, <strong>of weight</strong><br>\n<span class=\"quiet\">a line below</span></p>",
    '<p class="answer open">it came out so</p>', "<h3>an inner heading</h3>", "<li>another <mark>note</mark></li>",
    '<th scope="col">head two</th>', '<th scope="row">first cell</th><td>second cell</td>',
    '<caption class="heard">names and values</caption>', '<td>a value<span class="bad">bad one</span></td>',
    'alt="what is drawn"', "<figcaption>below the plot</figcaption>", "<p>no picture was written</p>",
    '<img src="data:image/png;base64,UE5H" alt="what the figure shows">', "<p>said beside it</p>",
    "Open the volume viewer (1.5 MB)",
    "The folder page_files beside this page", "<summary>opens on demand</summary><pre tabindex=\"0\">{long text}</pre></details>",
    '<span class="framed" style="--shade: 0.25" title="2.50 nats">darkly</span> ', '<span class="note quiet">(cut off here)</span>',
    '<th scope="col" class="number">two</th>', '<td class="number">2</td>', "<p>below</p>\n</details>",
)  # fmt: skip
BAD = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>&amp; {{ 7 * 7 }}"


def _page(*parts: PagePart, **more: Any) -> str:
    return render_page(
        HtmlPage(title="a title", sections=[Section(key="here", title="The section", parts=parts)], **more)
    )


def test_every_part_has_a_look() -> None:
    assert {type(part) for part in PARTS} == set(get_args(PagePart))
    page = _page(*PARTS)
    assert [said for said in SAID if said not in page] == []
    for part in PARTS:  # each by itself too: none hides behind another
        alone = _page(part)
        body = alone[alone.index('<h2 id="here">') :]
        assert len(re.findall(r"<(p|h3|ul|table|figure|details)\b", body)) > 0, part
    assert page.count('<a href="#here">The section</a>') == page.count('<h2 id="here">The section</h2>') == 1
    assert NOT_A_MEDICAL_DEVICE in page


def _spoilt(value: Any) -> Any:
    """The same with what a user may have written in place of every text, but for what a page decides by."""
    if is_dataclass(value) and not isinstance(value, type):
        given = {one.name: getattr(value, one.name) for one in fields(value)}
        changed = {
            name: _spoilt(held) for name, held in given.items() if name not in ("style", "look", "outcome", "layout")
        }
        return replace(value, **changed)
    if isinstance(value, list | tuple):
        return type(value)(_spoilt(one) for one in value)
    return BAD if isinstance(value, str) and value else value


def _tags(page: str) -> Iterator[str]:
    return (one[0] for one in re.finditer(r"<(?:\"[^\"]*\"|'[^']*'|[^'\">])*>", page))


@pytest.mark.parametrize("part", PARTS, ids=lambda part: type(part).__name__)
def test_what_a_user_wrote_stays_words_in_every_part(part: PagePart) -> None:
    page, usual = _page(_spoilt(part)), _page(part)
    assert "<script" not in page
    assert BAD in unescape(page)
    names = [[re.match(r"</?[\w!]+", tag)[0] for tag in _tags(one)] for one in (page, usual)]  # type: ignore[index]
    assert names[0] == names[1]  # no tag more, none less
    assert not [tag for tag in _tags(page) if re.search(r"\sonerror=", re.sub(r'"[^"]*"', "", tag))]


def test_what_a_user_wrote_stays_words_around_the_sections() -> None:
    section = Section(key="here", title=BAD, parts=(Text(text="said"),))
    page = render_page(
        HtmlPage(
            title=BAD, heading=(BAD, TextSpan(text=BAD, look="quiet")), byline=BAD, demonstration=BAD, sections=[section],
            first=(Text(text=BAD),), lead=(Text(text=BAD),),
        )
    )  # fmt: skip
    assert "<script" not in page
    assert "<img" not in page
    assert page.count("{{ 7 * 7 }}") == 9


def test_what_is_read_before_the_heading_and_before_the_sections_stands_there() -> None:
    page = _page(Text(text="said"), first=(Text(text="the answer"),), lead=(Text(text="how so"),), byline="whose")
    places = [page.index(one) for one in ("the answer", "<h1>a title</h1>", ">whose<", "<nav", "how so", "<h2")]
    assert places == sorted(places)


def test_a_section_without_parts_is_not_named() -> None:
    assert "The section" not in _page()


def test_commands_stand_as_code() -> None:
    assert "<p>run <code>medkt &lt;x&gt;</code> first</p>" in _page(Text(text=with_code("run `medkt <x>` first")))


def test_only_a_page_with_a_viewer_has_scripts_and_says_what_it_may_load() -> None:
    plain = _page(Text(text="said"))
    assert "<script" not in plain
    assert "Content-Security-Policy" not in plain
    viewed = _page(Text(text="said"), script="page_files/viewer.js", demonstration="drawn pictures only")
    assert '<script src="page_files/viewer.js"></script>' in viewed
    assert "Content-Security-Policy" in viewed
    assert "<strong>drawn pictures only</strong>" in viewed


def test_a_long_table_says_how_many_rows_it_leaves_out() -> None:
    table = Table.of("a table", ("number",), [(str(number),) for number in range(610)])
    assert (len(table.rows), table.left_out) == (600, 10)
    page = _page(table)
    assert "10 further rows stand in the run&#39;s own tables" in page or "10 further rows stand in the run's" in page


def test_what_a_template_names_must_be_given() -> None:
    with pytest.raises(UndefinedError, match="'page' is undefined"):
        _environment().get_template("page.html.j2").render(sections=[], notice="", csp="")
