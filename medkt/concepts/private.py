"""What must not stand in a file that is passed on: paths, times of day, addresses, pictures, scripts."""

import re

from medkt.errors import InputError

# what, and how it is recognised
_TRACES = {
    "a path of a machine": re.compile(
        r"(?<![\w/.])(?:/(?:home|Users|root|tmp|var|mnt|data|media|opt|work|srv|scratch|gpfs|nfs)/[\w.-]|~/[\w.-])"
        r"|\b[A-Za-z]:\\\\?\w|\\\\\\\\\w|file://",
    ),
    "a time of day": re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}|\b(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\b"),
    "an e-mail address": re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+"),
    "a picture": re.compile(r"<img\b|<image\b|data:image|!\[[^\]]*\]\(", re.IGNORECASE),
    "a script": re.compile(r"<script\b|javascript:|<iframe\b|<object\b|<embed\b|\son\w+\s*=\s*[\"']", re.IGNORECASE),
}


def require_no_traces(name: str, text: str) -> None:
    """That a text member of a package tells nothing of a machine, a user or a patient.

    Raises:
        InputError: it does; says what, in which member and line.
    """
    for what, pattern in _TRACES.items():
        if match := pattern.search(text):
            line = text[: match.start()].count("\n") + 1
            raise InputError(
                f"{name}:{line}: holds {what} ({match.group().strip()[:20]!r}...); a package carries words, numbers and "
                "weights only, leave it out"
            )
