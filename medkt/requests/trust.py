"""Whose signatures are trusted: keys that are named, and those in medkt's own folder."""

from collections.abc import Iterable
from pathlib import Path


def trusted_places(named: Iterable[Path] = ()) -> tuple[Path, ...]:
    """Keys and folders of keys: those that are named, and the folder `trust` in medkt's own where it is there."""
    from medkt.models.store import home

    own = home() / "trust"
    return (*named, *([own] if own.is_dir() else []))
