"""Dataclasses as what JSON and YAML can hold."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np


def as_plain(value: object) -> Any:
    """Nested dataclasses, mappings, sequences and NumPy values as dicts, lists, numbers and texts; NaN and infinity as None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
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
