"""What is said of the time before a work, and once more after the first part of it."""

from typing import TYPE_CHECKING

from medkt.progress import Progress
from medkt.requests.listener import Listener

if TYPE_CHECKING:
    from medkt.estimates.learn import LearnPlan
    from medkt.estimates.machine import Timer
    from medkt.estimates.pace import StagePace
    from medkt.pipeline import Pipeline, Study

FIRST_PART = 0.05  # of a stage of learning, after which it is measured
SAID_FROM_S = 20.0  # what is left after the first part is said where it is longer


def timer_of(device: str, threads: int) -> "Timer":
    """How fast this machine computes with the options of a request."""
    from functools import partial

    from medkt.estimates.machine import measured_rates
    from medkt.pipeline import resolve_device

    return partial(measured_rates, device=str(resolve_device(device)), threads=threads)


class StudyForecast:
    """Says of one study how long it will take, to a listener that wants to know.

    Args:
        pipeline: the models.
        name: of the study, for the user.
        listener: is told each line.
        device, threads: that compute.
    """

    def __init__(self, pipeline: "Pipeline", name: str, listener: Listener, *, device: str, threads: int) -> None:
        self._pipeline, self._name, self._listener = pipeline, name, listener
        self._device, self._threads = device, threads
        self._pace: StagePace | None = None

    def before(self, study: "Study") -> None:
        """Say what is expected, and begin to count."""
        if not self._listener.foretells:
            return
        from medkt.estimates.pace import StagePace
        from medkt.estimates.segment import costs_of, plan_study
        from medkt.transfer.packages import AdaptedEncoder

        pipeline = self._pipeline
        taught = pipeline.taught or AdaptedEncoder.of(pipeline.encoder)
        costs = costs_of(
            pipeline.encoder.spec.name, pipeline.segmenter_facts.name, timer_of(self._device, self._threads)
        )
        plan = plan_study(study, taught, costs)
        self._listener.tell(f"{self._name}: {plan.line()}")
        steps = {name: one.most for name, one in plan.seconds.items()}
        maps = steps.get("maps", 0.0) + steps.get("segmenter", 0.0)
        self._pace = StagePace({"maps": maps, "measure and write": steps.get("measure and write", 0.0)})
        self._pace.begin()

    def told(self, tick: Progress) -> Progress:
        """The same, and after the first slice with a map what is left is said."""

        def also(stage: str, done: int, total: int) -> None:
            tick(stage, done, total)
            if self._pace is None:
                return
            left = self._pace.left(stage, done, total)
            if stage == "maps" and done == 1 and left >= SAID_FROM_S:
                from medkt.estimates.words import duration

                self._listener.tell(f"{self._name}: the first of {total} slices is done; about {duration(left)} left")

        return also


class LearningForecast:
    """Says of a learning how long it will take, and once more when its first part is done."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._pace: StagePace | None = None
        self._told = False

    def expect(self, plan: "LearnPlan") -> None:
        """Say what is expected, and begin to count."""
        from medkt.estimates.pace import StagePace

        self._listener.tell(f"{plan.concept}: {plan.line()}")
        self._pace = StagePace(plan.expected)
        self._pace.begin()

    def told(self, tick: Progress) -> Progress:
        """The same, and after the first images what is left is said."""

        def also(stage: str, done: int, total: int) -> None:
            tick(stage, done, total)
            if self._pace is None or not done:
                return
            left = self._pace.left(stage, done, total)
            if stage not in self._pace.expected:  # what comes after it is not known from it
                return
            if not self._told and done >= FIRST_PART * total and left >= SAID_FROM_S:
                from medkt.estimates.words import duration

                self._told = True
                self._listener.tell(f"{stage}: {done} of {total} steps are done; about {duration(left)} left for all")

        return also
