"""`medkt compare`: two runs over the same cases, pair by pair.

medkt compare runs/a runs/b
medkt compare runs/a runs/b -o compared.html --by sex
"""

import argparse
import json

from medkt.cli.fill import add_options, filled
from medkt.cli.report import page_line
from medkt.requests.compare import CompareRequest, compare


def configure(parser: argparse.ArgumentParser) -> None:
    add_options(parser, CompareRequest)
    parser.add_argument("--json", action="store_true", help="one JSON line a comparison")


def run(arguments: argparse.Namespace) -> int:
    """Say what differs, and how surely."""
    from medkt.cli.say_evaluated import compared_lines
    from medkt.records import as_plain

    found = compare(filled(CompareRequest, arguments))
    if arguments.json:
        print("\n".join(json.dumps(as_plain(line), allow_nan=False) for line in found.lines))
        return 0
    for name, lines in found.compared.ahead.items():
        print(*(f"{name}: {line}\n" for line in lines), sep="", end="")
    print(f"second minus first{found.compared.explained}")
    print("\n".join([*compared_lines(found.compared), *([page_line(found.page)] if found.page else [])]))
    return 0
