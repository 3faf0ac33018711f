"""`batch`: every study of a manifest, with the models loaded once a worker; stops and goes on at any moment."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from medkt.requests.cohort import CohortRequest, asked_of, findings_asked
from medkt.requests.listener import SILENT, Listener
from medkt.requests.option import Option, present, requested
from medkt.requests.published import settled
from medkt.requests.work import require_work, run_asked

if TYPE_CHECKING:
    from medkt.runs.progress import RunStatus

WHICH = "say which cases and where to: medkt batch --manifest TABLE -c CONCEPT -o RUN"


@dataclass(frozen=True, kw_only=True)
class BatchRequest(CohortRequest):
    """Which cases, and where the run goes."""

    manifest: Annotated[Path | None, Option("the cases: a CSV or Parquet file", metavar="TABLE")] = None
    output: Annotated[
        Path | None,
        Option("the run's folder; one that is there goes on; only --dry-run does without", short="-o", metavar="RUN"),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResult:
    """What a run over a manifest came to.

    Attributes:
        folder: of the run, or of its shard; its tables are `results.csv`, `failures.csv` and `timings.csv`, and as Parquet.
        summary: how many cases are done and have failed, and why the run was stopped where it was.
    """

    folder: Path
    summary: "RunStatus"


def batch(request: BatchRequest | None = None, /, *, listener: Listener = SILENT, **options: Any) -> BatchResult:
    """Segment every study of a manifest, or what is left of them.

    Args:
        request: what is asked for.
        listener: is told how it goes on.
        **options: fields of the request by name, in its place or over it.

    Raises:
        SettingsError: options that do not go together, or the folder holds a run with others.
        MedktError: from reading the manifest and loading the models; a case that fails is no error.
    """
    from medkt.runs.folder import RunFolder
    from medkt.runs.merge import shard_folder
    from medkt.tasks.base import CaseSource
    from medkt.tasks.registry import task_named

    request = requested(BatchRequest, request, options)
    manifest, output = present(request.manifest, WHICH), present(request.output, WHICH)
    request = settled(request, "batch", "segmentation")
    shard = require_work(request)
    asked = asked_of(request)
    folder = RunFolder(shard_folder(output, shard))
    folder.make()
    source = CaseSource(
        manifest=manifest, shard=shard, keep_ids=request.keep_ids, columns=tuple(request.keep_column),
        cache=folder.path / "manifest.json",
    )  # fmt: skip
    wanted = findings_asked(request, source, asked, command="batch", listener=listener)
    task = task_named("segment")
    done = run_asked(request, task, wanted, folder, whole=output, salt=request.salt, listener=listener)
    return BatchResult(folder=folder.path, summary=done)
