"""Whether letters are a word at all, whatever a model makes of them; and texts in one way of writing.

The text towers here read English. So a word is of Latin letters, has a vowel unless it is a known abbreviation, has at
most five consonants in a row, no letter three times in a row, and is no row of a keyboard. Every word of medkt's own
captions is one, whatever it looks like.
"""

import re
import unicodedata
from functools import cache

from medkt.concepts.lexicon import asked

_VOWELS = frozenset("aeiouy")
_MOST_CONSONANTS = 5  # in a row: "nightshade"
_LEAST_VOWELS, _LONG = 0.2, 10  # share of the letters, of a word this long
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "yxcvbnm", "azertyuiop", "qsdfghjklm", "wxcvbn")
_RUN, _TYPED = 3, 4  # keys beside each other, and letters of a whole word of such runs
_OPAQUE = re.compile(
    r"https?://\S+|www\.\S+|[^\s@]+@[^\s@]+\.\S+|</?[A-Za-z][^<>]*>|&\w+;|[A-Za-z]:\\\S+|(?:/[\w.-]+){2,}"
)
_FILE = re.compile(r"\S+\.(?:dcm|nii|gz|png|jpe?g|tiff?|zip|ya?ml|txt|csv|json|pdf|html?|com|org|net)\b", re.IGNORECASE)
_PLAIN = str.maketrans({
    "\u2018": "'", "\u2019": "'", "\u201a": "'", "\u201b": "'", "\u201c": '"', "\u201d": '"', "\u201e": '"', "\u00ab": '"',
    "\u00bb": '"', "\u2010": "-", "\u2011": "-", "\u2012": "-", "\u2013": "-", "\u2014": "-", "\u2212": "-", "\u2026": "...",
    "\u00ad": "", "\ufeff": "", "\u2060": "", "\u061c": "", "\u180e": "",
    **dict.fromkeys(map(chr, [*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2066, 0x206A), *range(0xFE00, 0xFE10)]), ""),
})  # fmt: skip
_WIDE = re.compile("[\uff01-\uff5e\u3000\ufb00-\ufb06\U0001d400-\U0001d7ff]+")


def plain_text(text: str) -> str:
    r"""The text in one way of writing: what looks the same is the same to a model.

    Full-width and mathematical letters, ligatures, typographic quotes and dashes become the plain ones; soft hyphens and
    characters without a width go; every run of white space and control characters is one blank. ASCII stays as it is.

    >>> plain_text("Ｌｕｎｇ\u00a0no\u00addule ‘x’\r\n")
    "Lung nodule 'x'"
    """
    text = unicodedata.normalize("NFC", text).translate(_PLAIN)
    text = _WIDE.sub(lambda match: unicodedata.normalize("NFKC", match.group()), text)
    return " ".join("".join(" " if unicodedata.category(one) == "Cc" else one for one in text).split())


def is_text(text: str) -> bool:
    """Whether every character is one: half a pair, or a byte that was no text, is none."""
    return not any(0xD800 <= ord(one) <= 0xDFFF for one in text)


def words_in(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The words of a text, lower case, each once; and the parts of it that are none: links, tags, files, codes, emoji."""
    other = [match.group() for pattern in (_OPAQUE, _FILE) for match in pattern.finditer(text)]
    for part in other:
        text = text.replace(part, " ")
    found: dict[str, None] = {}
    for token in re.findall(r"\w+", text):
        if _is_code(token):
            other.append(token)
            continue
        found |= dict.fromkeys(
            word.lower() for word in re.findall(r"[^\W\d_]+", re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", token))
        )
    other += [one for one in text if unicodedata.category(one) in ("So", "Co", "Cn") and one not in "°©®"]
    return tuple(found), tuple(dict.fromkeys(other))


def is_wordlike(word: str) -> bool:
    """Whether a lower-case word can be an English one, or a name in Latin letters."""
    if word in asked().words or word in own_words():
        return True
    bare = without_accents(word)
    if not (bare.isascii() and bare.isalpha()) or len(bare) < 3 or not _VOWELS & set(bare):
        return False
    if re.search(r"(.)\1\1", bare) or _is_typed_along_a_row(bare):
        return False
    vowels = sum(letter in _VOWELS for letter in bare)
    return _longest_consonants(bare) <= _MOST_CONSONANTS and (len(bare) < _LONG or vowels >= _LEAST_VOWELS * len(bare))


def without_accents(word: str) -> str:
    """The plain letters of a word, such as "meniere" of "ménière"."""
    return "".join(
        one for one in unicodedata.normalize("NFKD", word.replace("ß", "ss")) if not unicodedata.combining(one)
    )


@cache
def own_words() -> frozenset[str]:
    """Every word of medkt's own captions and names."""
    from medkt.concepts.catalogue import concepts  # which reads captions in one way of writing, from here

    texts = (text for one in concepts().values() for text in (*one.names, *(caption.text for caption in one.captions)))
    return frozenset(word for text in texts for word in re.findall(r"[^\W\d_]+", text.lower()) if len(word) > 1)


def _is_code(token: str) -> bool:
    """Base64 and the like: letters and digits, or capitals and small letters, in turns."""
    switches = len(re.findall(r"(?<=[^\W\d])(?=\d)|(?<=\d)(?=[^\W\d])", token))
    humps = len(re.findall(r"(?<=[a-z])(?=[A-Z])", token))
    return (len(token) >= 8 and switches >= 4) or (len(token) >= 16 and humps >= 4)


def _longest_consonants(word: str) -> int:
    return max(len(run) for run in re.split("[aeiouy]", word))


def _is_typed_along_a_row(word: str) -> bool:
    """Whether the whole word is runs of keys that lie beside each other: "asdf", "qwertyuiop", "poiuyt", "dfghdfgh"."""
    if len(word) < _TYPED:
        return False
    keys = [row[::step] for row in _ROWS for step in (1, -1)]
    at = 0
    while at < len(word):
        longest = max(next((n for n in range(len(word) - at, 0, -1) if word[at : at + n] in row), 0) for row in keys)
        if longest < _RUN:
            return False
        at += longest
    return True
