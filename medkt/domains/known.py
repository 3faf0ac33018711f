"""Which known findings a user's free text is about, so that the text is not told apart from its own meaning.

A catalogued concept lists what it may be the same thing as (`related`); a free text cannot. It is taken to be about
every finding whose name or synonym stands in it, or in whose name it stands; where there is none, about those that
share the last word of a name ("a small nodule" and "solid nodule"). What is related to these may be meant as well.
"""

import re
from collections.abc import Sequence

from medkt.concepts import Concept, mentions

_SPELLINGS = (("ae", "e"), ("oe", "e"), ("our", "or"))  # haematoma, oedema, tumour in the American way


def named_by(text: Concept, findings: Sequence[Concept]) -> tuple[Concept, ...]:
    """Those of the findings that the free text may mean, in their order; none where it names none."""
    said = _plain(text.name)
    known = [one for one in findings if any(_holds(said, name) for name in one.names)]
    known = known or [one for one in findings if any(_plain(name)[-1] in said for name in one.names)]
    ids = {one.id for one in known}
    meant = {*ids, *(other for one in known for other in one.related)}
    return tuple(one for one in findings if one.id in meant or ids & set(one.related))


def _holds(said: list[str], name: str) -> bool:
    first, second = " ".join(said), " ".join(_plain(name))
    return mentions(first, [second]) or mentions(second, [first])


def _plain(text: str) -> list[str]:
    """The words of a text, in one spelling and in the singular."""
    return [_singular(word) for word in re.findall(r"[a-z0-9]+", text.lower())] or [""]


def _singular(word: str) -> str:
    word = re.sub(r"ae$", "a", word)  # bullae
    word = re.sub(r"ses$", "sis", word) if len(word) > 6 else word  # metastases, not "cases"
    word = re.sub(r"(?<![siu])s$", "", word)  # not "mass", "stenosis", "thrombus"
    for british, american in _SPELLINGS:
        word = word.replace(british, american)
    return word
