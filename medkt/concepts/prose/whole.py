"""What is said of the whole finding in several sentences, put together as one caption.

A paragraph tells the shape in one sentence, the edge in the next, the brightness in a third. A text tower reads one caption at
a time, so the first caption gathers them: it begins with the one that tells most, and takes from each other what tells an attribute
that is not told yet.
"""

import re
from collections.abc import Sequence

from medkt.concepts.lexicon import attributes_in
from medkt.concepts.lint import errors_of
from medkt.concepts.prose.clauses import MOST_WORDS
from medkt.concepts.prose.names import Names
from medkt.concepts.prose.rewriting import TOLD, Captioned

# parts of every finding: what is said of them is said of it
_OWN_PART = re.compile(
    r"^the (?:edges?|outlines?|margins?|borders?|contours?|shapes?|surfaces?|textures?|contents?|interior|echo texture|echotexture|signal|density|centre|center)\s",
    re.IGNORECASE,
)
_SUBJECT = re.compile(r"^the lesions?\s+(?:is|are)\s+", re.IGNORECASE)
_HAS = re.compile(r"^the lesions?\s+(?:has|have)\s+", re.IGNORECASE)


def whole_look(captions: Sequence[Captioned], *, names: Names, modality: str, most_words: int = MOST_WORDS) -> str:
    """One caption of at most so many words from those of a text, in its order; the one that tells most where nothing can be added.

    Args:
        captions: of the text, at least one.
        names: of the finding.
        modality: whose words may stand.
        most_words: of the caption.
    """
    first = max(captions, key=lambda one: one.rank)
    said = first.look
    for caption in captions:
        if caption is first or not (caption.of_whole or _OWN_PART.match(caption.look)):
            continue
        longer = f"{said}, {_HAS.sub('with ', _SUBJECT.sub('', caption.look))}"
        if _told(caption.look) - _told(said) and _may_stand(longer, names, modality, most_words):
            said = longer
    return said


def _told(text: str) -> set[str]:
    return set(TOLD) & attributes_in(text).keys()


def _may_stand(text: str, names: Names, modality: str, most_words: int) -> bool:
    known = (names.name, *names.synonyms)
    return len(text.split()) <= most_words and not errors_of(text, role="inversion", names=known, modality=modality)
