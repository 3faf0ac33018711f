"""What `batch` does with runs that are there: `status`, `retry`, `merge` and `verify`. No model is loaded."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from medkt.requests.batch import BatchRequest, BatchResult
from medkt.requests.option import Option, Request, requested, text_of
from medkt.requests.work import WorkOptions, listed

if TYPE_CHECKING:
    from medkt.runs.integrity import Soundness


@dataclass(frozen=True, kw_only=True)
class StatusRequest(Request):
    """Which runs, or whole runs of several shards."""

    runs: Annotated[
        tuple[Path, ...],
        Option("folders of runs, for status, retry, merge and verify", positional=True, metavar="RUN"),
    ] = ()


@dataclass(frozen=True, kw_only=True)
class RetryRequest(StatusRequest):
    """Which runs, and which failures of theirs."""

    kind: Annotated[str, Option("retry only failures of these kinds, with commas", metavar="LIST")] = ""


@dataclass(frozen=True, kw_only=True)
class MergeRequest(StatusRequest):
    """Which shards, or the folder that holds them, and where the whole run goes."""

    partial: Annotated[bool, Option("merge what there is, though cases or shards are missing")] = False
    output: Annotated[Path | None, Option(text_of(BatchRequest, "output"), short="-o", metavar="RUN")] = None
    accept_versions: Annotated[bool, Option(text_of(WorkOptions, "accept_versions"))] = False


@dataclass(frozen=True, kw_only=True)
class VerifyRequest(StatusRequest):
    """Which runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyResult:
    """Of each run what was looked at, and what is wrong."""

    runs: "tuple[Soundness, ...]"

    @property
    def sound(self) -> bool:
        """Whether all of them are as they were written."""
        return all(one.sound for one in self.runs)


def batch_status(request: StatusRequest | None = None, /, **options: Any) -> tuple[BatchResult, ...]:
    """How far runs are, and each of their shards.

    Args:
        request: what is asked for.
        **options: fields of the request by name, in its place or over it.

    Raises:
        SettingsError: no run is given. InputError: a folder holds none.
    """
    from medkt.runs.folder import RunFolder
    from medkt.runs.ledger import Ledger
    from medkt.runs.merge import shards_below

    runs = _runs_of(requested(StatusRequest, request, options), "status")
    begun = [one for run in runs for one in (run, *shards_below(run)) if RunFolder(one).ledger.exists()]
    found = []
    for path in begun or runs:
        RunFolder(path).read()
        with Ledger(RunFolder(path).ledger, read_only=True) as ledger:
            found.append(BatchResult(folder=path, summary=ledger.summary()))
    return tuple(found)


def batch_retry(request: RetryRequest | None = None, /, **options: Any) -> Mapping[Path, int]:
    """Set failed cases back, so that the next `batch` does them again; gives how many of each run.

    Args:
        request: what is asked for.
        **options: fields of the request by name, in its place or over it.

    Raises:
        SettingsError: no run is given, or a kind is none. InputError: a folder holds no run.
        OutputError: another process works there.
    """
    from medkt.errors import SettingsError
    from medkt.runs.failures import KINDS
    from medkt.runs.folder import RunFolder
    from medkt.runs.ledger import Ledger

    request = requested(RetryRequest, request, options)
    runs, kinds = _runs_of(request, "retry"), listed(request.kind)
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise SettingsError(f"--kind {unknown[0]}: no kind of failure; known: {', '.join(KINDS)}")
    set_back = {}
    for path in runs:
        folder = RunFolder(path)
        folder.read()
        with folder.held(), Ledger(folder.ledger) as ledger:
            set_back[path] = ledger.retry(kinds)
    return set_back


def batch_merge(request: MergeRequest | None = None, /, **options: Any) -> BatchResult:
    """Join shards: those below one folder, or those that are named.

    Args:
        request: what is asked for.
        **options: fields of the request by name, in its place or over it.

    Raises:
        MedktError: as `medkt.runs.merge.merge_runs`; or nothing says where the whole run goes.
    """
    from medkt.errors import SettingsError
    from medkt.runs.merge import merge_runs, shards_below

    request = requested(MergeRequest, request, options)
    runs = _runs_of(request, "merge")
    below = shards_below(runs[0]) if len(runs) == 1 else ()
    target = request.output or (runs[0] if below else None)
    if target is None:
        raise SettingsError("say where the merged run goes: medkt batch merge SHARD... -o RUN")
    summary = merge_runs(below or runs, target, partial=request.partial, accept_versions=request.accept_versions)
    return BatchResult(folder=target, summary=summary)


def batch_verify(request: VerifyRequest | None = None, /, **options: Any) -> VerifyResult:
    """Whether runs are as they were written: every outcome, the ledger, the tables and the cases' folders.

    Args:
        request: what is asked for.
        **options: fields of the request by name, in its place or over it.

    Raises:
        SettingsError: no run is given. InputError: a folder holds none. UnreadableError: a record is damaged.
    """
    from medkt.runs.integrity import verify_run

    runs = _runs_of(requested(VerifyRequest, request, options), "verify")
    return VerifyResult(runs=tuple(verify_run(path) for path in runs))


def _runs_of(request: StatusRequest, action: str) -> tuple[Path, ...]:
    from medkt.errors import SettingsError

    if not request.runs:
        raise SettingsError(f"say which run: medkt batch {action} RUN")
    return request.runs
