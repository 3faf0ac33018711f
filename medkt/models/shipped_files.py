"""Numbers that ship beside the small model's weights: safetensors whose metadata is JSON with a version."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from medkt.bounds import parse_json
from medkt.errors import WeightsError

Content = TypeVar("Content")


def read_shipped(
    path: Path, *, key: str, version: str, make: Callable[[Mapping[str, Any], Mapping[str, Any]], Content]
) -> Content:
    """What `make` makes of a file's JSON and its arrays by name.

    Args:
        path: of the file.
        key: of the metadata that holds the JSON.
        version: that the JSON must state.
        make: takes the JSON without its version, and the arrays; what it lacks or cannot read is said as damage of the file.

    Raises:
        WeightsError: it is missing, damaged, or of another version.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            about = parse_json((file.metadata() or {})[key])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        if about["version"] != version:
            raise ValueError(f"version {about['version']!r}")
        return make({name: value for name, value in about.items() if name != "version"}, tensors)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"cannot read {path}: {error}; reinstall medkt") from error
