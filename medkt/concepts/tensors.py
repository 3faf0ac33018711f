"""The header and the numbers of safetensors bytes, without torch: who reads a package need not run a model.

Format after the safetensors specification: eight bytes with the header's length, the header as JSON, the numbers.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from medkt.errors import UnreadableError

_SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
_FLOATS = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}
_LONGEST_HEADER = 16 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorEntry:
    """One tensor: its kind, its shape, and its bytes counted from the header's end."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorHeader:
    """What safetensors bytes hold; `begin` is where the numbers begin."""

    metadata: Mapping[str, str]
    entries: Mapping[str, TensorEntry]
    begin: int

    @property
    def numbers(self) -> int:
        """How many numbers there are in all."""
        return sum(math.prod(entry.shape) for entry in self.entries.values())


def read_header(content: bytes, shown: str) -> TensorHeader:
    """The header, checked against the bytes.

    Args:
        content: the whole file.
        shown: what to call it in messages.

    Raises:
        UnreadableError: no safetensors, cut off, or tensors that overlap, leave gaps or have another size than stated.
    """
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or not 2 <= length <= min(len(content) - 8, _LONGEST_HEADER):
        raise UnreadableError(f"{shown}: is no safetensors file, or cut off in its header; make it again")
    try:
        raw = json.loads(content[8 : 8 + length].decode("utf-8"), object_pairs_hook=_once)
        metadata = raw.pop("__metadata__", {})
        entries = {name: _entry(value) for name, value in raw.items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UnreadableError(f"{shown}: the safetensors header is damaged ({error}); make it again") from error
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise UnreadableError(f"{shown}: the safetensors metadata must be texts; make it again")
    _check_cover(entries, len(content) - 8 - length, shown)
    return TensorHeader(metadata=metadata, entries=entries, begin=8 + length)


def numbers_of(content: bytes, header: TensorHeader, name: str) -> Float[np.ndarray, "..."]:
    """One tensor as float64, whole numbers and BF16 too."""
    entry = header.entries[name]
    raw = content[header.begin + entry.start : header.begin + entry.stop]
    if entry.dtype == "BF16":  # the upper half of a float32
        made = (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view(np.float32)
    else:
        kind = _FLOATS.get(entry.dtype) or {"BOOL": "|b1", "U8": "|u1"}.get(entry.dtype)
        made = np.frombuffer(raw, kind or f"<i{_SIZES[entry.dtype]}")
    shaped: Float[np.ndarray, ...] = made.astype(np.float64).reshape(entry.shape)
    return shaped


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a name stands twice")
    return made


def _entry(raw: Mapping[str, Any]) -> TensorEntry:
    start, stop = raw["data_offsets"]
    shape = tuple(raw["shape"])
    if raw["dtype"] not in _SIZES or not all(type(n) is int and n >= 0 for n in (*shape, start, stop)):
        raise ValueError(f"dtype {raw['dtype']!r}, shape {list(shape)}, offsets {[start, stop]}")
    if stop - start != math.prod(shape) * _SIZES[raw["dtype"]]:
        raise ValueError(f"{stop - start} bytes for the shape {list(shape)} of {raw['dtype']}")
    return TensorEntry(dtype=raw["dtype"], shape=shape, start=start, stop=stop)


def _check_cover(entries: Mapping[str, TensorEntry], size: int, shown: str) -> None:
    reached = 0
    for entry in sorted(entries.values(), key=lambda entry: (entry.start, entry.stop)):
        if entry.start != reached:
            raise UnreadableError(f"{shown}: tensors overlap or leave a gap at byte {reached}; make it again")
        reached = entry.stop
    if reached != size:
        raise UnreadableError(f"{shown}: {size} bytes of numbers where the header says {reached}; make it again")
