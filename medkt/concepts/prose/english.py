"""Whether a file is a description that the rules can read: text, not empty, and in English."""

import re

from medkt.concepts.prose.words import language
from medkt.errors import InputError, UnreadableError

_FORMATS = {
    "%PDF": "a PDF", "{\\rtf": "an RTF document", "<!doctype": "a web page", "<html": "a web page", "<?xml": "an XML file",
    "\\documentclass": "a LaTeX document",
}  # fmt: skip
_TAGS = re.compile(r"</(?:p|div|span|li|ul|h\d|td|tr|a|b|i|em|strong)>", re.IGNORECASE)
_YAML = re.compile(r"^(?:version|concepts|captions|modality):", re.MULTILINE)
_FEWEST_WORDS = 4  # of one language, before it is taken for a text's
_CLEARLY = 1.5
_REMEDY = "give a plain text (UTF-8) that says in English what the finding looks like"


def require_prose(text: str, shown: str) -> None:
    """That a text is a description in English.

    Args:
        text: what the file holds.
        shown: the file, for messages.

    Raises:
        UnreadableError: it holds control characters, or is a page or a document of another format.
        InputError: it is empty, holds no word, is a concepts file, or reads as another language than English.
    """
    if not text.strip():
        raise InputError(f"{shown}: is empty; {_REMEDY}")
    if found := re.search(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]", text):
        line = text.count("\n", 0, found.start()) + 1
        raise UnreadableError(
            f"{shown}:{line}: holds the control character U+{ord(found.group()):04X}; it is no plain text: {_REMEDY}"
        )
    head = text.lstrip()[:40].lower()
    for begin, what in _FORMATS.items():
        if head.startswith(begin.lower()):
            raise UnreadableError(f"{shown}: is {what} and no plain text; copy its words into a .txt file")
    if len(_TAGS.findall(text)) >= 2:
        raise UnreadableError(
            f"{shown}: holds HTML tags; copy the words of the page into a .txt file, without the tags"
        )
    if len(_YAML.findall(text)) >= 2:
        raise InputError(
            f"{shown}: looks like a concepts file, not like prose; teach it as it is, with the ending .yaml"
        )
    if not re.search(r"[^\W\d_]{2}", text):
        raise InputError(f"{shown}: holds no word; {_REMEDY}")
    if other := _other_language(text):
        raise InputError(
            f"{shown}: reads as {other}; the rules and the models' text towers read English only, translate it first"
        )


def _other_language(text: str) -> str:
    """The language of a text if it is plainly not English, else ""."""
    words = re.findall(r"[^\W\d_]+", text.lower())
    latin = sum(bool(re.fullmatch(r"[a-zà-öø-ÿāăąćčďęěğıłńňœőřśşšťůűźżžß]+", word)) for word in words)
    if latin < len(words) / 2:
        return "a text in another script than the Latin one"
    counts = {name: sum(word in known for word in words) for name, known in language().languages.items()}
    best = max(counts, key=lambda name: (counts[name], name == "English"))
    if best != "English" and counts[best] >= _FEWEST_WORDS and counts[best] > _CLEARLY * counts["English"]:
        return best
    return ""
