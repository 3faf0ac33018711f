"""One worker process: models loaded once, then reading, computing and writing overlap between cases.

Three steps stand in a line, each in a thread of its own; between two of them at most one case waits, so that memory
does not grow with the cohort. A worker that computes on a single core writes in the thread that computes: both would
only take turns there, at a tenth more processor time (evaluation/benchmarks/cohort_scaling.py); it still reads ahead,
since that is mostly waiting. One more thread listens to the coordinator: when its end of the pipe closes, however that
came about, the worker ends at once.
"""

import logging
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from medkt.errors import MedktError, OutputError
from medkt.io.scratch import scratch_in
from medkt.runs.engine import ForecastingRunner, Runner, RunnerFactory
from medkt.runs.failures import Failure, failure_of, words_of
from medkt.runs.folder import RunFolder
from medkt.runs.outcomes import Outcome, OutcomeFile, failure
from medkt.runs.provenance import digest_of_folder, made_with
from medkt.runs.work import Work

COORDINATOR_GONE = 70  # exit code of a worker
_END = None  # what a queue holds after the last case


@dataclass(slots=True)
class _Case:
    """A case on its way through the line."""

    work: Work
    value: Any = None
    failed: Failure | None = None
    words: str = ""  # of the failure, for the terminal alone
    dropped: bool = False  # it could not be written, which is not its fault: it stays without an outcome
    seconds: dict[str, float] = field(default_factory=dict)


def worker_main(
    factory: RunnerFactory, pipe: Connection, folder: Path, threads: int, search_path: Sequence[str] = ()
) -> None:
    """The body of a worker process: `folder` is where its file goes, `threads` how many it may compute with."""
    for number in heard_signals():  # they reach the whole group; the coordinator decides
        signal.signal(number, signal.SIG_IGN)
    _keep_libraries_quiet()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)
    sys.path.extend(one for one in search_path if one not in sys.path)
    with scratch_in(RunFolder(folder.parent).scratch):
        _work(factory, pipe, folder, threads)


def _work(factory: RunnerFactory, pipe: Connection, folder: Path, threads: int) -> None:
    try:
        runner = factory()
        file = OutcomeFile(folder)
    except MedktError as error:
        pipe.send(("broken", type(error).__name__, str(error)))
        return
    except OSError as error:  # of a disk: its words may name a path, which no log of a run may hold
        pipe.send(("broken", OutputError.__name__, f"a worker cannot begin: {error.strerror or type(error).__name__}"))
        return
    facts = dict(runner.facts())
    pipe.send(("ready", file.name, facts))
    one_core = threads == 1 and facts.get("device", "cpu") == "cpu"
    cases = RunFolder(folder.parent).cases
    _Line(runner, file, pipe, one_core=one_core, cases=cases, made=made_with(facts)).run()
    file.close()


def _keep_libraries_quiet() -> None:
    """What libraries log or warn of may quote a header, and a worker's stderr is that of the whole run, often a log file."""
    logging.basicConfig(handlers=[logging.NullHandler()], force=True)
    logging.captureWarnings(True)


def heard_signals() -> dict[signal.Signals, str]:
    """The signals that end a run, and the words for it; not all systems have all."""
    words = {"SIGINT": "interrupted", "SIGTERM": "terminated", "SIGHUP": "hung up"}
    return {getattr(signal, name): word for name, word in words.items() if hasattr(signal, name)}


class _Line:
    """The three steps and what stands between them; with `one_core` writing waits for computing and the other way round."""

    def __init__(
        self, runner: Runner, file: OutcomeFile, pipe: Connection, *, one_core: bool, cases: Path, made: str
    ) -> None:
        self._cases, self._made_with = cases, made
        self._runner, self._file, self._pipe, self._one_core = runner, file, pipe, one_core
        self._told = threading.Lock()  # a pipe takes one message at a time
        self._given: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._read: queue.Queue[_Case | None] = queue.Queue(maxsize=1)
        self._made: queue.Queue[_Case | None] = queue.Queue(maxsize=1)

    def run(self) -> None:
        """Work until the coordinator says that there is no more."""
        if isinstance(self._runner, ForecastingRunner):
            self._runner.foresee(lambda least, most: self._tell("expects", least, most))
        beside = (self._listen, self._reading) if self._one_core else (self._listen, self._reading, self._writing)
        threads = [threading.Thread(target=target, name=target.__name__, daemon=True) for target in beside]
        for thread in threads:
            thread.start()
        going_on = True
        while going_on and (case := self._read.get()) is not _END:
            self._step(case, "compute", lambda case: self._runner.compute(case.work, case.value))
            if self._one_core:
                going_on = self._write(case)
            else:
                self._made.put(case)
            del case  # the next one is waited for without it in memory
        if not self._one_core:
            self._made.put(_END)
            threads[-1].join()

    def _listen(self) -> None:
        try:
            while (given := self._pipe.recv()) is not _END:
                self._given.put(given)
        except (EOFError, OSError):  # killed or gone: nobody is left to work for
            os._exit(COORDINATOR_GONE)
        self._drop_what_was_not_begun()
        self._given.put(_END)

    def _drop_what_was_not_begun(self) -> None:
        while True:
            try:
                self._given.get_nowait()
            except queue.Empty:
                return

    def _reading(self) -> None:
        while (work := self._given.get()) is not _END:
            case = _Case(work=work)
            self._step(case, "read", lambda case: self._runner.read(case.work))
            self._read.put(case)
            del case
        self._read.put(_END)

    def _writing(self) -> None:
        while (case := self._made.get()) is not _END:
            if not self._write(case):
                return
            del case

    def _write(self, case: _Case) -> bool:
        """Write a case and tell its outcome; False where outcomes can no longer be written."""
        self._step(case, "write", lambda case: self._runner.write(case.work, case.value))
        if case.dropped:
            return True
        try:
            outcome = replace(_outcome(case), made=self._made_with, result=self._digest(case))
            end = self._file.append(outcome)
        except OutputError as error:
            self._tell("broken", type(error).__name__, str(error))
            return False
        self._tell("finished", outcome, end, case.words)
        return True

    def _digest(self, case: _Case) -> str:
        """Of the folder that the case has left."""
        try:
            return "" if case.failed else digest_of_folder(self._cases / case.work.key)
        except OSError as error:
            raise OutputError(f"a result cannot be read again ({error.strerror}); check the disk") from error

    def _step(self, case: _Case, name: str, do: Any) -> None:
        """One step of a case that has not failed; what it raises is the case's failure and nobody else's."""
        if case.failed or case.dropped:
            return
        self._tell("begin", case.work.key, name)
        began = time.perf_counter()
        try:
            case.value = do(case)
        except OutputError as error:  # the disk is full, not the case at fault
            self._tell("broken", type(error).__name__, str(error))
            case.dropped = True
        except OSError as error:
            if name != "write":
                case.failed, case.words, case.value = failure_of(error, name), words_of(error), None
            else:  # no writer knew to say more of it
                self._tell(
                    "broken", OutputError.__name__, f"a result cannot be written ({error.strerror}); check the disk"
                )
                case.dropped = True
        except Exception as error:
            case.failed, case.words, case.value = failure_of(error, name), words_of(error), None
        case.seconds[name] = time.perf_counter() - began
        if self._waits_after(name):
            self._tell("end", case.work.key, name)

    def _waits_after(self, name: str) -> bool:
        """Whether the case may wait before its next step, which does not count; else the next message ends this step."""
        return name == "read" or (name == "compute" and not self._one_core)

    def _tell(self, *message: object) -> None:
        try:
            with self._told:
                self._pipe.send(message)
        except OSError:
            os._exit(COORDINATOR_GONE)


def _outcome(case: _Case) -> Outcome:
    work = case.work
    if case.failed:
        return failure(work, case.failed, seconds=case.seconds)
    return Outcome(
        key=work.key, number=work.number, round=work.round, state="done",
        rows=tuple({**work.columns, **row} for row in case.value), seconds=case.seconds, inputs=work.inputs,
    )  # fmt: skip
