"""How far a run is: for a person one line, for a machine a JSON line an event."""

import json
import sys
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from medkt.runs.outcomes import Outcome

SHOWN_EVERY_S = 1.0  # on a terminal
LOGGED_EVERY_S = 30.0  # where lines are kept
WORDS_KEPT = 10
OVER_S = 120.0  # the rate is that of so long


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """Where a run stands.

    Attributes:
        total: cases of the run, or of its shard.
        states: how many are in each state.
        failures: how many failed, by kind.
        stopped: why the run ended before its end, "" where it did not.
        no_claim: of the cases done, those with a finding of which nothing was claimed.
    """

    total: int
    states: Mapping[str, int]
    failures: Mapping[str, int]
    stopped: str = ""
    no_claim: int = 0

    @property
    def ended(self) -> int:
        return self.states["done"] + self.states["failed"]

    @property
    def complete(self) -> bool:
        return self.ended == self.total

    def plain(self) -> dict[str, Any]:
        return {
            "total": self.total,
            **self.states,
            "no_claim": self.no_claim,
            "failures": dict(self.failures),
            "stopped": self.stopped,
        }


@runtime_checkable
class Watcher(Protocol):
    """Is told what happens in a run; it may be shown to anybody, but for `words`, which may name a patient."""

    def begin(self, summary: RunStatus) -> None: ...

    def noted(self, text: str) -> None: ...

    def ended(self, outcome: Outcome, words: str = "") -> None: ...

    def tick(self, summary: RunStatus) -> None: ...

    def finish(self, summary: RunStatus) -> None: ...


@runtime_checkable
class Stream(Protocol):
    """What lines are written to."""

    def write(self, text: str, /) -> object: ...

    def flush(self) -> object: ...

    def isatty(self) -> bool: ...


class SilentWatcher:
    """Says nothing."""

    def begin(self, summary: RunStatus) -> None: ...

    def noted(self, text: str) -> None: ...

    def ended(self, outcome: Outcome, words: str = "") -> None: ...

    def tick(self, summary: RunStatus) -> None: ...

    def finish(self, summary: RunStatus) -> None: ...


@dataclass
class RunPace:
    """Cases per second over the last while, and the seconds that the rest will take."""

    times: deque[tuple[float, int]] = field(default_factory=deque)

    def note(self, ended: int, now: float) -> None:
        self.times.append((now, ended))
        while len(self.times) > 2 and now - self.times[1][0] > OVER_S:
            self.times.popleft()

    @property
    def rate(self) -> float:
        """Cases per second, 0 where it is not known."""
        if len(self.times) < 2 or self.times[-1][0] <= self.times[0][0]:
            return 0.0
        return (self.times[-1][1] - self.times[0][1]) / (self.times[-1][0] - self.times[0][0])

    def left_s(self, remaining: int) -> float | None:
        return remaining / self.rate if self.rate > 0 else None


class Printer:
    """Progress on stderr, and with `stream` the JSON lines `start`, `case`, `progress` and `end` on it."""

    def __init__(self, *, out: Stream | None = None, stream: Stream | None = None, quiet: bool = False) -> None:
        self._out, self._stream, self._quiet = out or sys.stderr, stream, quiet
        self._live = self._out.isatty()
        self._pace, self._shown, self._ended_before = RunPace(), 0.0, 0
        self._said_left = False  # after the first case what is left is said, however soon that is
        self.words: dict[int, str] = {}  # of the first failures, by their place in the manifest, for the terminal alone

    def begin(self, summary: RunStatus) -> None:
        self._ended_before = summary.ended
        self._tell("start", summary.plain())
        if summary.ended:
            self._say(f"going on: {summary.ended} of {summary.total} cases have ended already")

    def noted(self, text: str) -> None:
        self._tell("note", {"text": text})
        self._say(text)

    def ended(self, outcome: Outcome, words: str = "") -> None:
        if not self._pace.times:  # loading the models is no part of the pace: it begins with the first case
            self._pace.note(self._ended_before, time.monotonic() - sum(outcome.seconds.values()))
        if words:
            self.words[outcome.number] = words
            if len(self.words) > WORDS_KEPT:
                del self.words[max(self.words)]
        told: dict[str, str | int] = {"case": outcome.key, "status": outcome.state, "failure": outcome.kind}
        told |= {"no_claim": len(outcome.unclaimed)} if outcome.unclaimed else {}
        told |= {"code": outcome.code, "message": outcome.message}
        self._tell("case", {key: value for key, value in told.items() if value})

    def tick(self, summary: RunStatus) -> None:
        now = time.monotonic()
        first = bool(self._pace.times) and not self._said_left
        if not first and now - self._shown < (SHOWN_EVERY_S if self._live else LOGGED_EVERY_S):
            return
        self._shown, self._said_left = now, self._said_left or first
        if self._pace.times:
            self._pace.note(summary.ended, now)
        remaining = summary.total - summary.ended
        left = self._pace.left_s(remaining)
        self._tell(
            "progress", {**summary.plain(), "per_second": round(self._pace.rate, 4), "seconds_left": _whole(left)}
        )
        self._say(progress_line(summary, self._pace.rate, left), stays=not self._live)

    def finish(self, summary: RunStatus) -> None:
        self._tell("end", summary.plain())
        self._say(f"{'stopped' if summary.stopped else 'ended'}: {counts_text(summary)}")

    def _tell(self, event: str, values: Mapping[str, Any]) -> None:
        if self._stream is not None:
            print(
                json.dumps({"event": event, **values}, allow_nan=False),
                file=self._stream,
                flush=True,
            )

    def _say(self, text: str, *, stays: bool = True) -> None:
        if not self._quiet:
            before, after = ("\r\033[K", "\n" if stays else "") if self._live else ("", "\n")
            print(f"{before}medkt: {text}", end=after, file=self._out, flush=True)


def progress_line(summary: RunStatus, rate: float, left_s: float | None) -> str:
    """One line: how many of how many, failures, rate, time left.

    >>> states = {"pending": 60, "running": 0, "done": 37, "failed": 3}
    >>> progress_line(RunStatus(total=100, states=states, failures={"unreadable": 3}, no_claim=2), 0.5, 120)
    '40/100 cases, 3 failed, 2 with no claim, 30.0 a minute, 2 min left'
    """
    failed = f", {summary.states['failed']} failed" if summary.states["failed"] else ""
    pace = f", {rate:.1f} a second" if rate >= 1 else f", {rate * 60:.1f} a minute" if rate > 0 else ""
    left = "" if left_s is None else f", {_duration(left_s)} left"
    return f"{summary.ended}/{summary.total} cases{failed}{_silent_text(summary)}{pace}{left}"


def expected_line(summary: RunStatus, least: float, most: float) -> str:
    """One line before the work, from what a case adds to it at least and at most.

    >>> states = {"pending": 100, "running": 0, "done": 0, "failed": 0}
    >>> expected_line(RunStatus(total=100, states=states, failures={}), 1.5, 4.0)
    '100 cases: about 2 min to 7 min, if all are like the first'
    """
    left = summary.total - summary.ended
    cases = f"{left} case{'s' if left > 1 else ''}{f' of {summary.total} left' if summary.ended else ''}"
    low, high = _duration(left * least), _duration(left * most)
    return f"{cases}: about {low if low == high else f'{low} to {high}'}, if all are like the first"


def _silent_text(summary: RunStatus) -> str:
    return f", {summary.no_claim} with no claim" if summary.no_claim else ""


def counts_text(summary: RunStatus) -> str:
    """One line: how many are done, how many failed and why, how many are left."""
    kinds = ", ".join(f"{count} {kind}" for kind, count in summary.failures.items())
    failed = f"{summary.states['failed']} failed{f' ({kinds})' if kinds else ''}"
    left = summary.total - summary.ended
    return f"{summary.states['done']} of {summary.total} cases done{_silent_text(summary)}, {failed}" + (
        f", {left} left" if left else ""
    )


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
