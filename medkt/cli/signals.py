"""SIGTERM and SIGHUP end a command as Ctrl-C does: what is temporary is removed, and processes that were started end."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

NAMES = {"SIGTERM": "terminated", "SIGHUP": "hung up"}


class Termination(BaseException):
    """A signal came; not an `Exception`, so that only what cleans up sees it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.word = NAMES[signal.Signals(number).name]
        self.exit_code = 128 + number


@contextmanager
def signals_end() -> Iterator[None]:
    """Within this block the first signal raises `Termination`, further ones are not heard while it cleans up.

    A signal that is ignored stays so: `nohup` asks for that. Only a process's main thread may ask for signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    heard = [number for number in numbers if before[number] is signal.SIG_DFL]

    def end(number: int, frame: FrameType | None) -> None:
        for one in heard:
            signal.signal(one, signal.SIG_IGN)
        raise Termination(number)

    for number in heard:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in heard:
            with suppress(ValueError):
                signal.signal(number, before[number])
