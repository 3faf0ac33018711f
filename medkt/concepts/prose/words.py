"""The words by which sentences are told apart and rewritten, from `configs/prose`, ready to be searched for.

A term is words; a star stands for any letters, " ..." for up to four words, # for a number. Letters' case never counts.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args

from medkt.resources import data_yaml

SentenceRole = Literal[
    "seen", "denied", "other_modality", "differential", "cause", "age", "frequency", "complaint", "diagnosis",
    "treatment", "prognosis", "other",
]  # fmt: skip
SENTENCE_ROLES: tuple[SentenceRole, ...] = get_args(SentenceRole)

_NUMBER = r"\d+(?:[.,]\d+)?"


def pattern_of(terms: Iterable[str]) -> re.Pattern[str]:
    """Any of the terms as whole words, the longest first.

    >>> [found.group() for found in pattern_of(["# mm", "made ... of", "*oma"]).finditer("a 2.5 mm lipoma made largely of fat")]
    ['2.5 mm', 'lipoma', 'made largely of']
    """
    ordered = sorted(terms, key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(_expression, ordered)) or '(?!)'})(?!\w)", re.IGNORECASE)


def _expression(term: str) -> str:
    said = re.escape(term).replace(r"\#\ ", rf"{_NUMBER}\s*").replace(r"\#", _NUMBER).replace(r"\*", r"\w*")
    return said.replace(r"\ \.\.\.", r"(?:\s+[\w%-]+){0,4}").replace(r"\ ", r"\s+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cues:
    """Words that speak for one role, each with what it weighs."""

    patterns: tuple[tuple[int, re.Pattern[str]], ...]

    def weight(self, text: str) -> int:
        """The sum of the weights of the words found, each word once."""
        return sum(
            weight * len({" ".join(found.group().lower().split()) for found in pattern.finditer(text)})
            for weight, pattern in self.patterns
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleWords:
    """The lists of `configs/prose/roles.yaml`.

    Attributes:
        reasons: what is told of a sentence of each role.
        headings: words of headings by the role of what stands below.
        modalities: how texts name ways of imaging, by modality; "other" are those without a domain.
        cues: words that speak for a role.
        diseases: names of diseases, by their endings.
        denials: words that deny a look, besides those of the lint.
    """

    reasons: Mapping[SentenceRole, str]
    headings: Mapping[SentenceRole, re.Pattern[str]]
    modalities: Mapping[str, re.Pattern[str]]
    cues: Mapping[SentenceRole, Cues]
    diseases: re.Pattern[str]
    denials: re.Pattern[str]


@cache
def role_words() -> RoleWords:
    """The lists that ship with medkt."""
    raw = data_yaml("configs/prose/roles.yaml")
    return RoleWords(
        reasons=raw["reasons"], headings={role: pattern_of(terms) for role, terms in raw["headings"].items()},
        modalities={name: pattern_of(terms) for name, terms in raw["modalities"].items()},
        cues={role: _cues(weights) for role, weights in raw["cues"].items()},
        diseases=pattern_of(raw["diseases"]), denials=pattern_of(raw["denials"]),
    )  # fmt: skip


def _cues(weights: Mapping[int, list[str]]) -> Cues:
    return Cues(patterns=tuple((weight, pattern_of(terms)) for weight, terms in weights.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyPart:
    """A part of the body: what a prompt calls an image of it, the window in which it shows, and the words that name it."""

    name: str
    picture: str
    window: str
    words: re.Pattern[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """The lists of `configs/prose/language.yaml`.

    Attributes:
        abbreviations: after which a full stop ends no sentence, without their last full stop.
        languages: function words by language.
        stands_for: nouns that mean the finding.
        plain: words of a name that are no secret.
        bodies: parts of the body by modality, in the order in which they are preferred.
    """

    abbreviations: frozenset[str]
    languages: Mapping[str, frozenset[str]]
    stands_for: tuple[str, ...]
    plain: re.Pattern[str]
    bodies: Mapping[str, tuple[BodyPart, ...]]


@cache
def language() -> Language:
    """The lists that ship with medkt."""
    raw = data_yaml("configs/prose/language.yaml")
    return Language(
        abbreviations=frozenset(raw["abbreviations"]),
        languages={name: frozenset(words) for name, words in raw["languages"].items()},
        stands_for=tuple(raw["stands_for"]), plain=pattern_of([*raw["plain"], *raw["places"]]),
        bodies={modality: tuple(_bodies(bodies)) for modality, bodies in raw["bodies"].items()},
    )  # fmt: skip


def _bodies(raw: Mapping[str, Mapping[str, Any]]) -> Iterator[BodyPart]:
    for name, body in raw.items():
        words = pattern_of(body["words"])
        yield BodyPart(name=name, picture=body["picture"], window=body.get("window", ""), words=words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewriting:
    """The lists of `configs/prose/rewriting.yaml`; what each is for stands there."""

    how_often: re.Pattern[str]
    shares: re.Pattern[str]
    instead: tuple[tuple[re.Pattern[str], str], ...]
    going: re.Pattern[str]
    showing: str
    showing_subjects: str
    seen_passive: re.Pattern[str]
    copulas: str
    leaning: re.Pattern[str]
    verbs: re.Pattern[str]
    guesses: re.Pattern[str]
    before_names: re.Pattern[str]
    masses: str
    kinds: str
    subjects: re.Pattern[str]
    adjectives: re.Pattern[str]


@cache
def rewriting() -> Rewriting:
    """The lists that ship with medkt."""
    raw = data_yaml("configs/prose/rewriting.yaml")
    shares, share_of = (pattern_of(raw[key]).pattern for key in ("shares", "share_of"))
    around = (
        r"(?:about|around|roughly|up to|over|some|nearly|almost|at least|more than|fewer than|less than|as many as)\s+"
    )
    return Rewriting(
        how_often=pattern_of(raw["how_often"]),
        shares=re.compile(rf"\bin\s+(?:{around})*{shares}(?:\s+of\s+(?:the\s+|all\s+)?{share_of}|\s+{share_of})?", re.IGNORECASE),
        instead=tuple((pattern_of([one]), other) for one, other in raw["instead"]), going=pattern_of(raw["going"]),
        showing=pattern_of(raw["showing"]).pattern, showing_subjects=pattern_of(raw["showing_subjects"]).pattern,
        seen_passive=pattern_of(raw["seen_passive"]), copulas=pattern_of(raw["copulas"]).pattern,
        leaning=pattern_of(raw["leaning"]), verbs=pattern_of(raw["verbs"]), guesses=pattern_of(raw["guesses"]), before_names=pattern_of(raw["before_names"]), masses=pattern_of(raw["masses"]).pattern, kinds=pattern_of(raw["kinds"]).pattern, subjects=pattern_of(raw["subjects"]), adjectives=pattern_of(raw["adjectives"]),
    )  # fmt: skip
