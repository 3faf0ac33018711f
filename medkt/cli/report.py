"""`medkt report`: a run as one HTML file that opens from disk, without a network.

medkt report runs/x
medkt report runs/busi --by class_name -o busi.html
medkt report runs/ct --volumes cases.csv
"""

import argparse
import sys
from pathlib import Path

from medkt.cli.fill import add_options, filled
from medkt.requests.report import ReportRequest, write_report


def configure(parser: argparse.ArgumentParser) -> None:
    add_options(parser, ReportRequest)


def run(arguments: argparse.Namespace) -> int:
    """Write the page of a run, or of a base run and the learnt one beside it."""
    found = write_report(filled(ReportRequest, arguments))
    print(page_line(found.page))
    if found.beside is not None:
        print(f"{found.beside}: the images of the volumes shown; the page needs this folder beside it")
    elif arguments.volumes is not None:
        print(
            "medkt: none of the cases shown is a volume, so there is nothing to view; the pictures are in the page",
            file=sys.stderr,
        )
    return 0


def page_line(page: Path) -> str:
    """What the user is told of a page that was written."""
    return f"{page}: open it in a browser; it needs no network"
