"""`medkt query`: the tables of runs in SQL."""

import argparse
import sys

from medkt.cli.fill import filled
from medkt.requests.query import QueryRequest, query


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
    from medkt.runs.query import lines_of

    *arguments.runs, arguments.sql = arguments.words
    answer = query(filled(QueryRequest, arguments))
    for line in lines_of(answer, arguments.format):
        print(line, file=sys.stdout)
    return 0
