"""A file that is read within its own size: a length in a damaged header is not allocated before it is seen to be wrong."""

import io
import os
from pathlib import Path
from typing import Any

from pydicom import Dataset, dcmread

_SMALL = 1 << 16


class FileWithin(io.BufferedReader):
    """A binary file whose `read` never asks for more than there is left; Python would reserve four gigabytes for four bytes."""

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path))
        self._size = os.fstat(self.fileno()).st_size

    def read(self, size: Any = -1, /) -> bytes:
        if size is not None and size > _SMALL:
            size = min(size, max(0, self._size - self.tell()))
        return super().read(size)


def whole_dicom(path: Path) -> Dataset:
    """A DICOM file with its pixels, whatever its lengths say."""
    with FileWithin(path) as file:
        return dcmread(file, force=True)
