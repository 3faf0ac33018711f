"""What an engine is: something that takes cases and tells what became of them.

The coordinator knows nothing else of processes and machines. Cases travel to an engine as paths, outcomes come back as
small rows; voxels never travel.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from medkt.runs.outcomes import Outcome
from medkt.runs.work import Row, Work


@runtime_checkable
class Runner(Protocol):
    """What a worker does with a case, which is the `Work` of the task's plan: three steps, which overlap between cases
    (`medkt.runs.worker`).
    """

    def facts(self) -> Mapping[str, Any]:
        """Which models were loaded, with their digests, and the "device" where that is not the processor; the same in
        every worker of a run.
        """

    def read(self, work: Any) -> Any:
        """The case's files, decoded."""

    def compute(self, work: Any, study: Any) -> Any:
        """What the models make of them."""

    def write(self, work: Any, result: Any) -> Sequence[Row]:
        """Put the case's files where they belong, all or none, and give its rows of the result table."""


@runtime_checkable
class ForecastingRunner(Protocol):
    """A runner that knows how long a case will take before its models compute anything."""

    def foresee(self, tell: Callable[[float, float], None]) -> None:
        """Call `tell` once, before the first case is computed, with the least and the most seconds that one adds to the run."""


@runtime_checkable
class RunnerFactory(Protocol):
    """Makes the runner inside the worker; must be picklable, so it holds names and settings and no model."""

    def __call__(self) -> Runner: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerReady:
    """A worker has loaded its models, and begun its file."""

    facts: Mapping[str, Any]
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseExpected:
    """A worker has read its first case: seconds that a case like it adds to the run, at least and at most."""

    least: float
    most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFinished:
    """A case has an outcome, which stands in the worker's file up to byte `end`; `words` are for the terminal alone."""

    outcome: Outcome
    file: str
    end: int
    words: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseTimedOut:
    """A case took longer than it may; its worker was killed."""

    key: str
    seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLost:
    """A worker is gone. Its file may hold outcomes that it had no time to tell.

    Attributes:
        file: the worker's file, "" where it had none yet.
        suspects: the cases that it was at; one of them may have killed it.
        others: those that it had not begun.
    """

    file: str = ""
    suspects: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineBroken:
    """No worker can work: the models do not load, or nothing can be written. Ends the run."""

    error: str
    message: str


Event = WorkerReady | CaseExpected | CaseFinished | CaseTimedOut | WorkerLost | EngineBroken


@runtime_checkable
class Engine(Protocol):
    """Workers, wherever they are."""

    def start(self) -> None:
        """Start the workers; returns before they are ready."""

    def room(self, *, alone: bool = False) -> int:
        """How many cases can be handed out now; `alone`: to workers that have nothing else in hand."""

    def submit(self, work: Work, *, alone: bool = False) -> None:
        """Hand out a case; `alone` to a worker that gets no other before it has ended."""

    def poll(self, seconds: float) -> Sequence[Event]:
        """What has happened since, waiting at most so long for something to happen."""

    def stop(self, *, grace: float) -> Sequence[Event]:
        """End the workers; cases that were begun may come to their end within `grace` seconds."""
