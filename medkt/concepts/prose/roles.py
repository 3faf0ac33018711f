"""What each sentence of a description speaks of: the look, or who has it, why, how often, what is done about it ...

Rules over lists of words, without a model. Every word of `configs/prose/roles.yaml` that a sentence holds adds its weight to a
role; the heading above, the sentence before and what a text begins with add to that. The role with the largest sum is the
sentence's. A sentence of a look of which nothing is affirmed is "denied".
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medkt.concepts.lexicon import attributes_in, denials_in
from medkt.concepts.prose.sentences import LONGEST_SENTENCE, Sentence
from medkt.concepts.prose.words import SENTENCE_ROLES, SentenceRole, role_words

_LOOKS = ("brightness", "shape", "margin", "texture")
_OTHER_WAY = 3  # a sentence that names another way of imaging first, beside all that it says of a look
_OWN_WAY = 3
_HEADED = 5
_LISTED_BELOW = 5  # more for an item: a list is of what its heading says
_HEADED_SEEN = 3
_DEFINES = 4
_MOST_SEEN = 14  # of words for a look: a long definition holds many by chance
_LISTED = 2  # for each disease named but the first
_CARRIED = 2
# of two that weigh the same
_FIRST: tuple[SentenceRole, ...] = (
    "other_modality", "treatment", "prognosis", "complaint", "differential", "diagnosis", "seen", "frequency", "age", "cause",
    "other", "denied",
)  # fmt: skip
_TOPIC = 4  # words at the head of a sentence say what it is about
_BRACKETS = re.compile(r"\([^()]*\)")
_LEANS = re.compile(r"^(?:It|They|There|These|This|Here|Its|Their)\b")
_CLAUSE = re.compile(
    r";|,\s+|\s+(?:but|while|whereas|although|and(?=\s+(?:does|do|is|are|was|were|has|have|shows?|may|can)\b))\s+",
    re.IGNORECASE,
)
_DEFINITION = r"^(?:(?:a|an|the|most|primary)\s+)*{name}(?:s|es)?\b[^.]{{0,60}}?\b(?:is|are|means?|refers?|belongs?|comes?|arises?|derives?|develops?|forms?|occurs?|represents?|describes?|denotes?)\b"


@dataclass(frozen=True, slots=True, kw_only=True)
class SentenceReading:
    """One sentence read.

    Attributes:
        sentence: its words and place.
        role: what it speaks of.
        weights: of every role that anything spoke for.
    """

    sentence: Sentence
    role: SentenceRole
    weights: Mapping[SentenceRole, int]


def read_roles(sentences: Sequence[Sentence], *, names: Sequence[str], modality: str) -> tuple[SentenceReading, ...]:
    """The role of every sentence, in the order of the text.

    Args:
        sentences: of one description, in its order.
        names: of the finding; a sentence that begins "NAME is" at the head of the text defines it.
        modality: "cxr", "ct", "mri" or "ultrasound": what is seen in others is set aside.
    """
    readings: list[SentenceReading] = []
    for number, sentence in enumerate(sentences):
        if len(sentence.text) > LONGEST_SENTENCE:
            readings.append(SentenceReading(sentence=sentence, role="other", weights={}))
            continue
        weights = _weights(sentence.text, modality)
        _add_context(weights, sentence, readings[-1] if readings else None, modality)
        if number == 0 and any(
            re.search(_DEFINITION.format(name=re.escape(name)), sentence.text, re.IGNORECASE) for name in names
        ):
            weights["cause"] += _DEFINES
        role = max(_FIRST, key=lambda one: weights[one]) if any(weights.values()) else "other"
        if role == "seen" and not _affirms(sentence.text):
            role = "denied"
        shown = {one: weight for one, weight in weights.items() if weight}
        readings.append(SentenceReading(sentence=sentence, role=role, weights=shown))
    return tuple(readings)


def look_weight(text: str) -> int:
    """How much a text speaks of a look: 0 for nothing, 2 and more for something."""
    return min(role_words().cues["seen"].weight(text) + _attributes(text), _MOST_SEEN)


def is_denied(text: str) -> bool:
    """Whether a phrase denies what it speaks of."""
    return bool(denials_in(text)) or role_words().denials.search(text) is not None


def first_way(text: str, modality: str) -> str:
    """The modality that a text names first, "" where it names none; the given one where both are named at one place."""
    found: list[tuple[int, bool, str]] = []
    own = role_words().modalities[modality].search(text)
    rest = role_words().modalities[modality].sub(lambda match: " " * len(match.group()), text)
    for name, pattern in role_words().modalities.items():
        if name != modality and (match := pattern.search(rest)):
            found.append((match.start(), True, name))
    if own:
        found.append((own.start(), False, modality))
    return min(found)[2] if found else ""


def _weights(text: str, modality: str) -> dict[SentenceRole, int]:
    cues = role_words().cues
    weights: dict[SentenceRole, int] = {role: cues[role].weight(text) for role in SENTENCE_ROLES if role in cues}
    head = " ".join(text.split()[:_TOPIC])
    for role in weights:
        weights[role] += cues[role].weight(head) // 2
    weights |= {"denied": 0, "seen": look_weight(text), "other_modality": 0}
    diseases = len({found.group().lower() for found in role_words().diseases.finditer(text)})
    weights["differential"] += _LISTED * max(0, diseases - 1)
    way = first_way(_BRACKETS.sub("", text), modality)
    if not way and (way := first_way(text, modality)):  # "(dark on CT, bright on MRI)" speaks of both
        way = modality if role_words().modalities[modality].search(text) else way
    if way != modality and role_words().modalities[modality].search(text) and not first_way(head, modality):
        way = modality  # "a mass, dark on CT and bright on MRI": its pieces are looked at one by one
    if way == modality:
        weights["seen"] += _OWN_WAY * (weights["seen"] > 1)
    elif way:
        weights["other_modality"] = weights["seen"] + _OTHER_WAY
    return weights


def _add_context(
    weights: dict[SentenceRole, int], sentence: Sentence, before: SentenceReading | None, modality: str
) -> None:
    """What the heading and the sentence before say of this one."""
    way = first_way(sentence.heading, modality) if sentence.heading else ""
    if way and way != modality:
        weights["other_modality"] = max(weights["other_modality"], weights["seen"]) + _HEADED
    elif way == modality:
        weights["seen"] += _HEADED_SEEN
    else:
        for role, pattern in role_words().headings.items():
            if sentence.heading and pattern.search(sentence.heading):
                weights[role] += _HEADED_SEEN if role == "seen" else _HEADED + _LISTED_BELOW * sentence.is_item
                break
    if (
        before is None
        or before.role != "other_modality"
        or before.sentence.paragraph != sentence.paragraph
        or sentence.is_item
    ):
        return
    if _LEANS.match(sentence.text) and not weights["other_modality"] and first_way(sentence.text, modality) != modality:
        weights["other_modality"] = weights["seen"] + _CARRIED  # "On CT it is dark. It does not enhance."


def _attributes(text: str) -> int:
    found = attributes_in(text)
    return sum(2 if name in _LOOKS else 1 for name in found if name not in ("negation", "modality"))


def _affirms(text: str) -> bool:
    """Whether any clause says that something is there."""
    return not is_denied(text) or any(look_weight(one) and not is_denied(one) for one in _CLAUSE.split(text))
