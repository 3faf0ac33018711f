"""`medkt concept`: words for a finding, written, checked and shown; learnt concepts checked, signed and put together."""

import argparse
import json
import sys
from typing import Any

from medkt.cli import concepts as shipped
from medkt.cli import from_prose
from medkt.cli.fill import add_options, filled
from medkt.requests.concept_packages import (
    ConceptComposeRequest,
    ConceptSignRequest,
    ConceptVerifyRequest,
    concept_compose,
    concept_sign,
    concept_verify,
)
from medkt.requests.concept_words import (
    ConceptLintRequest,
    ConceptNewRequest,
    concept_lint,
    concept_new,
    require_one_origin,
)
from medkt.requests.concepts import ConceptShowRequest, concept_show


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.description = "Words for findings, and learnt concepts as files."
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    action = actions.add_parser(
        "new", help="write a commented file to fill in, or one from a list of captions or a text"
    )
    add_options(action, ConceptNewRequest, before={"licence": _add_json_of_a_text})

    action = actions.add_parser("lint", help="check the words: errors end in exit code 2, warnings do not")
    add_options(action, ConceptLintRequest)
    _add_json(action)

    action = actions.add_parser("list", help="every finding that there are words for")
    shipped.configure_list(action)

    action = actions.add_parser("show", help="one concept whole, or what is in a .medkt file")
    add_options(action, ConceptShowRequest)

    action = actions.add_parser("verify", help="check every byte of a .medkt file, and who signed it")
    add_options(action, ConceptVerifyRequest)
    _add_json(action)

    action = actions.add_parser("sign", help="sign a .medkt file, or make a key for it")
    add_options(action, ConceptSignRequest)

    action = actions.add_parser("compose", help="put several .medkt files into one, and show how they interfere")
    add_options(action, ConceptComposeRequest)
    _add_json(action)


def run(arguments: argparse.Namespace) -> int:
    """Carry the command out; returns the exit code, 2 if `lint` finds errors."""
    actions = {
        "new": _new, "lint": _lint, "list": shipped.run_list, "show": _show, "verify": _verify, "sign": _sign,
        "compose": _compose,
    }  # fmt: skip
    return actions[arguments.action](arguments)


def _add_json(action: argparse.ArgumentParser) -> None:
    action.add_argument("--json", action="store_true", help="JSON on stdout")


def _add_json_of_a_text(action: argparse.ArgumentParser) -> None:
    action.add_argument(
        "--json", action="store_true", help="with --from-text: what became of each sentence, as JSON on stdout"
    )


def _new(arguments: argparse.Namespace) -> int:
    request = filled(ConceptNewRequest, arguments)
    require_one_origin(request, as_json=arguments.json)
    made = concept_new(request)
    if made.draft is not None:
        from_prose.say_draft(made.draft, made, as_json=arguments.json)
    elif made.file is None:
        print(made.text, end="")
    else:
        print(f"{made.file}: fill it in, then `medkt concept lint {made.file}`")
    return 0


def _lint(arguments: argparse.Namespace) -> int:
    from dataclasses import asdict

    found = concept_lint(filled(ConceptLintRequest, arguments))
    if arguments.json:
        shown = {
            "problems": [asdict(problem) for problem in found.problems],
            "forecasts": [asdict(forecast) for forecast in found.forecasts],
        }
        counted = {"errors": found.errors, "warnings": found.warnings}
        print(json.dumps({**counted, **shown}, indent=1, allow_nan=False))
    else:
        for problem in found.problems:
            print(f"{problem.level}: {problem}")
        for forecast in found.forecasts:
            print(f"note: {forecast.id}: {forecast.sentence}")
        print(f"errors: {found.errors}, warnings: {found.warnings}, files: {len(arguments.files)}")
    return 2 if found.errors else 0


def _show(arguments: argparse.Namespace) -> int:
    shown = concept_show(filled(ConceptShowRequest, arguments))
    if shown.concept is not None:
        shipped.say_concept(shown.concept)
    elif arguments.card:
        print(shown.card)
    else:
        print(json.dumps(_described(shown.package), indent=1, allow_nan=False))
    return 0


def _described(package: Any) -> dict[str, Any]:
    from medkt.concepts.signature import signer_of
    from medkt.records import as_plain

    return {
        "digest": package.digest, "medkt": package.medkt_version, "base": as_plain(package.base),
        "signed_by": signer_of(package) or None,
        "learnt": [
            {
                "concept": as_plain(one.concept), "weights": dict(one.header.metadata), "weights_bytes": len(one.delta),
                "tensors": len(one.header.entries), "numbers": one.header.numbers, "recipe": one.recipe,
                "audit": one.audit, "words_carried": one.words_carried,
                "asking": None if one.asking is None else one.asking.as_json(),
            }
            for one in package.learnt
        ],
        "interference": package.interference,
    }  # fmt: skip


def _verify(arguments: argparse.Namespace) -> int:
    verdict = concept_verify(filled(ConceptVerifyRequest, arguments))
    package = verdict.package
    if arguments.json:
        facts = {
            "digest": package.digest,
            "signed_by": verdict.signer or None,
            "fingerprint": verdict.fingerprint or None,
        }
        concepts = [concept.id for concept in package.concepts]
        carried = {one.concept.id: one.words_carried for one in package.learnt}
        told = {"sound": True, "concepts": concepts, "base": package.base.name, "words_carried": carried, **facts}
        print(json.dumps(told, allow_nan=False))
        return 0
    ids = ", ".join(concept.id for concept in package.concepts)
    print(f"{arguments.file}: sound; {ids} for {package.base.name} ({package.base.digest[:12]}...)")
    signed = f"signed by {verdict.signer}, key {verdict.fingerprint}" if verdict.signer else "not signed"
    print(f"  {signed}; manifest {package.digest}")
    for one in package.learnt:
        print(f"  {one.concept.id}: {one.words_carried}")
    return 0


def _sign(arguments: argparse.Namespace) -> int:
    made = concept_sign(filled(ConceptSignRequest, arguments))
    if made.public_key is None:
        print(f"{made.file}: signed, key {made.fingerprint}")
        return 0
    from medkt.concepts.signature import PASSPHRASE

    print(f"{made.private_key}: your private key, keep it to yourself")
    print(f"{made.public_key}: to pass on, fingerprint {made.fingerprint}")
    print(f"set {PASSPHRASE} before making a key to lock it with a passphrase", file=sys.stderr)
    return 0


def _compose(arguments: argparse.Namespace) -> int:
    package = concept_compose(filled(ConceptComposeRequest, arguments))
    if arguments.json:
        print(
            json.dumps(
                {"file": str(arguments.output), "digest": package.digest, **package.interference}, allow_nan=False
            )
        )
        return 0
    ids = [concept.id for concept in package.concepts]
    width = max(map(len, ids)) + 2
    print("cosine between the changes of the weights: 0 leaves the others alone, 1 pulls the same way, -1 undoes them")
    print(" " * width + "".join(f"{one:>{width}}" for one in ids))
    for one, row in zip(ids, package.interference["cosine"], strict=True):
        print(f"{one:<{width}}" + "".join(f"{value:>{width}.3f}" for value in row))
    print(arguments.output)
    return 0
