"""DICOM files that are deflated as a whole: how large they become is counted before the library holds it all in memory."""

import zlib

from medkt.bounds import budget

_CHUNK = 1 << 20


def require_inflated(packed: bytes, shown: str) -> None:
    """That what is left of a file in the deflated transfer syntax becomes no larger than the budget allows.

    It is given to `medkt.io.within.FileWithin`: the library asks for all that is left of a file in this syntax alone, just before
    it unpacks it at once.

    Raises:
        InputError: it becomes larger.
        zlib.error: it is damaged, as the library will find, too.
    """
    unpacker, count = zlib.decompressobj(-zlib.MAX_WBITS), 0
    while packed and not unpacker.eof:
        count += len(unpacker.decompress(packed, _CHUNK))
        budget().require_bytes(count, shown)
        packed = unpacker.unconsumed_tail
