"""How much one input may hold. Files state sizes; what they state is compared with this before anything is allocated."""

import os
import re
from dataclasses import dataclass
from functools import lru_cache

from medkt.errors import InputError, SettingsError

VARIABLE = "MEDKT_MAX_BYTES"
SECONDS = "MEDKT_DECODE_SECONDS"
MOST_BYTES = 8 * 2**30
SHARE_OF_MEMORY = 4
MOST_FRAMES = 100_000
DECODE_SECONDS = 300
QUERY = "MEDKT_QUERY_SECONDS"
QUERY_SECONDS = 600
_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What one image may take once it is decoded.

    Attributes:
        most_bytes: of its voxels, or of a file that is unpacked in memory. Working on them takes a few times as much.
        most_frames: pictures of one series.
        decode_seconds: for the pixels of a file in a process apart, beside a second for each MiB of them.
        query_seconds: for one question of `medkt query`.
    """

    most_bytes: int = MOST_BYTES
    most_frames: int = MOST_FRAMES
    decode_seconds: int = DECODE_SECONDS
    query_seconds: int = QUERY_SECONDS

    def require_bytes(self, count: int, shown: str) -> None:
        """That so many bytes may be held.

        Raises:
            InputError: they may not; says how many, and how to raise the limit.
        """
        if count > self.most_bytes:
            raise InputError(
                f"{shown}: takes {_said(count)} once decoded, more than the {_said(self.most_bytes)} that one image may take; "
                f"where the machine has the memory, set {VARIABLE}, such as {VARIABLE}={_next_size(count)}GiB",
                code="over-budget", needed_mib=-(-count // 2**20), allowed_mib=self.most_bytes >> 20,
            )  # fmt: skip

    def require_frames(self, count: int, shown: str) -> None:
        """That a series may have so many frames.

        Raises:
            InputError: it may not.
        """
        if count > self.most_frames:
            raise InputError(
                f"{shown}: says {count} frames, more than {self.most_frames}; export it as several series",
                code="too-many-frames", frames=count, most=self.most_frames,
            )  # fmt: skip


def budget() -> Budget:
    """The budget of this process: `MEDKT_MAX_BYTES`, else the smaller of 8 GiB and a quarter of the machine's memory.

    Raises:
        SettingsError: `MEDKT_MAX_BYTES` is no size, or `MEDKT_DECODE_SECONDS` or `MEDKT_QUERY_SECONDS` no time.
    """
    said = (os.environ.get(variable, "").strip() for variable in (VARIABLE, SECONDS, QUERY))
    return _budget(*said, _memory())


@lru_cache(maxsize=1)
def _budget(size: str, decode: str, query: str, memory: int) -> Budget:
    """Made anew where the environment says otherwise: it is asked for several times a file."""
    most = bytes_of(size) if size else min(MOST_BYTES, max(2**28, memory // SHARE_OF_MEMORY))
    return Budget(
        most_bytes=most, decode_seconds=_seconds(SECONDS, decode, DECODE_SECONDS),
        query_seconds=_seconds(QUERY, query, QUERY_SECONDS),
    )  # fmt: skip


def _seconds(variable: str, said: str, usual: int) -> int:
    stated = said or str(usual)
    if not re.fullmatch(r"\d{1,6}", stated) or int(stated) < 1:
        raise SettingsError(f"{variable}={stated}: expected a whole number of seconds above 0, such as 600")
    return int(stated)


def bytes_of(text: str) -> int:
    """`"12GiB"`, `"12G"` or `"12884901888"` as bytes; a unit is a power of 1024.

    Raises:
        SettingsError: it is no size, or not above 0.
    """
    found = re.fullmatch(r"(\d{1,15}(?:\.\d{1,6})?) ?([kmgt]?)(?:i?b)?", text.strip().lower())
    count = int(float(found[1]) * _UNITS[found[2]]) if found else 0
    if count < 1:
        raise SettingsError(f"{VARIABLE}={text}: expected a number of bytes above 0, such as 16GiB")
    return count


def _memory() -> int:
    """Bytes of memory that this machine has; where it does not say, as if it had what the fixed limit asks for."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return MOST_BYTES * SHARE_OF_MEMORY


def _said(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"


def _next_size(count: int) -> int:
    return -(-count // 2**30)
