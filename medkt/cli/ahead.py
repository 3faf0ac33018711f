"""What a command says of the time before its work, and once more after the first part of it: on standard error."""

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medkt.estimates.learn import LearnPlan
    from medkt.estimates.pace import Pace
    from medkt.pipeline import Pipeline, Progress, Study

FIRST_PART = 0.05  # of a stage of learning, after which it is measured
SAID_FROM_S = 20.0  # what is left after the first part is said where it is longer


class Ahead:
    """Says of one study how long it will take; nothing with `--quiet`.

    Args:
        arguments: of the command.
        pipeline: the models.
        name: of the study, for the terminal.
        say: is given each line.
    """

    def __init__(
        self, arguments: argparse.Namespace, pipeline: "Pipeline", name: str, say: Callable[[str], None] | None = None
    ) -> None:
        self._arguments, self._pipeline, self._name = arguments, pipeline, name
        self._say = say or _on_stderr
        self._pace: Pace | None = None

    def before(self, study: "Study") -> None:
        """Say what is expected, and begin to count."""
        if self._arguments.quiet:
            return
        from medkt.cli.dry_run import timer_of
        from medkt.estimates.pace import Pace
        from medkt.estimates.segment import costs_of, plan_study
        from medkt.transfer.packages import Taught

        pipeline = self._pipeline
        taught = pipeline.taught or Taught.of(pipeline.encoder)
        timer = timer_of(self._arguments.device, self._arguments.threads)
        costs = costs_of(pipeline.encoder.spec.name, pipeline.segmenter_facts.name, timer)
        plan = plan_study(study, taught, costs)
        self._say(f"{self._name}: {plan.line()}")
        steps = {name: one.most for name, one in plan.seconds.items()}
        maps = steps.get("maps", 0.0) + steps.get("segmenter", 0.0)
        self._pace = Pace({"maps": maps, "measure and write": steps.get("measure and write", 0.0)})
        self._pace.begin()

    def told(self, tick: "Progress") -> "Progress":
        """The same, and after the first slice with a map what is left is said."""

        def also(stage: str, done: int, total: int) -> None:
            tick(stage, done, total)
            if self._pace is None:
                return
            left = self._pace.left(stage, done, total)
            if stage == "maps" and done == 1 and left >= SAID_FROM_S:
                from medkt.estimates.words import duration

                self._say(f"{self._name}: the first of {total} slices is done; about {duration(left)} left")

        return also


class Stages:
    """Says of a learning how long it will take, and once more when its first part is done; nothing where `quiet`."""

    def __init__(self, quiet: bool, say: Callable[[str], None] | None = None) -> None:
        self._quiet, self._say = quiet, say or _on_stderr
        self._pace: Pace | None = None
        self._told = False

    def expect(self, plan: "LearnPlan") -> None:
        """Say what is expected, and begin to count."""
        from medkt.estimates.pace import Pace

        self._say(f"{plan.concept}: {plan.line()}")
        self._pace = Pace(plan.expected)
        self._pace.begin()

    def told(self, tick: "Progress") -> "Progress":
        """The same, and after the first images what is left is said."""

        def also(stage: str, done: int, total: int) -> None:
            tick(stage, done, total)
            if self._pace is None or not done:
                return
            left = self._pace.left(stage, done, total)
            if not self._told and done >= FIRST_PART * total and left >= SAID_FROM_S:
                from medkt.estimates.words import duration

                self._told = True
                self._say(f"{stage}: {done} of {total} steps are done; about {duration(left)} left for all")

        return also


def _on_stderr(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # no error, so without the name of the program before it
