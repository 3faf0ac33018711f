"""A run over many cases: who works, on which part, when it stops, and what of the manifest shows."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from medkt.requests.listener import SILENT, Listener
from medkt.requests.models import ThreadOptions, require_threads
from medkt.requests.option import Option, Request

if TYPE_CHECKING:
    from medkt.runs.engine import Engine, RunnerFactory
    from medkt.runs.folder import RunFolder
    from medkt.runs.progress import RunStatus
    from medkt.runs.work import Shard
    from medkt.tasks.base import Task
    from medkt.tasks.cases import CasePlan

LONGEST_CASE_S = 6 * 3600.0  # the largest encoders on a processor take an hour or two for a thorax of thin slices


@dataclass(frozen=True, kw_only=True)
class WorkOptions(ThreadOptions):
    """Who works, on which part, and when it stops."""

    engine: Annotated[Literal["local", "ray"], Option("processes here, or a Ray cluster")] = "local"
    ray_address: Annotated[
        str | None, Option("of a Ray cluster that runs; else one is started here", metavar="ADDRESS")
    ] = None
    workers: Annotated[int, Option("how many hold the models at once", short="-w", metavar="N")] = 1
    shard: Annotated[str, Option("only this part of the manifest, counted from 1", metavar="I/N")] = "1/1"
    strict: Annotated[
        bool,
        Option(
            "going on, an input counts as changed by its bytes, which are read each time, and not by its size and time"
        ),
    ] = False
    accept_versions: Annotated[
        bool,
        Option("go on with rows that other versions or weights made; each row says in made_with what made it"),
    ] = False
    timeout: Annotated[
        float,
        Option(f"seconds one case may take, {LONGEST_CASE_S:.0f} unless given; 0 for no limit", metavar="S"),
    ] = LONGEST_CASE_S
    max_failures: Annotated[str | None, Option("stop when more cases than this have failed", metavar="N|P%")] = None


@dataclass(frozen=True, kw_only=True)
class PrivacyOptions(Request):
    """What of the manifest shows."""

    keep_ids: Annotated[bool, Option("the manifest's ids are pseudonyms already: use them")] = False
    salt: Annotated[Path | None, Option("the salt of another run, so that case names agree", metavar="FILE")] = None
    keep_column: Annotated[
        tuple[str, ...],
        Option("columns of the manifest that go into the result table (sex, scanner ...)", metavar="NAME"),
    ] = ()


def require_work(request: WorkOptions) -> "Shard":
    """Which part of the manifest; with it, what is misspelt among the options of `Work` shows before a folder is made.

    Raises:
        SettingsError: no workers, no threads, no such shard, no such limit.
        MissingDependencyError: an extra is missing that the tables, or the engine, need.
    """
    from medkt.errors import SettingsError
    from medkt.extras import require
    from medkt.runs.coordinator import FailureLimit
    from medkt.runs.work import Shard

    require("runs", "a run over many studies")
    if request.engine == "ray":
        require("ray", "--engine ray")
    if request.workers < 1:
        raise SettingsError(f"--workers {request.workers}: at least 1 is needed")
    if not request.timeout >= 0:
        raise SettingsError(f"--timeout {request.timeout}: expected seconds, or 0 for no limit")
    require_threads(request)
    FailureLimit.parse(request.max_failures or "100%")
    return Shard.parse(request.shard)


def identity_of_work(request: WorkOptions) -> dict[str, Any]:
    """What of the options of work belongs to a run's identity."""
    return {"threads": request.threads, "inputs": "bytes" if request.strict else "sizes and times"}


def salt_of(folder: "RunFolder", whole: Path, given: Path | None) -> bytes:
    """The salt of a run, or of its shard: shards that share a folder share a salt, so that their names belong together."""
    from medkt.runs.folder import RunFolder

    if folder.path == whole:
        return folder.salt(given)
    run = RunFolder(whole)
    run.salt(given)
    return folder.salt(run.path / "salt")


def engine_of(request: WorkOptions, factory: "RunnerFactory", folder: "RunFolder") -> "Engine":
    """The workers."""
    from medkt.runs.local import LocalEngine

    place, limit_s = folder.workers.resolve(), request.timeout or None
    if request.engine == "local":
        return LocalEngine(factory, place, workers=request.workers, threads=request.threads, timeout_s=limit_s)
    from medkt.runs.ray import RayEngine

    gpus = 1.0 if getattr(request, "device", "").startswith("cuda") else 0.0
    return RayEngine(
        factory, place, address=request.ray_address, gpus=gpus, workers=request.workers, threads=request.threads,
        timeout_s=limit_s,
    )  # fmt: skip


def run_asked(
    request: WorkOptions,
    task: "Task",
    asked: Any,
    folder: "RunFolder",
    *,
    whole: Path | None = None,
    salt: Path | None = None,
    listener: Listener = SILENT,
) -> "RunStatus":
    """Begin what a task is asked in a folder, or go on with it.

    Args:
        request: who works, on which part, and when it stops.
        task: of the registry.
        asked: what its `plan` takes.
        folder: of the run.
        whole: the folder of all shards, where the run is one of several.
        salt: of another run, so that case names agree.
        listener: is told how it goes on.

    Raises:
        MedktError: as `Task.plan` and `RunFolder.claim`.
    """
    plan = task.plan(asked)
    runner = task.runner(asked, folder)
    folder.make()
    made = salt_of(folder, whole or folder.path, salt)
    identity = task.identity(asked, plan, identity_of_work(request))
    folder.claim(identity, accept_versions=request.accept_versions, today=task.today)
    return run_plan(request, folder, plan, runner, made, listener)


def run_plan(
    request: WorkOptions,
    folder: "RunFolder",
    plan: "CasePlan",
    factory: "RunnerFactory",
    salt: bytes,
    listener: Listener,
) -> "RunStatus":
    """Do what is left of a claimed run."""
    from medkt.runs.coordinator import FailureLimit, run_cohort

    for note in plan.notes:
        listener.note(note)
    with listener.watching() as watcher:
        summary = run_cohort(
            folder, replace(plan, strict=request.strict), engine_of(request, factory, folder), salt=salt,
            limit=FailureLimit.parse(request.max_failures or "100%"), watcher=watcher, accept_versions=request.accept_versions,
        )  # fmt: skip
    listener.run_ended(folder, plan, watcher)
    return summary


def listed(text: str) -> tuple[str, ...]:
    """The words of a list with commas, each once.

    >>> listed("sex, scanner,sex")
    ('sex', 'scanner')
    """
    return tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
