"""Whether the words that are asked are understood, so that an answer is one to them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

import torch

from medkt.concepts import Concept
from medkt.concepts.lexicon import asked, lexicon
from medkt.concepts.meaning import RefusalCode, check_text
from medkt.concepts.wordlike import own_words, plain_text, without_accents, words_in
from medkt.models.encoder import DualEncoder
from medkt.presence import Reason
from medkt.saliency.targets import embed_texts

HALF: Mapping[RefusalCode, str] = {
    "negation": "words-denied",
    "question": "words-ask",
    "unknown_words": "words-unknown",
}
"""Notes on words with which an answer would not be one to them, and the codes of the reasons."""
SAME = 0.995
"""The cosine of a text with itself less some of its words, from which the score does not depend on them."""
_OF_MEDICINE = re.compile(
    r"\w{2,}(?:oma|omas|omata|itis|osis|oses|iasis|ectasis|ectases|ectasia|megaly|pathy|pathies|plasia|trophy|cele|liths?|"
    r"stenosis|rrhage|a?emia|plegia|sclerosis|thorax|cysts?|oid|um|us|ae|ous|ary|eal|ial)"
)


def words_against(
    encoder: DualEncoder, concept: Concept, prompts: Sequence[str], modality: str, *, is_taught: bool
) -> Iterator[Reason]:
    """Why nothing can be said for these words; none where at least one prompt is wholly understood.

    A prompt is half understood where it denies, asks, holds words that the model does not know, says nothing that a picture
    shows, or says it where the model does not read any more. Of several prompts one that is understood is enough: they say one
    thing in other words.

    Args:
        encoder: that is asked.
        concept: what is asked.
        prompts: its texts.
        modality: of the study.
        is_taught: whether the encoder has learnt this concept: then its name is no strange word to it.
    """
    each = [_against(encoder, prompt, modality, is_taught=is_taught) for prompt in prompts]
    if each and all(each):
        yield from (Reason(code=code, sentence=f"{concept.name[:60]}: {said}") for code, said in each[0].items())


def _against(encoder: DualEncoder, prompt: str, modality: str, *, is_taught: bool) -> Mapping[str, str]:
    notes = check_text(encoder, prompt, modality=modality).notes
    found = {HALF[code]: said for code, said in notes.items() if code in HALF}
    if is_taught:
        found.pop("words-unknown", None)
        return found
    seen = words_of_a_look(prompt)
    if not seen and not found:
        found["words-not-visual"] = "its words name nothing that a picture shows"
    # of a text that is cut off it is asked whether what it says of a look still counts, of others whether anything does
    decisive = seen if "cut_off" in notes else frozenset(words_in(plain_text(prompt))[0]) - asked().function
    if not found and not depends_on(encoder, prompt, decisive):
        found["words-without-effect"] = f"the score would be the same without {', '.join(sorted(decisive)[:5])}"
    return found


def depends_on(encoder: DualEncoder, text: str, words: frozenset[str]) -> bool:
    """Whether the encoder's direction of a text changes where those words are left out."""
    rest = re.sub(r"[^\W\d_]+", lambda found: "" if found.group().lower() in words else found.group(), plain_text(text))
    with_them, without = embed_texts(encoder, [plain_text(text), " ".join(rest.split()) or "a"])
    return float(torch.dot(with_them.double(), without.double())) < SAME


@cache
def words_of_a_look(text: str) -> frozenset[str]:
    """The words of a text that say how something looks, or name a finding or a part of the body.

    >>> sorted(words_of_a_look("a bright round spot")), sorted(words_of_a_look("a meeting this afternoon"))
    (['bright', 'round', 'spot'], [])
    """
    plain = plain_text(text)
    found = {word for terms in asked().findings for match in terms.finditer(plain) for word in _letters(match.group())}
    unseen = {word for terms in lexicon().never for part in terms.in_text(plain) for word in _letters(part)}
    words, _ = words_in(plain)
    naming = {word for word in words if word not in asked().function and word not in unseen}
    return frozenset(found | {word for word in naming if _names_a_look(without_accents(word))})


def _letters(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", text.lower())


def _names_a_look(word: str) -> bool:
    of_captions = any(one in own_words() for one in (word, word.removesuffix("s"), word.removesuffix("es"), f"{word}s"))
    return of_captions or word in asked().words or _OF_MEDICINE.fullmatch(word) is not None
