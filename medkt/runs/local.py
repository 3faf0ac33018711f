"""The engine of one machine: worker processes by spawn, killed and replaced where one hangs or dies."""

import multiprocessing
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import ModuleType
from typing import Any

from medkt.runs.engine import (
    CaseExpected,
    CaseFinished,
    CaseTimedOut,
    EngineBroken,
    Event,
    RunnerFactory,
    WorkerLost,
    WorkerReady,
)
from medkt.runs.work import Work
from medkt.runs.worker import worker_main

DEPTH = 4  # cases in a worker's hand: one read, one computed, one written, one waiting
DEATHS_BEFORE_READY = 3  # workers in a row that die while loading, before the run gives up


@dataclass(slots=True)
class _Clock:
    """How long a case has been worked at; waiting between two steps does not count."""

    step: str = ""
    since: float = 0.0
    spent: float = 0.0
    begun: bool = False

    def seconds(self, now: float) -> float:
        return self.spent + (now - self.since if self.step else 0.0)


@dataclass(slots=True)
class _Worker:
    process: SpawnProcess
    pipe: Connection
    file: str = ""
    ready: bool = False
    alone: bool = False
    stopping: bool = False
    hand: dict[str, _Clock] = field(default_factory=dict)


@contextmanager
def _no_program_of(factory: RunnerFactory) -> Iterator[None]:
    """Within this block a new process does not run the user's script again, which needs no `if __name__ == "__main__"` then.

    Where the factory itself is the script's, it has to.
    """
    if type(factory).__module__ == "__main__":
        yield
        return
    program = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = program


class LocalEngine:
    """Worker processes of this machine.

    Args:
        factory: makes the runner in each worker.
        folder: where the workers' files go.
        workers: how many.
        threads: how many threads each computes with; another number may change the last digit of a result.
        timeout_s: how long one case may be worked at; None is for ever.
    """

    def __init__(
        self,
        factory: RunnerFactory,
        folder: Path,
        *,
        workers: int = 1,
        threads: int = 1,
        timeout_s: float | None = None,
    ) -> None:
        self._factory, self._folder, self._count, self._timeout_s = factory, folder, workers, timeout_s
        self._threads = threads
        self._context = multiprocessing.get_context("spawn")
        self._workers: list[_Worker] = []
        self._stopping = False
        self._deaths_before_ready = 0

    def start(self) -> None:
        self._workers = [self._spawn() for _ in range(self._count)]

    @property
    def processes(self) -> tuple[int, ...]:
        """The process ids of the workers."""
        return tuple(worker.process.pid or 0 for worker in self._workers)

    def room(self, *, alone: bool = False) -> int:
        if alone:
            return sum(worker.ready and not worker.hand for worker in self._workers)
        return sum(DEPTH - len(worker.hand) for worker in self._workers if worker.ready and not worker.alone)

    def submit(self, work: Work, *, alone: bool = False) -> None:
        free = [worker for worker in self._workers if worker.ready and not worker.alone]
        worker = min(free, key=lambda one: len(one.hand))
        worker.alone = alone
        worker.hand[work.key] = _Clock()
        with suppress(OSError):  # it has died: the next poll says so, with this case in its hand
            worker.pipe.send(work)

    def poll(self, seconds: float) -> Sequence[Event]:
        """As `Engine.poll`; that a step begins or ends is noted here, and wakes nobody."""
        until = time.monotonic() + seconds
        events: list[Event] = []
        while not events:
            ready: list[Any] = [worker.pipe for worker in self._workers]
            wait(ready, timeout=max(0.0, until - time.monotonic()))
            for worker in tuple(self._workers):
                events += self._drain(worker)
            events += self._overdue()
            if time.monotonic() >= until:
                break
        return events

    def stop(self, *, grace: float) -> Sequence[Event]:
        self._stopping = True
        events: list[Event] = []
        for worker in self._workers:
            worker.stopping = True
            with suppress(OSError):  # it has ended already
                worker.pipe.send(None)
        until = time.monotonic() + grace
        try:
            while self._workers and time.monotonic() < until:
                events += self.poll(0.1)
        finally:  # also where a second signal comes
            for worker in tuple(self._workers):
                events += self._kill(worker)
        return events

    # ---- one worker

    def _spawn(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=worker_main, args=(self._factory, theirs, self._folder, self._threads, tuple(sys.path)), daemon=True
        )
        with _no_program_of(self._factory):
            process.start()
        theirs.close()  # so that the worker's death is the end of the pipe
        return _Worker(process=process, pipe=ours)

    def _drain(self, worker: _Worker) -> list[Event]:
        """Everything that a worker has told; and its end, if the pipe has one."""
        events: list[Event] = []
        try:
            while worker.pipe.poll():
                events += self._heard(worker, *worker.pipe.recv())
        except (EOFError, OSError):
            events += self._buried(worker)
        return events

    def _heard(self, worker: _Worker, what: str, *rest: Any) -> list[Event]:
        if what == "ready":
            worker.file, worker.ready = rest[0], True
            self._deaths_before_ready = 0
            return [WorkerReady(facts=rest[1], file=worker.file)]
        if what == "expects":
            return [CaseExpected(least=rest[0], most=rest[1])]
        if what == "broken":
            return [EngineBroken(error=rest[0], message=rest[1])]
        if what == "finished":
            worker.hand.pop(rest[0].key, None)
            worker.alone = worker.alone and bool(worker.hand)
            return [CaseFinished(outcome=rest[0], file=worker.file, end=rest[1], words=rest[2])]
        clock, now = worker.hand.get(rest[0]), time.monotonic()
        if clock is not None:
            clock.spent = clock.seconds(now)
            clock.step, clock.since, clock.begun = (rest[1] if what == "begin" else ""), now, True
        return []

    def _overdue(self) -> list[Event]:
        if self._timeout_s is None:
            return []
        events: list[Event] = []
        now = time.monotonic()
        for worker in tuple(self._workers):
            late = [key for key, clock in worker.hand.items() if clock.seconds(now) > float(self._timeout_s)]
            if late:
                events += [
                    CaseTimedOut(key=key, seconds={"until stopped": worker.hand.pop(key).seconds(now)}) for key in late
                ]
                events += self._kill(worker, blamed=False)
        return events

    def _kill(self, worker: _Worker, *, blamed: bool = False) -> list[Event]:
        worker.process.kill()
        return self._buried(worker, blamed=blamed)

    def _buried(self, worker: _Worker, *, blamed: bool = True) -> list[Event]:
        """A worker has ended: say what it had in hand, and put another in its place."""
        worker.process.join()
        worker.pipe.close()
        self._workers.remove(worker)
        code = worker.process.exitcode
        worker.process.close()
        begun = tuple(key for key, clock in worker.hand.items() if clock.begun and blamed)
        others = tuple(key for key in worker.hand if key not in begun)
        events: list[Event] = [WorkerLost(file=worker.file, suspects=begun, others=others)]
        if self._stopping or worker.stopping:
            return events
        if not worker.ready:
            self._deaths_before_ready += 1
            if self._deaths_before_ready >= DEATHS_BEFORE_READY:
                words = f"{DEATHS_BEFORE_READY} workers in a row ended with code {code} while loading the models; "
                return [*events, EngineBroken(error="MedktError", message=words + "check the memory of this machine")]
        self._workers.append(self._spawn())
        return events
