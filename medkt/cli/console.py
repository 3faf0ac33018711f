r"""What is printed reaches any console: no character ends a run, and nothing that stands in a file steers the terminal.

A console or a pipe may know few characters (cp437, cp932, ASCII), and a file's name need not be text at all. What
cannot be shown is written plainly ("mm2") or as an escape ("\u80ba", "\xe9" for a byte of a name). Control characters
come from files and names only, so they are written as escapes too; what draws on purpose takes `drawing_on`.
"""

import codecs
import io
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

_HANDLER = "medkt-console"
_PLAIN = {
    "²": "2",
    "³": "3",
    "–": "-",
    "—": "-",
    "−": "-",
    "·": ".",
    "…": "...",
    "×": "x",
    "±": "+-",
    "≤": "<=",
    "≥": ">=",
    "’": "'",
    "‘": "'",
    "“": "'",
    "”": "'",
    "\xa0": " ",
    "µ": "u",
    "→": "->",
}  # fmt: skip ; none of them is a double quote or a backslash, which would end or change a string of JSON
# of C0 the ends of lines and tabs stay; of the rest those that a terminal obeys or that turn the order of letters
_STEERING = [*range(0x20), 0x7F, *range(0x80, 0xA0), *range(0x2028, 0x202F), *range(0x2066, 0x206A)]
_STEERING = [code for code in _STEERING if chr(code) not in "\n\t"]


@contextmanager
def any_console() -> Iterator[None]:
    """Within this block standard output and error take any text."""
    kept = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (_tolerant(stream) for stream in kept)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = kept


def drawing_on(stream: Any) -> Any:
    """The stream below, for what moves the cursor or paints; words from files go through `shown` first."""
    return stream.below if isinstance(stream, _Console) else stream


def shown(text: str) -> str:
    r"""The text with every control character as an escape.

    >>> shown("a\x1b[31mb")
    'a\\u001b[31mb'
    """
    return text.translate(_ESCAPES)


class _Console(io.TextIOBase):
    """A stream that escapes control characters and is otherwise the one below."""

    def __init__(self, below: Any) -> None:
        self.below = below

    def write(self, text: str, /) -> int:
        self.below.write(shown(text))
        return len(text)

    def writelines(self, lines: Iterable[str], /) -> None:  # type: ignore[override]
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        self.below.flush()

    def close(self) -> None:
        self.below.close()

    def fileno(self) -> int:
        return int(self.below.fileno())

    def isatty(self) -> bool:
        return bool(self.below.isatty())

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return str(self.below.encoding)

    def __del__(self) -> None:
        """The stream below is not ours to close."""


def _tolerant(stream: Any) -> Any:
    if stream is None or isinstance(stream, _Console):  # a program without a console has none
        return stream
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors=_HANDLER)
    return _Console(stream)


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file's name that is no text
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x10000:
        return f"\\u{code:04x}"
    return f"\\u{0xD7C0 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"  # two halves, as JSON writes it


def _replaced(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end]
    return "".join(_PLAIN.get(one) or _escape(one) for one in lost), error.end


_ESCAPES = {code: _escape(chr(code)) for code in _STEERING}
codecs.register_error(_HANDLER, _replaced)
