"""Where a function takes several things: also one alone, and anything that can be gone through but once."""

from collections.abc import Iterable
from typing import TypeVar, cast

ThingT = TypeVar("ThingT")


def several_of(given: Iterable[ThingT] | None) -> tuple[ThingT, ...]:
    """All that is given, to be gone through as often as is needed; None gives nothing.

    A text is one thing and not its letters, and what cannot be gone through is one thing, too.

    >>> several_of("a nodule"), several_of(one for one in ["a nodule"]), several_of(None)
    (('a nodule',), ('a nodule',), ())
    """
    if given is None:
        return ()
    said: object = given  # callers without a type checker give one thing alone
    if isinstance(said, str) or not isinstance(said, Iterable):
        return (cast(ThingT, said),)
    return tuple(given)
