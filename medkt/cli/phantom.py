"""`medkt phantom`: synthetic studies with their answer, for trying things out, tests and benchmarks."""

import argparse
import json

from medkt.cli.fill import add_options, filled
from medkt.requests.phantom import PhantomRequest, list_phantoms, write_phantom


def configure(parser: argparse.ArgumentParser) -> None:
    add_options(parser, PhantomRequest)
    parser.add_argument("--list", action="store_true", help="list the findings that can be drawn")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(arguments: argparse.Namespace) -> int:
    """Write one study and print the path to give to `medkt segment -i`, and that of the reference mask."""
    if arguments.list:
        for finding in list_phantoms():
            print(
                f"{finding.id:<22}{finding.domain:<12}{'held out  ' if finding.held_out else '          '}{finding.name}"
            )
        return 0
    made = write_phantom(filled(PhantomRequest, arguments))
    written = {"study": str(made.study), "reference": str(made.reference), "domain": made.domain}
    print(
        json.dumps(written, allow_nan=False) if arguments.json else f"study: {made.study}\nreference: {made.reference}"
    )
    return 0
