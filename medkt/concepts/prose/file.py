"""A draft as a concepts file, as text for a terminal, and as plain data."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from medkt.concepts.captions import parse_concepts
from medkt.concepts.concept import Concept
from medkt.concepts.document import parse_document, read_text
from medkt.concepts.lint import lint
from medkt.concepts.problem import refuse
from medkt.concepts.prose.draft import Draft, concept_id, draft_of
from medkt.concepts.prose.names import with_article
from medkt.concepts.prose.words import language
from medkt.concepts.schema import HOLDS, VERSION
from medkt.concepts.skeleton import PLACEHOLDER

_HEAD = """\
# Made by `medkt concept new --from-text` from a text of {sentences} sentences (SHA-256 {digest}), {kept} of which say what is
# seen; the others are set aside. Read it, correct what the rules misread, then `medkt concept lint FILE`, `medkt learn FILE`.
"""


def read_draft(path: Path, *, name: str, modality: str, fits: Callable[[str], bool] | None = None) -> tuple[Draft, str]:
    """The draft of a text file, and the SHA-256 of its text.

    Raises:
        UnreadableError: missing, a folder, no UTF-8, no text. Else as `draft_of`.
    """
    text = read_text(path)
    return draft_of(text, name=name, modality=modality, shown=str(path), fits=fits), hashlib.sha256(
        text.encode()
    ).hexdigest()


def as_concepts_file(draft: Draft, *, digest: str, licence: str = "", author: str = "", source: str = "") -> str:
    """The draft as a concepts file, which the lint finds no error in.

    Args:
        draft: the words.
        digest: of the text that they come from.
        licence: of the words; a placeholder that lint warns of where it is not stated.
        author: of the words, likewise.
        source: where the text comes from.

    Raises:
        SettingsError: the lint finds an error all the same.
    """
    names, modality = draft.names, draft.modality
    entry: dict[str, Any] = {"id": concept_id(names.name, modality), "name": names.name}
    if names.synonyms:
        entry["synonyms"] = list(names.synonyms)
    entry["source"] = ["text"]
    if draft.body is not language().bodies[modality][0]:  # that one is what a modality is mostly used for
        entry["body"] = draft.body.name
    entry |= {"window": draft.body.window} if draft.body.window else {}
    entry["captions"] = {
        "inversion": list(draft.looks), "finetune": list(draft.joined),
        "prompt": [f"{draft.body.picture} showing {names.with_article}"],
        "contrast": [f"{draft.body.picture} showing {with_article(one.said)}" for one in draft.confusables],
    }  # fmt: skip
    file = {
        "version": VERSION, "modality": modality, "licence": licence or f"{PLACEHOLDER} by a licence",
        "author": author or f"{PLACEHOLDER} by your name or group", "sources": {"text": source or "given by the user"},
        "concepts": [entry],
    }  # fmt: skip
    head = _HEAD.format(sentences=len(draft.sentences), digest=digest, kept=len(draft.kept))
    text = head + yaml.safe_dump(file, sort_keys=False, allow_unicode=True, width=120)
    refuse(lint(parse_document(text, f"the concept made of the text on {names.name}", holds=HOLDS)))
    return text


def concept_from_prose(path: Path, *, name: str, modality: str) -> tuple[Concept, Draft]:
    """A text file as a concept that can be taught, and the draft that tells what became of each sentence."""
    draft, digest = read_draft(path, name=name, modality=modality)
    (concept,) = parse_concepts(
        as_concepts_file(draft, digest=digest, licence="not stated", author="not stated"), str(path)
    )
    return concept, draft


def as_lines(draft: Draft) -> Iterator[str]:
    """What became of each sentence, line by line."""
    total, kept = len(draft.sentences), len(draft.kept)
    yield f"{draft.names.name}, {draft.modality}: {total} sentences, {kept} say what is seen"
    for sentence in draft.sentences:
        mark = "kept" if sentence.captions else "set aside"
        said = sentence.text if len(sentence.text) <= 100 else f"{sentence.text[:97]}..."
        yield f"  line {sentence.line}: {mark} ({sentence.role.replace('_', ' ')}): {said}"
        if not sentence.captions:
            yield f"      {sentence.reason}"
        for caption in sentence.captions:
            yield f"      -> {caption.look}"
        for left in sentence.left_out:
            yield f"      left out {left.text!r}: {left.reason}"
    if (elsewhere := sum(one.role == "other_modality" for one in draft.sentences)) > kept:
        yield f"  note: {elsewhere} sentences describe another way of imaging than {draft.modality}, {kept} this one: is --modality right?"
    if draft.names.synonyms:
        yield f"  also called: {', '.join(draft.names.synonyms)}"
    if draft.confusables:
        yield f"  could be taken for: {', '.join(f'{one.said} ({one.id})' for one in draft.confusables)}"
    yield f"  images are made from: {'; '.join(draft.looks)}"


def as_json(draft: Draft) -> dict[str, Any]:
    """The draft as plain data: finite numbers, texts, lists."""
    return {
        "name": draft.names.name, "synonyms": list(draft.names.synonyms), "modality": draft.modality, "body": draft.body.name,
        "sentences": [{**asdict(sentence), "kept": bool(sentence.captions)} for sentence in draft.sentences],
        "confusables": [asdict(one) for one in draft.confusables],
        "inversion": list(draft.looks), "finetune": list(draft.joined),
    }  # fmt: skip
