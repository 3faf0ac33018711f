"""One place where what goes wrong inside a reading library becomes a typed error of one line."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from medkt.errors import InputError, MedktError, UnreadableError


@contextmanager
def reading(shown: str, what: str, *, explain: bool = False) -> Iterator[list[str]]:
    """Run a library call on a file that may hold anything; the list given fills with the library's warnings.

    Only calls into libraries belong inside: they raise whatever a damaged file makes them raise, while a mistake of our
    own must show its trace. `explain` adds the library's words; headers are read without, for they may quote a patient.

    Raises:
        UnreadableError: `what` could not be done with the file `shown`.
        InputError: the file asks for more memory than there is.
    """
    notes: list[str] = []
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield notes
        if explain:
            notes.extend(dict.fromkeys(one_line(str(warning.message)) for warning in caught))
    except MedktError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{shown}: there is no such file", code="no-such-file") from error
    except PermissionError as error:
        raise InputError(f"{shown}: no permission to read it", code="no-permission") from error
    except MemoryError as error:
        raise InputError(f"{shown}: does not fit into memory", code="memory") from error
    except Exception as error:
        because = f": {one_line(str(error))}" if explain and str(error) else ""
        raise UnreadableError(
            f"{shown}: {what} failed ({type(error).__name__}{because}). It is damaged, cut off or not of its kind; "
            "export it again",
            code="reading-failed",
        ) from error


def one_line(text: str, longest: int = 160) -> str:
    """The text on one line, cut to `longest` characters."""
    flat = " ".join(text.split())
    return flat if len(flat) <= longest else flat[: longest - 3] + "..."
