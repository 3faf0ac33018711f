"""An engine in the test's own process that works as a worker does, without its threads."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from medkt.errors import MedktError, OutputError
from medkt.runs.engine import CaseFinished, EngineBroken, Event, Runner, RunnerFactory, WorkerReady
from medkt.runs.failures import failure_of
from medkt.runs.outcomes import Outcome, OutcomeFile, failure
from medkt.runs.provenance import digest_of_folder, made_with
from medkt.runs.work import Work


class Inline:
    """One worker, one case at a time; a step that cannot write is told as a worker tells it."""

    def __init__(self, factory: RunnerFactory, folder: Path) -> None:
        self._factory, self._folder = factory, folder
        self._events: list[Event] = []
        self._runner: Runner | None = None
        self._file: OutcomeFile | None = None

    def start(self) -> None:
        try:
            self._runner, self._file = self._factory(), OutcomeFile(self._folder)
        except (MedktError, OSError) as error:
            kind = type(error).__name__ if isinstance(error, MedktError) else OutputError.__name__
            self._events.append(EngineBroken(error=kind, message=str(error)))
            return
        self._events.append(WorkerReady(facts=dict(self._runner.facts()), file=self._file.name))

    def room(self, *, alone: bool = False) -> int:
        return 0 if self._events or self._runner is None else 1

    def submit(self, work: Work, *, alone: bool = False) -> None:
        assert self._runner is not None
        assert self._file is not None
        try:
            outcome = self._outcome(self._runner, work)
            end = self._file.append(outcome)
        except OutputError as error:
            self._events.append(EngineBroken(error=type(error).__name__, message=str(error)))
            return
        self._events.append(CaseFinished(outcome=outcome, file=self._file.name, end=end))

    def poll(self, seconds: float) -> Sequence[Event]:
        events, self._events = self._events, []
        return events

    def stop(self, *, grace: float) -> Sequence[Event]:
        if self._file is not None:
            self._file.close()
            self._file = None
        return self.poll(0)

    def _outcome(self, runner: Runner, work: Work) -> Outcome:
        made, step = made_with(runner.facts()), "read"
        try:
            study = runner.read(work)
            step = "compute"
            result = runner.compute(work, study)
            step = "write"
            rows = tuple({**work.columns, **row} for row in runner.write(work, result))
        except OutputError:
            raise
        except Exception as error:
            return replace(failure(work, failure_of(error, step)), made=made)
        left = digest_of_folder(self._folder.parent / "cases" / work.key)
        return Outcome(
            key=work.key,
            number=work.number,
            round=work.round,
            state="done",
            rows=rows,
            inputs=work.inputs,
            made=made,
            result=left,
        )
