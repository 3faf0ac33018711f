"""Whether a text that is asked of a study means anything to a model, and what a reader has to know of it.

`check_text` is asked of every text that reaches a model, typed or from a file. A text of which the model knows no word is
refused: whatever it was compared with, the answer would be one. What is understood otherwise than it was meant (a
denial, a question, several findings in one text, words that the model does not know) is noted, by a code.

The rule, for any tokenizer. A word counts where it is like a word (`medkt.concepts.wordlike`), names something, and is not
taken apart: it becomes the token of the unknown, or four letters or more become as many pieces as letters. A text
without a word that counts is refused. A word that counts and has fewer than 1.75 letters a piece is noted as unknown.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal
from weakref import WeakKeyDictionary

from medkt.concepts.encoder_lint import TextEncoder, pieces_of
from medkt.concepts.lexicon import asked, denials_in, lexicon
from medkt.concepts.skeleton import PLACEHOLDER
from medkt.concepts.wordlike import is_text, is_wordlike, own_words, plain_text, without_accents, words_in

RefusalCode = Literal[
    "negation", "question", "several_findings", "unknown_words", "hedge", "other_modality", "cut_off", "not_told_apart"
]
CODES: tuple[RefusalCode, ...] = (
    "negation", "question", "several_findings", "unknown_words", "hedge", "other_modality", "cut_off", "not_told_apart",
)  # fmt: skip

FEWEST_LETTERS = 1.75
"""A piece: words with fewer were not in the tokenizer's training text often enough to have a meaning of their own."""
_TAKEN_APART = 4  # letters: shorter words are few pieces whatever they are
_REMEDY = "say in English what is seen, such as 'a small round bright spot in the lung'"
_LISTED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class TextVerdict:
    """What became of one text.

    Attributes:
        text: as the model is given it.
        refusal: why nothing can be asked with it, and what to do; "" where it can.
        notes: what a reader has to know, by code, in the order of `CODES`; each a sentence without its subject.
    """

    text: str
    refusal: str
    notes: Mapping[RefusalCode, str]

    @property
    def codes(self) -> tuple[RefusalCode, ...]:
        return tuple(self.notes)


_DONE: "WeakKeyDictionary[TextEncoder, dict[tuple[str, str], TextVerdict]]" = WeakKeyDictionary()


def check_text(encoder: TextEncoder | None, text: str, *, modality: str = "") -> TextVerdict:
    """What a model makes of a text.

    Args:
        encoder: whose tokenizer is asked; None asks only what needs none.
        text: what is asked of a study.
        modality: of the study; without it words of other modalities are not looked for.
    """
    if encoder is None:
        return _checked(None, text, modality)
    kept = _DONE.setdefault(encoder, {})  # a run asks the same texts of every study
    if (text, modality) not in kept:
        kept[text, modality] = _checked(encoder, text, modality)
    return kept[text, modality]


def _checked(encoder: TextEncoder | None, text: str, modality: str) -> TextVerdict:
    plain = plain_text(text)
    if not is_text(plain):
        return _refused(plain, "it holds bytes that are no text")
    if PLACEHOLDER in plain:
        return _refused(plain, f"it still holds {PLACEHOLDER}")
    words, other = words_in(plain)
    naming = [word for word in words if word not in asked().function]
    likely = [word for word in naming if is_wordlike(word)]
    strange = [word for word in naming if word not in likely and (len(word) > 2 or not word.isascii())]
    pieces = {} if encoder is None else _pieces(encoder, likely)
    known = [word for word in likely if word not in pieces or _counts(word, pieces[word])]
    if not known:
        return _refused(plain, _why(encoder, words, naming))
    notes = dict(_said(plain, modality))
    if strange := [*strange, *(word for word in likely if word in pieces and _is_strange(word, pieces[word])), *other]:
        who = "the model" if encoder is None else encoder.spec.name
        notes["unknown_words"] = f"{who} does not know {_listed(strange)}; what is found was not decided by that"
    if encoder is not None and encoder.tokenize([plain]).truncated[0]:
        length, name = encoder.spec.text_length, encoder.spec.name
        notes["cut_off"] = f"it is longer than the {length} tokens that {name} reads, its end is cut off"
    return TextVerdict(text=plain, refusal="", notes={code: notes[code] for code in CODES if code in notes})


def _pieces(encoder: TextEncoder, words: Sequence[str]) -> Mapping[str, int]:
    """Into how many pieces each word falls, with its accents or without, whichever are fewer."""
    bare = {word: without_accents(word) for word in words}
    found = pieces_of(encoder, list(dict.fromkeys([*bare, *bare.values()])))
    return {word: min((n for n in (found[word], found[plain]) if n), default=0) for word, plain in bare.items()}


def _counts(word: str, pieces: int) -> bool:
    """Whether a model that makes so many pieces of a word knows any of it."""
    if word in asked().words or word in own_words():
        return True
    return pieces > 0 and (len(word) < _TAKEN_APART or pieces < len(without_accents(word)))


def _is_strange(word: str, pieces: int) -> bool:
    if word in own_words() or word in asked().told_of:  # those have a note of their own
        return False
    return not pieces or (len(word) >= _TAKEN_APART and len(word) < FEWEST_LETTERS * pieces)


def _why(encoder: TextEncoder | None, words: Sequence[str], naming: Sequence[str]) -> str:
    """Why a text without a word that counts cannot be asked."""
    who = "the models" if encoder is None else encoder.spec.name
    if not words:
        return "it holds no word"
    if not naming:
        return "its words name nothing"
    if any(not without_accents(word).isascii() for word in naming):
        return f"{who} {'know' if encoder is None else 'knows'} English only"
    return "it holds nothing like a word" if encoder is None else f"{who} knows none of its words"


def _refused(text: str, why: str) -> TextVerdict:
    return TextVerdict(text=text, refusal=f"the text {_quoted(text)} cannot be asked: {why}; {_REMEDY}", notes={})


@cache
def _said(text: str, modality: str) -> Mapping[RefusalCode, str]:
    """What is noted of a text whatever the model is."""
    lists, notes = asked(), dict[RefusalCode, str]()
    if denied := denials_in(text):
        notes["negation"] = (
            f"it says {denied[0]!r}; text encoders hardly read a denial, so what is denied is looked for all the same"
        )
    if _asks(text):
        notes["question"] = "it asks; only the words of the finding decide, and the answer is not to the question"
    if number := _findings(text):
        notes["several_findings"] = f"it names {number}; the answer is for all of it together, ask for one at a time"
    if hedge := lists.hedge.search(text):
        notes["hedge"] = f"it says {hedge.group().lower()!r}; how sure someone was is not read"
    foreign = [terms for terms in lexicon().foreign if modality and modality not in terms.at_home]
    if found := [word for terms in foreign for word in terms.in_text(text)]:
        notes["other_modality"] = f"it says {_listed(found)}, of another way of imaging than {modality}"
    return notes


def _asks(text: str) -> bool:
    first = re.match(r"\W*([a-z]+)", text, re.IGNORECASE)
    asks_first = first is not None and first.group(1).lower() in asked().asking_first
    return any(mark in text for mark in "?¿؟？") or asks_first or bool(asked().question.search(text))


def _findings(text: str) -> str:
    """How many findings a text lists; "" for one."""
    parts = re.split(r"[,;:.!?&+/]|\b(?:and|also|plus|along with|as well as)\b", text, flags=re.IGNORECASE)
    named = [{kind for kind, terms in enumerate(asked().findings) if terms.search(part)} for part in parts]
    kinds: set[int] = set().union(*named)
    if len(kinds) > 1 and sum(bool(one) for one in named) > 1:
        return f"{len(kinds)} findings"
    return "parts of a report" if asked().report.search(text) else ""


def _listed(parts: Iterable[str]) -> str:
    shown = list(dict.fromkeys(parts))
    more = f" and {len(shown) - _LISTED} more" if len(shown) > _LISTED else ""
    return ", ".join(_quoted(one) for one in shown[:_LISTED]) + more


def _quoted(text: str) -> str:
    shown = text if len(text) <= 60 else f"{text[:57]}..."
    return repr(shown) if is_text(shown) else ascii(shown)
