"""Concepts as they stand in `radiology_captions/*.yaml`: reading them, and turning a plain list into such a file.

A file holds a licence, an author, its sources by key, and a list of concepts. A concept's captions are lists by role;
a text that stands in several lists is one caption with several roles. Anything unknown, missing or misspelt is an
error that names the file, the line and the field.
"""

import difflib
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from medkt.concepts.concept import ROLES, Caption, Code, Concept, Role, mentions
from medkt.errors import InputError, SettingsError, UnreadableError

MODALITIES = ("cxr", "ct", "mri", "ultrasound")
LONGEST_ID = 48
_ID = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")
_LINE = "__line__"

_FILE_KEYS = {"version": int, "modality": str, "licence": str, "author": str, "sources": dict, "concepts": list}
_REQUIRED = {"id": str, "name": str, "captions": dict, "source": list}
_OPTIONAL = {
    "synonyms": list, "views": list, "category": dict, "type": dict, "region": dict, "colour": list,
    "smallest_visible_mm": (int, float), "window": str, "body": str, "related": list,
}  # fmt: skip


def read_concepts(path: Path) -> tuple[Concept, ...]:
    """The concepts of one YAML file, in file order.

    Raises:
        UnreadableError: the file is missing or no YAML.
        SettingsError: a field is unknown, missing or of the wrong kind; says the file, the line and the field.
    """
    raw = _read_yaml(path)
    _check_fields(raw, _FILE_KEYS, {}, where=f"{path}:{raw[_LINE]}")
    if raw["modality"] not in ("", *MODALITIES):
        raise SettingsError(f"{path}: modality is {raw['modality']!r}, expected one of {', '.join(MODALITIES)}, or ''")
    made = tuple(_concept(entry, raw, path) for entry in raw["concepts"])
    ids = [concept.id for concept in made]
    twice = sorted({one for one in ids if ids.count(one) > 1})
    if twice:
        raise SettingsError(f"{path}: concept ids used twice: {', '.join(twice)}")
    return made


def convert_caption_list(path: Path, *, modality: str, licence: str, author: str, source: str) -> str:
    """A plain list, one `name<TAB>caption` a line, as the text of a concepts file; `#` starts a comment.

    Every caption is a prompt and for fine-tuning; one that does not hold the name is for inversion too. Lines of one
    name are one concept.

    Raises:
        UnreadableError: the file cannot be read.
        InputError: a line has no tab, or nothing on one side of it; says the line.
    """
    captions: dict[str, list[str]] = {}
    for number, line in enumerate(_read_text(path).splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, text = (part.strip() for part in line.partition("\t"))
        if not (name and text):
            raise InputError(f"{path}:{number}: expected name<TAB>caption, got {line[:60]!r}")
        captions.setdefault(name, []).append(text)
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
    roles: dict[str, list[str]] = {"prompt": texts, "finetune": texts}
    nameless = [text for text in texts if not mentions(text, [name])]
    roles |= {"inversion": nameless} if nameless else {}
    digest = hashlib.sha256(name.encode()).hexdigest()
    return {"id": slug(name, digest), "name": name, "source": ["list"], "captions": roles}


def _concept(entry: Any, file: dict[str, Any], path: Path) -> Concept:
    if not isinstance(entry, dict):
        raise SettingsError(f"{path}: concepts: each is a mapping with id, name, captions, source; got {entry!r}")
    where = f"{path}:{entry[_LINE]}"
    _check_fields(entry, _REQUIRED, _OPTIONAL, where=where)
    where = f"{where}: {entry['id']}"
    _check_id(entry["id"], where)
    source = "; ".join(_looked_up(key, file["sources"], where) for key in entry["source"])
    owed = {"source": source, "licence": file["licence"], "author": file["author"]}
    captions = _captions(entry, owed, where)
    optional: dict[str, Any] = {key: entry[key] for key in ("window", "body") if key in entry}
    if "smallest_visible_mm" in entry:
        optional["smallest_visible_mm"] = float(entry["smallest_visible_mm"])
    optional |= {"colour": _colour(entry["colour"], where)} if "colour" in entry else {}
    optional |= {key: _code(entry[key], f"{where}: {key}") for key in ("category", "type", "region") if key in entry}
    text = "\n".join([entry["name"], *(f"{caption.roles} {caption.text}" for caption in captions)])
    return Concept(
        id=entry["id"], name=entry["name"], captions=captions, modality=file["modality"],
        synonyms=_texts(entry.get("synonyms", []), f"{where}: synonyms"),
        related=_texts(entry.get("related", []), f"{where}: related"),
        views=_texts(entry.get("views", []), f"{where}: views"),
        digest=hashlib.sha256(text.encode()).hexdigest(), **owed, **optional,
    )  # fmt: skip


def _captions(entry: dict[str, Any], owed: dict[str, str], where: str) -> tuple[Caption, ...]:
    by_role = {role: texts for role, texts in entry["captions"].items() if role != _LINE}
    unknown = sorted(set(by_role) - set(ROLES))
    if unknown:
        raise SettingsError(f"{where}: captions: unknown role {', '.join(unknown)}; known: {', '.join(ROLES)}")
    roles: dict[str, list[Role]] = {}
    for role in ROLES:
        for text in _texts(by_role.get(role, []), f"{where}: captions: {role}"):
            roles.setdefault(text, []).append(role)
    names = [entry["name"], *entry.get("synonyms", [])]
    named = [text for text in by_role.get("inversion", []) if mentions(text, names)]
    if named:
        raise SettingsError(f"{where}: captions: inversion: holds the finding's name: {named[0]!r}")
    if not by_role.get("prompt"):
        raise SettingsError(f"{where}: captions: prompt: at least one caption is needed")
    return tuple(Caption(text=text, roles=tuple(its), **owed) for text, its in roles.items())


def _check_fields(raw: dict[str, Any], required: Mapping[str, Any], optional: Mapping[str, Any], *, where: str) -> None:
    kinds = {**required, **optional}
    unknown = [key for key in raw if key not in kinds and key != _LINE]
    if unknown:
        near = difflib.get_close_matches(str(unknown[0]), kinds, n=1)
        raise SettingsError(f"{where}: unknown field {unknown[0]!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    for key in required:
        if key not in raw:
            raise SettingsError(f"{where}: field {key!r} is missing")
    for key, value in raw.items():
        if key != _LINE and (not isinstance(value, kinds[key]) or isinstance(value, bool)):
            raise SettingsError(f"{where}: {key}: expected {_said(kinds[key])}, got {value!r}")


def _said(kind: Any) -> str:
    words = {str: "text", list: "a list", dict: "a mapping", int: "a whole number"}
    return words.get(kind, "a number")


def _check_id(identifier: str, where: str) -> None:
    if not _ID.fullmatch(identifier) or len(identifier) > LONGEST_ID:
        raise SettingsError(
            f"{where}: id: lower-case letters, digits and single underscores, at most {LONGEST_ID} characters; "
            f"got {identifier!r}"
        )


def _code(raw: dict[str, Any], where: str) -> Code:
    fields = {key: value for key, value in raw.items() if key != _LINE}
    if set(fields) != {"value", "scheme", "meaning"} or not all(isinstance(v, str) for v in fields.values()):
        raise SettingsError(f"{where}: expected value, scheme and meaning as text (quote the digits), got {fields}")
    return Code(**fields)


def _colour(raw: list[Any], where: str) -> tuple[int, int, int]:
    if len(raw) != 3 or not all(isinstance(n, int) and 0 <= n <= 255 for n in raw):
        raise SettingsError(f"{where}: colour: expected three whole numbers from 0 to 255, got {raw}")
    return (raw[0], raw[1], raw[2])


def _texts(raw: Any, where: str) -> tuple[str, ...]:
    if not isinstance(raw, list) or not all(isinstance(text, str) and text.strip() for text in raw):
        raise SettingsError(f"{where}: expected a list of texts, got {raw!r}")
    return tuple(raw)


def _looked_up(key: Any, sources: dict[str, Any], where: str) -> str:
    if key not in sources or key == _LINE:
        known = ", ".join(k for k in sources if k != _LINE)
        raise SettingsError(f"{where}: source: no source {key!r} in this file; it has {known}")
    return str(sources[key])


class _Loader(yaml.SafeLoader):
    """Keeps the line of every mapping, and refuses a key that stands twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        made: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        if len(made) != len(node.value):
            raise yaml.constructor.ConstructorError(None, None, "a key stands twice in one mapping", node.start_mark)
        return {**made, _LINE: node.start_mark.line + 1}


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        raw = yaml.load(_read_text(path), Loader=_Loader)  # a SafeLoader
    except yaml.YAMLError as error:
        raise UnreadableError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(raw, dict):
        raise UnreadableError(f"{path} is not a concepts file: expected a mapping with {', '.join(_FILE_KEYS)}")
    return raw


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableError(f"{path} cannot be read as UTF-8 text: {error}") from error
