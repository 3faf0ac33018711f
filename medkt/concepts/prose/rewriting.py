"""A sentence that says what is seen, as captions: one that an image is made from, without the name, and one that joins the name to the look.

The subject is found and put away where it is the name, "it" or "the lesion"; how often and how surely goes; what lint would
call an error is left out, piece by piece (`medkt.concepts.prose.clauses`).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from medkt.concepts.concept import Role
from medkt.concepts.lexicon import attributes_in, look_nouns, look_words
from medkt.concepts.lint import errors_of
from medkt.concepts.prose.clauses import (
    LEAST_LOOK,
    MOST_WORDS,
    Omission,
    captions_of,
    is_clearly_look,
    joined,
    kept_of,
    parts_of,
)
from medkt.concepts.prose.names import Names, inflected, plural
from medkt.concepts.prose.roles import look_weight
from medkt.concepts.prose.subject import ClauseKind, kind_subject, look_of, own_subject
from medkt.concepts.prose.words import rewriting

TOLD = ("brightness", "shape", "margin", "texture", "size", "number", "position")
"""Attributes of a look that a caption is valued by."""
LOOKS = frozenset(TOLD[:4])
"""Those that can be seen of a thing by itself."""

_BRACKETS = re.compile(r"\s*[(\[][^()\[\]]*[)\]]")
_STRAY = re.compile(r"[()\[\]{}]")  # of brackets that are not closed
_QUOTES = re.compile(r"[\"“”]")
_OF_NOTHING = re.compile(r"\s(?:of|with|in|by)\s(?P<said>[\w-]+)$")
_COLOURS = ("grey", "gray", "white", "black")  # which are nouns as well
_SIGNS = {
    "<": "less than ", ">": "more than ", "<=": "at most ", "=<": "at most ", "≤": "at most ", "⩽": "at most ",
    ">=": "at least ", "=>": "at least ", "≥": "at least ", "⩾": "at least ", "~": "about ", "≈": "about ", "=": "",
}  # fmt: skip
_SIGN = re.compile(rf"(?P<sign>{'|'.join(sorted(map(re.escape, _SIGNS), key=len, reverse=True))})\s*(?=\d)")
_TOLERANCE = re.compile(r"\s*(?:±|\+/-)\s*\d+(?:[.,]\d+)?")
_SUBJECTLESS = re.compile(r"^(?:and|but|or)\s+", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionDraft:
    """One caption made from a sentence.

    Attributes:
        look: what is seen, without the name; an image is made from it.
        joined: the same with the name.
        kind: how the two belong together.
        told: kinds of attribute that the look tells, of `TOLD`.
        of_whole: whether the subject is the finding itself and no part of it.
        cut: words at its end that an encoder would not have read.
    """

    look: str
    joined: str
    kind: ClauseKind
    told: tuple[str, ...]
    of_whole: bool
    cut: str = ""

    @property
    def rank(self) -> tuple[bool, int, int]:
        """What tells more of the whole comes first: of the finding itself, its four looks, then number, size and place."""
        looks = len(LOOKS.intersection(self.told))
        return self.of_whole and len(self.told) > 1, looks, len(self.told)


def rewritten(
    text: str,
    *,
    names: Names,
    modality: str,
    is_item: bool = False,
    fits: Callable[[str], bool] | None = None,
    most_words: int = MOST_WORDS,
    is_mixed: bool = False,
) -> tuple[tuple[CaptionDraft, ...], tuple[Omission, ...]]:
    """The captions of a sentence that says what is seen, and what of it is left out.

    Args:
        text: the sentence.
        names: of the finding; no `look` holds one.
        modality: whose words may stand.
        is_item: whether it stood in a list, where things are named without a verb.
        fits: whether an encoder reads a caption to its end; only words are counted without.
        most_words: of a caption.
        is_mixed: whether the sentence speaks of something else in the main; only pieces that are clearly of a look are kept.
    """
    plain, aside = _plainly(text)
    kept, out = kept_of(parts_of(plain), names=names.all, modality=modality, is_mixed=is_mixed)
    made: list[CaptionDraft] = []
    left = [*out, *aside]
    for group in captions_of(kept, most_words):
        caption = _caption(joined(group), names, modality, most_words, fits, is_item=is_item)
        if isinstance(caption, str):
            left.append(Omission(text=joined(group), reason=caption))
            continue
        if caption.cut:
            left.append(Omission(text=caption.cut, reason="more than an encoder reads"))
        if all(caption.look != other.look for other in made):
            made.append(caption)
    return tuple(made), tuple(left)


def holds_look(text: str) -> bool:
    """Whether a sentence on something else has a piece that is clearly of a look: at least two, of which one is."""
    parts = parts_of(_plainly(text)[0])
    return len(parts) > 1 and any(is_clearly_look(part.text) for part in parts)


def _plainly(text: str) -> tuple[str, tuple[Omission, ...]]:
    """Without brackets, quotes, and words of how often and how surely."""
    aside: list[Omission] = []
    while found := _BRACKETS.search(text):  # the inner ones first
        aside.append(Omission(text=found.group().strip(), reason="in brackets"))
        text = text[: found.start()] + text[found.end() :]
    said = _STRAY.sub(" ", _QUOTES.sub("", text)).rstrip(" .!?")
    said = _with_bounds_in_words(said)
    lists = rewriting()
    for pattern, other in lists.instead:
        said = pattern.sub(other, said)
    said = lists.shares.sub("", said)
    said = lists.going.sub("", said)
    said = re.sub(
        rf",?\s*(?:(?:is|are|be)\s+)?(?:(?:virtually|almost|highly|strongly|nearly|very)\s+)?{lists.guesses.pattern}[^,;]*",
        "",
        said,
        flags=re.IGNORECASE,
    )
    said = lists.how_often.sub("", said)
    said = re.sub(r"\s+([,;])", r"\1", " ".join(said.split()))
    said = re.sub(r"([,;])(?:\s*[,;])+", r"\1", said).strip(" ,;")
    return _SUBJECTLESS.sub("", said), tuple(aside)


def _with_bounds_in_words(text: str) -> str:
    """Signs before a number in words, since "> 3 cm" without its sign says another size; a tolerance is left out.

    >>> _with_bounds_in_words("of >3 cm, a wall <= 5 mm and ~2 cm of 5 ± 2 mm")
    'of more than 3 cm, a wall at most 5 mm and about 2 cm of 5 mm'
    """
    said = _TOLERANCE.sub("", text)
    return _SIGN.sub(lambda found: _SIGNS[found["sign"]], said)


def _caption(
    text: str, names: Names, modality: str, most_words: int, fits: Callable[[str], bool] | None, *, is_item: bool
) -> CaptionDraft | str:
    """The caption, or why there is none."""
    look, kind = look_of(text, names, modality, is_item=is_item)
    look = _to_a_noun(re.sub(r"\s+,", ",", look).strip(" ,;:"))
    whole = look
    look = _cut(look, most_words, fits and (lambda said: fits(_joined(said, kind, names))))
    cut = whole[len(look) :].strip(" ,;")
    if look_weight(look) < LEAST_LOOK:
        return "no word of a look is left"
    whole = _joined(look, kind, names)
    look = _nameless(look, names)
    if fits is not None and not fits(whole):
        return "more than an encoder reads"
    uses: tuple[tuple[Role, str], ...] = (("inversion", look), ("finetune", whole))
    for role, said in uses:
        if errors := errors_of(said, role=role, names=(names.name, *names.synonyms), modality=modality):
            return errors[0]
    found = attributes_in(look)
    told = tuple(name for name in TOLD if name in found)
    of_kind = re.match(kind_subject(), text, re.IGNORECASE) is not None
    of_whole = not of_kind and (kind == "is" or re.match(rf"^{own_subject(names)}\b", look, re.IGNORECASE) is not None)
    return CaptionDraft(look=look, joined=whole, kind=kind, told=told, of_whole=of_whole, cut=cut)


def _to_a_noun(look: str) -> str:
    """Without a last phrase whose noun was left out: "islands of dense", of "islands of dense, almost cell-free collagen"."""
    found = _OF_NOTHING.search(look)
    if found is None or not _is_adjective(found["said"]):
        return look
    return look[: found.start()].rstrip(" ,")


def _is_adjective(word: str) -> bool:
    phrase = (word.lower(),)
    return phrase in look_words() and word.lower() not in look_nouns() and word.lower() not in _COLOURS


def _nameless(look: str, names: Names) -> str:
    """The look with "lesion" for every name that is left in it."""
    return " ".join(names.pattern.sub("lesion", look).split())


def _joined(look: str, kind: ClauseKind, names: Names) -> str:
    if names.pattern.search(look):
        return look
    if kind == "is":
        return f"{names.with_article} is {look}" if not names.is_plural else f"{names.name} are {look}"
    if kind == "shows":
        return f"{names.with_article} with {look}"
    if look.startswith("the lesions ") and not names.is_mass:
        return f"{plural(names.name)} {look.removeprefix('the lesions ')}"
    if look.startswith("the lesion "):
        return f"the {names.name} {look.removeprefix('the lesion ')}"
    if names.head and (
        own := re.match(
            rf"^(?:an?|the)\s+{inflected(names.head)}\s+(?=(?:is|are|lies?|has|have|shows?|appears?)\b)",
            look,
            re.IGNORECASE,
        )
    ):
        return f"the {names.name} {look[own.end() :]}"
    return f"in {names.with_article}, {look}"


def _cut(text: str, most_words: int, fits: Callable[[str], bool] | None) -> str:
    """The text to the last phrase that fits: before a preposition or a comma, never in the middle of a phrase."""
    while len(text.split()) > most_words or (fits is not None and not fits(text)):
        places = [
            found.start()
            for found in re.finditer(
                r"(?:,|\s(?:with|in|at|of|by|from|along|between|beside|behind|that|which|and|or|to|on))\b", text
            )
        ]
        shorter = text[: places[-1]].rstrip(" ,") if places else ""
        if not shorter:
            return " ".join(text.split()[:most_words])
        text = shorter
    return text
