"""Where a command writes: what it unpacks lies there, and what it made and left empty goes again."""

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def output_of(arguments: argparse.Namespace) -> Iterator[None]:
    """Within this block temporary folders lie beside the results; without results, in the system's temporary folder.

    A command that was refused, or ended before it wrote anything, leaves no folder that was not there before.
    """
    output = getattr(arguments, "output", None)
    if not isinstance(output, Path):
        yield
        return
    from medkt.io.scratch import scratch_in

    whole = Path(os.path.abspath(output))
    new = [one for one in (whole, *whole.parents) if not os.path.lexists(one)]
    try:
        with scratch_in(output):
            yield
    finally:
        if new:
            _remove_empty(whole, new)


def _remove_empty(whole: Path, new: list[Path]) -> None:
    """The folders at and below `whole`, where no file lies in any of them, and then those above."""
    if any(files for _, _, files in os.walk(whole)):
        return
    for folder, _, _ in os.walk(whole, topdown=False):
        with suppress(OSError):
            os.rmdir(folder)
    with suppress(OSError):  # the first that holds something stays, and those above it
        for above in new[1:]:
            os.rmdir(above)
