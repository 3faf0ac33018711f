"""Decoding in a process apart: a codec that crashes, hangs or takes all memory there ends that process, and a line says so.

What is large or strange goes there, see `docs/reference/limits.md`. One process serves all files of a series and the series
after it. What it decodes comes back through a pipe, so nothing of a patient is written anywhere on the way.
"""

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from io import BufferedReader
from types import TracebackType
from typing import Any

from medkt.bounds import budget
from medkt.errors import InputError, MedktError, SettingsError, UnreadableError
from medkt.io.apart_wire import EndedError, Message, heard, raised

VARIABLE = "MEDKT_DECODE_APART"
LARGE = 64 << 20  # bytes, decoded: below, what is ordinary is decoded at once
START_SECONDS = 120
_CHILD = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from medkt.io.apart_child import main; main()"
_AHEAD = 4  # files that are asked for before the first has come
_TIMES_A_PICTURE = 16  # codecs hold a picture several times, in wider types
_TIMES_ALL = 4
_PIPE = 1 << 20
_LOOK_SECONDS = 0.2


def goes_apart(*, large: bool, strange: bool) -> bool:
    """Whether a file is decoded in a process apart: `MEDKT_DECODE_APART` is `auto`, `always` or `never`.

    Raises:
        SettingsError: it is something else.
    """
    stated = os.environ.get(VARIABLE, "").strip().lower() or "auto"
    if stated not in ("auto", "always", "never"):
        raise SettingsError(f"{VARIABLE}={stated}: expected auto, always or never")
    return stated == "always" or (stated == "auto" and (large or strange))


def request_for(kind: str, path: object, shown: str, *, picture: int, whole: int, **more: Any) -> dict[str, Any]:
    """What is asked of the process apart.

    Args:
        kind: "dicom", "segmentation", "picture" or "itk".
        path: the file.
        shown: how to name it in messages.
        picture: bytes of one picture once decoded, as the header has it.
        whole: bytes of all pictures that are asked for, and of the file.
        more: what the kind takes.
    """
    room = _TIMES_A_PICTURE * picture + _TIMES_ALL * whole
    seconds = int(budget().decode_seconds) + (whole >> 20) + 1
    return {"kind": kind, "path": str(path), "shown": shown, "bytes": room, "seconds": seconds, **more}


class Conversation:
    """Requests to a process apart and its answers, in the same order; `known` are errors beside those of `medkt.errors`."""

    def __init__(self, requests: Sequence[Mapping[str, Any]], *known: type[MedktError]) -> None:
        self._requests = requests
        self._known = {one.__name__: one for one in known}
        self._process: _Process | None = None
        self._sent = self._next = 0
        self._open = False  # whether answers to the last request are still to come
        self._watch = ExitStack()

    def __enter__(self) -> "Conversation":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        process, self._process = self._process, None
        self._watch.close()
        if process is not None:
            _put_back(process, sound=not self._open and self._next == self._sent)

    def answers(self) -> Iterator[Message]:
        """Those to the next request.

        Raises:
            MedktError: what the other process met. UnreadableError: it died of the file, or took too long.
            InputError: it had too little memory.
        """
        self._drain()
        number, self._next = self._next, self._next + 1
        self._ask_ahead(number)
        self._open = True
        while True:
            said = self._hear(self._requests[number])
            if said.array is None:
                self._open = False
                if "error" in said.header:
                    raise raised(said.header, self._known)
                return
            yield said

    def _ask_ahead(self, number: int) -> None:
        if self._process is None:
            self._process, self._sent = _taken(), number
            self._watch.close()
            self._watch.enter_context(self._process.watched())
        while self._sent < min(len(self._requests), number + _AHEAD):
            self._process.ask(self._requests[self._sent])
            self._sent += 1

    def _hear(self, request: Mapping[str, Any]) -> Message:
        assert self._process is not None
        try:
            return self._process.answer(request["seconds"])
        except EndedError:
            process, self._process, self._open = self._process, None, False
            raise _ended(process, request) from None

    def _drain(self) -> None:
        """Pass over what is left of the answers to a request that nobody wants any more."""
        while self._open:
            said = self._hear(self._requests[self._next - 1])
            self._open = said.array is not None


def _ended(process: "_Process", request: Mapping[str, Any]) -> MedktError:
    """Why a process is gone, in a line."""
    code, overdue = process.bury(grace=10), process.overdue
    shown = request["shown"]
    if not process.ready:
        return MedktError(
            f"{shown}: the process that decodes it cannot be started (exit code {code}); see `medkt doctor`, or set "
            f"{VARIABLE}=never"
        )
    if overdue or code == -getattr(signal, "SIGXCPU", 0):
        return UnreadableError(
            f"{shown}: decoding its pixels took longer than {request['seconds']} s; it is damaged, export it again, or set "
            f"MEDKT_DECODE_SECONDS", code="decoder-slow", seconds=request["seconds"],
        )  # fmt: skip
    if code == -getattr(signal, "SIGKILL", 0):
        return InputError(f"{shown}: the system ended its decoder, as it does where memory runs out", code="memory")
    return UnreadableError(
        f"{shown}: its decoder crashed ({_named(code)}); the pixels are damaged, export it again",
        code="decoder-died", ended=abs(code),
    )  # fmt: skip


def _named(code: int) -> str:
    with suppress(ValueError):
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    return f"exit code {code}"


class _Process:
    """One process apart, started at once and waited for when its first answer is."""

    def __init__(self) -> None:
        environment = {**os.environ, VARIABLE: "never"}
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _CHILD, json.dumps(sys.path, allow_nan=False)], env=environment,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        except OSError as error:
            raise MedktError(
                f"no process can be started to decode pixels in ({error.strerror}); set {VARIABLE}=never"
            ) from error
        assert isinstance(self._process.stdout, BufferedReader)
        self._answers = self._process.stdout
        _widen(self._answers.fileno())
        self.owner = os.getpid()
        self.ready = self.overdue = False
        self._due: float | None = None
        self._clock = threading.Lock()

    def ask(self, request: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        with suppress(OSError):  # it has died: the answer says so
            self._process.stdin.write(json.dumps(request, allow_nan=False).encode() + b"\n")
            self._process.stdin.flush()

    def answer(self, seconds: int) -> Message:
        """The next thing that it says, within so many seconds.

        Raises:
            EndedError: it is gone, or was ended for taking longer.
        """
        if not self.ready:
            self.ready = bool(self._heard(START_SECONDS).header.get("ready"))
        return self._heard(seconds)

    def _heard(self, seconds: int) -> Message:
        with self._clock:
            self._due = time.monotonic() + seconds
        try:
            return heard(self._answers)
        finally:
            with self._clock:
                self._due = None

    @contextmanager
    def watched(self) -> Iterator[None]:
        """While the block runs, the process is killed where an answer is overdue."""
        over = threading.Event()
        threading.Thread(target=self._watch, args=(over,), daemon=True).start()
        try:
            yield
        finally:
            over.set()

    def _watch(self, over: threading.Event) -> None:
        while not over.wait(_LOOK_SECONDS):
            with self._clock:
                if self._due is not None and time.monotonic() > self._due:
                    self.overdue = True
                    self._process.kill()
                    return

    def alive(self) -> bool:
        return self.owner == os.getpid() and self._process.poll() is None

    def bury(self, grace: int = 1) -> int:
        """End it; gives the exit code with which it ended by itself, 0 where it had to be killed."""
        for stream in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                assert stream is not None
                stream.close()
        try:
            return self._process.wait(timeout=grace)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return 0


def _widen(pipe: int) -> None:
    """Let a pipe hold more than the 64 KiB that Linux gives it: fewer turns for a picture."""
    try:
        import fcntl

        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE)
    except (ImportError, AttributeError, OSError):  # not this system, or not this user: slower, and the same
        return


# ---- one process is kept for the next series

_kept: list[_Process] = []
_one_at_a_time = threading.Lock()


def make_ready() -> None:
    """Start a process now, so that it is there when it is needed."""
    _put_back(_taken(), sound=True)


def _taken() -> _Process:
    with _one_at_a_time:
        while _kept:
            process = _kept.pop()
            if process.alive():
                return process
            if process.owner == os.getpid():
                process.bury()
    return _Process()


def _put_back(process: _Process, *, sound: bool) -> None:
    with _one_at_a_time:
        if sound and not _kept and process.alive():
            _kept.append(process)
            return
    process.bury()


def end_all() -> None:
    """End the process that is kept."""
    with _one_at_a_time:
        while _kept:
            process = _kept.pop()
            if process.owner == os.getpid():
                process.bury()


atexit.register(end_all)
