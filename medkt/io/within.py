"""A file that is read within its own size: a length in a damaged header is not allocated before it is seen to be wrong."""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydicom import Dataset, dcmread

_SMALL = 1 << 16
_ELEMENT = 8  # bytes of a tag, its kind and its length; none of them are left at the end of a sound file


class FileWithin(io.BufferedReader):
    """A binary file whose `read` never asks for more than there is left; Python would reserve four gigabytes for four bytes.

    Attributes:
        short: whether less was left than was asked for, other than the eight bytes with which the next element begins.
    """

    def __init__(self, path: Path, *, rest: Callable[[bytes], None] | None = None) -> None:
        """`rest` is given what is read where all that is left is asked for, before whoever asks has it."""
        super().__init__(io.FileIO(path))
        self._size = os.fstat(self.fileno()).st_size
        self._rest = rest
        self.short = False

    def read(self, size: Any = -1, /) -> bytes:
        if size is not None and size > _SMALL:
            left = max(0, self._size - self.tell())
            self.short = self.short or left < size
            return super().read(min(size, left))
        found = super().read(size)
        if self._rest is not None and (size is None or size < 0):
            self._rest(found)
        self.short = self.short or (size is not None and len(found) < size != _ELEMENT)
        return found


def whole_dicom(path: Path, *, rest: Callable[[bytes], None] | None = None) -> Dataset:
    """A DICOM file with its pixels, whatever its lengths say; `rest` as for `FileWithin`."""
    with FileWithin(path, rest=rest) as file:
        return dcmread(file, force=True)
