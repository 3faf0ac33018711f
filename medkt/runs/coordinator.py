"""Runs a cohort: hands cases to an engine, writes down what became of them, tries again what died without fault.

The coordinator may be killed at any moment. What a case came to stands in its worker's file before anybody is told, so
the next run finds it there; a case that has no outcome is done again from its beginning, into an emptied folder.
"""

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

from medkt import errors
from medkt.about import demonstration_of_run
from medkt.errors import MedktError, SettingsError
from medkt.extras import require
from medkt.io.scratch import sweep_scratch
from medkt.runs.engine import (
    CaseExpected,
    CaseFinished,
    CaseTimedOut,
    Engine,
    EngineBroken,
    Event,
    WorkerLost,
    WorkerReady,
)
from medkt.runs.failures import Failure
from medkt.runs.folder import RunFolder
from medkt.runs.ledger import Ledger
from medkt.runs.outcomes import Outcome, OutcomeFile, failure
from medkt.runs.progress import RunStatus, SilentWatcher, Watcher, expected_line
from medkt.runs.tables import write_gone, write_tables
from medkt.runs.work import Plan, Work
from medkt.runs.worker import heard_signals

MOST_TRIES = 3  # of a case whose worker dies: the first, and two more by itself
POLLED_EVERY_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureLimit:
    """How many failed cases end a run: a number, or a share of all cases."""

    count: int | None = None
    share: float | None = None

    @classmethod
    def parse(cls, text: str) -> "FailureLimit":
        """A limit from "20" or "5%".

        Raises:
            SettingsError: neither.
        """
        number, percent = text.strip().removesuffix("%"), text.strip().endswith("%")
        try:
            value = float(number) if percent else int(number)
        except ValueError:
            value = -1
        if value < 0 or (percent and value > 100):
            raise SettingsError(f"--max-failures {text}: expected a number of cases such as 20, or a share such as 5%")
        return cls(share=value / 100) if percent else cls(count=int(value))

    def passed(self, failed: int, total: int) -> bool:
        """Whether more have failed than may."""
        most = self.count if self.share is None else self.share * total
        return most is not None and failed > most


@dataclass(slots=True)
class _Run:
    """A run while it goes on."""

    folder: RunFolder
    ledger: Ledger
    engine: Engine
    watcher: Watcher
    todo: Iterator[Work]
    total: int
    limit: FailureLimit
    counts: dict[str, int]
    kinds: dict[str, int]
    silent: int
    tries: dict[int, int]
    hand: dict[str, Work] = field(default_factory=dict)
    again: deque[Work] = field(default_factory=deque)  # not begun when their worker died: next in turn
    alone: deque[Work] = field(default_factory=deque)  # one of them may have killed its worker: at the end, by itself
    own: OutcomeFile | None = None
    stopped: str = ""
    stop_now: bool = False
    accept_versions: bool = False
    foretold: bool = False

    def summary(self) -> RunStatus:
        ended = self.counts["done"] + self.counts["failed"]
        states = {**self.counts, "running": len(self.hand), "pending": self.total - ended - len(self.hand)}
        ordered = {state: states[state] for state in ("pending", "running", "done", "failed")}
        return RunStatus(
            total=self.total,
            states=ordered,
            failures=dict(sorted(self.kinds.items())),
            stopped=self.stopped,
            no_claim=self.silent,
        )


def run_cohort(
    folder: RunFolder,
    plan: Plan,
    engine: Engine,
    *,
    salt: bytes,
    limit: FailureLimit | None = None,
    watcher: Watcher | None = None,
    accept_versions: bool = False,
    grace_s: float = 20.0,
) -> RunStatus:
    """Do what is left of a run, and write its tables; `folder` must be claimed (`RunFolder.claim`).

    Args:
        folder: of the run.
        plan: its cases.
        engine: does the work; started and stopped here.
        salt: of the pseudonyms.
        limit: how many failures end the run.
        watcher: is told what happens.
        accept_versions: go on though the workers have other models than the run had; each row says what made it.
        grace_s: how long begun cases may take to end when the run is stopped (SIGTERM, Ctrl-C, too many failures); a
            second signal ends them at once.

    Raises:
        OutputError: another process works in the folder, or nothing can be written.
        MedktError: no worker can load the models.
        SettingsError: the workers have other models than the run had.
    """
    require("runs", "a run over many studies")
    watcher = watcher or SilentWatcher()
    with folder.held(), Ledger(folder.ledger) as ledger:
        folder.sweep()
        total = _take_stock(folder, plan, ledger, salt, watcher)
        wanted = ledger.unfinished()
        run = _Run(
            folder=folder, ledger=ledger, engine=engine, watcher=watcher, todo=plan.works(salt, wanted), total=total,
            limit=limit or FailureLimit(), accept_versions=accept_versions, counts=dict(ledger.counts()), kinds=dict(ledger.failures()),
            silent=ledger.silent(),
            tries={number: tries for number, (_, tries) in wanted.items() if tries},
        )  # fmt: skip
        watcher.begin(run.summary())
        if wanted:
            with _signals(run):
                _work(run, grace_s)
        folder.sweep()
        folder.note_tables(write_tables(folder, ledger))
        write_gone(folder, ledger)
        summary = run.summary()
        if said := demonstration_of_run(folder.read().models):
            watcher.noted(said)
        watcher.finish(summary)
        return summary


def _take_stock(folder: RunFolder, plan: Plan, ledger: Ledger, salt: bytes, watcher: Watcher) -> int:
    """Which cases there are, what came of them so far, and which are to be done again. Gives how many there are."""
    files = folder.outcome_files()
    rows = plan.rows_digest(salt)
    known = ledger.knows(rows)
    total = 0 if known else ledger.plan(plan.present(salt, look=bool(files) or ledger.total() > 0), rows=rows)
    for file in files:
        for _ in ledger.collect(file):
            pass
    ledger.set_back()
    total = ledger.changed(plan.changed(ledger.ended(), salt)) if known else total
    changed, gone = ledger.compare()
    without = ledger.without_folder(set(os.listdir(folder.cases)))
    left = sum(what == "row" for _, what in ledger.gone())
    for count, words in (
        (changed, "done again: what they were made from has changed"),
        (without, "done again: their folders are gone"),
        (gone, "kept as they are though their files are gone; gone.csv lists them"),
        (left, "of earlier are not in the manifest any more and count no more; gone.csv lists them"),
    ):
        if count:
            watcher.noted(f"{count} cases {'are ' if words[0] in 'dk' else ''}{words}")
    return total


def _work(run: _Run, grace_s: float) -> None:
    run.engine.start()
    grace = 0.0  # an error and a second signal end the workers at once
    try:
        while not run.stopped:
            _hand_out(run)
            _take_in(run, run.engine.poll(POLLED_EVERY_S))
            run.watcher.tick(run.summary())
            if run.limit.passed(run.counts["failed"], run.total):
                run.stopped = f"{run.counts['failed']} of {run.total} cases failed, more than --max-failures allows"
            if not (run.hand or run.again or run.alone) and _is_empty(run):
                break
        grace = grace_s
    finally:
        try:
            events = run.engine.stop(grace=grace)
            run.stopped = run.stopped or ("an error" if run.hand else "")  # what workers lose from here on is no fault
            _take_in(run, events)
        finally:
            run.ledger.mark(list(run.hand), "pending")
            run.hand.clear()
            if run.own is not None:
                run.own.close()


def _is_empty(run: _Run) -> bool:
    """Whether the manifest has no case left; one that it has is put in front."""
    following = next(run.todo, None)
    if following is not None:
        run.again.append(following)
    return following is None


def _hand_out(run: _Run) -> None:
    """Fill the workers' hands; cases that may have killed a worker go last, each to a worker of its own."""
    given: list[Work] = []
    for _ in range(run.engine.room()):
        work = run.again.popleft() if run.again else next(run.todo, None)
        if work is None:
            break
        if run.tries.get(work.number):
            run.alone.append(work)
            continue
        run.engine.submit(work)
        given.append(work)
    if not given and not run.again:
        for _ in range(min(run.engine.room(alone=True), len(run.alone))):
            given.append(run.alone.popleft())
            run.engine.submit(given[-1], alone=True)
    run.hand.update({work.key: work for work in given})
    if given:
        run.ledger.mark([work.key for work in given], "running")


def _take_in(run: _Run, events: Sequence[Event]) -> None:
    finished: list[CaseFinished] = []
    for event in events:
        if isinstance(event, CaseFinished):
            finished.append(event)
            continue
        _record(run, finished)
        finished = []
        if isinstance(event, WorkerReady):
            run.folder.claim_models(event.facts, accept_versions=run.accept_versions)
        elif isinstance(event, CaseExpected):
            if not run.foretold:  # each worker says it of its own first case
                run.foretold = True
                run.watcher.noted(expected_line(run.summary(), event.least, event.most))
        elif isinstance(event, CaseTimedOut):
            _fail(run, event.key, Failure(kind="timeout", code="timeout"), event.seconds)
        elif isinstance(event, WorkerLost):
            _bury(run, event)
        elif isinstance(event, EngineBroken) and not run.stopped:
            run.stopped = "an error"
            kind = getattr(errors, event.error, MedktError)
            raise kind(event.message)
    _record(run, finished)


def _record(run: _Run, finished: list[CaseFinished]) -> None:
    if not finished:
        return
    ends: dict[str, int] = {}
    for event in finished:
        ends[event.file] = max(event.end, ends.get(event.file, 0))
    words = {event.outcome.key: event.words for event in finished if event.words}
    _ended(run, run.ledger.record([event.outcome for event in finished], ends), words)


def _ended(run: _Run, outcomes: list[Outcome], words: Mapping[str, str] | None = None) -> None:
    for outcome in outcomes:
        run.hand.pop(outcome.key, None)
        run.counts[outcome.state] = run.counts.get(outcome.state, 0) + 1
        if outcome.state == "failed":
            run.kinds[outcome.kind] = run.kinds.get(outcome.kind, 0) + 1
        run.silent += bool(outcome.unclaimed)
        run.watcher.ended(outcome, (words or {}).get(outcome.key, ""))


def _bury(run: _Run, lost: WorkerLost) -> None:
    """Take what a dead worker has left in its file; of the rest, what it was at is suspected, the others are not."""
    sweep_scratch(run.folder.scratch)
    if lost.file and (path := run.folder.workers / lost.file).exists():
        for outcomes in run.ledger.collect(path):
            _ended(run, outcomes)
    if run.stopped:
        return  # killed by us
    suspects = [run.hand.pop(key) for key in lost.suspects if key in run.hand]
    others = [run.hand.pop(key) for key in lost.others if key in run.hand]
    run.ledger.mark([work.key for work in others], "pending")
    run.ledger.mark([work.key for work in suspects], "pending", tries=1)
    run.again.extend(others)
    for work in suspects:
        run.tries[work.number] = run.tries.get(work.number, 0) + 1
        if run.tries[work.number] < MOST_TRIES:
            run.alone.append(work)
        else:
            run.hand[work.key] = work
            _fail(run, work.key, Failure(kind="crash", code="worker-died", numbers={"times": MOST_TRIES}))


def _fail(run: _Run, key: str, why: Failure, seconds: Mapping[str, float] | None = None) -> None:
    """Write down an outcome that no worker could write."""
    work = run.hand.get(key)
    if work is None:
        return
    if run.own is None:
        run.own = OutcomeFile(run.folder.workers, prefix="coordinator")
    outcome = failure(work, why, seconds=seconds)
    end = run.own.append(outcome)
    _ended(run, run.ledger.record([outcome], {run.own.name: end}))


@contextmanager
def _signals(run: _Run) -> Iterator[None]:
    """SIGTERM, SIGHUP and Ctrl-C end the run cleanly, a second one at once; only the main thread may ask for signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # what is ignored stays so: `nohup` asks for that
    names = {one: word for one, word in heard_signals().items() if signal.getsignal(one) is not signal.SIG_IGN}

    def stop(number: int, frame: FrameType | None) -> None:
        run.stop_now = bool(run.stopped)
        run.stopped = run.stopped or names[signal.Signals(number)]
        if run.stop_now:
            raise KeyboardInterrupt

    before: dict[signal.Signals, Callable[..., object] | int | None] = {n: signal.signal(n, stop) for n in names}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
