"""The names that a description gives its finding, and the words of them that would give it away."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from medkt.concepts.prose.words import language

_ABBREVIATION = r"\b{name}(?:s|es)?\s*\((?P<short>[A-Z][A-Za-z]{{1,5}}s?)\)"
_CALLED = re.compile(
    r"(?:also|otherwise|sometimes)\s+(?:known as|called|termed|referred to as)\s+(?:a |an |the )?(?P<names>[^,;.()]{3,80}?)(?=[,;.()]|\s+(?:is|are|in|that|which)\b)",
    re.IGNORECASE,
)
_SHORTEST = 4  # letters of a word that may give a name away
_MASS = re.compile(
    r"(?:itis|osis|oses|iasis|[eo]?edema|plasia|trophy|pathy|ectasis|sclerosis|malacia|ism|ia|air|fluid|disease|thickening|enlargement)$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What a finding is called.

    Attributes:
        name: as the user gave it.
        synonyms: what the text calls it, too: abbreviations in brackets, "also known as ...".
        telling: words of the name and the synonyms that name it alone ("angiomyolipoma"), in the singular.
    """

    name: str
    synonyms: tuple[str, ...]
    telling: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        """Name, synonyms and telling words, the longest first."""
        known = dict.fromkeys((self.name, *self.synonyms, *self.telling))
        return tuple(sorted(known, key=len, reverse=True))

    @property
    def pattern(self) -> re.Pattern[str]:
        """Any of them as whole words, singular or plural."""
        return re.compile(rf"(?<!\w)(?:{'|'.join(map(inflected, self.all))})(?!\w)", re.IGNORECASE)

    @property
    def is_plural(self) -> bool:
        """Whether the name is of several: "gallstones"."""
        return is_plural(self.name)

    @property
    def is_mass(self) -> bool:
        """Whether the name takes no article: "pulmonary oedema", "acute appendicitis"."""
        return is_mass(self.name)

    @property
    def head(self) -> str:
        """The last word, in the singular: "cyst" of "pineal cyst", "plaque" of "pleural plaques"."""
        last = self.name.split()[-1] if self.name.split() else ""
        return re.sub(r"(?<=[^siu])s$", "", last)

    @property
    def with_article(self) -> str:
        """As a sentence begins with it: "a galactocele", "gallstones", "pulmonary oedema"."""
        return with_article(self.name)


def is_mass(name: str) -> bool:
    """Whether a name takes no article: "pulmonary oedema"."""
    return _MASS.search(name) is not None


def is_plural(name: str) -> bool:
    """Whether a name is of several: "gallstones", "metastases"."""
    return bool(re.search(r"(?<![siu])s$", name)) and not is_mass(name)


def with_article(name: str) -> str:
    """A name as a sentence begins with it: "an angioma", "gallstones", "pulmonary oedema".

    >>> with_article("angioma"), with_article("gallstones"), with_article("pulmonary oedema")
    ('an angioma', 'gallstones', 'pulmonary oedema')
    """
    return name if is_plural(name) or is_mass(name) else f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def plural(name: str) -> str:
    """The name of several: "galactoceles", "angiomyolipomas", "anomalies"."""
    if re.search(r"[^siu]s$", name):
        return name
    if re.search(r"[^aeiou]y$", name):
        return f"{name[:-1]}ies"
    return f"{name}es" if re.search(r"(?:s|x|ch|sh)$", name) else f"{name}s"


def names_of(name: str, text: str) -> Names:
    """The given name, and what the text calls the finding besides."""
    synonyms: dict[str, None] = {}
    for found in re.finditer(_ABBREVIATION.format(name=re.escape(name)), text, re.IGNORECASE):
        if found["short"].upper()[:2] == found["short"][:2]:
            synonyms |= dict.fromkeys([found["short"].removesuffix("s")])
    for found in _CALLED.finditer(text):
        parts = re.split(r",|\s+or\s+(?:a |an |the )?|\s+and\s+(?:a |an |the )?", found["names"].strip(" '\""))
        synonyms |= dict.fromkeys(part for part in parts if _may_be_a_name(part))
    others = tuple(one for one in synonyms if one.lower() != name.lower())
    return Names(name=name, synonyms=others, telling=_telling((name, *others)))


def inflected(name: str) -> str:
    """An expression for a name in the singular and the plural: "cyst", "cysts"; "azygos lobe", "azygos lobes"."""
    stem = r"(?:'s)?\ ".join(map(re.escape, name.split(" ")))  # "Rathke's cleft cyst" is the Rathke cleft cyst
    if name.lower().endswith("oma"):
        return rf"{stem}(?:s|ta)?"
    if re.search(r"[^s]s$", name):
        return rf"{stem[:-1]}s?"
    return rf"{stem[:-1]}(?:y|ies)" if re.search(r"[^aeiou]y$", name) else rf"{stem}(?:s|es)?"


def _telling(names: Iterable[str]) -> tuple[str, ...]:
    """The last word of each name, where it is no word of a look or a place."""
    last = (name.split()[-1] for name in names if name.split())
    return tuple(
        dict.fromkeys(word for word in last if len(word) >= _SHORTEST and not language().plain.fullmatch(word))
    )


def _may_be_a_name(part: str) -> bool:
    return 0 < len(part.split()) <= 5 and re.search(r"\d", part) is None
