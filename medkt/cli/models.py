"""`medkt models`: which models there are, bringing their weights here, checking and passing them on."""

import argparse
import json
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medkt.cli.console import drawing_on
from medkt.cli.examination import configure_examine, configure_show, run_examine, run_show
from medkt.cli.loudness import add_loudness

LONGEST_PULL_S = 6 * 3600.0

if TYPE_CHECKING:
    import medkt.models.download
    import medkt.models.records
    from medkt.models import store


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.description = "List, fetch, check and pass on model weights. Only `pull` opens a network connection."
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    action = actions.add_parser("list", help="every model that medkt knows, and whether it is here")
    action.add_argument("--json", action="store_true", help="for machines")

    action = actions.add_parser("pull", help="download a model from where it is published")
    action.add_argument("name")
    action.add_argument("--accept-licence", action="store_true", help="you accept the licence of the weights")

    action.add_argument(
        "--timeout", type=float, metavar="S", default=LONGEST_PULL_S, help="seconds each file may take; 0 for no limit"
    )

    action = actions.add_parser("verify", help="hash what is here again, compare, and say who vouches for it")
    action.add_argument("names", nargs="*", metavar="name", help="default: every model that is here")
    action.add_argument("--json", action="store_true", help="for machines")

    action = actions.add_parser("import", help="copy weights that you have, or a bundle of `export`, into the store")
    action.add_argument(
        "what",
        nargs="+",
        metavar="[NAME] PATH",
        help="a file or folder, after the name of the model if it is not plain",
    )
    action.add_argument(
        "--as", dest="model", metavar="MODEL",
        help="the model that it is, of `medkt models list`; NAME may then be one of your own, as for weights that you trained",
    )  # fmt: skip
    action.add_argument(
        "--trusted", type=Path, nargs="+", default=[], metavar="KEY",
        help="public keys of sites, or folders of *.pub; a folder `trust` in medkt's own folder (MEDKT_HOME) is always read",
    )  # fmt: skip
    action.add_argument(
        "--accept-unpublished", action="store_true",
        help="take weights from a bundle that differ from what their publisher states and that nobody trusted signed",
    )  # fmt: skip

    action = actions.add_parser("export", help="write models into one bundle for a machine without a network")
    action.add_argument("names", nargs="+", metavar="name")
    action.add_argument("-o", "--output", type=Path, required=True, help="the zip file to write")
    action.add_argument(
        "--key", type=Path, help="sign it with this private key (`medkt concept sign --new-key` makes one)"
    )

    action = actions.add_parser("path", help="print the folder of a model")
    action.add_argument("name")

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
        "show": _show,
        "examine": run_examine,
    }
    return actions[args.action](args)


def _list(args: argparse.Namespace) -> int:
    from medkt.models import store
    from medkt.models.records import records

    entries = [_entry(record, record.name) for kind in ("encoder", "segmenter") for record in records(kind).values()]
    entries += [_own_entry(name) for name in store.own_names()]
    if args.json:
        print(json.dumps(entries, indent=2, allow_nan=False))
        return 0
    from rich.console import Console
    from rich.table import Table

    table = Table("name", "kind", "model", "licence of the weights", "here")
    for entry in entries:
        here = f"{entry['state']}: {entry['recognised']}" if entry["recognised"] else entry["state"]
        table.add_row(entry["name"], entry["kind"], entry["title"], entry["licence"], here)
    Console(file=drawing_on(sys.stdout), width=None if sys.stdout.isatty() else 140).print(table)
    return 0


def _own_entry(name: str) -> dict[str, Any]:
    from medkt.models import store
    from medkt.models.records import record_of

    return _entry(record_of(store.read_manifest(store.folder_of(name)).model), name)


def _entry(record: "medkt.models.records.ModelRecord", name: str) -> dict[str, Any]:
    from medkt.models import store

    found = store.installed(name) if record.files else None
    state = "ships with medkt" if not record.files else "yes" if found else "no"
    return {
        "name": name,
        "model": record.name,
        "kind": record.kind,
        "title": record.title,
        "licence": record.licence.title,
        "licence_summary": record.licence.summary,
        "extra": record.extra,
        "citation": record.citation,
        "state": state,
        "recognised": found.recognised or None if found else None,
        "folder": str(found.folder) if found else None,
        "bytes": sum(file.size for file in found.files.values()) if found else None,
    }


def _pull(args: argparse.Namespace) -> int:
    from medkt.models.download import pull
    from medkt.models.records import record_of

    record = record_of(args.name)
    print(f"{record.title}. Licence of the weights: {record.licence.title}. {record.licence.summary}")
    print(f"See {record.licence.text}")
    with _progress() as progress:
        found = pull(record, accept_licence=args.accept_licence, progress=progress, limit_s=args.timeout or math.inf)
    for name, file in found.files.items():
        note = "as its publisher states" if file.stated else "recorded; its publisher states none to compare with"
        print(f"{name}: {file.size} bytes, SHA-256 {file.sha256} ({note})")
    print(found.folder)
    return 0


def _verify(args: argparse.Namespace) -> int:
    from medkt.errors import WeightsError
    from medkt.models import store
    from medkt.models.records import record_of, records

    here = [name for kind in ("encoder", "segmenter") for name in records(kind) if store.installed(name)]
    own, recognised, findings = store.own_names(), {}, []
    for name in args.names or (*here, *own):
        found = store.installed(name if name in own else record_of(name).name)
        if found is None:
            raise WeightsError(f"{name} is not in {store.folder_of(name)}: pull or import it first")
        recognised[found.name] = found.recognised
        findings += store.verify(found)
    if args.json:
        rows = [
            {
                "model": f.model, "recognised": recognised[f.model] or None, "file": f.file, "state": f.state,
                "stated": f.stated, "vouched_by": _voucher(f) or None,
            }
            for f in findings
        ]  # fmt: skip
        print(json.dumps(rows, indent=2, allow_nan=False))
    else:
        for name, words in recognised.items():
            if words:
                print(f"{name} was recognised as {words}")
        for finding in findings:
            print(f"{finding.state:8} {finding.model}/{finding.file}: {_voucher(finding) or 'nobody vouches for it'}")
    return 0 if all(finding.state == "ok" for finding in findings) else 2


def _voucher(finding: "store.FileCheck") -> str:
    """Who says that a file is what it is called: its publisher, or the site that signed it; "" for nobody."""
    if finding.stated:
        return "as its publisher states"
    if not finding.signer:
        return ""
    from medkt.concepts.signature import trusted_keys

    name = trusted_keys(_trusted()).get(finding.signer)
    return f"signed by {name or 'a key that is no longer trusted'}, key {finding.signer}"


def _trusted() -> list[Path]:
    from medkt.models import store

    own = store.home() / "trust"
    return [own] if own.is_dir() else []


def _import(args: argparse.Namespace) -> int:
    from medkt.errors import InputError
    from medkt.models.bundle import bring, import_bundle, is_bundle
    from medkt.models.records import record_of

    if len(args.what) > 2:
        raise InputError(f"import takes a path, or a name and a path, got {len(args.what)} arguments")
    path = Path(args.what[-1])
    name = args.what[0] if len(args.what) == 2 else None
    if name is None and is_bundle(path):
        if args.model:
            raise InputError(f"{path} is a bundle, which says itself what its models are: leave --as out")
        imported = import_bundle(path, trusted=[*args.trusted, *_trusted()], accept_unpublished=args.accept_unpublished)
    else:
        said = args.model or name
        imported = [bring(record_of(said) if said else _recognised(path), path, name)]
    for found in imported:
        if found.recognised:
            print(f"{found.name}: recognised as {found.recognised}; stored as {found.model}")
        unknown = [name for name, file in found.files.items() if not (file.stated or file.signer)]
        print(found.folder)
        if unknown:
            print(f"nobody vouches for {', '.join(unknown)}: compare the SHA-256 with its publisher's", file=sys.stderr)
    return 0


def _recognised(path: Path) -> "medkt.models.records.ModelRecord":
    from medkt.errors import InputError, WeightsError
    from medkt.models.recognition import recognise

    if not path.exists():
        raise InputError(f"{path} does not exist")
    try:
        return recognise(path, "encoder")[0]
    except WeightsError:
        return recognise(path, "segmenter")[0]


def _export(args: argparse.Namespace) -> int:
    from medkt.models.bundle import export

    for found in export(args.names, args.output, args.key):
        print(f"{found.name}: {sum(file.size for file in found.files.values())} bytes")
    print(args.output)
    return 0


def _path(args: argparse.Namespace) -> int:
    from medkt.models import store
    from medkt.models.records import record_of

    if store.is_own_name(args.name):
        print(store.folder_of(args.name))
        return 0
    record = record_of(args.name)
    if record.files:
        store.weights_path(record)  # says how to bring the model if it is not here
    print(store.folder_of(record.name))
    return 0


def _show(args: argparse.Namespace) -> int:
    from medkt.io.sha256 import sha256_of
    from medkt.models import store
    from medkt.models.records import record_of
    from medkt.models.registry import find

    if store.is_own_name(args.name):
        return run_show(args, entry := _own_entry(args.name), record_of(entry["model"]), _stored_digest(args.name))
    if Path(args.name).exists():
        record, weights = find(args.name, "encoder")
        return run_show(args, _entry(record, args.name), record, sha256_of(weights) if weights else None)
    record = record_of(args.name)
    return run_show(args, _entry(record, record.name), record, _stored_digest(record.name) or _own_digest(record))


def _stored_digest(name: str) -> str | None:
    """The SHA-256 of the weights of a model in the store; None where it is not there."""
    from medkt.models import store

    found = store.installed(name)
    return found.files[found.weights].sha256 if found and found.weights in found.files else None


def _own_digest(record: "medkt.models.records.ModelRecord") -> str | None:
    """Of a model that ships with medkt."""
    from medkt.bounds import parse_json
    from medkt.resources import data_file

    if record.files:
        return None
    stated = data_file(f"medkt/models/small/weights/{record.kind}.json")
    return str(parse_json(stated.read_text(encoding="utf-8"))["sha256"])


@contextmanager
def _progress() -> "Iterator[medkt.models.download.DownloadProgress]":
    """A bar a file, on the error stream so that what is printed stays clean."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    tasks: dict[str, Any] = {}
    with Progress(*columns, console=Console(file=drawing_on(sys.stderr))) as bars:

        def show(name: str, here: int, total: int | None) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=total)
            bars.update(tasks[name], completed=here, total=total)

        yield show
