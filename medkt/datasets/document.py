"""JSON that describes a data set."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medkt.bounds.texts import LARGEST_RECORD, parse_json, read_text
from medkt.errors import InputError, UnreadableError


def read_document(path: Path, *, needed: Sequence[str]) -> Mapping[str, Any]:
    """The mapping in a JSON file.

    Raises:
        InputError: no such file, or a key is missing. UnreadableError: it is no JSON.
    """
    try:
        held = parse_json(read_text(path, largest=LARGEST_RECORD), str(path))
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such file; it describes the data set and belongs to it") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UnreadableError(f"{path}: is no JSON ({error}); fetch it again") from error
    if not isinstance(held, dict):
        raise InputError(f"{path}: expected keys and values, got a {type(held).__name__}")
    for key in needed:
        if key not in held:
            raise InputError(f"{path}: no key {key!r}; there are {', '.join(held)}")
    return held
