"""Concepts as they stand in `radiology_captions/*.yaml`: reading and writing them, and a plain list as such a file.

A file holds a licence, an author, its sources by key, and a list of concepts. A concept's captions are lists by role;
a text that stands in several lists is one caption with several roles. Anything unknown, missing or misspelt is an
error that names the file, the line, the field and the remedy (`medkt.concepts.schema`).
"""

import hashlib
import re
from pathlib import Path
from typing import Any

import yaml

from medkt.concepts.concept import MORPHOLOGICALLY_ABNORMAL, ROLES, Caption, Code, Concept, Role, mentions
from medkt.concepts.document import Document, parse_document, read_document, read_text
from medkt.concepts.problem import refuse
from medkt.concepts.schema import HOLDS, LONGEST_ID, VERSION, check
from medkt.concepts.wordlike import plain_text
from medkt.errors import InputError

_MOST_LINES = 20_000


def read_concepts(path: Path) -> tuple[Concept, ...]:
    """The concepts of one YAML file, in file order.

    Raises:
        UnreadableError: the file is missing or no YAML.
        SettingsError: a field is unknown, missing or of the wrong kind; says the file, the line and the field.
    """
    return _concepts(read_document(path, holds=HOLDS))


def parse_concepts(text: str, path: str) -> tuple[Concept, ...]:
    """As `read_concepts`, from the text itself; `path` only names it in messages."""
    return _concepts(parse_document(text, path, holds=HOLDS))


def as_yaml(concept: Concept) -> str:
    """One concept as a concepts file that `read_concepts` turns into an equal concept."""
    entry: dict[str, Any] = {"id": concept.id, "name": concept.name, "source": ["source"]}
    entry |= {key: list(getattr(concept, key)) for key in ("synonyms", "related", "views") if getattr(concept, key)}
    codes = {"category": concept.category, "type": concept.type, "region": concept.region}
    entry |= {key: _code(code) for key, code in codes.items() if code not in (None, MORPHOLOGICALLY_ABNORMAL)}
    entry |= {"colour": list(concept.colour)}
    if concept.smallest_visible_mm is not None:
        entry["smallest_visible_mm"] = concept.smallest_visible_mm
    entry |= {key: getattr(concept, key) for key in ("window", "body", "is_free_text") if getattr(concept, key)}
    entry["captions"] = {role: list(concept.texts(role)) for role in ROLES if concept.texts(role)}
    file = {
        "version": VERSION, "modality": concept.modality, "licence": concept.licence, "author": concept.author,
        "sources": {"source": concept.source or "not stated"}, "concepts": [entry],
    }  # fmt: skip
    return yaml.safe_dump(file, sort_keys=False, allow_unicode=True, width=120)


def convert_caption_list(path: Path, *, modality: str, licence: str, author: str, source: str) -> str:
    """A plain list, one `name<TAB>caption` a line, as the text of a concepts file; `#` starts a comment.

    Every caption is a prompt and for fine-tuning; one that does not hold the name is for inversion too. Lines of one
    name are one concept.

    Raises:
        UnreadableError: the file cannot be read.
        InputError: a line has no tab, nothing on one side of it, or stood before; says the line. Or no line at all.
    """
    captions: dict[str, list[str]] = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        if number > _MOST_LINES:
            raise InputError(f"{path}:{number}: is longer than {_MOST_LINES} lines; split the list")
        name, _, text = (part.strip() for part in line.partition("\t"))
        if not (name and text):
            raise InputError(
                f"{path}:{number}: expected name<TAB>caption, got {line[:60]!r}; put one tab between the two"
            )
        if text in captions.setdefault(name, []):
            raise InputError(f"{path}:{number}: the caption of {name!r} stands twice; keep one of them")
        captions[name].append(text)
    if not captions:
        raise InputError(f"{path}: holds no line name<TAB>caption; give at least one")
    entries = [_entry(name, texts) for name, texts in captions.items()]
    file = {
        "version": 1, "modality": modality, "licence": licence, "author": author, "sources": {"list": source},
        "concepts": entries,
    }  # fmt: skip
    return yaml.safe_dump(file, sort_keys=False, allow_unicode=True, width=120)


def slug(text: str, digest: str) -> str:
    """A name for files: the text's letters and digits, cut to fit, with eight digits of its digest."""
    plain = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_") or "text"
    return f"{plain[: LONGEST_ID - 9].strip('_')}_{digest[:8]}"


def _entry(name: str, texts: list[str]) -> dict[str, Any]:
    roles: dict[str, list[str]] = {"prompt": list(texts), "finetune": list(texts)}  # one list would become an alias
    nameless = [text for text in texts if not mentions(text, [name])]
    roles |= {"inversion": nameless} if nameless else {}
    digest = hashlib.sha256(name.encode()).hexdigest()
    return {"id": slug(name, digest), "name": name, "source": ["list"], "captions": roles}


def _concepts(document: Document) -> tuple[Concept, ...]:
    refuse(check(document))
    return tuple(_concept(entry, document.raw) for entry in document.raw["concepts"])


def _concept(entry: dict[str, Any], file: dict[str, Any]) -> Concept:
    source = "; ".join(file["sources"][key] for key in entry["source"])
    owed = {"source": source, "licence": file["licence"], "author": file["author"]}
    name, captions = plain_text(entry["name"]), _captions(entry, owed)
    optional: dict[str, Any] = {key: entry[key] for key in ("window", "body", "is_free_text") if key in entry}
    optional |= {key: tuple(entry[key]) for key in ("synonyms", "related", "views", "colour") if key in entry}
    optional |= {key: Code(**entry[key]) for key in ("category", "type", "region") if key in entry}
    if "smallest_visible_mm" in entry:
        optional["smallest_visible_mm"] = float(entry["smallest_visible_mm"])
    return Concept(
        id=entry["id"], name=name, captions=captions, modality=file["modality"],
        digest=_digest(name, captions, is_free_text=entry.get("is_free_text", False)), **owed, **optional,
    )  # fmt: skip


def _code(code: Code | None) -> dict[str, str]:
    return {} if code is None else {"value": code.value, "scheme": code.scheme, "meaning": code.meaning}


def _captions(entry: dict[str, Any], owed: dict[str, str]) -> tuple[Caption, ...]:
    roles: dict[str, list[Role]] = {}
    for role in ROLES:
        for text in entry["captions"].get(role, []):
            roles.setdefault(plain_text(text), []).append(role)
    return tuple(Caption(text=text, roles=tuple(its), **owed) for text, its in roles.items())


def _digest(name: str, captions: tuple[Caption, ...], *, is_free_text: bool) -> str:
    lines = [name] if is_free_text else [name, *(f"{caption.roles} {caption.text}" for caption in captions)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
