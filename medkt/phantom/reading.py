"""What a caption says that a phantom can draw: the attributes, the thing they are said of, and the words that are neither.

By lists of words alone, and no model is asked: how a thing looks is read by `medkt.concepts.lexicon` and the words of the
phantoms' own reports, what a picture shows by `configs/phantom/words.yaml`. A caption is drawn only where it says a visible
thing, two of its shape, brightness and texture, and little else: "a round bright parking budget" says two attributes of
nothing that a picture shows.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np

from medkt.concepts.lexicon import LookWords, asked, lexicon, look_nouns, look_words, phrases_in, place_words, words_of
from medkt.phantom import descriptions
from medkt.phantom.drawers import DRAWERS, DRAWN_BODY
from medkt.phantom.finding import Attributes, DomainName, Finding
from medkt.resources import data_yaml

TELLING = ("shape", "intensity", "texture")
"""Attributes of which a caption has to say two."""
MOST_UNREAD = 0.3
"""Of the words that name something, the part that may say nothing that is drawn."""
_ANATOMY = ("layered", "organ")  # shapes that are no lesion: only a finding's own drawing of the anatomy has them
_TRIES = 40
_MARGIN = re.compile(
    r"(?P<before>with (?:an? )?)?.*?(?P<after> (?:margins?|borders?|edges?|outlines?))?", re.IGNORECASE
)

_PHRASE = re.compile(
    r"(?P<before>(?:with|of) (?:an? )?)?.*?(?P<after> (?:textures?|(?:throughout its )?interior|outline|shape|cent(?:re|er)|inside))?",
    re.IGNORECASE,
)
_OF_SOMETHING = re.compile(r"(?:divided|parted|shaped|forming|strewn|collecting|half|as|in)\b", re.IGNORECASE)
"""Phrases that are said of a thing, whatever their last word is."""
_PARTS = frozenset({
    "rim", "septa", "septations", "partitions", "walls", "strands", "streaks", "stripes", "specks", "speckles", "grains", "chambers",
    "compartments", "globe", "sphere", "pyramid", "disk", "bands", "crescents", "wedges", "lobes", "lines", "matter",
})  # fmt: skip
"""Nouns that say a look and are in no list of things: they are parts of one, or its plural."""
_WORD_AFTER = re.compile(r"\s+([\w-]+)")
_BEYOND = frozenset({"wider", "taller", "larger", "smaller", "divided", "crossed", "filled", "surrounded"})
_BEFORE_ADJECTIVE = re.compile(r"\b(?:an?|is|are|or|and|as)\s+$", re.IGNORECASE)

_NAMES = {"brightness": "intensity", "position": "place"}
"""What the phantoms call otherwise than the lexicon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One caption, read.

    Attributes:
        text: as it stands.
        domain: whose words were looked for.
        said: attribute to value, as `Attributes` has them.
        thing: what they are said of; "" where it is nothing that a picture shows.
        unread: the other words that name something, in their order.
        share_unread: their part of all that is named, an attribute counted once however often it is said.
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
    phrases, words = phrases_in(text, _table(domain)), words_of(text)
    said: dict[str, str] = {}
    for one in sorted(phrases, key=lambda phrase: phrase.noun):  # "a faint opacity" is faint
        said.setdefault(one.attribute, one.value)
    apart = [word for word, start, _ in words if not any(one.start <= start < one.end for one in phrases)]
    shown = [word in _things() or word in _plain(domain) for word in apart]
    unread = [word for word, plain in zip(apart, shown, strict=True) if not plain and word not in asked().function]
    return Reading(
        text=text, domain=domain, said=said, thing=next((word for word, _, _ in words if word in _things()), ""),
        unread=tuple(unread), share_unread=len(unread) / max(len(said) + sum(shown) + len(unread), 1),
        spans=tuple((one.start, one.end, one.attribute, one.value) for one in phrases if not one.noun),
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

    A word that is the thing itself ("wedge", "ring") leaves an "area" in its place, so that the sentence keeps what it speaks of.

    Args:
        reading: of the caption.
        allowed: whether an attribute may become the second value in place of the first.
        rng: picks among those that may.

    >>> retold(read("a dark wedge of uniform texture", "ct"), lambda *_: True, np.random.default_rng(0))
    'a bright linear area of streaked texture'
    """
    text, spoken = reading.text, _adjectives(reading.domain)
    plainly = {attribute for start, end, attribute, _ in reading.spans if not _is_thing(text, start, end)}
    chosen: dict[str, str] = {}
    for start, end, attribute, value in sorted(reading.spans, reverse=True):
        others = [word for other, word in spoken.get(attribute, {}).items() if allowed(attribute, value, other)]
        if attribute in TELLING and others:
            chosen.setdefault(attribute, str(rng.choice(others)))
            text = _said_otherwise(text, start, end, chosen[attribute], is_said=attribute in plainly)
    return text if chosen else ""


def _said_otherwise(text: str, start: int, end: int, word: str, *, is_said: bool) -> str:
    """The text with an adjective in place of a phrase; the noun of the phrase stays, or an "area" where it said the look itself.

    Where another word says the attribute (`is_said`), the "area" stands alone: not "a round dark round area".
    """
    phrase = text[start:end]
    if _is_thing(text, start, end):
        last = phrase.split()[-1].lower()
        area = "areas" if last in ("septa", "matter") or last.endswith("s") else "area"
        word = area if is_said else f"{word} {area}"
    elif found := _PHRASE.fullmatch(phrase):
        start, end = start + len(found["before"] or ""), end - len(found["after"] or "")
    return _with_article(text[:start], word) + text[end:]


def _is_thing(text: str, start: int, end: int) -> bool:
    """Whether a phrase that says a look is a noun, so that without it nothing is left of which the look is said.

    "Oval" is one where no other word of the same thing stands after it: "an oval in the fat", not "an oval spot" nor "round or oval".
    """
    phrase = text[start:end].lower()
    last = phrase.split()[-1]
    if last == "oval":
        after = _WORD_AFTER.match(text, end)
        ends = after is None or after[1].lower() in asked().function or after[1].lower() in _BEYOND
        return ends and _BEFORE_ADJECTIVE.search(text[:start]) is None
    return (last in _things() or last in _PARTS) and not _OF_SOMETHING.match(phrase)


def replaced(
    reading: Reading,
    allowed: Callable[[str, str, str], bool] | None = None,
    attributes: Collection[str] = TELLING,
) -> tuple[str, ...]:
    """The caption with one word replaced: the first of shape, of brightness and of texture, by each other one that a lesion can have.

    A word that names a thing ("ring") says its look as well; it is replaced only where no other says it.

    Args:
        reading: of the caption.
        allowed: whether an attribute may become the second value in place of the first; None allows all.
        attributes: whose words are replaced; "margin" is one, too.

    >>> replaced(read("a round dark spot", "ct"))[:2]
    ('an oval dark spot', 'a lobulated dark spot')
    >>> replaced(read("a round dark spot with a hazy margin", "ct"), attributes=("margin",))
    ('a round dark spot with a sharp margin', 'a round dark spot with a spiculated margin')
    """
    spoken, text = _adjectives(reading.domain), reading.text
    plain_first = sorted(
        reading.spans, key=lambda span: bool(_things().intersection(text[span[0] : span[1]].lower().split()))
    )
    first = {attribute: (start, end, value) for start, end, attribute, value in reversed(plain_first)}
    return tuple(
        _put_in(text, start, end, word, keep=attribute == "margin")
        for attribute, (start, end, value) in sorted(first.items(), key=lambda item: item[1])
        if attribute in attributes
        for other, word in spoken[attribute].items()
        if other != value and (allowed is None or allowed(attribute, value, other))
    )


def _put_in(text: str, start: int, end: int, word: str, *, keep: bool) -> str:
    """The text with the word in place of what stands there; `keep` leaves the "with" before and the "margin" after it."""
    if keep and (found := _MARGIN.fullmatch(text[start:end])):
        start, end = start + len(found["before"] or ""), end - len(found["after"] or "")
    return _with_article(text[:start], word) + text[end:]


def _with_article(before: str, word: str) -> str:
    """The word after what stands before it, whose last "a" or "an" is made to fit."""
    fitting = "an " if word[0] in "aeiou" and not word.startswith("uni") else "a "
    return re.sub(r"\b(an?) $", fitting, before) + word


@cache
def _raw() -> Any:
    return data_yaml("configs/phantom/words.yaml")


@cache
def _table(domain: DomainName) -> LookWords:
    """Every phrase by which a phantom of the domain can be drawn, under the phantoms' own names of attributes."""
    own = {tuple(word for word, _, _ in words_of(phrase)): (name, value) for name, value, phrase in _phrases(domain)}
    undrawn = ("position", "modality")  # "upper" alone is no place of a phantom's
    general = {one: said for one, said in look_words().items() if said[0] not in undrawn and said != ("side", "both")}
    found = {**own, **general, **place_words(domain)}
    return LookWords({phrase: (_NAMES.get(name, name), value) for phrase, (name, value) in found.items()})


def _phrases(domain: DomainName) -> Iterator[tuple[str, str, str]]:
    """What the phantoms' own reports say."""
    tables = {
        "shape": descriptions.SHAPE,
        "margin": descriptions.MARGIN,
        "texture": descriptions.TEXTURE,
        "size": descriptions.SIZE,
    }
    for attribute, table in tables.items():
        for value, kinds in table.items():
            yield from ((attribute, value, phrase) for phrases in kinds for phrase in phrases)
    for attribute, values in (("intensity", descriptions.INTENSITY[domain]), ("place", descriptions.PLACE[domain])):
        for value, phrases in values.items():
            yield from ((attribute, value, phrase) for phrase in phrases)


@cache
def _things() -> frozenset[str]:
    return look_nouns() | {word for phrase in _raw()["things"] for word in phrase.split()}


@cache
def _plain(domain: DomainName) -> frozenset[str]:
    """Words that are no attribute and that a picture of the domain shows all the same."""
    bodies = [word for phrase in _raw()["bodies"][DRAWN_BODY[domain]] for word in phrase.split()]
    modality = [word for phrase in descriptions.MODALITY[domain] for word in phrase.split()]
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
        "shape": {value: words[0][0] for value, words in descriptions.SHAPE.items() if value not in _ANATOMY},
        "intensity": {value: words[0] for value, words in descriptions.INTENSITY[domain].items()},
        "texture": {value: words[0][0] for value, words in descriptions.TEXTURE.items()},
        "margin": {value: value for value in descriptions.MARGIN},
    }
