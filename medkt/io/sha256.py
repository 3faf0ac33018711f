"""SHA-256 of a file without reading it into memory, and of what JSON can hold."""

import hashlib
import json
from pathlib import Path


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_json(value: object) -> str:
    """The SHA-256 of a value as JSON with its keys sorted, as 64 hexadecimal digits.

    Raises:
        ValueError: NaN or infinity, which JSON has not.
    """
    return hashlib.sha256(json.dumps(value, sort_keys=True, allow_nan=False).encode()).hexdigest()
