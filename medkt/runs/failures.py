"""Why a case failed: a kind, a code and numbers to write down, and words for the terminal of whoever started the run.

A run is kept and passed on, while messages of readers name files and may quote headers. So what is written is made of
nothing that was read (`medkt.codes`); the message itself is shown once and stored nowhere.
"""

import re
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from medkt.codes import Number, code_of
from medkt.errors import (
    AmbiguousInputError,
    GeometryError,
    InputError,
    MedktError,
    MissingDependencyError,
    NumericalError,
    UnreadableError,
    UnsupportedError,
    WeightsError,
)

FailureKind = Literal["unreadable", "unsupported", "geometry", "model", "memory", "timeout", "crash"]
KINDS: tuple[FailureKind, ...] = get_args(FailureKind)
LONGEST_WORDS = 600
_NO_MEMORY = re.compile(
    r"DefaultCPUAllocator|can't allocate memory|not enough memory|CUDA out of memory|std::bad_alloc"
)
_PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What is written down of a failed case.

    Attributes:
        kind: one of `KINDS`.
        code: one of `medkt.codes.SENTENCES`.
        numbers: that the code's sentence takes.
    """

    kind: FailureKind
    code: str
    numbers: Mapping[str, Number] = field(default_factory=dict)


def failure_of(error: BaseException, stage: str = "") -> Failure:
    """What is written down of an error; `stage` is "read", "compute" or "write"."""
    kind = kind_of(error, stage)
    if kind == "memory":
        return Failure(kind=kind, code="memory")
    code, numbers = code_of(error)
    place = _place(error) if kind == "crash" else None
    return Failure(kind=kind, code=code, numbers=numbers if place is None else {**numbers, "line": place[1]})


def words_of(error: BaseException) -> str:
    """What the error says, in one line, for the terminal alone; of a foreign one its type and where it came from."""
    said = " ".join(str(error).split())
    if not isinstance(error, MedktError):
        place = _place(error)
        where = f" in {place[0]}, line {place[1]}" if place else ""
        said = f"{type(error).__name__}{where}" + (f": {said}" if said else "")
    return said if len(said) <= LONGEST_WORDS else f"{said[: LONGEST_WORDS - 3]}..."


def _place(error: BaseException) -> tuple[str, int] | None:
    """The function of medkt that an error came through last, and the line."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if _PACKAGE in Path(frame.filename).resolve().parents]
    return (ours[-1].name, ours[-1].lineno or 0) if ours else None


def kind_of(error: BaseException, stage: str = "") -> FailureKind:
    """The word for an error; `stage` is "read", "compute" or "write".

    An error that medkt does not raise on purpose is a `crash`: a bug of ours or of a library.
    """
    if _is_memory(error) or _is_memory(error.__cause__) or getattr(error, "code", "") == "memory":
        return "memory"
    if isinstance(error, GeometryError):
        return "geometry"
    if isinstance(error, UnsupportedError | AmbiguousInputError | MissingDependencyError):
        return "unsupported"
    if isinstance(error, UnreadableError):
        return "unreadable"
    if isinstance(error, InputError):  # of a file that could be read: nothing in it that can be looked at
        return "unreadable" if stage == "read" else "unsupported"
    if isinstance(error, NumericalError | WeightsError):
        return "model"
    return "crash"


def _is_memory(error: BaseException | None) -> bool:
    # torch's error for a full GPU is named, not imported: this module must not load torch
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return type(error) is RuntimeError and bool(_NO_MEMORY.search(str(error)))
