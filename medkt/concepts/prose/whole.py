"""What is said of the whole finding in several sentences, put together as one caption.

A paragraph tells the shape in one sentence, the edge in the next, the brightness in a third. A text tower reads one caption at
a time, so the first caption gathers them: it begins with the one that tells most, and takes from each other what tells an attribute
that is not told yet.
"""

import re
from collections.abc import Callable, Iterator, Sequence

from medkt.concepts.lexicon import attributes_in
from medkt.concepts.lint import errors_of
from medkt.concepts.prose.clauses import MOST_WORDS
from medkt.concepts.prose.names import Names
from medkt.concepts.prose.rewriting import LOOKS, TOLD, CaptionDraft

# parts of every finding: what is said of them is said of it
_OWN_PART = re.compile(
    r"^the (?:edges?|outlines?|margins?|borders?|contours?|shapes?|surfaces?|textures?|contents?|fluid|interior|inside|echo texture|echotexture|signal|density|centre|center)\s",
    re.IGNORECASE,
)
_SUBJECT = re.compile(r"^the lesions?\s+(?:is|are)\s+", re.IGNORECASE)
_HAS = re.compile(r"^the lesions?\s+(?:has|have)\s+", re.IGNORECASE)


def whole_look(
    captions: Sequence[CaptionDraft], *, names: Names, modality: str, fits: Callable[[str], bool] | None = None,
    most_words: int = MOST_WORDS,
) -> str:  # fmt: skip
    """One caption from those of a text, in its order; the one that tells most where nothing can be added.

    To make room, pieces at its end that tell none of brightness, shape, margin and texture give way.

    Args:
        captions: of the text, at least one.
        names: of the finding.
        modality: whose words may stand.
        fits: whether an encoder reads a caption to its end; only words are counted without.
        most_words: of the caption.
    """

    def may_stand(text: str) -> bool:
        known = (names.name, *names.synonyms)
        is_short = len(text.split()) <= most_words and (fits is None or fits(text))
        return is_short and not errors_of(text, role="inversion", names=known, modality=modality)

    first = max(captions, key=lambda one: one.rank)
    said = first.look
    for caption in captions:
        added = _HAS.sub("with ", _SUBJECT.sub("", caption.look))
        if (
            caption is first
            or not (caption.of_whole or _OWN_PART.match(caption.look))
            or not _told(added) - _told(said)
        ):
            continue
        heads = (said, *(_shortened(said) if (_told(added) - _told(said)) & LOOKS else ()))
        shorter = (f"{head}, {added}" for head in heads)
        said = next((text for text in shorter if may_stand(text)), said)
    return said


def _shortened(text: str) -> Iterator[str]:
    """The text less its last piece, less its last two ..., while what goes tells nothing of a look that it is known by."""
    pieces = text.split(", ")
    while len(pieces) > 1 and not _told(pieces[-1]) & LOOKS:
        pieces = pieces[:-1]
        yield ", ".join(pieces)


def _told(text: str) -> set[str]:
    return set(TOLD) & attributes_in(text).keys()
