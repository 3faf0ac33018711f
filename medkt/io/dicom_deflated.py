"""DICOM files that are deflated as a whole: how large they become is counted before the library holds it all in memory."""

import zlib
from pathlib import Path

from pydicom.filereader import _read_file_meta_info, read_preamble
from pydicom.uid import DeflatedExplicitVRLittleEndian

from medkt.bounds import budget
from medkt.io.guard import reading
from medkt.io.within import FileWithin

_CHUNK = 1 << 20


def require_inflated_size(path: Path, shown: str) -> None:
    """That a file in the deflated transfer syntax becomes no larger than the budget allows; any other file passes.

    Raises:
        InputError: it becomes larger. UnreadableError: it is damaged.
    """
    with reading(shown, "reading the DICOM header"), FileWithin(path) as file:
        read_preamble(file, True)  # as the library will, so that both mean the same bytes
        if _read_file_meta_info(file).get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
            return
        unpacker, count = zlib.decompressobj(-zlib.MAX_WBITS), 0
        while packed := unpacker.unconsumed_tail or file.read(_CHUNK):
            count += len(unpacker.decompress(packed, _CHUNK))
            budget().require_bytes(count, shown)
            if unpacker.eof:
                return
