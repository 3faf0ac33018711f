"""`medkt classify`: which of several findings, named in words, fits a study best."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medkt.cli.published import SETTINGS_ONLY, Given, add_as_published, say_settings, settle, standing_of
from medkt.cli.segment import (
    add_guard,
    add_reading,
    add_words,
    guard_words,
    is_guarded,
    packages_of,
    progress,
    say_demonstration,
    say_notes,
    view_of,
    wanted_of,
)
from medkt.cli.threads import add_threads, use_threads

if TYPE_CHECKING:
    from medkt.concepts import Concept
    from medkt.pipeline import Classification, View
    from medkt.pipeline.classification import ConceptScore
    from medkt.segmentation.zero_shot import ClassSettings
    from medkt.transfer.packages import Taught


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-i", "--input", type=Path, nargs="+", required=True, metavar="STUDY",
        help="as for `medkt segment`; several are done one after another",
    )  # fmt: skip
    add_words(parser, learnt=True)
    add_reading(parser)
    parser.add_argument(
        "--no-normal", action="store_true", help="compare the findings with each other only, not with a normal study"
    )
    add_rule(parser)
    add_as_published(parser)
    add_guard(parser)
    parser.add_argument(
        "-m", "--model", default="small", help="the encoder: a name of `medkt models list`, or a weights file"
    )
    parser.add_argument("-d", "--device", default="auto", help="auto, cpu, cuda, cuda:N or mps (default: %(default)s)")
    add_threads(parser)
    parser.add_argument("--json", action="store_true", help="one JSON line a study on stdout")
    parser.add_argument("--dry-run", action="store_true", help=SETTINGS_ONLY)


def add_rule(parser: argparse.ArgumentParser) -> None:
    """`--rule`, for every command that tells classes apart."""
    parser.add_argument(
        "--rule", default="default", action=Given, metavar="NAME",
        help="how prompts become a share: default (their mean direction), largest or mean (over their cosines), medclip or "
        "medclip-ensemble (the same as MedCLIP's own classifier has it, on MedCLIP alone), phrases (each phrase where in the "
        "picture it fits: for sentences of two lesions and denials; the small model alone)",
    )  # fmt: skip


def rule_of(arguments: argparse.Namespace) -> "ClassSettings":
    """The settings of the rule that the options name."""
    from medkt.config import resolve
    from medkt.segmentation.zero_shot import ClassSettings

    return resolve(ClassSettings, preset=arguments.rule, folder="classification")


def run(arguments: argparse.Namespace) -> int:
    """Score each study; 4 where some failed and others did not, else the code of the failure."""
    from medkt.codes import told
    from medkt.errors import MedktError
    from medkt.models.registry import load_encoder
    from medkt.pipeline import resolve_device
    from medkt.pipeline.words import require_words
    from medkt.saliency import KeptTexts, texts_kept
    from medkt.transfer.packages import Taught

    settle(arguments, "classify", "classification")
    settings = rule_of(arguments)
    stands = standing_of(arguments, "classify", "classification", settings, own={"no_normal": False, "window": None})
    if arguments.dry_run:
        return say_settings(stands, as_json=arguments.json, guard=guard_words(arguments))
    wanted = wanted_of(arguments)
    use_threads(arguments)
    encoder = load_encoder(arguments.model, device=resolve_device(arguments.device))
    taught = Taught.of(encoder, packages_of(arguments), together=arguments.together)
    require_words(wanted, encoder)
    view = view_of(arguments)
    failures: list[MedktError] = []
    kept = KeptTexts()
    for path in arguments.input:
        try:
            with texts_kept(kept):
                result = _classified(path, wanted, taught, view, settings, arguments)
            _say(path, result, stands.as_json(), as_json=arguments.json)
        except MedktError as error:
            if len(arguments.input) == 1:
                raise
            failures.append(error)
            print(f"medkt: {' '.join(str(error).split())}", file=sys.stderr)
            if arguments.json:
                print(json.dumps({"status": "failed", "input_path": str(path), **told(error)}, allow_nan=False))
    if failures:
        print(f"medkt: {len(failures)} of {len(arguments.input)} studies failed", file=sys.stderr)
        return 4 if len(failures) < len(arguments.input) else failures[0].exit_code
    return 0


def _classified(
    path: Path,
    wanted: "tuple[Concept | str | Path, ...]",
    taught: "Taught",
    view: "View",
    settings: "ClassSettings",
    arguments: argparse.Namespace,
) -> "Classification":
    from medkt.errors import InputError
    from medkt.io import read_image
    from medkt.pipeline import classify

    image = read_image(
        path,
        series=arguments.series,
        volume=arguments.volume,
        regrid=arguments.regrid,
        allow_incomplete=arguments.allow_incomplete,
    )
    try:
        with progress(arguments.quiet or arguments.json, path.name) as tick:
            return classify(
                image, concepts=wanted, model=taught, view=view, normal=not arguments.no_normal, settings=settings,
                guarded=is_guarded(arguments), progress=tick,
            )  # fmt: skip
    except InputError as error:
        raise type(error)(f"{path}: {error}") from error


def record_of(result: "Classification") -> dict[str, Any]:
    """What `--json` prints of a study: scores, words, digests; no path but the one that the user gave."""
    import torch

    from medkt.about import NOT_A_MEDICAL_DEVICE, __version__, demonstration_of
    from medkt.records import as_plain

    return {
        "medkt": __version__,
        "notice": NOT_A_MEDICAL_DEVICE,
        "demonstration": demonstration_of(result.encoder.name) or None,
        "domain": result.domain.name,
        "input": {
            "digest": result.image.provenance.digest,
            "modality": result.image.modality,
            "completeness": as_plain(result.image.provenance.completeness),
        },
        "scores": [
            {
                "concept": None if one.concept is None else one.concept.id,
                "name": one.name,
                "learnt": one.learnt,
                "probability": round(one.probability, 6),
                "cosine": round(one.cosine, 6),
                "plane": one.planes[one.best],
                "prompts": list(one.texts),
                "words_notes": list(one.words_notes),
                "no_claim": as_plain(one.no_claim),
                "planes": [
                    {"index": index, "probability": round(share, 6), "cosine": round(cosine, 6)}
                    for index, share, cosine in zip(
                        one.planes, one.probabilities.tolist(), one.cosines.tolist(), strict=True
                    )
                ],
            }
            for one in result.scores
        ],
        "no_claim": as_plain(result.no_claim),
        "guard": result.guard,
        "encoder": as_plain(result.encoder),
        "settings": as_plain(result.settings),
        "threads": torch.get_num_threads(),
        "warnings": list(result.warnings),
    }


def _silent(result: "Classification", score: "ConceptScore") -> str:
    """Why one of several says nothing; where all do it stands above them."""
    if result.no_claim or not score.no_claim:
        return ""
    return f"  no claim, and not in the others' shares: {'; '.join(one.sentence for one in score.no_claim)}"


def _say(path: Path, result: "Classification", published: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        record = {**record_of(result), "as_published": published or None}
        print(json.dumps({"status": "done", "input_path": str(path), **record}, allow_nan=False))
        return
    from medkt.io.guard import one_line

    names = [one_line(one.name, 60) for one in result.scores]
    volume = len(result.scores[0].planes) > 1
    width = max(len(name) for name in (*names, "finding")) + 2
    print(f"{path}: {result.domain.title}, {result.encoder.name}")
    if result.no_claim:
        print(f"  no claim: {'; '.join(one.sentence for one in result.no_claim)}")
    print(f"  {'finding':<{width}}{'share':>7}{'cosine':>9}{'   plane' if volume else ''}".rstrip())
    for name, one in zip(names, result.scores, strict=True):
        where = f"{one.planes[one.best]:>8}" if volume else ""
        learnt = "  learnt" if one.learnt else ""
        print(f"  {name:<{width}}{one.probability:>7.3f}{one.cosine:>9.3f}{where}{learnt}{_silent(result, one)}")
    say_demonstration(result.encoder.name)
    say_notes([*result.warnings, *([published["words"]] if published else [])])
