"""`medkt models`: which models there are, bringing their weights here, checking and passing them on."""

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from medkt.cli.console import drawing_on
from medkt.cli.examination import configure_examine, configure_show, plain_entry, run_examine, run_show
from medkt.cli.fill import add_options, filled
from medkt.cli.loudness import add_loudness
from medkt.progress import Progress
from medkt.requests.listener import Listener
from medkt.requests.model_cards import ModelsPathRequest, models_list, models_path
from medkt.requests.model_store import (
    ImportOptions,
    ModelsExportRequest,
    ModelsImportRequest,
    ModelsPullRequest,
    ModelsVerifyRequest,
    models_export,
    models_import,
    models_pull,
    models_verify,
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.description = "List, fetch, check and pass on model weights. Only `pull` opens a network connection."
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    action = actions.add_parser("list", help="every model that medkt knows, and whether it is here")
    action.add_argument("--json", action="store_true", help="for machines")

    action = actions.add_parser("pull", help="download a model from where it is published")
    add_options(action, ModelsPullRequest)

    action = actions.add_parser("verify", help="hash what is here again, compare, and say who vouches for it")
    add_options(action, ModelsVerifyRequest)
    action.add_argument("--json", action="store_true", help="for machines")

    action = actions.add_parser("import", help="copy weights that you have, or a bundle of `export`, into the store")
    action.add_argument(
        "what",
        nargs="+",
        metavar="[NAME] PATH",
        help="a file or folder, after the name of the model if it is not plain",
    )
    add_options(action, ImportOptions)

    action = actions.add_parser("export", help="write models into one bundle for a machine without a network")
    add_options(action, ModelsExportRequest)

    action = actions.add_parser("path", help="print the folder of a model")
    add_options(action, ModelsPathRequest)

    configure_show(actions.add_parser("show", help="a model's card: licence, weights, and what it understands"))
    configure_examine(actions.add_parser("examine", help="find out what an encoder understands, on drawn pictures"))
    for action in actions.choices.values():
        add_loudness(action)


def run(args: argparse.Namespace) -> int:
    """Carry the command out; returns the exit code, 2 if `verify` finds something wrong."""
    actions = {
        "list": _list,
        "pull": _pull,
        "verify": _verify,
        "import": _import,
        "export": _export,
        "path": _path,
        "show": run_show,
        "examine": run_examine,
    }
    return actions[args.action](args)


def _list(args: argparse.Namespace) -> int:
    entries = models_list()
    if args.json:
        print(json.dumps([plain_entry(entry) for entry in entries], indent=2, allow_nan=False))
        return 0
    from rich.console import Console
    from rich.table import Table

    table = Table("name", "kind", "model", "licence of the weights", "here")
    for entry in entries:
        here = f"{entry.state}: {entry.recognised}" if entry.recognised else entry.state
        table.add_row(entry.name, entry.kind, entry.title, entry.licence, here)
    Console(file=drawing_on(sys.stdout), width=None if sys.stdout.isatty() else 140).print(table)
    return 0


def _pull(args: argparse.Namespace) -> int:
    found = models_pull(filled(ModelsPullRequest, args), listener=_PullTerminal())
    for name, file in found.files.items():
        note = "as its publisher states" if file.stated else "recorded; its publisher states none to compare with"
        print(f"{name}: {file.size} bytes, SHA-256 {file.sha256} ({note})")
    print(found.folder)
    return 0


def _verify(args: argparse.Namespace) -> int:
    found = models_verify(filled(ModelsVerifyRequest, args))
    recognised = {model.name: model.recognised for model in found.models}
    if args.json:
        rows = [
            {
                "model": one.model, "recognised": recognised[one.model] or None, "file": one.file, "state": one.state,
                "stated": one.stated, "vouched_by": one.vouched_by or None,
            }
            for one in found.files
        ]  # fmt: skip
        print(json.dumps(rows, indent=2, allow_nan=False))
    else:
        for name, words in recognised.items():
            if words:
                print(f"{name} was recognised as {words}")
        for one in found.files:
            print(f"{one.state:8} {one.model}/{one.file}: {one.vouched_by or 'nobody vouches for it'}")
    return 0 if found.sound else 2


def _import(args: argparse.Namespace) -> int:
    args.name, args.path = _name_and_path(args.what)
    for found in models_import(filled(ModelsImportRequest, args)):
        if found.recognised:
            print(f"{found.name}: recognised as {found.recognised}; stored as {found.model}")
        unknown = [name for name, file in found.files.items() if not (file.stated or file.signer)]
        print(found.folder)
        if unknown:
            print(f"nobody vouches for {', '.join(unknown)}: compare the SHA-256 with its publisher's", file=sys.stderr)
    return 0


def _name_and_path(words: list[str]) -> tuple[str | None, Path]:
    from medkt.errors import InputError

    if len(words) > 2:
        raise InputError(f"import takes a path, or a name and a path, got {len(words)} arguments")
    return words[0] if len(words) == 2 else None, Path(words[-1])


def _export(args: argparse.Namespace) -> int:
    for found in models_export(filled(ModelsExportRequest, args)):
        print(f"{found.name}: {sum(file.size for file in found.files.values())} bytes")
    print(args.output)
    return 0


def _path(args: argparse.Namespace) -> int:
    print(models_path(filled(ModelsPathRequest, args)))
    return 0


class _PullTerminal(Listener):
    """Says the licence on standard output, and draws a bar a file on standard error."""

    def tell(self, text: str) -> None:
        print(text)

    @contextmanager
    def progress(self, what: str) -> Iterator[Progress]:
        """A bar a file, on the error stream so that what is printed stays clean."""
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn
        from rich.progress import Progress as Bars

        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        tasks: dict[str, Any] = {}
        with Bars(*columns, console=Console(file=drawing_on(sys.stderr))) as bars:

            def show(name: str, here: int, total: int) -> None:
                if name not in tasks:
                    tasks[name] = bars.add_task(name, total=total or None)
                bars.update(tasks[name], completed=here, total=total or None)

            yield show
