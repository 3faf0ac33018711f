"""What a caption says that a phantom can draw: the attributes, the thing they are said of, and the words that are neither.

By lists of words alone (`configs/phantom/words.yaml` and the words of the phantoms' own reports); no model is asked. A caption
is drawn only where it says a visible thing, two of its shape, brightness and texture, and little else: "a round bright parking
budget" says two attributes of nothing that a picture shows.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np

from medkt.concepts.lexicon import asked, lexicon
from medkt.datasets.phantom import reports
from medkt.datasets.phantom.drawers import DRAWERS, DRAWN_BODY
from medkt.datasets.phantom.finding import Attributes, DomainName, Finding
from medkt.resources import data_yaml

TELLING = ("shape", "intensity", "texture")
"""Attributes of which a caption has to say two."""
MOST_UNREAD = 0.3
"""Of the words that name something, the part that may say nothing that is drawn."""
_ANATOMY = ("layered", "organ")  # shapes that are no lesion: only a finding's own drawing of the anatomy has them
_TRIES = 40

Table = Mapping[tuple[str, ...], tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One caption, read.

    Attributes:
        text: as it stands.
        domain: whose words were looked for.
        said: attribute to value, as `Attributes` has them.
        thing: what they are said of; "" where it is nothing that a picture shows.
        unread: the other words that name something, in their order.
        spans: (first letter, end, attribute, value) of each attribute word, for who wants to say another.
    """

    text: str
    domain: DomainName
    said: Mapping[str, str]
    thing: str
    unread: tuple[str, ...]
    share_unread: float
    spans: tuple[tuple[int, int, str, str], ...] = field(default=())

    @property
    def why_not(self) -> str:
        """Why nothing is drawn of it, for a reader; "" where it can be drawn."""
        if not self.thing:
            return "it names no thing that a picture shows"
        if self.said.get("shape") in _ANATOMY:
            return f"only the anatomy itself can be drawn {self.said['shape']}"
        if sum(name in self.said for name in TELLING) < 2:
            return "fewer than two of shape, brightness and texture are said in words that can be drawn"
        if self.share_unread > MOST_UNREAD:
            return f"too many of its words say nothing that can be drawn ({', '.join(self.unread[:4])})"
        return ""

    def says_the_look_of(self, finding: Finding) -> bool:
        """Whether nothing that is said of shape, brightness, texture, size and number is otherwise in a finding that medkt draws."""
        own = {
            "number": (finding.number,),
            "size": finding.size,
            **{name: (getattr(finding, name),) for name in TELLING},
        }
        return all(self.said[name] in values for name, values in own.items() if name in self.said)

    def look(self, rng: np.random.Generator) -> Attributes:
        """A lesion as the caption says it; what it leaves open is drawn as for a lesion without a name."""
        return look_of(self.domain, self.said, rng)


def read(text: str, domain: DomainName) -> Reading:
    """The attributes that a caption says, by the words of one domain."""
    words = [(match.group().lower(), *match.span()) for match in re.finditer(r"[a-zA-Z][\w-]*", text)]
    table, spans, said = _table(domain), list[tuple[int, int, str, str]](), dict[str, str]()
    thing, unread, naming, at = "", list[str](), 0, 0
    while at < len(words):
        length = _longest(words, at, table)
        first, start, _ = words[at]
        if length:
            attribute, value = table[tuple(word for word, _, _ in words[at : at + length])]
            said.setdefault(attribute, value)
            spans.append((start, words[at + length - 1][2], attribute, value))
            naming += 1
        elif first in _things() or first in _plain(domain):
            naming += 1
        elif first not in asked().function:
            naming += 1
            unread.append(first)
        of_phrase = [word for word, _, _ in words[at : at + max(length, 1)]]
        thing = thing or next((word for word in of_phrase if word in _things()), "")
        at += max(length, 1)
    return Reading(
        text=text, domain=domain, said=said, thing=thing, unread=tuple(unread), spans=tuple(spans),
        share_unread=len(unread) / max(naming, 1),
    )  # fmt: skip


def look_of(domain: DomainName, said: Mapping[str, str], rng: np.random.Generator) -> Attributes:
    """A look with these attributes, the others as of a lesion without a name, in a combination that has both where there is one."""
    free = DRAWERS[domain].draw_unnamed_attributes
    look: Attributes = free(rng)
    for _ in range(_TRIES):
        if all(getattr(look, name) == value for name, value in said.items() if name in TELLING):
            break
        look = free(rng)
    known = {name: value for name, value in said.items() if name != "side" or look.side}
    return replace(look, **known)


def foreign_words(texts: Iterable[str], domain: DomainName) -> tuple[str, ...]:
    """Words of another way of imaging, or of another part of the body than this domain's phantoms show.

    Parts of the body count only where no text names one that belongs here ("the dark lung above the liver"), and words of
    imaging only where one other modality alone has them ("echogenic"; "dense" may be said of a radiograph and of CT).
    """
    texts, here = tuple(texts), DRAWN_BODY[domain]
    found = [
        word
        for terms in lexicon().foreign if domain not in terms.at_home and len(terms.at_home) == 1
        for text in texts for word in terms.in_text(text)
    ]  # fmt: skip
    named = {body: [word for text in texts for word in _bodies()[body].findall(text)] for body in _bodies()}
    if not named[here]:
        found += [word for body, words in named.items() if body != here for word in words]
    return tuple(dict.fromkeys(word.lower() for word in found))


def retold(reading: Reading, allowed: Callable[[str, str, str], bool], rng: np.random.Generator) -> str:
    """The caption with another value of every shape, brightness and texture that it says; "" where it says none.

    Args:
        reading: of the caption.
        allowed: whether an attribute may become the second value in place of the first.
        rng: picks among those that may.
    """
    text, spoken = reading.text, _adjectives(reading.domain)
    chosen: dict[str, str] = {}
    for start, end, attribute, value in sorted(reading.spans, reverse=True):
        others = [word for other, word in spoken.get(attribute, {}).items() if allowed(attribute, value, other)]
        if attribute in TELLING and others:
            chosen.setdefault(attribute, str(rng.choice(others)))
            text = text[:start] + chosen[attribute] + text[end:]
    return text if chosen else ""


def _longest(words: list[tuple[str, int, int]], at: int, table: Table) -> int:
    """How many words from here on are a phrase of the table; 0 for none."""
    for length in range(min(_most(), len(words) - at), 0, -1):
        if tuple(word for word, _, _ in words[at : at + length]) in table:
            return length
    return 0


@cache
def _raw() -> Any:
    return data_yaml("configs/phantom/words.yaml")


@cache
def _table(domain: DomainName) -> Table:
    """Every phrase of the domain with what it says."""
    made: dict[tuple[str, ...], tuple[str, str]] = {}
    for attribute, value, phrase in _phrases(domain):
        made.setdefault(tuple(re.findall(r"[a-zA-Z][\w-]*", phrase.lower())), (attribute, value))
    return {phrase: told for phrase, told in made.items() if phrase}


def _phrases(domain: DomainName) -> Iterator[tuple[str, str, str]]:
    for attribute in ("shape", "margin", "intensity", "texture", "size", "number", "side"):
        for value, phrases in _raw()[attribute].items():
            yield from ((attribute, value, phrase) for phrase in phrases)
    for value, phrases in _raw()["place"][domain].items():
        yield from (("place", value, phrase) for phrase in phrases)
    tables = {"shape": reports.SHAPE, "margin": reports.MARGIN, "texture": reports.TEXTURE, "size": reports.SIZE}
    for attribute, table in tables.items():
        for value, kinds in table.items():
            yield from ((attribute, value, phrase) for phrases in kinds for phrase in phrases)
    for attribute, values in (("intensity", reports.INTENSITY[domain]), ("place", reports.PLACE[domain])):
        for value, phrases in values.items():
            yield from ((attribute, value, phrase) for phrase in phrases)


@cache
def _most() -> int:
    return max(len(phrase) for domain in DRAWERS for phrase in _table(domain))


@cache
def _things() -> frozenset[str]:
    return frozenset(word for phrase in _raw()["things"] for word in phrase.split())


@cache
def _plain(domain: DomainName) -> frozenset[str]:
    """Words that are no attribute and that a picture of the domain shows all the same."""
    bodies = [word for phrase in _raw()["bodies"][DRAWN_BODY[domain]] for word in phrase.split()]
    modality = [word for phrase in reports.MODALITY[domain] for word in phrase.split()]
    return frozenset([*_raw()["beside"], *bodies, *modality])


@cache
def _bodies() -> Mapping[str, re.Pattern[str]]:
    return {
        body: re.compile(rf"\b(?:{'|'.join(sorted(words, key=len, reverse=True))})\b", re.IGNORECASE)
        for body, words in _raw()["bodies"].items()
    }


def _adjectives(domain: DomainName) -> Mapping[str, Mapping[str, str]]:
    """One adjective for each value of the telling attributes that a lesion can have."""
    return {
        "shape": {value: words[0][0] for value, words in reports.SHAPE.items() if value not in _ANATOMY},
        "intensity": {value: words[0] for value, words in reports.INTENSITY[domain].items()},
        "texture": {value: words[0][0] for value, words in reports.TEXTURE.items()},
    }
