"""Volumes by number, where a file has no names for them: NIfTI, pages of a TIFF."""

from medkt.errors import InputError


def number_of(volume: int | str) -> int | None:
    """The number that is meant, None for a name."""
    if isinstance(volume, int):
        return volume
    words = volume.strip()
    return int(words) if words.isascii() and words.isdecimal() else None


def counted(volume: int | str | None, count: int, shown: str, *, what: str) -> int | None:
    """The number that is meant, from 1; None where none is.

    Args:
        volume: as the user gave it.
        count: how many there are.
        shown: how to name the file in messages.
        what: what is counted, "volume" or "page".

    Raises:
        InputError: a name, or a number that there is not.
    """
    if volume is None:
        return None
    number = number_of(volume)
    if number is None:
        raise InputError(
            f"{shown}: no {what} is called {volume!r}; such a file names none, so give a number from 1 to {count}"
        )
    if not 1 <= number <= count:
        raise InputError(
            f"{shown}: no {what} {number}; --volume counts from 1 to {count}", code="no-such-volume", volumes=count
        )
    return number
