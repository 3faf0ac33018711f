"""What a process apart and the one that asked it say to each other: a header of JSON, and the bytes of an array behind it.

The process apart handles files that nobody trusts, so nothing that it says is executed here, as unpickling would: it gives
numbers and words, and both are looked at.
"""

import json
import math
import re
from dataclasses import dataclass
from io import BufferedReader
from typing import Any

import numpy as np

from medkt import errors
from medkt.bounds import budget
from medkt.errors import MedktError
from medkt.shapes import Array

LONGEST_HEADER = 1 << 20
_LENGTH = 4  # bytes
_TYPES = re.compile(r"\|b1|[<|>][iu][1248]|[<>]f[248]")


class EndedError(Exception):
    """The other process is gone, or says what it could not say in its right mind."""


@dataclass(frozen=True, slots=True, eq=False)
class Message:
    """One thing said: what it is, and the array that came with it."""

    header: dict[str, Any]
    array: Array | None = None


def told(error: MedktError) -> dict[str, Any]:
    """An error as it goes over the wire."""
    numbers = {name: value for name, value in error.numbers.items() if isinstance(value, int | float)}
    return {"error": type(error).__name__, "words": str(error), "code": error.code, "numbers": numbers}


def raised(header: dict[str, Any], known: dict[str, type[MedktError]]) -> MedktError:
    """The error again; one of no known class is a plain `MedktError`."""
    own = getattr(errors, str(header["error"]), None)
    kind = known.get(str(header["error"])) or (
        own if isinstance(own, type) and issubclass(own, MedktError) else MedktError
    )
    numbers = {str(name): value for name, value in header["numbers"].items() if isinstance(value, int | float)}
    return kind(str(header["words"]), code=str(header["code"]), **numbers)


def packed(header: dict[str, Any], array: Array | None = None) -> tuple[bytes, Array | None]:
    """The bytes of a header, which says what array follows, and that array in one piece."""
    if array is not None:
        array = np.ascontiguousarray(array)
        header = {**header, "dtype": array.dtype.str, "shape": list(array.shape)}
    words = json.dumps(header, allow_nan=False).encode()
    return len(words).to_bytes(_LENGTH, "big") + words, array


def heard(stream: BufferedReader) -> Message:
    """The next thing said.

    Raises:
        EndedError: the stream ends, or what it holds is nothing that is said here.
        InputError: an array larger than the budget.
    """
    length = int.from_bytes(_exactly(stream, _LENGTH), "big")
    if length > LONGEST_HEADER:
        raise EndedError
    try:
        header = json.loads(_exactly(stream, length))
        if "dtype" not in header:
            return Message(header)
        kind, shape = str(header["dtype"]), tuple(int(side) for side in header["shape"])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise EndedError from error
    if not _TYPES.fullmatch(kind) or len(shape) > 4 or min(shape, default=0) < 0:
        raise EndedError
    budget().require_bytes(math.prod(shape) * np.dtype(kind).itemsize, "the decoded pixels")
    array = np.empty(shape, dtype=kind)
    _fill(stream, bytes_of(array))
    return Message(header, array)


def _exactly(stream: BufferedReader, count: int) -> bytes:
    found = bytearray(count)
    _fill(stream, memoryview(found))
    return bytes(found)


def bytes_of(array: Array) -> memoryview:
    """The memory of an array that is in one piece."""
    return array.reshape(-1).view(np.uint8).data


def _fill(stream: BufferedReader, left: memoryview) -> None:
    while len(left):
        count = stream.readinto(left)
        if not count:
            raise EndedError
        left = left[count:]
