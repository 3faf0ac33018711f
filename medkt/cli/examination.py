"""`medkt models examine` and `medkt models show`: what a model understands, found out, and its card."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from medkt.cli.fill import add_options, filled
from medkt.cli.terminal import Terminal
from medkt.requests.examination import ModelsExamineRequest, models_examine
from medkt.requests.model_cards import ModelEntry, ModelsShowRequest, models_show

if TYPE_CHECKING:
    from medkt.examine import Examination


def configure_examine(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `examine`."""
    parser.description = (
        "Asks an encoder pairs of sentences that differ in one thing, each with a drawn picture that decides, and which of two "
        "lesions a sentence means. What is found is kept for these weights: `models show` prints it, `segment` and `learn` warn from it."
    )
    add_options(parser, ModelsExamineRequest, before={"threads": _add_json})


def configure_show(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `show`."""
    parser.description = (
        "Says what is known of a model: whose it is, its licence, what is here, and what it understands."
    )
    add_options(parser, ModelsShowRequest)
    _add_json(parser)


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run_examine(arguments: argparse.Namespace) -> int:
    """Examine, and say what was found and where it lies."""
    from medkt.examine.store import FORM

    found = models_examine(filled(ModelsExamineRequest, arguments), listener=Terminal(arguments))
    if arguments.json:
        record = {
            "examination": FORM.write(found.examination),
            "files": [str(file) for file in found.files],
            "seconds": round(found.seconds, 1),
        }
        print(json.dumps(record, allow_nan=False))
        return 0
    _say_examination(found.examination)
    for file in found.files:
        print(f"  {file}")
    return 0


def run_show(arguments: argparse.Namespace) -> int:
    """Print a model's card."""
    from medkt.examine.store import FORM

    card = models_show(filled(ModelsShowRequest, arguments))
    entry, digest, found = card.entry, card.digest, card.examination
    if arguments.json:
        examined = None if found is None else FORM.write(found)
        record = {**plain_entry(entry), "digest": digest, "examination": examined}
        print(json.dumps(record, indent=2, allow_nan=False))
        return 0
    print(f"{entry.name}: {entry.title}")
    print(f"  {entry.kind}; licence of the weights: {entry.licence}. {entry.licence_summary}")
    print(f"  published in: {entry.citation}")
    print(f"  here: {entry.state}{f', weights {digest[:12]}' if digest else ''}")
    if entry.kind != "encoder":
        return 0
    if found is None:
        print(f"  not examined: `medkt models examine {arguments.name}` finds out what it understands")
        return 0
    _say_examination(found)
    return 0


def plain_entry(entry: ModelEntry) -> dict[str, Any]:
    """An entry of the list as JSON holds it."""
    return {**asdict(entry), "folder": None if entry.folder is None else str(entry.folder)}


def _say_examination(examination: "Examination") -> None:
    from medkt.examine.told import in_a_line, lesions_table, table_of

    print(f"what {examination.encoder} understands ({examination.pairs} drawn pairs a row, guessing gets 0.50)")
    print(f"  {in_a_line(examination)}")
    _print_table(table_of(examination))
    _print_table(lesions_table(examination.lesions, examination.domains))
    found, unknown = examination.dependence, examination.vocabulary
    print(f"  of the score's variance {found.both:.0%} comes with picture and words together")
    print(f"  {len(unknown.unknown)} of {unknown.asked} words of captions are unknown")


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    from medkt.cli.console import drawing_on

    table = Table(*rows[0])
    for row in rows[1:]:
        table.add_row(*row)
    Console(file=drawing_on(sys.stdout), width=None if sys.stdout.isatty() else 140).print(table)
