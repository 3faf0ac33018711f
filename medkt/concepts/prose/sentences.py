"""A text apart: its sentences and list items, each with its line and the heading that it stands under.

Written for articles as people paste them: hard line breaks, headings with or without marks, bullets, numbers of
references, abbreviations and decimals.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field

from medkt.concepts.prose.words import language, role_words
from medkt.concepts.wordlike import plain_text

LONGEST_SENTENCE = 1500
"""Characters: what is longer is no sentence, and is not looked into."""

_BULLET = re.compile(r"^\s*(?:[-*+•·‣▪◦–—]|\(?\d{1,2}[.)]|\(?[a-z]\))\s+(?=\S)")
_MARKED_HEADING = re.compile(
    r"^\s*(?:#{1,6}\s*(?P<hash>.+?)\s*#*|=+\s*(?P<equals>.+?)\s*=+|\*\*(?P<star>[^*]+?):?\*\*:?)\s*$"
)
_UNDERLINE = re.compile(r"^\s*(?:[|:\s-]*-{3,}[|:\s-]*|-{3,}|={3,}|~{3,}|_{3,}|\*{3,})\s*$")
_LABEL = re.compile(r"^(?P<label>[A-Za-z][\w /&'-]{1,40}):\s+(?=\S)")
_REFERENCE = re.compile(
    r"\s*\[(?:\d[\d,;\s-]*|[a-z]|note \d+|citation needed|clarification needed|who\?|when\?)\]|\s*\(\s*(?:\d{1,3}\s*[,;-]\s*)+\d{1,3}\s*\)"
)
_AFTER_STOP = re.compile(
    r"(?<=[a-z)][.])\d{1,3}(?:[,-]\d{1,3})*(?=\s+[A-Z]|\s*$)|(?<=[a-z],)\d{1,2}(?=\s)"
)  # "in the lung.4,5 The ..."
_MARKUP = re.compile(r"\*{1,3}(?=\S)|(?<=\S)\*{1,3}|(?<!\w)_{1,2}(?=\w)|(?<=\w)_{1,2}(?!\w)|`+|'{2,}")
_LINK = re.compile(r"!?\[([^\]]+)\]\([^)]*\)|\[\[(?:[^|\]]*\|)?([^\]]+)\]\]")
_END = re.compile(r"[.!?]+[\"')\]]*(?=\s+[\"'(\[]*[A-Z0-9])")
_STARTERS = frozenset(
    [
        "The",
        "A",
        "An",
        "It",
        "They",
        "In",
        "On",
        "This",
        "These",
        "Its",
        "Their",
        "There",
        "At",
        "With",
        "Most",
        "Many",
        "Some",
        "Both",
        "If",
        "When",
    ]
)
_TITLES = frozenset(["e.g", "i.e", "fig", "figs", "dr", "prof", "cf", "vs", "mr", "mrs", "st", "al", "approx", "ca"])
_LONGEST_HEADING = 7  # words
_LONGEST_TITLE = 200  # characters of a heading with its marks
_LONGEST_LABEL = 4
_FEWEST_SHOUTED = 4  # words in capitals: fewer may be abbreviations
_LONGEST_ITEM = 70  # characters of a line that is an item without a bullet


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """One sentence or list item, in one way of writing.

    Attributes:
        text: the words, without marks of references, emphasis and bullets.
        line: where it begins, counted from 1.
        heading: the heading or label that it stands under; "" for none.
        paragraph: counted from 0; items of one list share it.
        is_item: whether it stood in a list.
    """

    text: str
    line: int
    heading: str = ""
    paragraph: int = 0
    is_item: bool = False


@dataclass(slots=True)
class _Block:
    """Lines that belong together, and what they stand under."""

    heading: str
    is_item: bool
    paragraph: int
    lines: list[tuple[int, str]] = field(default_factory=list)


def sentences_of(text: str) -> tuple[Sentence, ...]:
    """The sentences of a text in its order; empty where it holds no letter.

    >>> [one.text for one in sentences_of("It is round [1]. Approx. 2.5 cm wide, e.g. in the lung. Dr. Roe agrees.")]
    ['It is round.', 'Approx. 2.5 cm wide, e.g. in the lung.', 'Dr. Roe agrees.']
    """
    return tuple(
        sentence for block in _blocks(text) for sentence in _apart(block) if re.search(r"[^\W\d_]", sentence.text)
    )


def _blocks(text: str) -> Iterator[_Block]:
    lines = [" ".join(line.split()) for line in re.split(r"\r\n|\r|\n", text)]
    heading, paragraph, block = "", 0, _Block(heading="", is_item=False, paragraph=0)
    for number, raw in enumerate(lines, start=1):
        line = _clean(raw)
        following = [_clean(one) for one in lines[number : number + 2]]
        if not line or _UNDERLINE.match(raw):
            yield from _done(block)
            paragraph += bool(block.lines) and not block.is_item
            block = _Block(heading=heading, is_item=False, paragraph=paragraph)
        elif (named := _heading(raw, line, following, in_block=bool(block.lines) and not block.is_item)) is not None:
            yield from _done(block)
            heading, paragraph = named, paragraph + 1
            block = _Block(heading=heading, is_item=False, paragraph=paragraph)
        elif _BULLET.match(raw) or "|" in line:
            yield from _done(block)
            item = _clean(_BULLET.sub("", raw)).strip("| ").replace(" | ", ": ")
            if (item.endswith(":") and _is_topic(item)) or _is_way(item):  # "- CT:", with its own items below
                heading, item = item.rstrip(":"), ""
            block = _Block(heading=heading, is_item=True, paragraph=paragraph)
            block.lines += [(number, item)] if item else []
        else:
            block.lines.append((number, line))
    yield from _done(block)


def _clean(raw: str) -> str:
    said = _LINK.sub(lambda found: found.group(1) or found.group(2), plain_text(raw))
    said = "".join(" " if unicodedata.category(one) in ("So", "Co", "Cn") and one != "°" else one for one in said)
    return re.sub(r"\s+([.,;])(?=\s|$)", r"\1", " ".join(_MARKUP.sub("", said).split()))


def _heading(raw: str, line: str, following: list[str], *, in_block: bool) -> str | None:
    """The words of a heading, or None where the line is none."""
    if len(raw) <= _LONGEST_TITLE and (marked := _MARKED_HEADING.match(raw)):
        return _clean(next(part for part in marked.groups() if part)).rstrip(":")
    if "|" in line or len(line) > _LONGEST_TITLE:
        return None  # a row of a table, or a paragraph on one line
    if following and _UNDERLINE.match(following[0]) and len(line.split()) <= _LONGEST_HEADING:
        return line.rstrip(":")
    short = len(line.split()) <= _LONGEST_HEADING and line[:1].isupper() and line[-1] not in ".,;!?"
    if in_block or not short or not any(following):
        return None
    alone = _ends_block(following[0])
    if not alone and len(following) > 1 and _ends_block(following[1]):  # a title above a heading
        alone = (
            following[0][:1].isupper()
            and len(following[0].split()) <= _LONGEST_HEADING
            and following[0][-1] not in ".,;!?"
        )
    capital = following[0][:1].isupper() and (len(following[0]) > _LONGEST_ITEM or following[0].endswith("."))
    return line.rstrip(":") if alone or capital or line.endswith(":") else None


def _ends_block(line: str) -> bool:
    return not line or "|" in line or _BULLET.match(line) is not None


def _done(block: _Block) -> Iterator[_Block]:
    """The block, or one for each line where it is a list without bullets."""
    lines = [line for _, line in block.lines]
    if (
        not block.is_item
        and len(lines) > 1
        and all(len(line) <= _LONGEST_ITEM and line[-1] not in ".:" for line in lines)
    ):
        for numbered in block.lines:
            yield _Block(heading=block.heading, is_item=True, paragraph=block.paragraph, lines=[numbered])
    elif lines:
        yield block


def _apart(block: _Block) -> Iterator[Sentence]:
    joined = ""
    starts: list[tuple[int, int]] = []  # where each line begins in the joined text
    for number, words in block.lines:
        starts.append((len(joined), number))
        joined += words + " "
    heading = block.heading
    for begin, end in _spans(joined.rstrip()):
        line = max(number for start, number in starts if start <= begin)
        said = " ".join(_REFERENCE.sub("", _AFTER_STOP.sub("", joined[begin:end])).split())
        if (label := _LABEL.match(said)) and (
            _is_way(label["label"]) or (said[0].isupper() and _is_topic(label["label"]))
        ):
            heading, said = label["label"], said[label.end() :]
        if len(said.split()) >= _FEWEST_SHOUTED and said.isupper():
            said = said.capitalize()
        yield Sentence(text=said, line=line, heading=heading, paragraph=block.paragraph, is_item=block.is_item)


def _is_topic(label: str) -> bool:
    """Whether words before a colon head what follows: "Treatment: ...", "CT: ..."; not "It looks like a cone: ..."."""
    words = role_words()
    topics = (*words.headings.values(), *words.modalities.values())
    return len(label.split()) <= _LONGEST_LABEL and any(topic.search(label) for topic in topics)


def _is_way(label: str) -> bool:
    """Whether words are the name of a way of imaging and nothing else."""
    return any(way.fullmatch(label) for way in role_words().modalities.values())


def _spans(text: str) -> Iterator[tuple[int, int]]:
    text = _AFTER_STOP.sub(lambda found: " " * len(found.group()), text)
    text = _REFERENCE.sub(lambda found: " " * len(found.group()), text)
    begin = 0
    for stop in _END.finditer(text):
        if _ends_sentence(text[begin : stop.start()], stop.group(), text[stop.end() :]):
            yield begin, stop.end()
            begin = stop.end() + len(text[stop.end() :]) - len(text[stop.end() :].lstrip())
    if text[begin:].strip():
        yield begin, len(text)


def _ends_sentence(before: str, stop: str, after: str) -> bool:
    """Whether a full stop before a capital or a digit is the end, and not an abbreviation's or an initial's."""
    word = re.split(r"[\s(\[]", before)[-1] if before else ""
    follows = re.match(r"\s*[\"'(\[]*([\w-]*)", after)
    starts_anew = follows is not None and follows.group(1) in _STARTERS
    if not stop.startswith("."):
        return True
    if word.lower() in language().abbreviations:
        return starts_anew and word.lower() not in _TITLES
    if re.fullmatch(r"[A-Z]", word):
        previous = before.split()[-2:-1]
        return starts_anew or bool(previous and not previous[0][:1].isupper())
    return True
