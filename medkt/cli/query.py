"""`medkt query`: the tables of runs in SQL."""

import argparse
import sys
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs="+", metavar="RUN... SQL", help="folders of runs, then one SELECT")
    parser.add_argument(
        "--format",
        choices=("table", "csv", "json"),
        default="table",
        help="how the answer is written (default: %(default)s)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Answer one question; the tables are results, failures and timings."""
    from medkt.errors import SettingsError
    from medkt.runs.query import lines_of, query

    *runs, sql = arguments.words
    if not runs:
        raise SettingsError(
            'give a run and a question: medkt query RUN "SELECT concept, avg(score) FROM results GROUP BY 1"'
        )
    for line in lines_of(query([Path(one) for one in runs], sql), arguments.format):
        print(line, file=sys.stdout)
    return 0
