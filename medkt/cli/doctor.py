"""`medkt doctor`: what this installation can read, run and find."""

import argparse
import json
import sys
from dataclasses import asdict
from typing import Any

from medkt.cli.console import drawing_on
from medkt.requests.installation import CODECS, check_installation, list_syntaxes


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(arguments: argparse.Namespace) -> int:
    """Print the transfer syntaxes that can be decoded, the device, the packages and the extras; 2 where one of medkt's own is missing."""
    here = check_installation()
    found: dict[str, Any] = {
        "medkt": here.versions, "device": {"cuda": here.cuda, "threads": here.threads}, "extras": here.extras,
        "transfer_syntaxes": _codecs(),
    }  # fmt: skip
    if arguments.json:
        print(json.dumps(found, indent=2, allow_nan=False))
    else:
        _show(found)
    return 0 if all(row["readable"] or row["needs"] == [CODECS] for row in found["transfer_syntaxes"]) else 2


def _codecs() -> list[dict[str, Any]]:
    """Each transfer syntax with pixel data as JSON holds it."""
    return [{**asdict(one), "by": list(one.by), "needs": list(one.needs)} for one in list_syntaxes()]


def _show(found: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(file=drawing_on(sys.stdout))
    console.print("  ".join(f"{name} {version}" for name, version in found["medkt"].items()))
    console.print(f"device: {found['device']['cuda'] or 'CPU'}, {found['device']['threads']} threads")
    shown = (name if there else f"{name} (not installed)" for name, there in found["extras"].items())
    console.print(f"extras: {', '.join(shown)}", markup=False)
    table = Table("transfer syntax", "readable", "by / needs", title="DICOM pixel data")
    for row in found["transfer_syntaxes"]:
        detail = ", ".join(row["by"] if row["readable"] else row["needs"])
        table.add_row(row["name"], "yes" if row["readable"] else "NO", escape(detail))
    console.print(table)
