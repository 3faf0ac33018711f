"""Dataclasses as what JSON and YAML can hold."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

LEFT_OUT = "left out"  # in a field's metadata


def left_out(default: Any = None) -> Any:
    """The default of a field that a record does not name where it has it."""
    return dataclasses.field(default=default, metadata={LEFT_OUT: True})


def as_plain(value: object) -> Any:
    """Nested dataclasses, mappings, sequences and NumPy values as dicts, lists, numbers and texts; NaN and infinity as None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_plain(getattr(value, field.name)) for field in _named(value)}
    if isinstance(value, Mapping):
        return {str(key): as_plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return as_plain(value.tolist())
    if isinstance(value, tuple | list | set | frozenset):
        return [as_plain(item) for item in value]
    if isinstance(value, np.generic):
        return as_plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):  # JSON has neither
        return None
    return value


def _named(value: Any) -> list[dataclasses.Field[Any]]:
    """The fields that a record names."""
    fields = dataclasses.fields(value)
    return [one for one in fields if LEFT_OUT not in one.metadata or getattr(value, one.name) != one.default]
