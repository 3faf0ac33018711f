"""From a description in prose to the words of a concept: what became of each sentence, and the captions.

A paragraph of an encyclopaedia says who has a finding, why, and what is done about it; a picture shows none of that. What is
seen becomes captions, what looks alike becomes contrast, all else is set aside with the reason. Rules over word lists, no
model: what was made of a text can be read, and is the same everywhere.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from medkt.concepts.catalogue import concepts
from medkt.concepts.lexicon import asked
from medkt.concepts.prose.clauses import MOST_WORDS, Omission
from medkt.concepts.prose.english import require_prose
from medkt.concepts.prose.names import Names, inflected, names_of
from medkt.concepts.prose.rewriting import CaptionDraft, holds_look, rewritten
from medkt.concepts.prose.roles import SentenceReading, read_roles
from medkt.concepts.prose.sentences import LONGEST_SENTENCE, sentences_of
from medkt.concepts.prose.whole import whole_look
from medkt.concepts.prose.words import BodyPart, SentenceRole, language, rewriting, role_words
from medkt.concepts.schema import LONGEST_ID
from medkt.concepts.wordlike import plain_text
from medkt.errors import InputError, SettingsError, UnknownNameError
from medkt.modalities import MODALITIES

MOST_SENTENCES = 400
MOST_CHARACTERS = 100_000
_LESS = "give the paragraphs that say what the finding looks like"
_MOST_LOOKS = 4  # images are made from them; the catalogue's findings have two
_LEAST_TOLD = 2  # attributes of a caption that an image can be made from by itself
_MIXED: tuple[SentenceRole, ...] = ("cause", "age", "frequency", "complaint", "prognosis", "diagnosis", "denied")
_LONGEST_NAME = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusable:
    """A finding that the text says can look alike.

    Attributes:
        said: as the text has it, or the catalogue's name.
        id: of the catalogue's concept of this modality.
    """

    said: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftSentence:
    """What became of one sentence.

    Attributes:
        text: as it stood, without marks of references.
        line: in the file, counted from 1.
        role: what it speaks of.
        reason: why it is kept, or set aside.
        captions: made from it; empty where it is set aside.
        left_out: what of it no caption holds.
    """

    text: str
    line: int
    role: SentenceRole
    reason: str
    captions: tuple[CaptionDraft, ...]
    left_out: tuple[Omission, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """The words of a concept, as they were read out of a text.

    Attributes:
        names: of the finding.
        modality: that it is described in.
        body: the part of the body that the text speaks of, with what a prompt calls its image.
        sentences: every one of the text, in its order.
        confusables: findings of the catalogue that the text says look alike.
        looks: what images are made from: the whole look first, put together, then the captions that tell most; at most four.
    """

    names: Names
    modality: str
    body: BodyPart
    sentences: tuple[DraftSentence, ...]
    confusables: tuple[Confusable, ...]
    looks: tuple[str, ...] = ()

    @property
    def kept(self) -> tuple[DraftSentence, ...]:
        """The sentences that gave captions."""
        return tuple(sentence for sentence in self.sentences if sentence.captions)

    @property
    def joined(self) -> tuple[str, ...]:
        """The captions that join the name to what is seen, in the order of the text."""
        return tuple(dict.fromkeys(caption.joined for sentence in self.kept for caption in sentence.captions))


def draft_of(
    text: str, *, name: str, modality: str, shown: str = "the text", fits: Callable[[str], bool] | None = None,
    most_words: int = MOST_WORDS,
) -> Draft:  # fmt: skip
    """The words of a concept, read out of a description.

    Args:
        text: one or more paragraphs in English; headings, lists and references are understood.
        name: the finding's, as a radiologist writes it.
        modality: "cxr", "ct", "mri" or "ultrasound"; what is seen in others is set aside.
        shown: what messages call the text, such as its file.
        fits: whether an encoder reads a caption to its end; without, captions have at most `most_words` words.
        most_words: of a caption.

    Raises:
        UnknownNameError: no such modality.
        SettingsError: no name, or none that a concept can have.
        UnreadableError, InputError: the text is none, is not English, or has no sentence that says what is seen.
    """
    if modality not in MODALITIES:
        raise UnknownNameError(f"no modality {modality!r}; known: {', '.join(MODALITIES)}")
    name = _checked_name(name)
    if len(text) > MOST_CHARACTERS:
        raise InputError(f"{shown}: has {len(text)} characters, more than {MOST_CHARACTERS}; {_LESS}")
    require_prose(text, shown)
    sentences = sentences_of(text)
    if len(sentences) > MOST_SENTENCES:
        raise InputError(f"{shown}: has {len(sentences)} sentences, more than {MOST_SENTENCES}; {_LESS}")
    names = names_of(name, plain_text(text))
    readings = read_roles(sentences, names=names.all, modality=modality)
    made = tuple(_sentence(reading, names, modality, fits, most_words) for reading in readings)
    draft = Draft(
        names=names, modality=modality, body=_body(readings, name, modality), sentences=made,
        confusables=tuple(_confusables(readings, names, modality)),
    )  # fmt: skip
    if not draft.kept:
        raise InputError(_nothing_seen(draft, shown))
    found = [caption for sentence in draft.kept for caption in sentence.captions]
    return replace(draft, looks=_looks(found, names, modality, fits, most_words))


def _looks(
    found: Sequence[CaptionDraft], names: Names, modality: str, fits: Callable[[str], bool] | None, most_words: int
) -> tuple[str, ...]:
    ranked = sorted(found, key=lambda one: one.rank, reverse=True)
    telling = [one.look for one in ranked if len(one.told) >= _LEAST_TOLD] or [ranked[0].look]
    whole = whole_look(found, names=names, modality=modality, fits=fits, most_words=most_words)
    rest = [look for look in telling if look not in whole]
    return tuple(dict.fromkeys([whole, *rest]))[:_MOST_LOOKS]


def _checked_name(name: str) -> str:
    plain = plain_text(name)
    if not plain:
        raise SettingsError("the finding has no name; give --name, as a radiologist writes it")
    if len(plain) > _LONGEST_NAME or not re.search(r"[^\W\d_]", plain):
        raise SettingsError(
            f"--name {plain[:40]!r} is no name of a finding; give one of words, of at most {_LONGEST_NAME} characters"
        )
    words = re.findall(r"\w+", plain.lower())
    if all(word in asked().function or word in language().stands_for for word in words):
        raise SettingsError(f"--name {plain!r} names every finding or none; give the one that the text describes")
    return plain


def _sentence(
    reading: SentenceReading, names: Names, modality: str, fits: Callable[[str], bool] | None, most_words: int
) -> DraftSentence:
    sentence, reason = reading.sentence, role_words().reasons[reading.role]
    if len(sentence.text) > LONGEST_SENTENCE:
        reason = f"is longer than {LONGEST_SENTENCE} characters, which is no sentence; end sentences with a full stop"
    captions: tuple[CaptionDraft, ...] = ()
    left: tuple[Omission, ...] = ()
    if reading.role == "seen" or (reading.role in _MIXED and holds_look(sentence.text)):
        captions, left = rewritten(
            sentence.text, names=names, modality=modality, is_item=sentence.is_item, fits=fits, most_words=most_words,
            is_mixed=reading.role != "seen",
        )  # fmt: skip
    if reading.role == "seen" and not captions:
        reason = f"speaks of a look, but nothing of it can stand: {left[0].reason if left else 'no word of a look'}"
    elif reading.role != "seen" and captions:
        reason = f"in part {reason}"
    elif reading.role != "seen":
        left = ()
    return DraftSentence(
        text=sentence.text, line=sentence.line, role=reading.role, reason=reason, captions=captions, left_out=left
    )


def _body(readings: Sequence[SentenceReading], name: str, modality: str) -> BodyPart:
    """The part of the body that the name speaks of, else the one that the text has most words of; the modality's first in doubt."""
    bodies = language().bodies[modality]
    text = " ".join(
        reading.sentence.text for reading in readings if reading.role not in ("differential", "other_modality")
    )
    named = [body for body in bodies if body.words.search(name)]
    return max(named or bodies, key=lambda body: len(body.words.findall(text)))


def _confusables(readings: Sequence[SentenceReading], names: Names, modality: str) -> Iterator[Confusable]:
    """Findings of the catalogue, of this modality, that sentences on what looks alike name."""
    said = "; ".join(reading.sentence.text for reading in readings if reading.role == "differential")
    for concept in concepts().values():
        if (
            concept.modality == modality
            and not any(concept.is_called(one) for one in names.all)
            and _says(said, concept.names)
        ):
            yield Confusable(said=concept.name, id=concept.id)


def _says(text: str, names: Sequence[str]) -> bool:
    """Whether a text names a finding as it is: not "biliary hamartoma" for a hamartoma of the lung."""
    for found in re.finditer(rf"(?<!\w)(?:{'|'.join(map(inflected, names))})(?!\w)", text, re.IGNORECASE):
        before = re.search(r"([\w.]+)\s+$", text[: found.start()])
        if before is None or before.group(1).isdigit() or rewriting().before_names.fullmatch(before.group(1)):
            return True
    return False


def _nothing_seen(draft: Draft, shown: str) -> str:
    counts = Counter(sentence.role for sentence in draft.sentences)
    read = ", ".join(f"{number} of {role.replace('_', ' ')}" for role, number in counts.most_common())
    message = f"{shown}: has no sentence that says what is seen in {draft.modality} (read {len(draft.sentences)}: {read or 'none'})"
    if long := next((one for one in draft.sentences if len(one.text) > LONGEST_SENTENCE), None):
        return f"{shown}:{long.line}: {long.reason}"
    if stuck := next((one for one in draft.sentences if one.role == "seen"), None):
        return f"{shown}:{stuck.line}: {stuck.reason}; write it as one plain sentence of what is seen"
    if counts["other_modality"] > len(draft.sentences) / 4:
        return f"{message}; it describes another way of imaging: give that one's --modality, or say what {draft.modality} shows"
    return f"{message}; add one, such as 'a round bright spot with a sharp margin in the lung'"


def concept_id(name: str, modality: str) -> str:
    """A concept's id made from its name: "us_galactocele"."""
    short = "us" if modality == "ultrasound" else modality
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "finding"
    return f"{short}_{plain}"[:LONGEST_ID].strip("_")
