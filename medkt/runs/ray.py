"""The engine of many machines: Ray actors, each minding one worker process on its node.

An actor holds no model and no voxels. It starts the same worker process as the local engine does, passes cases on to it
as paths and outcomes back as small rows, and kills it where a case takes too long. What dies with a node are the cases
that its workers had in hand; another actor gets them. The run's folder must be the same on every node.
"""

import os
import pickle
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medkt.extras import require
from medkt.runs.engine import CaseFinished, CaseTimedOut, EngineBroken, Event, RunnerFactory, WorkerLost, WorkerReady
from medkt.runs.local import DEPTH, LocalEngine
from medkt.runs.work import Work

WAITED_S = 0.2  # an actor waits so long for something to happen before it answers
LOST_BEFORE_READY = 5  # actors in a row that die before a worker is ready, before the run gives up


class Minder:
    """The body of an actor: a local engine of one worker, asked and answered in one call.

    The factory comes pickled, and with it where its module may lie: an actor begins with a search path of its own.
    """

    def __init__(
        self, factory: bytes, search_path: Sequence[str], folder: Path, threads: int, timeout_s: float | None
    ) -> None:
        sys.path.extend(one for one in search_path if one not in sys.path)
        self._engine = LocalEngine(pickle.loads(factory), folder, workers=1, threads=threads, timeout_s=timeout_s)
        self._engine.start()

    def exchange(self, works: Sequence[tuple[Work, bool]]) -> Sequence[Event]:
        """Hand the worker cases (and whether each wants it alone), and tell what has happened."""
        for work, alone in works:
            self._engine.submit(work, alone=alone)
        return self._engine.poll(WAITED_S)

    def stop(self, grace: float) -> Sequence[Event]:
        return self._engine.stop(grace=grace)


@dataclass(slots=True)
class _Actor:
    handle: Any
    answer: Any = None  # of the call that is under way
    ready: bool = False
    alone: bool = False
    file: str = ""
    given: list[tuple[Work, bool]] = field(default_factory=list)  # goes with the next call
    hand: dict[str, bool] = field(default_factory=dict)  # key -> whether the actor knows of it


class RayEngine:
    """Workers on the nodes of a Ray cluster.

    Args:
        factory: makes the runner in each worker.
        folder: where the workers' files go; the same folder on every node.
        workers: how many actors; as many as fit run at once.
        address: of a cluster that runs; None joins the one that this process is in, or starts one on this machine.
        threads: of each worker; also the processors that an actor asks of its node.
        gpus: that an actor asks for.
        timeout_s: how long one case may be worked at.

    Raises:
        MissingDependencyError: Ray is not installed.
    """

    def __init__(
        self,
        factory: RunnerFactory,
        folder: Path,
        *,
        workers: int = 1,
        address: str | None = None,
        threads: int = 1,
        gpus: float = 0.0,
        timeout_s: float | None = None,
    ) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray reports its use to its makers otherwise
        require("ray", "--engine ray")
        import ray

        self._ray: Any = ray
        self._factory, self._folder, self._address = factory, folder, address
        self._count, self._threads, self._gpus, self._timeout_s = workers, threads, gpus, timeout_s
        self._actors: list[_Actor] = []
        self._started_ray = self._stopping = False
        self._lost_before_ready = 0

    def start(self) -> None:
        if not self._ray.is_initialized():
            self._ray.init(address=self._address, include_dashboard=False, log_to_driver=False)
            self._started_ray = True
        self._actors = [self._spawn() for _ in range(self._count)]

    def room(self, *, alone: bool = False) -> int:
        if alone:
            return sum(actor.ready and not actor.hand for actor in self._actors)
        return sum(DEPTH - len(actor.hand) for actor in self._actors if actor.ready and not actor.alone)

    def submit(self, work: Work, *, alone: bool = False) -> None:
        free = [actor for actor in self._actors if actor.ready and not actor.alone]
        actor = min(free, key=lambda one: len(one.hand))
        actor.alone = alone
        actor.hand[work.key] = False
        actor.given.append((work, alone))

    def poll(self, seconds: float) -> Sequence[Event]:
        for actor in self._actors:
            self._ask(actor)
        waiting = [actor.answer for actor in self._actors]
        self._ray.wait(waiting, num_returns=1, timeout=seconds)
        answered, _ = self._ray.wait(waiting, num_returns=len(waiting), timeout=0)
        events: list[Event] = []
        for actor in [one for one in self._actors if one.answer in answered]:
            events += self._answered(actor)
        return events

    def stop(self, *, grace: float) -> Sequence[Event]:
        self._stopping = True
        events: list[Event] = []
        try:
            for actor in tuple(self._actors):
                actor.given.clear()
                if actor.answer is not None and self._is_answered(actor, grace):
                    events += self._answered(actor)
            calls = [(actor, actor.handle.stop.remote(grace)) for actor in self._actors]
            until = time.monotonic() + grace + 10
            for actor, call in calls:
                actor.answer = call
                if self._is_answered(actor, max(0.0, until - time.monotonic())):
                    events += self._answered(actor)
        finally:
            for actor in self._actors:
                self._ray.kill(actor.handle)
            self._actors.clear()
            if self._started_ray:
                self._ray.shutdown()
        return events

    # ---- one actor

    def _spawn(self) -> _Actor:
        options = {"num_cpus": self._threads, "num_gpus": self._gpus, "max_restarts": 0}
        made = self._ray.remote(**options)(Minder)
        factory, search_path = pickle.dumps(self._factory), tuple(sys.path)
        return _Actor(handle=made.remote(factory, search_path, self._folder, self._threads, self._timeout_s))

    def _ask(self, actor: _Actor) -> None:
        """Keep one call under way; it takes along what is to be handed out."""
        if actor.answer is None:
            given, actor.given = actor.given, []
            actor.hand.update(dict.fromkeys((work.key for work, _ in given), True))
            actor.answer = actor.handle.exchange.remote(given)

    def _is_answered(self, actor: _Actor, seconds: float) -> bool:
        return bool(self._ray.wait([actor.answer], timeout=seconds)[0])

    def _answered(self, actor: _Actor) -> list[Event]:
        answer, actor.answer = actor.answer, None
        try:
            events: list[Event] = list(self._ray.get(answer))
        except self._ray.exceptions.RayError as error:
            return self._lost(actor, type(error.__cause__ or error).__name__)
        for event in events:
            self._note(actor, event)
        return events

    def _note(self, actor: _Actor, event: Event) -> None:
        """What the events mean for what the actor has in hand."""
        if isinstance(event, WorkerReady):
            actor.ready, actor.file, self._lost_before_ready = True, event.file, 0
        elif isinstance(event, CaseFinished):
            actor.hand.pop(event.outcome.key, None)
        elif isinstance(event, CaseTimedOut):
            actor.hand.pop(event.key, None)
        elif isinstance(event, WorkerLost):
            for key in (*event.suspects, *event.others):
                actor.hand.pop(key, None)
            actor.ready, actor.file = False, ""
        actor.alone = actor.alone and bool(actor.hand)

    def _lost(self, actor: _Actor, why: str) -> list[Event]:
        """The node or the actor is gone: what it knew of is suspected, what it had not been told is not."""
        self._actors.remove(actor)
        with suppress(self._ray.exceptions.RayError):  # it may be out of reach only: another does its cases
            self._ray.kill(actor.handle)
        suspects = tuple(key for key, told in actor.hand.items() if told)
        others = tuple(key for key, told in actor.hand.items() if not told)
        events: list[Event] = [WorkerLost(file=actor.file, suspects=suspects, others=others)]
        if self._stopping:
            return events
        if not actor.ready:
            self._lost_before_ready += 1
            if self._lost_before_ready >= LOST_BEFORE_READY:
                words = (
                    f"{LOST_BEFORE_READY} Ray actors in a row died before they were ready ({why}); look at Ray's logs"
                )
                return [*events, EngineBroken(error="MedktError", message=words)]
        self._actors.append(self._spawn())
        return events
