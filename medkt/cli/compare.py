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
    from medkt.report.run.unclaimed import headlines

    found = compare(filled(CompareRequest, arguments))
    if arguments.json:
        print("\n".join(json.dumps(as_plain(line), allow_nan=False) for line in found.lines))
        return 0
    for name, unclaimed in found.unclaimed.items():
        print(*(f"{name}: {line}\n" for line in headlines(unclaimed)), sep="", end="")
    print(
        "second minus first, over patients"
        if found.classes
        else "second minus first; a patient's cases count as one pair"
    )
    print(
        "\n".join(
            [*compared_lines(found.lines, classes=found.classes), *([page_line(found.page)] if found.page else [])]
        )
    )
    return 0
