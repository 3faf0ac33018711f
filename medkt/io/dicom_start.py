"""Whether a file is DICOM, by its first bytes; without the library that reads it."""

from pathlib import Path

_STARTS = (b"\x02\x00", b"\x08\x00", b"\x00\x08", b"\x00\x02")  # group 2 or 8 first, either byte order


def looks_like_dicom(path: Path) -> bool:
    """Whether the file has the DICOM prefix, or begins as files do that were written without it."""
    if path.exists() and not path.is_file():  # a pipe has no writer, a device no end
        return False
    try:
        with path.open("rb") as file:
            start = file.read(132)
    except OSError:
        return False
    if start[128:132] == b"DICM":
        return True
    return (
        len(start) >= 16
        and start[:2] in _STARTS
        and start[3:4] == b"\x00"
        and start[2] in (0, 1, 2, 3, 5, 8, 16, 18, 22, 24)
    )
