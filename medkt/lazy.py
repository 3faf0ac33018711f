"""Public names of a package that are loaded when they are first used (PEP 562), so that importing it stays light."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def names_of(package: str, where: Mapping[str, str], own: dict[str, Any]) -> Callable[[str], Any]:
    """A package's `__getattr__`.

    Args:
        package: its name.
        where: the module of each public name.
        own: the package's `globals()`, which keep what was loaded.
    """

    def get(name: str) -> Any:
        if name not in where:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(where[name]), name)
        own[name] = value
        return value

    return get
