"""The words that captions should not hold, from `radiology_captions/lint.yaml`, ready to be searched for."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

from medkt.resources import data_yaml

_WORD = re.compile(r"(?<![\w-])[^\W\d_][\w-]*")
_NOTHING = "nothing"  # words that hold one of an attribute's and mean none: "white matter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Words with one remedy; `at_home` are the modalities where they may stand."""

    rule: str
    remedy: str
    pattern: re.Pattern[str]
    at_home: frozenset[str] = frozenset()

    def in_text(self, text: str) -> tuple[str, ...]:
        """Those of the words that the text holds, each once, as they are written there."""
        return tuple(dict.fromkeys(match.group().lower() for match in self.pattern.finditer(text)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How things look in some modalities; `against` finds them said to look the opposite."""

    modalities: frozenset[str]
    look: str
    against: re.Pattern[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lexicon:
    """All lists of the lint.

    Attributes:
        never: negations, hedges and words that no picture shows.
        foreign: words of one way of imaging.
        opposites: pairs of word lists that exclude each other.
        mixed: words that say that two opposites are both meant.
        looks: what physics says of things.
    """

    never: tuple[Terms, ...]
    foreign: tuple[Terms, ...]
    opposites: tuple[tuple[frozenset[str], frozenset[str]], ...]
    mixed: frozenset[str]
    looks: tuple[Look, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LookPhrase:
    """Some words of a text that say one value of one attribute.

    Attributes:
        start, end: where they stand in the text.
        attribute, value: as `radiology_captions/lint.yaml` has them.
        noun: whether they are a thing as well, as "opacity" is.
    """

    start: int
    end: int
    attribute: str
    value: str
    noun: bool = False


class LookWords(Mapping[tuple[str, ...], tuple[str, str]]):
    """Phrases, word by word, with the attribute and the value that each says; knows how long its longest is."""

    def __init__(self, phrases: Mapping[tuple[str, ...], tuple[str, str]]) -> None:
        self._phrases = dict(phrases)
        self.longest = max(map(len, self._phrases), default=0)

    def __getitem__(self, phrase: tuple[str, ...]) -> tuple[str, str]:
        return self._phrases[phrase]

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        return iter(self._phrases)

    def __len__(self) -> int:
        return len(self._phrases)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionWords:
    """Lists for texts that are asked of a study.

    Attributes:
        denial, no_denial: words that deny or call normal, and those that only look like it.
        hedge, question, report: words that say how sure someone is, that ask, that head a part of a report.
        asking_first: words that ask where a text begins with them.
        findings: one pattern a kind of finding.
        function: words that name nothing.
        words: abbreviations and names whose letters look like no word.
        told_of: every single word of denial, hedge and question.
    """

    denial: re.Pattern[str]
    no_denial: re.Pattern[str]
    hedge: re.Pattern[str]
    question: re.Pattern[str]
    report: re.Pattern[str]
    asking_first: frozenset[str]
    findings: tuple[re.Pattern[str], ...]
    function: frozenset[str]
    words: frozenset[str]
    told_of: frozenset[str]


@cache
def asked() -> QuestionWords:
    """The lists that ship with medkt."""
    raw = _raw()["asked"]
    hedges = [*_raw()["hedge"]["terms"], *raw["hedge"]]
    return QuestionWords(
        denial=_whole(raw["denial"]), no_denial=_whole(raw["no_denial"]), hedge=_whole(hedges),
        question=_whole(raw["question"]), report=re.compile(_any(raw["report"]), re.IGNORECASE),
        asking_first=frozenset(raw["asking_first"]), findings=tuple(_whole(terms) for terms in raw["findings"]),
        function=frozenset(raw["function"]), words=frozenset([*raw["abbreviations"], *raw["words"]]),
        told_of=frozenset(word for term in [*raw["denial"], *hedges, *raw["question"]] for word in re.findall(r"\w+", term)),
    )  # fmt: skip


def attributes_in(text: str) -> dict[str, tuple[str, ...]]:
    """What a text says of a look, by attribute; the values in the order of the words, each once.

    "negation" has the denying words themselves for values. What is said of a name alone ("nodule") is no attribute.

    >>> attributes_in("a very bright round lesion on the left")
    {'brightness': ('very_bright',), 'shape': ('round',), 'side': ('left',)}
    """
    said = phrases_in(text)
    names = dict.fromkeys(attribute for attribute, _ in look_words().values())
    found = {name: tuple(dict.fromkeys(one.value for one in said if one.attribute == name)) for name in names}
    found["negation"] = denials_in(text)
    return {name: values for name, values in found.items() if values}


def phrases_in(text: str, words: LookWords | None = None) -> tuple[LookPhrase, ...]:
    """What a text says of a look, phrase by phrase in its order; the longest phrase counts, and its words count for no other.

    Args:
        text: any.
        words: that are looked for; None takes those of any modality.
    """
    words = look_words() if words is None else words
    tokens, found, at = words_of(text), list[LookPhrase](), 0
    while at < len(tokens):
        length = _longest(text, tokens, at, words)
        phrase = tuple(word for word, _, _ in tokens[at : at + max(length, 1)])
        if length and words[phrase][1] != _NOTHING:
            attribute, value = words[phrase]
            noun = len(phrase) == 1 and phrase[0] in look_nouns()
            start, end = tokens[at][1], tokens[at + length - 1][2]
            found.append(LookPhrase(start=start, end=end, attribute=attribute, value=value, noun=noun))
        at += max(length, 1)
    return tuple(found)


def words_of(text: str) -> tuple[tuple[str, int, int], ...]:
    """Each word in small letters with its first letter and end; a compound is one word, and what begins with a digit is none."""
    return tuple((match.group().lower(), *match.span()) for match in _WORD.finditer(text))


def _longest(text: str, tokens: tuple[tuple[str, int, int], ...], at: int, words: LookWords) -> int:
    """How many words from here on, with nothing but space between them, are a phrase; 0 for none."""
    for length in range(min(words.longest, len(tokens) - at), 0, -1):
        part = tokens[at : at + length]
        apart = (text[one[2] : other[1]] for one, other in pairwise(part))
        if tuple(word for word, _, _ in part) in words and all(between.isspace() for between in apart):
            return length
    return 0


def denials_in(text: str) -> tuple[str, ...]:
    """The words of a text that deny something, or call it normal; none of those that only look like it, as "no. 2"."""
    said = re.sub(r"\bno\.?\s*\d+", " ", asked().no_denial.sub(" ", text), flags=re.IGNORECASE)
    return tuple(dict.fromkeys(match.group().lower() for match in asked().denial.finditer(said)))


@cache
def look_words() -> LookWords:
    """The phrases of every attribute, and the places of every modality's part of the body."""
    places = {name: {"position": values} for name, values in _raw()["positions_in"].items()}
    found: dict[tuple[str, ...], tuple[str, str]] = {}
    for part in (*places.values(), _raw()["attributes"]):
        found |= _flat(part)
    return LookWords(found)


@cache
def place_words(modality: str) -> LookWords:
    """The phrases that say a place in the part of the body of one modality; empty for one that has none of its own."""
    return LookWords(_flat({"position": _raw()["positions_in"].get(modality, {})}))


def _flat(lists: Mapping[str, Mapping[str, list[str]]]) -> dict[tuple[str, ...], tuple[str, str]]:
    return {
        tuple(word for word, _, _ in words_of(phrase)): (name, value)
        for name, values in lists.items()
        for value, phrases in values.items()
        for phrase in phrases
    }


@cache
def look_nouns() -> frozenset[str]:
    """Words of a look that are things as well, as "opacity"."""
    return frozenset(_raw()["look_nouns"])


@cache
def _raw() -> Any:
    return data_yaml("radiology_captions/lint.yaml")


@cache
def lexicon() -> Lexicon:
    """The lists that ship with medkt."""
    raw = _raw()
    groups = {"negation": raw["negation"], "hedge": raw["hedge"]}
    groups |= {f"not-visual ({name.replace('_', ' ')})": group for name, group in raw["not_visual"].items()}
    return Lexicon(
        never=tuple(_terms(name, group["remedy"], group["terms"]) for name, group in groups.items()),
        foreign=tuple(_foreign(group) for group in raw["of_a_modality"]),
        opposites=tuple((frozenset(one), frozenset(other)) for one, other in raw["opposites"]),
        mixed=frozenset(raw["mixed"]),
        looks=tuple(_look(entry, raw["looks"]) for entry in raw["of_things"]),
    )


def _foreign(group: Mapping[str, Any]) -> Terms:
    remedy = f"it belongs to {' and '.join(group['at_home'])}; write {group['plain']}"
    return _terms("other-modality", remedy, group["terms"], at_home=group["at_home"])


def _terms(rule: str, remedy: str, terms: Iterable[str], *, at_home: Iterable[str] = ()) -> Terms:
    return Terms(rule=rule, remedy=remedy, pattern=_whole(terms), at_home=frozenset(at_home))


def _whole(terms: Iterable[str]) -> re.Pattern[str]:
    """Any of the terms as whole words; not a part of a compound, so that "no-reflow" denies nothing."""
    return re.compile(rf"(?<![\w-])(?:{_any(terms)})(?!\w|-\w)", re.IGNORECASE)


def _look(entry: Mapping[str, Any], looks: Mapping[str, list[str]]) -> Look:
    """Finds "bright air", "bright round air", "air that is bright"; not "bright air-filled"."""
    opposite = _any(looks["dark" if entry["look"] == "bright" else "bright"])
    things = _any(entry["things"])
    before = rf"\b(?:{opposite})\s+(?:(?:round|small|large|free|thin|trapped|very|dense)\s+)?(?:{things})\b(?!-)"
    after = (
        rf"(?<!-)\b(?:{things})\s+(?:that\s+|which\s+)?(?:is|are|looks?|appears?|shows?)\s+(?:very\s+)?(?:{opposite})\b"
    )
    pattern = re.compile(rf"{before}|{after}", re.IGNORECASE)
    return Look(modalities=frozenset(entry["modalities"]), look=entry["look"], against=pattern)


def _any(terms: Iterable[str]) -> str:
    ordered = sorted(terms, key=len, reverse=True)  # "due to" before "due"
    return "|".join(re.escape(term).replace(r"\*", r"\w*").replace(r"\ ", r"\s+") for term in ordered)
