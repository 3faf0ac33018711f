"""What a terminal is told while a request is carried out: bars and lines on standard error, for machines JSON lines."""

import argparse
import json
import logging
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from medkt.about import demonstration_of
from medkt.cli.console import drawing_on, shown
from medkt.codes import told
from medkt.errors import MedktError
from medkt.progress import Progress
from medkt.requests.listener import Listener

if TYPE_CHECKING:
    from medkt.runs.folder import RunFolder
    from medkt.runs.progress import RunStatus, Watcher
    from medkt.tasks.cases import CasePlan

log = logging.getLogger(__name__)

STOPPED = {"interrupted": 130, "terminated": 143, "hung up": 129}
SOME_FAILED = 4
NAMED = 10  # failed cases that are named on the terminal


class Terminal(Listener):
    """Tells the user's terminal, as far as `--quiet` and `--json` let it."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._quiet, self._json = bool(arguments.quiet), bool(getattr(arguments, "json", False))
        self._ray = getattr(arguments, "engine", "local") == "ray"
        self.foretells = not self._quiet

    def note(self, text: str) -> None:
        print(f"medkt: {text}", file=sys.stderr)

    def remark(self, text: str) -> None:
        if not self._quiet:
            self.note(text)

    def advise(self, notes: Iterable[str]) -> None:
        say_notes(notes)

    def tell(self, text: str) -> None:
        if not self._quiet:
            print(text, file=sys.stderr, flush=True)  # no error, so without the name of the program before it

    @contextmanager
    def progress(self, what: str) -> Iterator[Progress]:
        """A bar; nothing where it is hidden or standard error is no terminal."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        what, console = shown(what), Console(file=drawing_on(sys.stderr))
        if self._quiet or self._json or not console.is_terminal:
            yield lambda stage, done, total: None  # older versions of rich end a bar that is off with an empty line
            return
        columns = (
            TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        )  # fmt: skip
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(what, total=None)

            def tick(stage: str, done: int, total: int) -> None:
                bar.update(task, description=f"{what}: {stage}", completed=done, total=total)

            yield tick

    @contextmanager
    def watching(self) -> "Iterator[Watcher]":
        """Lines on standard error, and with `--json` the events of the run on standard output."""
        from medkt.runs.progress import Printer

        with own_stdout(self._json and self._ray) as out:
            yield Printer(out=drawing_on(sys.stderr), stream=out if self._json else None, quiet=self._quiet)

    def run_ended(self, folder: "RunFolder", plan: "CasePlan", watcher: "Watcher") -> None:
        say_failures(folder, plan, getattr(watcher, "words", None))


def say_demonstration(encoder: str) -> None:
    """That what the encoder finds is a demonstration, where it is; on standard output, whatever is quiet."""
    if said := demonstration_of(encoder):
        print(f"  {said}")


def say_notes(notes: Iterable[str]) -> None:
    """What a reader should know, unless `--quiet`."""
    if log.isEnabledFor(logging.WARNING):
        for note in notes:
            print(f"  note: {note}", file=sys.stderr)


def say_failed_study(path: Path, error: MedktError, *, as_json: bool) -> None:
    """Why one of several studies failed."""
    print(f"medkt: {' '.join(str(error).split())}", file=sys.stderr)
    if as_json:
        print(json.dumps({"status": "failed", "input_path": str(path), **told(error)}, allow_nan=False))


def exit_of_studies(failures: Sequence[MedktError], studies: int) -> int:
    """0; 4 where some of several studies failed, else the code of the failure; says how many failed."""
    if not failures:
        return 0
    print(f"medkt: {len(failures)} of {studies} studies failed", file=sys.stderr)
    return SOME_FAILED if len(failures) < studies else failures[0].exit_code


def say_failures(folder: "RunFolder", plan: "CasePlan", words: Mapping[int, str] | None = None) -> None:
    """Which cases failed and why, on standard error.

    A manifest's cases are named by their place in it, and by id and file only on a terminal: logs of a cohort are passed on.
    Files hold pseudonyms only. `words` are what errors of this run said, by the case's number, for the terminal too; else,
    as for those of an earlier run, there is the sentence of the code.
    """
    from medkt.io.table import read_rows
    from medkt.runs.columns import CASE

    table = folder.table("failures")
    failed = {int(row["number"]): row for _, row in read_rows(table)} if table.is_file() else {}
    open_names = plan.of_masks or sys.stderr.isatty()
    for number, case in plan.numbered(sorted(failed)[:NAMED]):
        row = failed[number]
        files = "; reference ".join(map(str, (case.image, *case.references)))
        named = f"case {case.case_id} ({files})" if open_names else f"case {number} of the manifest ({row[CASE]})"
        why = (words or {}).get(number, row["message"]) if open_names else row["message"]
        print(f"medkt: {named}: {row['failure']}: {why}", file=sys.stderr)
    if failed:
        more = f"{len(failed) - NAMED} more; " if len(failed) > NAMED else ""
        where = "failures.csv of the run" if not open_names else str(folder.table("failures", "csv"))
        pseudonyms = (
            "" if plan.keep_ids else ", where cases have pseudonyms and the column number is their place in the input"
        )
        print(f"medkt: {more}all failures stand in {where}{pseudonyms}", file=sys.stderr)


@contextmanager
def own_stdout(alone: bool) -> Iterator[TextIO]:
    """Standard output; with `alone` for this stream only: what libraries print goes to standard error meanwhile.

    Ray says on standard output that a node has died, in the middle of what a machine reads as JSON lines.
    """
    if not alone:
        yield sys.stdout
        return
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        os.dup2(2, 1)
        with open(os.dup(kept), "w", encoding="utf-8", buffering=1) as stream:
            yield stream
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


def exit_code(summary: "RunStatus") -> int:
    """0, 4 where cases failed, 129, 130 and 143 where a signal ended the run; says on stderr why it ended."""
    if summary.stopped:
        print(f"medkt: {summary.stopped}; the same command goes on from here", file=sys.stderr)
        return STOPPED.get(summary.stopped, SOME_FAILED)
    return SOME_FAILED if summary.states["failed"] else 0
