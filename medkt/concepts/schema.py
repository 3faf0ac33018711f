"""What a concepts file must be: every field's kind and rule, each broken one told with its line and remedy."""

import difflib
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from medkt.concepts.concept import ROLES, mentions
from medkt.concepts.document import Document, Steps
from medkt.concepts.problem import Problem
from medkt.modalities import MODALITIES

VERSION = 1
LONGEST_ID = 48
LONGEST_CAPTION = 1000
"""Characters. The longest text that any of our encoders reads is 256 tokens."""

HOLDS = "a concepts file holds version, modality, licence, author, sources and concepts"

_FILE = {"version": int, "modality": str, "licence": str, "author": str, "sources": dict, "concepts": list}
_REQUIRED = {"id": str, "name": str, "captions": dict, "source": list}
_OPTIONAL = {
    "synonyms": list, "views": list, "category": dict, "type": dict, "region": dict, "colour": list,
    "smallest_visible_mm": (int, float), "window": str, "body": str, "related": list, "is_free_text": bool,
}  # fmt: skip
_CODE = ("value", "scheme", "meaning")
_SCHEMES = ("SCT", "DCM", "RADLEX")
_ID = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")
_KINDS = {str: "text", list: "a list", dict: "a mapping", int: "a whole number", bool: "true or false"}


def check(document: Document) -> tuple[Problem, ...]:
    """Everything in the file that breaks the schema, in the file's order of checks; empty where it is sound."""
    file = _Checker(document)
    problems = tuple(file.fields((), _FILE, {}))
    if any(problem.field in ("concepts", "sources", "") for problem in problems):
        return problems  # nothing below can be told apart
    return problems + tuple(file.head()) + tuple(file.concepts())


class _Checker:
    """The checks of one file; each gives the problems that it finds."""

    def __init__(self, document: Document) -> None:
        self.document = document

    def _problem(self, steps: Steps, rule: str, message: str, remedy: str) -> Problem:
        return Problem(
            path=self.document.path, line=self.document.line(steps), field=self.document.field(steps), rule=rule,
            level="error", message=message, remedy=remedy,
        )  # fmt: skip

    def fields(self, at: Steps, required: Mapping[str, Any], optional: Mapping[str, Any]) -> Iterator[Problem]:
        """Unknown, missing and wrong kinds of the mapping at `at`."""
        raw = self._at(at)
        kinds = {**required, **optional}
        for key in raw:
            if key not in kinds:
                near = difflib.get_close_matches(key, kinds, n=1)
                advice = f"did you mean {near[0]!r}?" if near else f"the fields are {', '.join(kinds)}"
                yield self._problem((*at, key), "unknown-field", f"unknown field {key!r}", advice)
        for key in required:
            if key not in raw:
                yield self._problem(at, "missing-field", f"field {key!r} is missing", f"add it: {_said(kinds[key])}")
        for key, value in raw.items():
            if key in kinds and not _is(value, kinds[key]):
                hint = "; put it in quotes" if kinds[key] is str and value is not None else ""
                message = f"expected {_said(kinds[key])}, got {_shown(value)}"
                yield self._problem((*at, key), "wrong-kind", message, f"correct it or leave it out{hint}")

    def head(self) -> Iterator[Problem]:
        """The values of the fields that stand once in a file."""
        raw = self.document.raw
        if _is(raw.get("version"), int) and raw["version"] != VERSION:
            newer = "update medkt" if raw["version"] > VERSION else f"write version: {VERSION}"
            message = f"concepts files of version {raw['version']} are not known, only {VERSION}"
            yield self._problem(("version",), "version", message, newer)
        if _is(raw.get("modality"), str) and raw["modality"] and raw["modality"] not in MODALITIES:
            message = f"modality is {raw['modality']!r}, expected one of {', '.join(MODALITIES)}, or ''"
            yield self._problem(("modality",), "modality", message, "'' is for words that fit any image")
        for key, value in raw["sources"].items():
            if not (isinstance(value, str) and value.strip()):
                message = f"expected text, got {_shown(value)}"
                yield self._problem(("sources", key), "wrong-kind", message, "say where the look can be checked")

    def concepts(self) -> Iterator[Problem]:
        """Each concept, and what only shows when all are seen."""
        entries = self.document.raw["concepts"]
        if not entries:
            yield self._problem(("concepts",), "no-concept", "the list of concepts is empty", "add one")
        seen: dict[str, int] = {}
        for index, entry in enumerate(entries):
            at: Steps = ("concepts", index)
            if not isinstance(entry, dict):
                message = f"each concept is a mapping with {', '.join(_REQUIRED)}; got {_shown(entry)}"
                yield self._problem(at, "wrong-kind", message, "begin it with '- id: ...'")
                continue
            yield from self._concept(at, entry)
            known = entry.get("id")
            if isinstance(known, str) and known in seen:
                message = f"concept ids used twice: {known}"
                yield self._problem(
                    (*at, "id"), "id-twice", message, f"rename it; it also stands in line {seen[known]}"
                )
            elif isinstance(known, str):
                seen[known] = self.document.line((*at, "id"))

    def _concept(self, at: Steps, entry: dict[str, Any]) -> Iterator[Problem]:
        broken = tuple(self.fields(at, _REQUIRED, _OPTIONAL))
        yield from broken
        if broken:
            return
        yield from self._id(at, entry["id"])
        yield from self._texts((*at, "source"), entry["source"], "a key of `sources`", least=1)
        for key in ("name", "window", "body"):
            if key in entry:
                yield from self._text((*at, key), entry[key], may_be_empty=key != "name")
        for key in ("synonyms", "views", "related"):
            yield from self._texts((*at, key), entry.get(key, []), "a name")
        yield from self._sources(at, entry["source"])
        yield from self._numbers(at, entry)
        for key in ("category", "type", "region"):
            if key in entry:
                yield from self._code((*at, key), entry[key])
        yield from self._captions((*at, "captions"), entry)

    def _id(self, at: Steps, given: str) -> Iterator[Problem]:
        if not _ID.fullmatch(given) or len(given) > LONGEST_ID:
            rule = f"lower-case letters, digits and single underscores, at most {LONGEST_ID} characters"
            plain = re.sub(r"[^a-z0-9]+", "_", given.lower()).strip("_")[:LONGEST_ID].strip("_") or "my_concept"
            yield self._problem((*at, "id"), "id", f"{rule}; got {_shown(given)}", f"for example {plain}")

    def _sources(self, at: Steps, keys: list[Any]) -> Iterator[Problem]:
        known = self.document.raw["sources"]
        for index, key in enumerate(keys):
            if isinstance(key, str) and key not in known:
                message = f"no source {key!r} in this file; it has {', '.join(known) or 'none'}"
                yield self._problem((*at, "source", index), "source", message, "add it to `sources` or correct the key")

    def _numbers(self, at: Steps, entry: dict[str, Any]) -> Iterator[Problem]:
        size = entry.get("smallest_visible_mm", 1)
        if not (math.isfinite(size) and 0 < size <= 1000):
            message = f"expected millimetres above 0 and at most 1000, got {size}"
            yield self._problem((*at, "smallest_visible_mm"), "size", message, "leave it out where it is not known")
        colour = entry.get("colour", [0, 0, 0])
        if len(colour) != 3 or not all(_is(n, int) and 0 <= n <= 255 for n in colour):
            message = f"expected three whole numbers from 0 to 255, got {_shown(colour)}"
            yield self._problem((*at, "colour"), "colour", message, "red, green, blue, such as [230, 60, 60]")

    def _code(self, at: Steps, raw: dict[str, Any]) -> Iterator[Problem]:
        if set(raw) != set(_CODE) or not all(isinstance(value, str) and value.strip() for value in raw.values()):
            message = f"expected value, scheme and meaning as text, got {_shown(raw)}"
            yield self._problem(at, "code", message, "quote the digits of the value")
        elif raw["scheme"] not in _SCHEMES:
            message = f"unknown coding scheme {raw['scheme']!r}"
            yield self._problem((*at, "scheme"), "code", message, f"the schemes are {', '.join(_SCHEMES)}")

    def _captions(self, at: Steps, entry: dict[str, Any]) -> Iterator[Problem]:
        captions = entry["captions"]
        for role, texts in captions.items():
            if role not in ROLES:
                near = difflib.get_close_matches(role, ROLES, n=1)
                advice = f"did you mean {near[0]!r}?" if near else "choose one of them"
                yield self._problem((*at, role), "role", f"unknown role {role}; known: {', '.join(ROLES)}", advice)
                continue
            yield from self._texts((*at, role), texts, "a caption")
        if not captions.get("prompt"):
            message = "prompt: at least one caption is needed"
            yield self._problem(at, "no-prompt", message, "add a sentence that an image is compared with")
        if not entry.get("is_free_text"):
            yield from self._named((*at, "inversion"), captions.get("inversion"), entry)

    def _named(self, at: Steps, texts: Any, entry: dict[str, Any]) -> Iterator[Problem]:
        names = [name for name in (entry["name"], *entry.get("synonyms", [])) if isinstance(name, str) and name.strip()]
        for index, text in enumerate(texts if isinstance(texts, list) else ()):
            if isinstance(text, str) and mentions(text, names):
                message = f"holds the finding's name: {_shown(text)}"
                yield self._problem(
                    (*at, index), "name-in-inversion", message, "say what is seen, not what it is called"
                )

    def _texts(self, at: Steps, raw: Any, what: str, *, least: int = 0) -> Iterator[Problem]:
        if not isinstance(raw, list):
            yield self._problem(at, "wrong-kind", f"expected a list of texts, got {_shown(raw)}", "put it in [ ]")
            return
        if len(raw) < least:
            yield self._problem(at, "wrong-kind", "the list is empty", f"add {what}")
        for index, text in enumerate(raw):
            yield from self._text((*at, index), text)
            if isinstance(text, str) and text in raw[:index]:
                yield self._problem((*at, index), "twice", f"stands twice in this list: {_shown(text)}", "keep one")

    def _text(self, at: Steps, text: Any, *, may_be_empty: bool = False) -> Iterator[Problem]:
        if not isinstance(text, str) or not (text.strip() or may_be_empty):
            yield self._problem(at, "wrong-kind", f"expected a list of texts, got {_shown(text)} in it"
                                if isinstance(at[-1], int) else f"expected text, got {_shown(text)}",
                                "write words; put them in quotes")  # fmt: skip
        elif len(text) > LONGEST_CAPTION:
            message = f"is {len(text)} characters long, more than {LONGEST_CAPTION}"
            yield self._problem(at, "too-long", message, "no encoder reads that much; split it into captions")
        elif any(ord(letter) < 32 for letter in text):
            yield self._problem(at, "control", "holds a line break or a control character", "keep it on one line")

    def _at(self, steps: Steps) -> dict[str, Any]:
        raw: Any = self.document.raw
        for step in steps:
            raw = raw[step]
        found: dict[str, Any] = raw
        return found


def _is(value: Any, kind: Any) -> bool:
    if kind is not bool and isinstance(value, bool):
        return False  # YAML's `yes` and `no` are numbers to Python
    return isinstance(value, kind)


def _said(kind: Any) -> str:
    return _KINDS.get(kind, "a number") if isinstance(kind, type) else "a number"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
