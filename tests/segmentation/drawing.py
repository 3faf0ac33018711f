"""Masks typed as text (`#` is foreground, digits are ninths), and settings that no type checker would let through."""

from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")


def forced(kind: type[T], **values: Any) -> T:
    """Settings with these values and the defaults, checked by their own guard only."""
    settings = kind()
    for name, value in values.items():
        object.__setattr__(settings, name, value)
    settings.__post_init__()  # type: ignore[attr-defined]
    return settings


def mask(text: str) -> np.ndarray:
    return np.array([[c == "#" for c in row] for row in text.split()])


def plane(text: str) -> np.ndarray:
    return np.array([[int(c) / 9 for c in row] for row in text.split()], dtype=np.float32)
