"""`--dry-run`: what a command would do, how long it would take and how much memory, as it is printed."""

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from medkt.cli.published import guard_plan, guard_words, settings_section, settings_values

if TYPE_CHECKING:
    from medkt.estimates.words import PlanSection
    from medkt.requests.plans import PlannedBatch, PlannedStudies

HELP = "only say what would be done, how long it would take and how much memory; what would be refused is refused"


def add_dry_run(parser: argparse.ArgumentParser) -> None:
    """`--dry-run`."""
    parser.add_argument("--dry-run", action="store_true", help=HELP)


def say_plan(sections: "Sequence[PlanSection]", values: Mapping[str, Any], *, as_json: bool) -> None:
    """The plan on standard output, for a person or a machine."""
    from medkt.estimates.words import text_of

    if as_json:
        print(json.dumps({"dry_run": True, **values}, allow_nan=False))
    else:
        print(text_of(sections))


def say_planned(found: "PlannedStudies | PlannedBatch", *, as_json: bool) -> None:
    """The plan, whether the guard is on, and every setting."""
    guard, guard_values = guard_plan(guard_words(found.request))
    say_plan(
        [*found.plan.sections(), *guard, settings_section(found.standing)],
        {**found.plan.as_json(), **guard_values, **settings_values(found.standing)},
        as_json=as_json,
    )
