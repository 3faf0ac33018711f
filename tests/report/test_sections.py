"""A page of sections: each part has a look, what stands in it stays words, and what is not there is not named."""

import re
from typing import get_args

import pytest
from jinja2 import UndefinedError

from medkt.about import NOT_A_MEDICAL_DEVICE
from medkt.report.render import render, render_sections
from medkt.report.sections import (
    Details,
    Heading,
    Notes,
    PagePart,
    Picture,
    Plot,
    Section,
    Table,
    Text,
    Viewer,
    ViewerNote,
)

VIEWER = Viewer(
    key="1-1", name="the volume", library="page_files/draw.js", scripts=("page_files/a.js",), megabytes=1.5,
    facts='{"a": 1}', words="in 256 greys",
)  # fmt: skip
PARTS: tuple[PagePart, ...] = (
    Text(text="a <b>bold</b> claim", style="headline"),
    Heading(text="an inner heading"),
    Notes(lines=("one note", "another note"), quiet=True),
    Table.of("a table", ("head one", "head two"), [("first cell", "second cell")]),
    Table(caption="names and values", rows=(("a name", "a value"),)),
    Plot(svg="data:image/svg+xml;base64,AAAA", alt="what is drawn", caption="below the plot"),
    Picture(title="whose", words="its numbers", image="", alt="", missing="no picture was written", viewer=VIEWER),
    ViewerNote(folder="page_files"),
    Details(summary="opens on demand", text="{long text}"),
)
SAID = (
    "a &lt;b&gt;bold&lt;/b&gt; claim", "<h3>an inner heading</h3>", "<li>another note</li>", '<th scope="col">head two</th>',
    '<th scope="row">first cell</th><td>second cell</td>', '<td class="digest">a value</td>', 'alt="what is drawn"',
    "<figcaption>below the plot</figcaption>", "<p>no picture was written</p>", "Open the volume viewer (1.5 MB)",
    "The folder page_files beside this page", "<summary>opens on demand</summary>",
)  # fmt: skip


def test_every_part_has_a_look() -> None:
    assert {type(part) for part in PARTS} == set(get_args(PagePart))
    page = render_sections("a title", [Section(key="here", title="The section", parts=PARTS)])
    assert [said for said in SAID if said not in page] == []
    for part in PARTS:  # each by itself too: none hides behind another
        alone = render_sections("a title", [Section(key="here", title="The section", parts=(part,))])
        body = alone[alone.index('<h2 id="here">') :]
        assert len(re.findall(r"<(p|h3|ul|table|figure|details)\b", body)) > 0, part
    assert page.count('<a href="#here">The section</a>') == page.count('<h2 id="here">The section</h2>') == 1
    assert NOT_A_MEDICAL_DEVICE in page


def test_only_a_page_with_a_viewer_has_scripts_and_says_what_it_may_load() -> None:
    section = [Section(key="here", title="The section", parts=())]
    plain = render_sections("a title", section)
    assert "<script" not in plain
    assert "Content-Security-Policy" not in plain
    viewed = render_sections("a title", section, script="page_files/viewer.js", demonstration="drawn pictures only")
    assert '<script src="page_files/viewer.js"></script>' in viewed
    assert "Content-Security-Policy" in viewed
    assert "<strong>drawn pictures only</strong>" in viewed


def test_a_long_table_says_how_many_rows_it_leaves_out() -> None:
    table = Table.of("a table", ("number",), [(str(number),) for number in range(610)])
    assert (len(table.rows), table.left_out) == (600, 10)
    page = render_sections("a title", [Section(key="here", title="The section", parts=(table,))])
    assert "10 further rows stand in the run&#39;s own tables" in page or "10 further rows stand in the run's" in page


def test_what_a_template_names_must_be_given() -> None:
    with pytest.raises(UndefinedError, match="'sections' is undefined"):
        render("sections.html.j2", {"title": "a title", "demonstration": "", "script": "", "csp": ""})
