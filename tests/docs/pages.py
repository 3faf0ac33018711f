"""Markdown pages as what they hold: fenced blocks with their marks, headings, links."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LANGUAGES = ("console", "json", "python", "text", "yaml")

_MARK = re.compile(r"<!-- (not run|file): (.*?) ?-->")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block.

    Attributes:
        line: of its opening fence, from 1.
        language: what stands after the fence.
        code: its lines.
        not_run: why it is only read, or None where it runs.
        file: the name under which the page wants it saved, or None.
    """

    line: int
    language: str
    code: str
    not_run: str | None
    file: str | None


def pages() -> tuple[Path, ...]:
    """The README and every page of docs/, the README first."""
    return (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks_of(page: Path) -> tuple[Block, ...]:
    """The fenced blocks of a page, in order.

    Raises:
        ValueError: a fence is not closed.
    """
    lines = page.read_text(encoding="utf-8").splitlines()
    found, at = [], 0
    while at < len(lines):
        if lines[at].startswith("```"):
            end = next((k for k in range(at + 1, len(lines)) if lines[k] == "```"), None)
            if end is None:
                raise ValueError(f"{name_of(page)}:{at + 1}: the fence is not closed")
            mark = _MARK.fullmatch(lines[at - 1].strip()) if at else None
            marks = {mark[1]: mark[2].strip()} if mark else {}
            found.append(
                Block(
                    line=at + 1,
                    language=lines[at][3:].strip(),
                    code="\n".join(lines[at + 1 : end]),
                    not_run=marks.get("not run"),
                    file=marks.get("file"),
                )
            )
            at = end
        at += 1
    return tuple(found)


def prose_of(page: Path) -> str:
    """The page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors_of(page: Path) -> set[str]:
    """What `#...` may be said of a page: its headings in lower case, words joined by hyphens."""
    titles = re.findall(r"^#+ (.*)$", prose_of(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def links_of(page: Path) -> Iterator[str]:
    """The targets of links and pictures on a page that lead to no other site."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose_of(page)):
        if not re.match(r"[a-z]+:", target):
            yield target
