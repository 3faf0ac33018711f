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
from medkt.requests.batch_actions import (
    MergeRequest,
    RetryRequest,
    batch_merge,
    batch_retry,
    batch_status,
    batch_verify,
)
from medkt.requests.option import text_of

ACTIONS = ("run", "status", "retry", "merge", "verify")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action", nargs="?", choices=ACTIONS, default="run",
        help="run (also goes on with a run), status, retry (failed cases are done again by the next run), merge (shards), "
        "verify (outcomes, tables and folders against what the run wrote down)",
    )  # fmt: skip
    parser.add_argument("runs", nargs="*", type=Path, metavar="RUN", help=text_of(RetryRequest, "runs"))
    parser.add_argument("--kind", default="", metavar="LIST", help=text_of(RetryRequest, "kind"))
    parser.add_argument("--partial", action="store_true", help=text_of(MergeRequest, "partial"))
    parser.add_argument("--json", action="store_true", help="JSON lines on stdout: start, case, progress, end")
    add_dry_run(parser)
    add_options(parser, BatchRequest)


def run(arguments: argparse.Namespace) -> int:
    """One of the five actions."""
    actions = {"run": _run, "status": _status, "retry": _retry, "merge": _merge, "verify": _verify}
    return actions[arguments.action](arguments)


def _run(arguments: argparse.Namespace) -> int:
    request = filled(BatchRequest, arguments)
    if arguments.dry_run:
        from medkt.requests.plans import plan_batch

        say_planned(plan_batch(request, listener=Terminal(arguments)), as_json=arguments.json)
        return 0
    return exit_code(batch(request, listener=Terminal(arguments)).summary)


def _status(arguments: argparse.Namespace) -> int:
    """How far runs are, one line each."""
    from medkt.runs.progress import counts_text

    for one in batch_status(runs=arguments.runs):
        line = json.dumps({"run": one.folder.name, **one.summary.plain()}, allow_nan=False)
        print(line if arguments.json else f"{one.folder}: {counts_text(one.summary)}")
    return 0


def _retry(arguments: argparse.Namespace) -> int:
    """Set failed cases back, so that the next run does them again."""
    for path, count in batch_retry(runs=arguments.runs, kind=arguments.kind).items():
        print(f"{path}: {count} failed cases are pending again; the same `medkt batch --manifest ...` does them")
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    """Say of each run whether it is as it was written; 4 where one is not."""
    found = batch_verify(runs=arguments.runs)
    for one in found.runs:
        if arguments.json:
            print(json.dumps(one.plain(), allow_nan=False))
            continue
        checked = ", ".join(f"{count} {what}" for what, count in one.checked.items())
        print(f"{one.run}: {'sound' if one.sound else f'{len(one.problems)} problems'} ({checked})")
        for problem in one.problems:
            print(f"  {problem}")
    return 0 if found.sound else SOME_FAILED


def _merge(arguments: argparse.Namespace) -> int:
    """Join shards: those below one folder, or those that are named."""
    from medkt.runs.progress import counts_text

    made = batch_merge(
        runs=arguments.runs, output=arguments.output, partial=arguments.partial,
        accept_versions=arguments.accept_versions,
    )  # fmt: skip
    line = json.dumps(made.summary.plain(), allow_nan=False)
    print(line if arguments.json else f"{made.folder}: {counts_text(made.summary)}")
    return 0
