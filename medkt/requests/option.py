"""What a request is: a frozen dataclass of options, each with its text beside it, that checks what it is given.

The command line makes its options of the same fields, so that names, values, defaults and texts are written once.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, replace
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from medkt.errors import SettingsError
from medkt.modalities import Choices

RequestT = TypeVar("RequestT", bound="Request")
OptionT = TypeVar("OptionT")


@dataclass(frozen=True, slots=True)
class Option:
    """What is said of a field of a request; it stands in the field's `Annotated` hint.

    Attributes:
        text: its meaning; `%(default)s` stands for the default.
        short: its short name on the command line, such as "-o".
        long: its long name there, where that is not the field's, as of a word that Python keeps for itself.
        metavar: what stands for its value there.
        positional: whether it stands there without a name.
        each: of one with several values, whether the name is said again before each.
        told: whether it matters that the user gave it, though the value is the default.
        choices: what may be chosen from, where packages can add to it; a `Literal` hint says what is fixed.
    """

    text: str = ""
    short: str = ""
    long: str = ""
    metavar: str | None = None
    positional: bool = False
    each: bool = False
    told: bool = False
    choices: Choices | None = None


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a user asks for; the base of all requests.

    Where a path is meant a string is taken, too, and where several values may be given a list, or one alone.

    Attributes:
        given: names of options that were given though they may have their default's value.

    Raises:
        SettingsError: a value is none of those that an option takes, or of what has to be given there is none.
    """

    given: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for name, value in fitted(type(self), vars(self)).items():
            object.__setattr__(self, name, value)
        which: Any = type(self)
        for name in _some_of(which):
            if not getattr(self, name):
                raise SettingsError(f"{name}: expected at least one, got none")

    def gives(self, name: str) -> bool:
        """Whether the user gave an option, rather than leaving it to its default."""
        return name in self.given or getattr(self, name) != type(self).__dataclass_fields__[name].default


def options_of(kind: type[Request]) -> tuple[tuple[str, Any, Option], ...]:
    """The options of a request: name, hint and what is said of each; its own before those of its bases, from left to right."""
    which: Any = kind
    return _options_of(which)


@cache
def _some_of(kind: Any) -> tuple[str, ...]:
    """The options of which at least one value has to be given."""
    hints = {name: hint for name, hint, _ in options_of(kind) if of_several(hint) is not None}
    return tuple(one.name for one in fields(kind) if one.name in hints and one.default is MISSING)


def groups_of(kind: type[Request]) -> dict[type[Request], tuple[str, ...]]:
    """The names of the options that stand in a request itself, and of those that come with each of its bases.

    A base without options of its own stands for its bases.
    """
    which: Any = kind
    return dict(_groups_of(which))


@cache  # the command line asks it of every command at each start
def _groups_of(kind: Any) -> dict[type[Request], tuple[str, ...]]:
    hints = get_type_hints(kind, include_extras=True)
    found = {kind: tuple(one for one in vars(kind).get("__annotations__", {}) if hasattr(hints[one], "__metadata__"))}
    taken = set(found[kind])
    for base in kind.__bases__:
        inherited = _groups_of(base) if issubclass(base, Request) else {}
        for owner, names in inherited.items():
            place = base if base in inherited else owner
            found[place] = (*found.get(place, ()), *(one for one in names if one not in taken))
            taken |= set(names)
    return {one: names for one, names in found.items() if names}


@cache
def _options_of(kind: Any) -> tuple[tuple[str, Any, Option], ...]:
    hints = get_type_hints(kind, include_extras=True)
    return tuple((name, *_taken_apart(hints[name])) for names in groups_of(kind).values() for name in names)


def _taken_apart(hint: Any) -> tuple[Any, Option]:
    return get_args(hint)[0], hint.__metadata__[0]


def requested(kind: type[RequestT], request: RequestT | None, options: Mapping[str, Any]) -> RequestT:
    """A request as it was given, with options by name over it.

    Raises:
        TypeError: an option has no such name. SettingsError: a value is none of its values.
    """
    values = fitted(kind, options)
    return kind(**values) if request is None else replace(request, **values)


def fitted(kind: type[Request], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as the fields of a request hold them; those that are no options stay.

    Raises:
        SettingsError: a value is none that its option takes.
    """
    options = {name: (hint, option) for name, hint, option in options_of(kind)}
    return {name: _fitting(name, value, *options[name]) if name in options else value for name, value in values.items()}


def present(value: OptionT | None, says: str) -> OptionT:
    """A value that has to be given.

    Raises:
        SettingsError: it is not; `says` tells the user.
    """
    if value is None:
        raise SettingsError(says)
    return value


def of_several(hint: Any) -> Any:
    """The hint of one value where an option takes several; None where it takes one."""
    return get_args(hint)[0] if get_origin(hint) is tuple else None


def of_one(hint: Any) -> Any:
    """The hint without the None that stands for nothing given."""
    if get_origin(hint) in (Union, UnionType):
        (kind,) = (one for one in get_args(hint) if one is not NoneType)
        return kind
    return hint


def choices_of(hint: Any, option: Option) -> Collection[Any]:
    """What may be chosen from; nothing where any value may be given."""
    if option.choices is not None:
        return option.choices
    return get_args(hint) if get_origin(hint) is Literal else ()


def _fitting(name: str, value: Any, hint: Any, option: Option) -> Any:
    if value is None and NoneType in get_args(hint):
        return None
    if (kind := of_several(hint)) is not None:
        return tuple(_fitting(name, one, kind, option) for one in _listed(value))
    kind = of_one(hint)
    if choices := choices_of(kind, option):
        if value not in choices:
            raise SettingsError(f"{name}: {value!r} is none of {', '.join(map(str, choices))}")
        return value
    if kind in (Path, float) and isinstance(value, str if kind is Path else int):
        return kind(value)
    if kind is str and isinstance(value, Path):
        return str(value)
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
        raise SettingsError(f"{name}: expected {_NAMES[kind]}, got {value!r}")
    return value


_NAMES = {Path: "a path", str: "text", int: "a whole number", float: "a number", bool: "True or False"}


def _listed(value: Any) -> Iterator[Any]:
    return iter((value,) if isinstance(value, str | Path) else value)


def text_of(kind: type[Request], name: str) -> str:
    """What is said of an option, for a page."""
    return next(option.text for own, _, option in options_of(kind) if own == name)


def defaults_of(kind: type[Request]) -> dict[str, Any]:
    """The default of each option; those without one are not in it."""
    own = {name for name, _, _ in options_of(kind)}
    return {one.name: one.default for one in fields(kind) if one.name in own and one.default is not one.default_factory}
