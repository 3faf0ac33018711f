"""A finding described in prose, as a concept: sentences told apart by what they speak of, what is seen made into captions."""

from medkt.concepts.prose.draft import Confusable, Draft, DraftSentence, draft_of
from medkt.concepts.prose.file import as_concepts_file, as_json, as_lines, concept_from_prose, read_draft
from medkt.concepts.prose.roles import SentenceReading, read_roles
from medkt.concepts.prose.sentences import Sentence, sentences_of
from medkt.concepts.prose.words import SENTENCE_ROLES, SentenceRole

__all__ = [
    "SENTENCE_ROLES",
    "Confusable",
    "Draft",
    "DraftSentence",
    "Sentence",
    "SentenceReading",
    "SentenceRole",
    "as_concepts_file",
    "as_json",
    "as_lines",
    "concept_from_prose",
    "draft_of",
    "read_draft",
    "read_roles",
    "sentences_of",
]  # fmt: skip
