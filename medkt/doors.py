"""What can be had by a name: medkt's own things and, by entry points, those that installed packages add.

A door is one table of medkt's own, name to place ("module:attribute"), and one group of entry points. Both are looked up in
the same way, nothing is imported before it is asked for, and what is installed is read only for a name that is not medkt's
own or to list all names, so that starting up stays light.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar, cast

from medkt.errors import ExtensionError, MedktError, UnknownNameError

T = TypeVar("T")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Door(Generic[T]):
    """Things of one kind by name, each loaded when it is asked for.

    Attributes:
        group: of the entry points, such as "medkt.encoders".
        what: one of them, as messages call it: "encoder family".
        kind: the place of the class that each must be an instance of.
        own: medkt's own, name to place.
    """

    group: str
    what: str
    kind: str
    own: Mapping[str, str]

    def __getitem__(self, name: str) -> T:
        """The thing of that name.

        Raises:
            UnknownNameError: there is none; the message lists those there are.
            ExtensionError: an installed package adds it, and it cannot be used.
        """
        if name in self.own:
            return cast(T, placed(self.own[name]))
        if name not in self.added:
            raise UnknownNameError(f"no {self.what} {name!r}; known: {', '.join(self)}")
        return cast(T, _loaded(self.added[name], self.what, self.kind))

    def __contains__(self, name: object) -> bool:
        return name in self.own or name in self.added

    def __iter__(self) -> Iterator[str]:
        return iter((*self.own, *self.added))

    def items(self) -> Iterator[tuple[str, T]]:
        """All of them, loaded."""
        return ((name, self[name]) for name in self)

    @property
    def added(self) -> Mapping[str, EntryPoint]:
        """What installed packages add, sorted by name.

        Raises:
            ExtensionError: a name is no name, medkt's own, or that of two packages.
        """
        found = _installed(self.group)
        for name, points in found.items():
            here = f"a {self.what} {name!r} (entry points {self.group})"
            if not _NAME.fullmatch(name):
                raise ExtensionError(
                    f"{_of(points)} adds {here}: a name has small letters, digits, - and _, at most 64"
                )
            if name in self.own:
                raise ExtensionError(f"{_of(points)} adds {here}, which medkt has itself: it needs another name")
            if len(points) > 1:
                raise ExtensionError(f"{_of(points)} both add {here}: uninstall one of the two")
        return {name: points[0] for name, points in found.items()}


def placed(place: str) -> Any:
    """What stands at "module:attribute"."""
    module, _, attribute = place.partition(":")
    return getattr(import_module(module), attribute)


@cache
def _installed(group: str) -> Mapping[str, tuple[EntryPoint, ...]]:
    found: dict[str, list[EntryPoint]] = {}
    for point in sorted(entry_points(group=group), key=lambda one: (one.name, one.value)):
        found.setdefault(point.name, []).append(point)
    return {name: tuple(points) for name, points in found.items()}


def forget_installed() -> None:
    """Read what is installed anew: where packages were installed since the first look at it."""
    _installed.cache_clear()
    _loaded.cache_clear()


@cache
def _loaded(point: EntryPoint, what: str, kind: str) -> Any:
    here = f"the package {_of((point,))} adds a {what} {point.name!r} ({point.value})"
    try:
        found = point.load()
    except MedktError:  # says itself what to do
        raise
    except Exception as error:  # whatever an unknown module raises while it is imported
        raise ExtensionError(
            f"{here} that cannot be loaded ({type(error).__name__}: {error}): mend or uninstall it"
        ) from error
    if not isinstance(found, placed(kind)):
        wanted = kind.partition(":")[2]
        raise ExtensionError(f"{here} that is {type(found).__name__} and no {wanted}: mend or uninstall it")
    return found


def _of(points: tuple[EntryPoint, ...]) -> str:
    """The distributions that these entry points are of."""
    return " and ".join(sorted({point.dist.name if point.dist else "an unknown package" for point in points}))
