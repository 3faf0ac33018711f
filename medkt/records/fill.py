"""Dataclasses from what JSON and YAML hold, by their type hints; what is wrong is named by its path (`bank[3].text`).

Nothing is bent but for three rules. A whole number is taken for a float. A list becomes a tuple. In records, but not in
settings, null is NaN where a float is expected: `as_plain` writes NaN and infinity so, as JSON has neither. Of a union of
dataclasses that one is taken whose tag the values have: a field with one allowed text, the same in all of them. A field of which
more kinds may come from outside has in its metadata, under `named`, what gives the dataclass of a `name`.
"""

import dataclasses
import math
import types
import typing
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from medkt.errors import MedktError, UnreadableError

T = TypeVar("T")


def fill(kind: type[T], values: object, *, where: str = "", entry: str = "key", more: bool = False) -> T:
    """A dataclass from nested values; what is not given keeps its default.

    Args:
        kind: the dataclass.
        values: a mapping; of settings its parts may be dataclasses already.
        where: the path to the values, for messages.
        entry: what a message calls a key: "setting" for those that a user writes, where null is no number.
        more: whether keys that the dataclass has not are passed over: a later version may have added them.

    Raises:
        UnreadableError: an unknown key, a missing one without default, or a value of the wrong type; with its path. Of
            settings it is for the caller to say so by a `SettingsError`.
    """
    made: T = _Filling(entry, more).dataclass(kind, values, where)
    return made


@cache
def hints_of(kind: Any) -> dict[str, Any]:
    """The types of a dataclass's fields, by name."""
    return typing.get_type_hints(kind)


def tag_of(kinds: Sequence[Any]) -> str:
    """The field that tells dataclasses apart: in each of them it may have one text, another in each; "" for none."""
    if len(kinds) < 2 or not all(dataclasses.is_dataclass(kind) for kind in kinds):
        return ""
    for name, hint in hints_of(kinds[0]).items():
        told = [get_args(hints_of(kind).get(name)) for kind in kinds]
        alone = get_origin(hint) is Literal and all(len(one) == 1 for one in told)
        if alone and len(set(told)) == len(kinds):
            return name
    return ""


@dataclasses.dataclass(frozen=True, slots=True)
class _Filling:
    """One reading: how keys are called, and whether others are passed over."""

    entry: str
    more: bool

    def dataclass(self, kind: Any, values: object, path: str) -> Any:
        fields = {field.name: field for field in dataclasses.fields(kind)}
        if not isinstance(values, Mapping):
            raise UnreadableError(
                f"{path or kind.__name__} has {self.entry}s of its own ({', '.join(fields)}), got {values!r}"
            )
        unknown = [key for key in values if key not in fields]
        if unknown and not self.more:
            raise UnreadableError(f"unknown {self.entry} {_join(path, unknown[0])}; known here: {', '.join(fields)}")
        lacking = [name for name, field in fields.items() if name not in values and _is_needed(field)]
        if lacking:
            raise UnreadableError(f"{self.entry} {_join(path, lacking[0])} is missing")
        hints = hints_of(kind)
        made = {}
        for key in (key for key in values if key in fields):
            below = _join(path, key)
            named = "named" in fields[key].metadata
            made[key] = (
                self._of_name(values[key], fields[key], below) if named else self.value(values[key], hints[key], below)
            )
        return kind(**made)

    def _of_name(self, value: Any, field: dataclasses.Field[Any], path: str) -> Any:
        """The dataclass that a value's `name` chooses, with its other keys; without a name that of the default."""
        if dataclasses.is_dataclass(value):
            return value
        if not isinstance(value, Mapping):
            raise UnreadableError(f"{path} is chosen by its name: {path}.name={value}")
        default = field.default_factory() if callable(field.default_factory) else field.default
        return self.dataclass(field.metadata["named"](str(value.get("name", default.name))), value, path)

    def value(self, value: Any, hint: Any, path: str) -> Any:
        """`value` as the type that the hint names."""
        origin, arguments = get_origin(hint), get_args(hint)
        if hint is Any or hint is object:
            return value
        if origin in (Union, types.UnionType):
            return self._union(value, arguments, path)
        if origin is Literal:
            if value not in arguments or isinstance(value, bool) != any(isinstance(a, bool) for a in arguments):
                raise UnreadableError(f"{path} is one of {', '.join(map(repr, arguments))}, got {value!r}")
            return value
        if origin is not None and issubclass(origin, Mapping):
            return self._mapping(value, arguments[1], path)
        if origin is not None and issubclass(origin, Sequence):
            return self._sequence(value, arguments if origin is tuple else (*arguments, Ellipsis), path)
        if dataclasses.is_dataclass(hint):
            return value if isinstance(value, typing.cast(type, hint)) else self.dataclass(hint, value, path)
        return self._plain(value, hint, path)

    def _plain(self, value: Any, hint: Any, path: str) -> Any:
        if hint is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if hint is float and value is None and self.entry != "setting":
            return math.nan
        if isinstance(hint, type) and (not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool)):
            raise UnreadableError(f"{path} expects {hint.__name__}, got {value!r} ({type(value).__name__})")
        return value

    def _union(self, value: Any, arguments: tuple[Any, ...], path: str) -> Any:
        if value is None and type(None) in arguments:
            return None
        candidates = [argument for argument in arguments if argument is not type(None)]
        tag = tag_of(candidates)
        if tag and isinstance(value, Mapping):
            return self.dataclass(_tagged(candidates, tag, value, path), value, path)
        for argument in candidates[:-1]:
            try:
                return self.value(value, argument, path)
            except MedktError:
                continue
        return self.value(value, candidates[-1], path)

    def _mapping(self, value: Any, hint: Any, path: str) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise UnreadableError(f"{path} expects keys with values, got {value!r}")
        return {str(key): self.value(item, hint, _join(path, key)) for key, item in value.items()}

    def _sequence(self, value: Any, arguments: tuple[Any, ...], path: str) -> tuple[Any, ...]:
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise UnreadableError(f"{path} expects a list, got {value!r}")
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            arguments = (arguments[0],) * len(value)
        if len(arguments) != len(value):
            raise UnreadableError(f"{path} expects {len(arguments)} values, got {len(value)}")
        pairs = enumerate(zip(value, arguments, strict=True))
        return tuple(self.value(item, hint, f"{path}[{place}]") for place, (item, hint) in pairs)


def _tagged(kinds: Sequence[Any], tag: str, values: Mapping[str, Any], path: str) -> Any:
    """The dataclass of the tag that the values have, or of the first one where they have none."""
    by_tag = {get_args(hints_of(kind)[tag])[0]: kind for kind in kinds}
    told = values.get(tag, next(iter(by_tag)))
    if told not in by_tag:
        raise UnreadableError(f"{_join(path, tag)} is one of {', '.join(map(repr, by_tag))}, got {told!r}")
    return by_tag[told]


def _is_needed(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _join(where: str, key: object) -> str:
    return f"{where}.{key}" if where else str(key)
