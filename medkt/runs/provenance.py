"""What a row was made with, and what it left: versions and weights, and the digest of a case's folder."""

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from medkt.about import __version__
from medkt.io.sha256 import sha256_of, sha256_of_json

COUNTED = ("torch", "numpy")  # another version of these may change the last digits


def software() -> dict[str, str]:
    """The versions that results depend on; torch is not loaded for it."""
    return {"medkt": __version__, **{name: _version(name) for name in COUNTED}}


def made_with(facts: Mapping[str, Any]) -> str:
    """Twelve digits for these versions and models; `run.json` says in `made_with` what they stand for."""
    return sha256_of_json({"software": software(), "models": dict(facts)})[:12]


def digest_of_folder(folder: Path) -> str:
    """SHA-256 over the names and bytes of a case's files; "" where there is no folder."""
    if not folder.is_dir():
        return ""
    whole = hashlib.sha256()
    for path in sorted(folder.iterdir(), key=lambda one: one.name):
        if path.is_file():
            whole.update(f"{path.name}\0{sha256_of(path)}\0".encode())
    return whole.hexdigest()


@cache
def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
