"""Why a case failed, in one of a few words, and in a sentence that names no patient and no path.

Messages of readers name files and may quote headers. A run is kept and passed on, so what is quoted, looks like a path,
a file name, a UID, a date or a long number is taken out before anything is written down.
"""

import re
import traceback
from pathlib import Path
from typing import Literal, get_args

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
LONGEST_MESSAGE = 300

_SEVERAL = "holds several series or volumes; name one in the manifest's column series or volume"
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`")
_PATH = re.compile(r"(?:[A-Za-z]:)?[^\s:;,()]*[/\\][^\s:;,()]*")
_FILE = re.compile(r"\b[\w^.-]+\.(?:dcm|nii|gz|hdr|img|png|jpe?g|tiff?|bmp|zip|ima|dicom|csv|parquet)\b", re.IGNORECASE)
_NUMBERS = re.compile(r"\b\d+(?:\.\d+){3,}\b|\b\d{4}-\d{2}-\d{2}\b|\b\d{6,}\b|\b\w+(?:\^\w*)+")


def kind_of(error: BaseException, stage: str = "") -> FailureKind:
    """The word for an error; `stage` is "read", "compute" or "write".

    An error that medkt does not raise on purpose is a `crash`: a bug of ours or of a library.
    """
    if _is_memory(error) or _is_memory(error.__cause__):
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


def message_of(error: BaseException, *known: str) -> str:
    """What may be written down of an error; `known` are texts that must not appear, such as the case's paths."""
    if isinstance(error, AmbiguousInputError):  # lists descriptions and UIDs
        return _SEVERAL
    if isinstance(error, MedktError):
        return scrubbed(str(error), *known)
    if _is_memory(error):
        return "does not fit into memory"
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "medkt" in Path(frame.filename).parts]
    where = f" in {ours[-1].name}, line {ours[-1].lineno}" if ours else ""
    return f"{type(error).__name__}{where}"  # the words of a foreign error may quote a header


def scrubbed(text: str, *known: str) -> str:
    """The text on one line without quotations, paths, file names, UIDs, dates, person names and long numbers."""
    for secret in sorted({one for one in known if len(one) > 1}, key=len, reverse=True):
        text = text.replace(secret, "the file")
    for pattern, instead in ((_QUOTED, "..."), (_PATH, "the file"), (_FILE, "a file"), (_NUMBERS, "...")):
        text = pattern.sub(instead, text)
    flat = " ".join(re.sub(r"^(?:the file|a file)(?: *: *)", "", text).split())
    return flat if len(flat) <= LONGEST_MESSAGE else f"{flat[: LONGEST_MESSAGE - 3]}..."


def _is_memory(error: BaseException | None) -> bool:
    # torch's error for a full GPU is named, not imported: this module must not load torch
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
