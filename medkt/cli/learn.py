"""`medkt learn`: from a description to a small file that makes a model see the finding."""

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from medkt.cli.dry_run import add_dry_run, say_plan
from medkt.cli.fill import add_options, filled
from medkt.cli.published import settings_section, settings_values
from medkt.cli.terminal import Terminal, say_demonstration
from medkt.requests.learn import (
    LearnRequest,
    LearnResult,
    SettledLearning,
    learn_concept,
    notes_of,
    plan_of_learning,
    settle_learning,
    training_of,
)
from medkt.requests.learn_studies import require_rehearsal
from medkt.requests.learn_text import asking_of

if TYPE_CHECKING:
    from medkt.learning import LearningOutcome
    from medkt.learning.text_learning import AskingOutcome


def configure(parser: argparse.ArgumentParser) -> None:
    add_options(parser, LearnRequest)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    add_dry_run(parser)


def run(arguments: argparse.Namespace) -> int:
    """Learn, audit, and say what came of it, the verdict first."""
    from medkt.errors import NotCarriedError
    from medkt.learning import LearningOutcome

    request, listener = filled(LearnRequest, arguments), Terminal(arguments)
    if arguments.dry_run:
        wanted = settle_learning(request, listener, writes=False)
        say_dry_run = _dry_run_of_text if wanted.request.how == "text" else _dry_run
        return say_dry_run(wanted, as_json=arguments.json)
    with telling(arguments.json):
        found = learn_concept(request, listener=listener)
    if isinstance(found.made, LearningOutcome):
        _say_learned(found.made, found, as_json=arguments.json)
    else:
        _say_asked(found.made, found, as_json=arguments.json)
    if found.made.refusal:
        raise NotCarriedError(found.made.refusal)
    return 0


def _dry_run(wanted: SettledLearning, *, as_json: bool) -> int:
    """Say what would be learned and how long that takes; weights are loaded only where the cache may hold their images."""
    from medkt.concepts.concept import ROLES
    from medkt.estimates.models import planned_encoder
    from medkt.inversion.cache import cache_folder
    from medkt.pipeline.words import require_words

    request, concept, kind, training = wanted.request, wanted.concept, wanted.kind, training_of(wanted)
    kept = any((request.cache or cache_folder()).glob("*.safetensors"))
    model, encoder = planned_encoder(request.model, real=kept)
    require_words([concept], encoder, roles=ROLES)
    require_rehearsal(request, encoder, training.settings)
    notes = notes_of(encoder, concept, kind)
    plan = plan_of_learning(
        request, concept, kind, training.settings, encoder, notes, model=model, started=time.process_time()
    )
    sections = [*plan.sections(), settings_section(training.standing)]
    say_plan(sections, {**plan.as_json(), **settings_values(training.standing)}, as_json=as_json)
    return 0


def _dry_run_of_text(wanted: SettledLearning, *, as_json: bool) -> int:
    """What would be asked, and of how many pictures; nothing is loaded."""
    from medkt.asking.calibration import COUNTS
    from medkt.asking.choice import COUNTS as CHOOSING
    from medkt.audit.exam import COUNTS as EXAM
    from medkt.audit.probe import read_probe
    from medkt.estimates.words import PlanSection

    given = {name: len(found) for name, found in asking_of(wanted).items()}
    request, concept = wanted.request, wanted.concept
    if request.probe is not None:
        read_probe(request.probe, wanted.kind, concept)
    exam = (
        "none"
        if request.audit == "none"
        else f"{EXAM.finding + EXAM.others + EXAM.normal} drawn pictures and {EXAM.known} of each known finding"
    )
    own = [f"{count} {name} of the user's" for name, count in given.items()]
    plan = {
        "concept": concept.id, "model": request.model, "how": "text: nothing is trained", "output": request.output and str(request.output),
        "way chosen on": f"{CHOOSING.finding + CHOOSING.others + CHOOSING.normal} drawn pictures, where the description can be drawn",
        "lead set on": ", ".join(own) or f"{COUNTS.normal} drawn normal studies and {COUNTS.known} pictures of each known finding",
        "exam": exam,
    }  # fmt: skip
    lines = tuple((name, str(said)) for name, said in plan.items() if said is not None)
    say_plan([PlanSection(title="What would be asked", lines=lines)], plan, as_json=as_json)
    return 0


@contextmanager
def telling(as_json: bool) -> Iterator[None]:
    """Print a refusal of the words before anything was learned as the JSON object that a learning has."""
    from medkt.errors import NotCarriedError

    try:
        yield
    except NotCarriedError as error:
        if as_json:
            told = {"answer": "no", "line": str(error)}
            print(json.dumps({"words_carried": told, "package": None, "page": None, "audit": None}, allow_nan=False))
        raise


def _say_learned(made: "LearningOutcome", found: LearnResult, *, as_json: bool) -> None:
    """The verdict first."""
    target = found.package
    record: dict[str, Any] = {
        "words_carried": made.verdict.as_json(), "package": target and str(target),
        "page": target and str(target.with_suffix(".html")), "digest": found.digest or None, "seconds": round(found.seconds, 1),
        "bytes": target and target.stat().st_size, "recipe": made.recipe, "audit": made.record if made.audit else None, "notes": list(found.notes),
    }  # fmt: skip
    if as_json:
        print(json.dumps(record, allow_nan=False))
        return
    print(made.verdict.line)
    if made.verdict.asking:
        print(made.verdict.asking)
    for line in made.audit.meaning if made.audit else ():
        print(line)
    print(f"{made.concept.name}: learned in {found.seconds:.0f} s with {len(made.learned)} seed(s)")
    if made.audit is not None:
        print(f"  known images that got another name: {made.audit.forgotten:.1%}")
        print(f"  not examined: {'; '.join(made.audit.unexamined)}")
    if (chosen := made.learned[made.kept].chosen) is not None:
        print(f"  chosen without labels: step {chosen.step}, interpolation {chosen.interpolation:g}")
    if target is not None:
        page = target.with_suffix(".html").name
        print(f"  {target}: {target.stat().st_size / 1e6:.2f} MB; {page} shows the audit")
    say_demonstration(made.delta.base_name)


def _say_asked(made: "AskingOutcome", found: LearnResult, *, as_json: bool) -> None:
    """The verdict first."""
    asking, target = made.asking, found.package
    if as_json:
        told: dict[str, Any] = {
            "words_carried": made.verdict.as_json(), "package": target and str(target), "page": None, "digest": found.digest or None,
            "seconds": round(found.seconds, 1), "bytes": target and target.stat().st_size, "recipe": dict(made.recipe),
            "asking": asking.as_json(), "audit": dict(made.record) if made.sat else None,
        }  # fmt: skip
        print(json.dumps(told, allow_nan=False))
        return
    from medkt.learning.text_card import set_on_said

    print(made.verdict.line)
    for line in made.meaning:
        print(line)
    print(
        f"{made.concept.name}: asked by {asking.way} in {found.seconds:.0f} s, nothing was trained ({asking.chosen['why']})"
    )
    print(f"  seen from a lead of {asking.bias:.3f}, set on {', '.join(set_on_said(asking))}")
    if target is not None:
        print(f"  {target}: {target.stat().st_size / 1e3:.0f} kB")
    say_demonstration(made.base.name)
