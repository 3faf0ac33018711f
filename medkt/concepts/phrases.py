"""The phrases of a sentence: each lesion that it speaks of, and whether it is said to be there.

"a bright round lesion on the left and no dark oval one" speaks of two things, of which the second is denied. One vector of the
whole sentence hardly keeps which word belongs to which; each phrase by itself need not.
"""

import re
from dataclasses import dataclass
from functools import cache

from medkt.concepts.lexicon import asked, denials_in

_NOUNS = (
    "lesion", "lesions", "abnormality", "abnormalities", "focus", "foci", "area", "areas", "finding", "findings", "structure",
    "structures", "opacity", "opacities", "spot", "spots", "change", "changes", "enhancement", "shadow", "shadows", "one", "ones",
)  # fmt: skip
_JOINED = re.compile(r"\s*(?:;|,?\s+and(?:\s+also)?|,?\s+as well as|,?\s+beside)\s+", re.IGNORECASE)
_DENIES = re.compile(
    r"\b(?:no(?:\s+evidence\s+of|\s+sign\s+of)?|without|absence\s+of|free\s+of)\s+(?:(?:any|an|a)\s+)?(?=(\w))",
    re.IGNORECASE,
)
_VOWELS = "aeiou"


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    """One thing that a sentence speaks of.

    Attributes:
        text: the words, without the denial.
        denied: whether it is said not to be there.
    """

    text: str
    denied: bool = False


def phrases_of(text: str) -> tuple[Phrase, ...]:
    """The phrases of a text, at least one, in its order.

    A text is divided at "and", "as well as", "beside" or a semicolon where something that can be seen is named on both sides;
    "round and bright" is one phrase. A phrase is denied by "no", "without", "absence of" or "free of" before it.

    Example:
        >>> [phrase.text for phrase in phrases_of("a bright lesion on the left and a dark lesion on the right")]
        ['a bright lesion on the left', 'a dark lesion on the right']
        >>> phrases_of("no round lesion")[0]
        Phrase(text='a round lesion', denied=True)
        >>> len(phrases_of("a round and bright lesion"))
        1
    """
    pieces: list[str] = []
    start = 0
    for joint in _JOINED.finditer(text):
        if _names_something(text[start : joint.start()]) and _names_something(text[joint.end() :]):
            pieces.append(text[start : joint.start()])
            start = joint.end()
    return tuple(_phrase(piece) for piece in (*pieces, text[start:]))


def affirmed(text: str) -> str:
    """The text with nothing denied, as it is read phrase by phrase: what is asked of each phrase is how well it fits.

    Example:
        >>> affirmed("a bright nodule and no cyst")
        'a bright nodule and a cyst'
    """
    return " and ".join(phrase.text for phrase in phrases_of(text))


def _names_something(text: str) -> bool:
    return bool(_nouns().search(text)) or any(pattern.search(text) for pattern in asked().findings)


@cache
def _nouns() -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(_NOUNS)})\b", re.IGNORECASE)


def _phrase(text: str) -> Phrase:
    if not denials_in(text):
        return Phrase(text=text)
    said = _DENIES.sub(lambda found: "an " if found.group(1).lower() in _VOWELS else "a ", text, count=1)
    return Phrase(text=said, denied=said != text)
