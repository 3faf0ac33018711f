"""From the fields of a request to options of the command line, and from what the user typed to the request."""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields
from typing import Any

from medkt.requests.option import (
    Option,
    Request,
    RequestT,
    choices_of,
    fitted,
    groups_of,
    of_one,
    of_several,
    options_of,
)


class NotingAction(argparse.Action):
    """Stores an option, and that it was given."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        setattr(namespace, self.dest, values)
        namespace.given = (*getattr(namespace, "given", ()), self.dest)


def add_options(
    parser: argparse.ArgumentParser,
    kind: type[Request],
    *,
    before: Mapping[str, Callable[[argparse.ArgumentParser], object]] | None = None,
) -> None:
    """An option for each field of a request: its own first, then a group for each base that it shares with others.

    Args:
        parser: gets the options.
        kind: of the request.
        before: what adds an option of the command alone, by the name of the option that it stands before.
    """
    between = before or {}
    known = {one.name: one for one in fields(kind)}
    said = {name: (hint, option) for name, hint, option in options_of(kind)}
    for owner, names in groups_of(kind).items():
        place = parser if owner is kind else parser.add_argument_group(_title(owner))
        for name in names:
            if name in between:
                between[name](parser)
            _add(place, known[name], *said[name])


def filled(kind: type[RequestT], arguments: argparse.Namespace) -> RequestT:
    """The request that was typed."""
    values = {name: getattr(arguments, name) for name, _, _ in options_of(kind)}
    return kind(given=frozenset(getattr(arguments, "given", ())), **fitted(kind, values))


def _title(owner: type) -> str:
    """A group's title: the first line of what its class says of itself."""
    return (owner.__doc__ or "").split("\n", 1)[0].rstrip(".").lower()


def _add(parser: Any, field: Field[Any], hint: Any, option: Option) -> None:
    words: dict[str, Any] = {"help": option.text or None, "metavar": option.metavar}
    required = field.default is MISSING
    kind = of_one(of_several(hint) or hint)
    choices = choices_of(kind, option)
    default = None if required else [] if field.default == () else field.default
    if kind is bool:
        words = {"help": option.text or None, "action": "store_true"}
    else:
        words |= {"type": type(next(iter(choices))) if choices else kind, "default": default}
        words |= {"choices": choices} if choices else {}
        words |= {"action": NotingAction} if option.told else {}
    if of_several(hint) is not None:
        words |= _several(option, required=required)
    if option.positional:
        words |= {} if required or "nargs" in words else {"nargs": "?"}
        parser.add_argument(field.name, **words)
        return
    names = [*([option.short] if option.short else []), option.long or f"--{field.name.replace('_', '-')}"]
    parser.add_argument(*names, dest=field.name, required=required, **words)


def _several(option: Option, *, required: bool) -> dict[str, Any]:
    if option.each:
        return {"action": "append"}
    if option.positional or required:
        return {"nargs": "+" if required else "*"}
    return {"nargs": "+", "action": "extend"}
