"""`medkt concept`: words for a finding, written, checked and shown; learnt concepts checked, signed and put together."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medkt.cli import concepts as shipped
from medkt.cli import from_prose
from medkt.cli.from_prose import write_words
from medkt.modalities import Choices

if TYPE_CHECKING:
    from medkt.concepts.encoder_lint import Forecast
    from medkt.concepts.problem import Problem


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.description = "Words for findings, and learnt concepts as files."
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    action = actions.add_parser(
        "new", help="write a commented file to fill in, or one from a list of captions or a text"
    )
    action.add_argument("--modality", choices=Choices(), required=True)
    action.add_argument("--name", default="", help="the finding, as a radiologist writes it")
    action.add_argument("--caption", action="append", default=[], help="what it looks like; may be repeated")
    action.add_argument("--from-list", type=Path, metavar="FILE", help="take name<TAB>caption lines instead")
    action.add_argument(
        "--from-text", type=Path, metavar="FILE",
        help="read a description in prose instead: what is seen becomes captions, the rest is set aside with the reason",
    )  # fmt: skip
    action.add_argument("-m", "--model", help="with --from-text: cut captions to what this encoder reads")
    action.add_argument(
        "--json", action="store_true", help="with --from-text: what became of each sentence, as JSON on stdout"
    )
    action.add_argument("--licence", default="", help="of the words, such as CC-BY-4.0")
    action.add_argument("--author", default="", help="of the words")
    action.add_argument("--source", default="given by the user", help="where a list comes from")
    action.add_argument("-o", "--output", type=Path, help="the YAML file to write; stdout without")
    action.add_argument("--overwrite", action="store_true", help="replace a file that is there")

    action = actions.add_parser("lint", help="check the words: errors end in exit code 2, warnings do not")
    action.add_argument("files", nargs="+", type=Path, metavar="FILE")
    action.add_argument(
        "-m", "--model", help="also ask this encoder: cut off, unknown words, nearest findings, forecast"
    )
    action.add_argument("--json", action="store_true", help="JSON on stdout")

    action = actions.add_parser("list", help="every finding that there are words for")
    shipped.add_listing(action)

    action = actions.add_parser("show", help="one concept whole, or what is in a .medkt file")
    action.add_argument("name", help="an id or name, a YAML file with one concept, or a .medkt file")
    action.add_argument("--card", action="store_true", help="print the card of a .medkt file")

    action = actions.add_parser("verify", help="check every byte of a .medkt file, and who signed it")
    action.add_argument("file", type=Path)
    _add_trust(action)
    action.add_argument("--json", action="store_true", help="JSON on stdout")

    action = actions.add_parser("sign", help="sign a .medkt file, or make a key for it")
    action.add_argument("file", type=Path, nargs="?")
    action.add_argument("--key", type=Path, help="your private key; its passphrase is read from MEDKT_KEY_PASSPHRASE")
    action.add_argument("--new-key", type=Path, metavar="FILE", help="make a key pair: FILE and FILE.pub")
    action.add_argument("-o", "--output", type=Path, help="write here and leave the file as it is")

    action = actions.add_parser("compose", help="put several .medkt files into one, and show how they interfere")
    action.add_argument("files", nargs="+", type=Path, metavar="FILE")
    action.add_argument("-o", "--output", type=Path, required=True, help="the .medkt file to write")
    action.add_argument("--json", action="store_true", help="JSON on stdout")


def run(arguments: argparse.Namespace) -> int:
    """Carry the command out; returns the exit code, 2 if `lint` finds errors."""
    actions = {
        "new": _new, "lint": _lint, "list": shipped.listing, "show": _show, "verify": _verify, "sign": _sign,
        "compose": _compose,
    }  # fmt: skip
    return actions[arguments.action](arguments)


def _add_trust(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--trusted", type=Path, nargs="+", default=[], metavar="KEY",
        help="public keys, or folders of *.pub; a folder `trust` in medkt's own folder (MEDKT_HOME) is always read",
    )  # fmt: skip
    parser.add_argument("--require-signature", action="store_true", help="refuse what nobody signed")


def _new(arguments: argparse.Namespace) -> int:
    from medkt.concepts import convert_caption_list
    from medkt.concepts.skeleton import skeleton
    from medkt.errors import SettingsError

    if arguments.from_list and (arguments.name or arguments.caption):
        raise SettingsError("--from-list brings names and captions; leave out --name and --caption")
    if arguments.from_text and (arguments.from_list or arguments.caption):
        raise SettingsError("--from-text brings the captions; leave out --from-list and --caption")
    if not arguments.from_text and (arguments.json or arguments.model):
        raise SettingsError("--json and --model are for --from-text FILE; leave them out")
    owed = {"licence": arguments.licence, "author": arguments.author}
    if arguments.from_text:
        return from_prose.new(arguments)
    if arguments.from_list:
        text = convert_caption_list(
            arguments.from_list, modality=arguments.modality, source=arguments.source, **owed
        )  # fmt: skip
    else:
        text = skeleton(arguments.modality, name=arguments.name, captions=arguments.caption, **owed)
    if arguments.output is None:
        print(text, end="")
        return 0
    write_words(arguments.output, text, overwrite=arguments.overwrite)
    print(f"{arguments.output}: fill it in, then `medkt concept lint {arguments.output}`")
    return 0


def _lint(arguments: argparse.Namespace) -> int:
    from dataclasses import asdict

    from medkt.errors import UnreadableError

    problems: list[Problem] = []
    forecasts: list[Forecast] = []
    for path in arguments.files:
        try:
            found, said = _linted(path, arguments.model)
        except UnreadableError as error:  # the other files are still looked at
            found, said = [_unreadable(path, error)], []
        problems += found
        forecasts += said
    errors = sum(problem.level == "error" for problem in problems)
    warnings = sum(problem.level == "warning" for problem in problems)
    if arguments.json:
        shown = {"problems": [asdict(p) for p in problems], "forecasts": [asdict(f) for f in forecasts]}
        print(json.dumps({"errors": errors, "warnings": warnings, **shown}, indent=1, allow_nan=False))
    else:
        for problem in problems:
            print(f"{problem.level}: {problem}")
        for forecast in forecasts:
            print(f"note: {forecast.id}: {forecast.sentence}")
        print(f"errors: {errors}, warnings: {warnings}, files: {len(arguments.files)}")
    return 2 if errors else 0


def _unreadable(path: Path, error: Exception) -> "Problem":
    """A file that is no text or no YAML, as a problem of that file."""
    from medkt.concepts.problem import Problem

    said = " ".join(str(error).split()).removeprefix(str(path)).lstrip(":")
    line, found, rest = said.partition(": ")
    number, said = (int(line), rest) if found and line.isdigit() else (0, said.strip())
    message, _, remedy = said.rpartition("; ")
    return Problem(
        path=str(path), line=number, field="", rule="unreadable", level="error", message=message, remedy=remedy
    )  # fmt: skip


def _linted(path: Path, model: str | None) -> "tuple[list[Problem], list[Forecast]]":
    from medkt.concepts import concepts, parse_concepts
    from medkt.concepts.document import parse_document, read_text
    from medkt.concepts.lint import lint
    from medkt.concepts.schema import HOLDS, check
    from medkt.domains.registry import domains

    text = read_text(path)
    document = parse_document(text, str(path), holds=HOLDS)
    known = domains().values()
    problems = list(
        lint(
            document,
            windows={domain.name: tuple(domain.windows) for domain in known},
            bodies={domain.name: tuple(domain.words) for domain in known},
        )
    )
    if model is None or check(document):
        return problems, []
    from medkt.concepts.encoder_lint import forecast, lint_with
    from medkt.models.registry import load_encoder

    encoder = load_encoder(model)
    problems += lint_with(encoder, document)
    made = [
        forecast(encoder, one, [other for other in concepts().values() if one.modality in ("", other.modality)])
        for one in parse_concepts(text, str(path))
    ]
    return problems, [one for one in made if one is not None]


def _show(arguments: argparse.Namespace) -> int:
    from medkt.concepts import read_package
    from medkt.errors import InputError

    if Path(arguments.name).suffix != ".medkt":
        if arguments.card:
            raise InputError(f"{arguments.name}: only a .medkt file has a card")
        return shipped.show(arguments.name)
    package = read_package(arguments.name)
    if arguments.card:
        print("\n".join(one.card for one in package.learnt))
        return 0
    print(json.dumps(_described(package), indent=1, allow_nan=False))
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
    from medkt.concepts.signature import verify
    from medkt.models.store import home

    own = home() / "trust"
    trusted = [*arguments.trusted, *([own] if own.is_dir() else [])]
    verdict = verify(arguments.file, trusted=trusted, require_signature=arguments.require_signature)
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
    from medkt.concepts.signature import PASSPHRASE, new_key, sign
    from medkt.errors import SettingsError

    if arguments.new_key:
        if arguments.file or arguments.key or arguments.output:
            raise SettingsError("--new-key only makes a key; sign with it in a second command")
        public, fingerprint = new_key(arguments.new_key)
        print(
            f"{arguments.new_key}: your private key, keep it to yourself\n{public}: to pass on, fingerprint {fingerprint}"
        )
        print(f"set {PASSPHRASE} before making a key to lock it with a passphrase", file=sys.stderr)
        return 0
    if not (arguments.file and arguments.key):
        raise SettingsError("say what to sign and with which key: medkt concept sign FILE --key KEY")
    fingerprint = sign(arguments.file, arguments.key, output=arguments.output)
    print(f"{arguments.output or arguments.file}: signed, key {fingerprint}")
    return 0


def _compose(arguments: argparse.Namespace) -> int:
    from medkt.concepts.composition import compose

    package = compose(arguments.files, arguments.output)
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
