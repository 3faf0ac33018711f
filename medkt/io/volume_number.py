"""Volumes by number, where a file has no names for them: NIfTI, pages of a TIFF."""

from collections.abc import Sequence

from medkt.errors import AmbiguousInputError, InputError


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


def which_of(volume: int | str | None, count: int, shape: Sequence[int], shown: str) -> int:
    """The index of the volume that is meant, from 0; that of the only one where none is.

    Args:
        volume: as the user gave it.
        count: how many there are.
        shape: of each, for the message.
        shown: how to name the file in messages.

    Raises:
        AmbiguousInputError: there are several and none is meant. InputError: as `counted`.
    """
    if volume is None and count > 1:
        raise AmbiguousInputError(
            f"{shown}: {count} volumes of shape {tuple(shape)}; choose one with --volume 1 to {count}",
            code="several-volumes",
            volumes=count,
        )
    return (counted(volume, count, shown, what="volume") or 1) - 1
