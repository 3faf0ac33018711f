"""`medkt batch`: every study of a manifest, with the models loaded once a worker; stops and goes on at any moment.

medkt batch --manifest cohort.csv -c ct_nodule -o runs/x --workers 2
medkt batch --manifest cohort.csv -c cyst.medkt -o runs/y
medkt batch status runs/x
medkt batch retry runs/x --kind timeout
medkt batch merge runs/x
medkt batch verify runs/x
"""

import argparse
import json
from pathlib import Path

from medkt.cli.dry_run import add_dry_run, say_planned
from medkt.cli.fill import add_options, filled
from medkt.cli.terminal import SOME_FAILED, Terminal, exit_code
from medkt.requests.batch import BatchRequest, batch

ACTIONS = ("run", "status", "retry", "merge", "verify")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action", nargs="?", choices=ACTIONS, default="run",
        help="run (also goes on with a run), status, retry (failed cases are done again by the next run), merge (shards), "
        "verify (outcomes, tables and folders against what the run wrote down)",
    )  # fmt: skip
    parser.add_argument(
        "runs", nargs="*", type=Path, metavar="RUN", help="folders of runs, for status, retry, merge and verify"
    )
    parser.add_argument("--kind", default="", metavar="LIST", help="retry only failures of these kinds, with commas")
    parser.add_argument(
        "--partial", action="store_true", help="merge what there is, though cases or shards are missing"
    )
    parser.add_argument("--json", action="store_true", help="JSON lines on stdout: start, case, progress, end")
    add_dry_run(parser)
    add_options(parser, BatchRequest)


def run(arguments: argparse.Namespace) -> int:
    """One of the five actions."""
    from medkt.errors import SettingsError

    if arguments.action == "run":
        return _run(arguments)
    if not arguments.runs:
        raise SettingsError(f"say which run: medkt batch {arguments.action} RUN")
    return {"status": _status, "retry": _retry, "merge": _merge, "verify": _verify}[arguments.action](arguments)


def _run(arguments: argparse.Namespace) -> int:
    request = filled(BatchRequest, arguments)
    if arguments.dry_run:
        from medkt.requests.plans import plan_batch

        say_planned(plan_batch(request, listener=Terminal(arguments)), as_json=arguments.json)
        return 0
    return exit_code(batch(request, listener=Terminal(arguments)).summary)


def _status(arguments: argparse.Namespace) -> int:
    """How far runs are, one line each."""
    from medkt.runs.folder import RunFolder
    from medkt.runs.ledger import Ledger
    from medkt.runs.merge import shards_below
    from medkt.runs.progress import RunStatus, counts_text

    paths = [one for run in arguments.runs for one in (run, *shards_below(run)) if RunFolder(one).ledger.exists()]
    for path in paths or arguments.runs:
        RunFolder(path).read()
        with Ledger(RunFolder(path).ledger, read_only=True) as ledger:
            summary = RunStatus(
                total=ledger.total(), states=ledger.counts(), failures=ledger.failures(), no_claim=ledger.silent()
            )
        print(
            json.dumps({"run": path.name, **summary.plain()}, allow_nan=False)
            if arguments.json
            else f"{path}: {counts_text(summary)}"
        )
    return 0


def _retry(arguments: argparse.Namespace) -> int:
    """Set failed cases back, so that the next run does them again."""
    from medkt.errors import SettingsError
    from medkt.runs.failures import KINDS
    from medkt.runs.folder import RunFolder
    from medkt.runs.ledger import Ledger

    kinds = [kind.strip() for kind in arguments.kind.split(",") if kind.strip()]
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise SettingsError(f"--kind {unknown[0]}: no kind of failure; known: {', '.join(KINDS)}")
    for path in arguments.runs:
        folder = RunFolder(path)
        folder.read()
        with folder.held(), Ledger(folder.ledger) as ledger:
            count = ledger.retry(kinds)
        print(f"{path}: {count} failed cases are pending again; the same `medkt batch --manifest ...` does them")
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    """Say of each run whether it is as it was written; 4 where one is not."""
    from medkt.runs.integrity import verify_run

    found = [verify_run(path) for path in arguments.runs]
    for one in found:
        if arguments.json:
            print(json.dumps(one.plain(), allow_nan=False))
            continue
        checked = ", ".join(f"{count} {what}" for what, count in one.checked.items())
        print(f"{one.run}: {'sound' if one.sound else f'{len(one.problems)} problems'} ({checked})")
        for problem in one.problems:
            print(f"  {problem}")
    return 0 if all(one.sound for one in found) else SOME_FAILED


def _merge(arguments: argparse.Namespace) -> int:
    """Join shards: those below one folder, or those that are named."""
    from medkt.errors import SettingsError
    from medkt.runs.merge import merge_runs, shards_below
    from medkt.runs.progress import counts_text

    below = shards_below(arguments.runs[0]) if len(arguments.runs) == 1 else ()
    parts, target = list(below or arguments.runs), arguments.output or (arguments.runs[0] if below else None)
    if target is None:
        raise SettingsError("say where the merged run goes: medkt batch merge SHARD... -o RUN")
    summary = merge_runs(parts, target, partial=arguments.partial, accept_versions=arguments.accept_versions)
    print(json.dumps(summary.plain(), allow_nan=False) if arguments.json else f"{target}: {counts_text(summary)}")
    return 0
