"""`medkt learn --how text`: a concept asked well, in seconds, without any training."""

import argparse
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medkt.cli.dry_run import say_plan
from medkt.cli.segment import progress, say_demonstration, say_notes

if TYPE_CHECKING:
    from medkt.asking.studies import ShownStudies
    from medkt.concepts import Concept
    from medkt.domains import Domain
    from medkt.learning.ask import AskedConcept
    from medkt.models.encoder import EncoderSpec

_OF_TRAINING = {
    "settings": "--settings", "set": "--set", "max_forgetting": "--max-forgetting", "second": "--second", "cache": "--cache",
    "as_published": "--as-published", "images": "--images", "pool": "--pool", "dreamt_rehearsal": "--dreamt-rehearsal",
}  # fmt: skip


def require_no_training(arguments: argparse.Namespace) -> None:
    """That no option is given that says how to train.

    Raises:
        SettingsError: one is; it is named.
    """
    from medkt.errors import SettingsError

    given = [option for name, option in _OF_TRAINING.items() if getattr(arguments, name, None)]
    given += [f"--{name}" for name in getattr(arguments, "given", ()) if name in ("preset", "delta")]
    given += ["--seeds"] if arguments.seeds != 1 else []
    if given:
        raise SettingsError(f"--how text trains nothing, so that {', '.join(given)} means nothing; leave it out")


def studies_of(arguments: argparse.Namespace, kind: "Domain", concept: "Concept") -> "dict[str, ShownStudies]":
    """The user's studies that a lead is set on, by the option's name; checked for being there.

    Raises:
        InputError: there is no such folder or manifest, or nothing in it.
    """
    from medkt.pipeline.studies import StudyFolder

    named = {"normals": arguments.normals, "rehearse": arguments.rehearse}
    return {name: StudyFolder.of(path, kind, concept) for name, path in named.items() if path is not None}


def run_text(arguments: argparse.Namespace, concept: "Concept", kind: "Domain", target: Path | None) -> int:
    """Settle how the concept is asked, examine it, and write the package; its studies are read one at a time."""
    from medkt.audit.probe import read_probe
    from medkt.errors import NotCarriedError
    from medkt.learning.ask import ask_well
    from medkt.models.registry import load_encoder
    from medkt.pipeline import resolve_device

    require_no_training(arguments)
    given = studies_of(arguments, kind, concept)
    probe = None if arguments.probe is None else read_probe(arguments.probe, kind, concept)
    if arguments.dry_run or target is None:
        return _dry_run(arguments, concept, {name: len(found) for name, found in given.items()})
    encoder = load_encoder(arguments.model, device=resolve_device(arguments.device))
    say_notes(drawn_notes(encoder.spec, given))
    began = time.perf_counter()
    with telling(arguments.json), progress(arguments.quiet or arguments.json, f"asking for {concept.name}") as tick:
        made = ask_well(
            encoder, concept, kind, level=arguments.audit, probe=probe, keep_anyway=arguments.keep_anyway, progress=tick,
            normals=given.get("normals"), rehearse=given.get("rehearse"),
        )  # fmt: skip
    seconds = time.perf_counter() - began
    if made.refusal:
        _say(made, None, "", seconds, as_json=arguments.json)
        raise NotCarriedError(made.refusal)
    _say(made, target, made.save(target).digest, seconds, as_json=arguments.json)
    return 0


def drawn_notes(spec: "EncoderSpec", given: "Mapping[str, ShownStudies]") -> list[str]:
    """What to know where the lead of a model that is not the demonstration is set on drawn pictures."""
    if spec.family == "small" or "normals" in given:
        return []
    return [
        f"{spec.name} was not made for drawn pictures, and on these it is set from which lead on the finding is seen; give normal "
        "studies of your own with --normals DIR"
    ]


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


def _dry_run(arguments: argparse.Namespace, concept: "Concept", given: dict[str, int]) -> int:
    """What would be asked, and of how many pictures; nothing is loaded."""
    from medkt.asking.calibration import COUNTS
    from medkt.asking.choose import COUNTS as CHOOSING
    from medkt.audit.exam import COUNTS as EXAM
    from medkt.estimates.words import Section

    exam = (
        "none"
        if arguments.audit == "none"
        else f"{EXAM.finding + EXAM.others + EXAM.normal} drawn pictures and {EXAM.known} of each known finding"
    )
    own = [f"{count} {name} of the user's" for name, count in given.items()]
    plan = {
        "concept": concept.id, "model": arguments.model, "how": "text: nothing is trained", "output": arguments.output and str(arguments.output),
        "way chosen on": f"{CHOOSING.finding + CHOOSING.others + CHOOSING.normal} drawn pictures, where the description can be drawn",
        "lead set on": ", ".join(own) or f"{COUNTS.normal} drawn normal studies and {COUNTS.known} pictures of each known finding",
        "exam": exam,
    }  # fmt: skip
    lines = tuple((name, str(said)) for name, said in plan.items() if said is not None)
    say_plan([Section(title="What would be asked", lines=lines)], plan, as_json=arguments.json)
    return 0


def _say(made: "AskedConcept", target: Path | None, digest: str, seconds: float, *, as_json: bool) -> None:
    """The verdict first; `target` None where nothing was written."""
    asking = made.asking
    if as_json:
        told: dict[str, Any] = {
            "words_carried": made.verdict.as_json(), "package": target and str(target), "page": None, "digest": digest or None,
            "seconds": round(seconds, 1), "bytes": target and target.stat().st_size, "recipe": dict(made.recipe),
            "asking": asking.as_json(), "audit": dict(made.record) if made.sat else None,
        }  # fmt: skip
        print(json.dumps(told, allow_nan=False))
        return
    from medkt.learning.ask_card import set_on_said

    print(made.verdict.line)
    for line in made.meaning:
        print(line)
    print(
        f"{made.concept.name}: asked by {asking.way} in {seconds:.0f} s, nothing was trained ({asking.chosen['why']})"
    )
    print(f"  seen from a lead of {asking.bias:.3f}, set on {', '.join(set_on_said(asking))}")
    if target is not None:
        print(f"  {target}: {target.stat().st_size / 1e3:.0f} kB")
    say_demonstration(made.base.name)
