"""An engine without processes: the cases of a command are worked on in the test's own, which has everything loaded."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from medkt.errors import MedktError, OutputError
from medkt.runs.engine import CaseFinished, EngineBroken, Event, Runner, RunnerFactory, WorkerReady
from medkt.runs.failures import failure_of, words_of
from medkt.runs.outcomes import Outcome, OutcomeFile, failure
from medkt.runs.provenance import digest_of_folder, made_with
from medkt.runs.work import Work


class InlineEngine:
    """Stands in for `LocalEngine`; one case at a time."""

    def __init__(
        self,
        factory: RunnerFactory,
        folder: Path,
        *,
        workers: int = 1,
        threads: int | None = None,
        timeout_s: float | None = None,
    ) -> None:
        self._factory, self._folder = factory, folder
        self._events: list[Event] = []
        self._runner: Runner | None = None
        self._file: OutcomeFile | None = None

    def start(self) -> None:
        try:
            self._runner, self._file = self._factory(), OutcomeFile(self._folder)
            self._events.append(WorkerReady(facts=dict(self._runner.facts()), file=self._file.name))
        except MedktError as error:
            self._events.append(EngineBroken(error=type(error).__name__, message=str(error)))

    def room(self, *, alone: bool = False) -> int:
        return 0 if self._events else 1

    def submit(self, work: Work, *, alone: bool = False) -> None:
        assert self._runner is not None
        assert self._file is not None
        try:
            outcome, words = _outcome(self._runner, work)
            left = digest_of_folder(self._folder.parent / "cases" / work.key) if outcome.state == "done" else ""
            outcome = replace(outcome, made=made_with(self._runner.facts()), result=left)
            end = self._file.append(outcome)
        except OSError as error:  # the disk is full, not the case at fault
            self._events.append(EngineBroken(error=OutputError.__name__, message=str(error)))
            return
        self._events.append(CaseFinished(outcome=outcome, file=self._file.name, end=end, words=words))

    def poll(self, seconds: float) -> Sequence[Event]:
        events, self._events = self._events, []
        return events

    def stop(self, *, grace: float) -> Sequence[Event]:
        if self._file is not None:
            self._file.close()
        return self.poll(0)


def _outcome(runner: Runner, work: Work) -> tuple[Outcome, str]:
    step = "read"
    try:
        study = runner.read(work)
        step = "compute"
        made = runner.compute(work, study)
        step = "write"
        rows = tuple({**work.columns, **row} for row in runner.write(work, made))
    except Exception as error:
        if isinstance(error, OutputError) or (isinstance(error, OSError) and step == "write"):
            raise
        return failure(work, failure_of(error, step)), words_of(error)
    return Outcome(key=work.key, number=work.number, round=work.round, state="done", rows=rows, inputs=work.inputs), ""


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands of this test start no worker processes."""
    monkeypatch.setattr("medkt.runs.local.LocalEngine", InlineEngine)
