"""What must not stand in a file that is passed on, and what a card may be: a text that nothing takes for a page."""

import re
import unicodedata

from medkt.errors import InputError

# What, and how it is recognised. Each looks at a bounded stretch around what it begins with, so that a text of n
# characters takes n steps: a stranger's package may hold megabytes of one letter.
_TRACES = {
    "a path of a machine": re.compile(
        r"(?<![\w/.])(?:/(?:home|Users|root|tmp|var|mnt|data|media|opt|work|srv|scratch|gpfs|nfs)/[\w.-]|~/[\w.-])"
        r"|\b[A-Za-z]:\\\\?\w|\\\\\\\\\w|file://",
    ),
    "a time of day": re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}|\b(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\b"),
    "an e-mail address": re.compile(r"[\w.+-]@[\w-]{1,63}\.\w"),
    "a picture": re.compile(r"data:image", re.IGNORECASE),
}
# HTML begins where "<" stands before a letter, "/", "!" or "?" and nowhere else (WHATWG HTML, 13.2.5.6); a link or a
# picture of Markdown needs one of "](", "][" and "]:" (CommonMark 0.31, 4.7 and 6.3). What Markdown grew elsewhere needs "{"
# (attributes of python-Markdown, kramdown and Pandoc, onclick among them; templates), "\" and a letter (TeX, \href), "[["
# (pages and embedded files of wikis and Obsidian), three backticks or tildes (diagrams with links), "://" or "www."
# (addresses, which GitHub makes links). None of them is in a card.
_MARKUP = re.compile(
    r"<(?=[A-Za-z/!?])|\](?=[(\[:])|\{|\\(?=[A-Za-z])|\[(?=\[)|`(?=``)|~(?=~~)|:(?=//)|www(?=\.)", re.IGNORECASE
)
_BRACES = str.maketrans("{}", "()")
_LINES = "\n\t"
_TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # turn the order of letters on a screen


def require_no_traces(name: str, text: str) -> None:
    """That a text member of a package tells nothing of a machine, a user or a patient, and is plain text.

    Raises:
        InputError: it does, or has a control character; says what, in which member and line.
    """
    for what, pattern in _TRACES.items():
        if match := pattern.search(text):
            raise _refused(name, text, match.start(), f"{what} ({match.group().strip()[:20]!r}...)")
    for character in set(text) - set(_LINES):
        if unicodedata.category(character) == "Cc" or character in _TURNS:
            raise _refused(name, text, text.index(character), f"the control character U+{ord(character):04X}")


def require_plain_card(name: str, text: str) -> None:
    """That a card is Markdown without HTML, links, pictures and extensions: who shows it finds nothing to follow or run.

    Raises:
        InputError: it is not; says in which member and line.
    """
    if match := _MARKUP.search(text):
        shown = text[match.start() : match.start() + 20].split("\n")[0]
        raise _refused(name, text, match.start(), f"HTML or a link ({shown!r}...)")


def plain_text(value: object) -> str:
    """A value as a card shows it: on one line, with a space put into what would begin HTML or a link, and ( ) for { }."""
    shown = "".join(" " if unicodedata.category(one) == "Cc" or one in _TURNS else one for one in str(value))
    return _MARKUP.sub(lambda found: f"{found.group()} ", shown.translate(_BRACES))


def _refused(name: str, text: str, place: int, what: str) -> InputError:
    line = text.count("\n", 0, place) + 1
    return InputError(f"{name}:{line}: holds {what}; a package carries words, numbers and weights only, leave it out")
