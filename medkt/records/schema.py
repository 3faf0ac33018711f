"""JSON Schema of records (draft 2020-12), made from their dataclasses.

Schemas say what is written: every field stands there, but those that are left out at their default, and a float may be null.
Further keys are allowed, as later versions may add them.
"""

import dataclasses
import inspect
import types
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin

from medkt.records.fill import hints_of
from medkt.records.form import SUM, RecordForm
from medkt.records.plain import LEFT_OUT

DRAFT = "https://json-schema.org/draft/2020-12/schema"
_SIMPLE: Mapping[Any, Mapping[str, Any]] = {
    Any: {}, object: {}, str: {"type": "string"}, bool: {"type": "boolean"}, int: {"type": "integer"},
    float: {"type": ["number", "null"]}, type(None): {"type": "null"},
}  # fmt: skip


def schema_of(form: RecordForm[Any]) -> dict[str, Any]:
    """The schema of one kind of record: of what `RecordForm.write` gives."""
    parts: dict[str, Any] = {}
    whole = _object(form.kind, parts)
    head = {key: {"const": word} for key, word in form.head.items()}
    said = {"enum": [*form.also, form.number]} if form.also else {"const": form.number}
    number = {form.key: said} if form.key else {}
    properties = {**head, **whole["properties"], **number}
    if form.sum_of is not None:
        properties[SUM] = {"type": "string"}
    needed = list(dict.fromkeys([*head, *number, *whole["required"], *([SUM] if form.sum_of else [])]))
    return {
        "$schema": DRAFT, "title": f"{form.name}, {form.key} {form.number}" if form.key else form.name, "description": _first_line(form.kind),
        "type": "object", "properties": properties, "required": needed, "$defs": dict(sorted(parts.items())),
    }  # fmt: skip


def _object(kind: Any, parts: dict[str, Any]) -> dict[str, Any]:
    hints = hints_of(kind)
    fields = dataclasses.fields(kind)
    return {
        "type": "object",
        "description": _first_line(kind),
        "properties": {field.name: _of(hints[field.name], parts) for field in fields},
        "required": [field.name for field in fields if LEFT_OUT not in field.metadata],
    }


def _of(hint: Any, parts: dict[str, Any]) -> dict[str, Any]:
    """The schema of what a hint allows; dataclasses are added to `parts`, each once."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _any_of([_of(one, parts) for one in arguments])
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is tuple and arguments[-1] is not Ellipsis:
        items = [_of(one, parts) for one in arguments]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
    if origin is not None and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _of(arguments[1], parts)}
    if origin is not None and issubclass(origin, Sequence):
        return {"type": "array", "items": _of(arguments[0], parts)}
    if not dataclasses.is_dataclass(hint):
        return dict(_SIMPLE[hint])
    name = hint.__name__  # type: ignore[union-attr]
    if name not in parts:
        parts[name] = {}
        parts[name] = _object(hint, parts)
    return {"$ref": f"#/$defs/{name}"}


def _any_of(choices: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One of several; of simple types in one list."""
    if all(one.keys() == {"type"} for one in choices):
        names = [name for one in choices for name in ([one["type"]] if isinstance(one["type"], str) else one["type"])]
        return {"type": list(dict.fromkeys(names))}
    return {"anyOf": list(choices)}


def _first_line(kind: Any) -> str:
    return (inspect.getdoc(kind) or "").partition("\n")[0]
