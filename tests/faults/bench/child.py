"""One input in a process of its own, with limits of memory and time; what became of it is a word and a line.

done      something was read
refused   a `MedktError`, whose message is one line that a person can read
crash     the process was ended by a signal
hang      more seconds of the processor, or ten times as many of the clock, than allowed
memory    the limit was met before the budget (`MEDKT_MAX_BYTES`) said no
trace     another exception
words     a message of several lines or of no end, or words of a library on the terminal
silent    something was read that differs from the sound input, although the damage can be seen (see `attacks`)
"""

import faulthandler
import importlib
import json
import logging
import os
import resource
import select
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from medkt.cli.main import _set_up_logging
from medkt.errors import LONGEST, MedktError

Door = Callable[[Path], object]
"""Reads an input and gives what came of it, in a form whose `repr` says all of it."""
SOUND = ("done", "refused")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one input may take.

    Attributes:
        memory_mib: of address space, beyond what this process has.
        budget: what `MEDKT_MAX_BYTES` says meanwhile; far below the memory.
        seconds: of the processor; of the clock ten times as many, for the machine may be busy.
    """

    memory_mib: int = 1536
    budget: str = "64MiB"
    seconds: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """What became of one input: the word, a line, what was read, and the memory it took beyond what was taken before."""

    verdict: str
    said: str = ""
    result: str = ""
    peak_mib: int = 0

    @property
    def kind(self) -> str:
        """Findings of one kind have one cause, as far as the last lines tell."""
        return f"{self.verdict}: {self.said.split(' | ')[0]}"


def warm(door: Door, path: Path) -> End:
    """Import here what a door imports to read a sound input, so that each child need not; gives how that ended.

    Nothing is read in this process: a library's threads would not live on in a child.
    """
    with tempfile.NamedTemporaryFile("r") as names:

        def noting(given: Path) -> object:
            try:
                return door(given)
            finally:
                Path(names.name).write_text("\n".join(sys.modules))

        end = end_of(noting, path, Limits(memory_mib=1 << 14, seconds=120))
        missing = [name for name in names.read().splitlines() if name not in sys.modules]
    with warnings.catch_warnings(action="ignore"):
        for name in missing:
            with suppress(Exception):
                importlib.import_module(name)
    return end


def end_of(door: Door, path: Path, limits: Limits | None = None) -> End:
    """Let a door read an input, and say how it ended."""
    limits = limits or Limits()
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if not child:
        os.close(reader)
        _live(door, path, writer, limits)
    os.close(writer)
    told = _listen(reader, time.monotonic() + 10 * limits.seconds)
    os.close(reader)
    if told is None:
        os.killpg(child, signal.SIGKILL)
    _, status, used = os.wait4(child, 0)
    before, _, ended = (told or b"0\n").partition(b"\n")
    peak = max(0, (used.ru_maxrss >> 10) - int(before or 0))
    return replace(_verdict(None if told is None else ended, status), peak_mib=peak)


def _resident_mib() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() >> 20


def _listen(reader: int, until: float) -> bytes | None:
    """All that the child says; None where it does not come to an end."""
    told = b""
    while (left := until - time.monotonic()) > 0:
        if select.select([reader], [], [], left)[0]:
            part = os.read(reader, 1 << 16)
            if not part:
                return told
            told += part
    return None


def _verdict(told: bytes | None, status: int) -> End:
    if told is None:
        return End(verdict="hang", said="the clock")
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number == signal.SIGXCPU:
            return End(verdict="hang", said="the processor")
        return End(verdict="crash", said=signal.Signals(number).name)
    return End(**json.loads(told)) if told else End(verdict="crash", said=f"exit {os.WEXITSTATUS(status)}")


def _live(door: Door, path: Path, writer: int, limits: Limits) -> NoReturn:
    """The child: it reads, says what came of it, and ends without anything of its parent's being done."""
    try:
        os.setpgid(0, 0)
        faulthandler.disable()  # pytest's, which would print the crash that is looked for
        noise = _prepare(limits)
        os.write(writer, f"{_resident_mib()}\n".encode())
        end = _read(door, path)
        if end.verdict in SOUND and (words := _words_in(noise)):
            end = End(verdict="words", said=f"on the terminal: {words}")
        os.write(writer, json.dumps({"verdict": end.verdict, "said": end.said, "result": end.result}).encode())
    finally:
        os._exit(0)


def _prepare(limits: Limits) -> int:
    """Set the limits and give the file that takes standard output and error, set up as the command line does."""
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    noise = os.memfd_create("noise")
    for stream in (1, 2):
        os.dup2(noise, stream)
    sys.stdout, sys.stderr = (os.fdopen(os.dup(noise), "w", buffering=1) for _ in range(2))
    os.environ["MEDKT_MAX_BYTES"] = limits.budget
    os.environ.setdefault("MEDKT_DECODE_APART", "never")  # this is a process apart, and a codec's crash is to be seen
    warnings.resetwarnings()
    logging.raiseExceptions = False
    _set_up_logging(quiet=False, verbose=False)
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    for what, most in (
        (resource.RLIMIT_AS, mapped + (limits.memory_mib << 20)),
        (resource.RLIMIT_CPU, limits.seconds),
        (resource.RLIMIT_FSIZE, limits.memory_mib << 20),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, resource.getrlimit(what)[1]))
    return noise


def _read(door: Door, path: Path) -> End:
    try:
        return End(verdict="done", result=repr(door(path)))
    except MedktError as error:
        return _refused(error)
    except MemoryError:
        return End(verdict="memory", said=_where(sys.exc_info()[1]))
    except BaseException as error:
        return End(verdict="trace", said=f"{_where(error)} | {' '.join(str(error).split())[:300]}")


def _refused(error: MedktError) -> End:
    said = str(error)
    if error.code == "memory" or "not fit into memory" in said:
        return End(verdict="memory", said=f"{_where(error)} | {said[:300]}")
    if not said.strip() or "\n" in said.strip() or len(said) > LONGEST:
        return End(verdict="words", said=f"{len(said.splitlines())} lines, {_where(error)} | {said[:300]}")
    return End(verdict="refused", said=said)


def _where(error: BaseException | None) -> str:
    """The kind of the error, and the last lines of medkt that it came through."""
    frames = traceback.extract_tb(error.__traceback__) if error else []
    own = [f"{Path(one.filename).name}:{one.name}" for one in frames if "/medkt/" in one.filename]
    return f"{type(error).__name__} in {' > '.join(own[-2:])}"


def _words_in(noise: int) -> str:
    """What stands on the terminal and is none of medkt's own lines, which begin with its name."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.lseek(noise, 0, os.SEEK_SET)
    lines = os.read(noise, 1 << 16).decode("utf-8", "replace").splitlines()
    return " / ".join(line for line in lines if line.strip() and not line.startswith("medkt: "))[:200]
