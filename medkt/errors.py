"""Every error that medkt raises on purpose.

Each is a `MedktError` and also the built-in that a caller would expect. The message says what was wrong,
in which file, and what to do. The command line prints it as one line and exits with `exit_code`.

The message is for the terminal alone: it names files, and may quote them. What is written down of an error is its
`code`, for which `medkt.codes` has a sentence, and its `numbers`.
"""

import re

LONGEST = 4000  # characters of a message
# of any kind, with the blanks around them: what a file or a library says may hold some, a message is one line
_LINE_ENDS = re.compile(r"\s*[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]\s*")


class MedktError(Exception):
    """Base of every error raised on purpose. The command line shows it as one line, without a trace."""

    exit_code: int = 2

    def __init__(self, *words: object, code: str = "", **numbers: object) -> None:
        """`code` is a word of `medkt.codes.SENTENCES`, or "" where only the class is written down; `numbers` its sentence takes."""
        super().__init__(*(_line(word) if isinstance(word, str) else word for word in words))
        self.code, self.numbers = code, numbers


def _line(text: str) -> str:
    """On one line that has an end, with its beginning and what to do: files and libraries may say lines, or megabytes."""
    line = _LINE_ENDS.sub(" ", text[:LONGEST] + text[LONGEST:][-LONGEST:])
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1000]} ... {line[-900:]}"


class InputError(MedktError, ValueError):
    """An input file or argument cannot be used as given."""


class UnreadableError(InputError):
    """A file is damaged, truncated or not of the kind that its name says."""


class IncompleteError(UnreadableError):
    """A part of the input is empty, cut, unreadable or not there; `allow_incomplete` reads the rest."""


class UnsupportedError(InputError):
    """A file is sound but holds something that medkt does not handle (no pixels, whole-slide, a missing codec)."""


class AmbiguousInputError(InputError):
    """An input holds several candidates and the user must choose (several series, a 4-D volume). Exit code 3."""

    exit_code = 3


class GeometryError(InputError):
    """Voxels without a usable place: missing slices, tilt, mixed orientations, a singular affine."""


class GeometryMismatchError(GeometryError):
    """Two things that must share one grid do not."""


class SettingsError(MedktError, ValueError):
    """A setting has an unknown name, a wrong type or a value out of range."""


class UnknownNameError(MedktError, LookupError):
    """A model, concept, domain or preset of that name does not exist; the message lists those that do."""


class WeightsError(MedktError, ValueError):
    """A checkpoint is missing, is not what it claims to be, or has missing or unexpected keys."""


class MissingDependencyError(MedktError, ImportError):
    """An optional package is not installed; the message names the extra that brings it."""


class ExtensionError(MissingDependencyError):
    """An installed package adds something to medkt that cannot be used: it is broken, of another kind, or its name is taken."""


class OutputError(MedktError, OSError):
    """A result cannot be written: no permission, no space, a file stands where a folder should."""


class NumericalError(MedktError, ArithmeticError):
    """A computation gave NaN or infinity where a number was expected."""


class ForgettingError(MedktError, ValueError):
    """A learned concept makes the model forget more of what it knew than was allowed."""


class NotCarriedError(MedktError, ValueError):
    """Learning did not carry the words: the audit's answer is no. Exit code 6."""

    exit_code = 6
