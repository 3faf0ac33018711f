"""The tasks by name, and which of them a run is of. They are loaded when they are asked for."""

from collections.abc import Mapping
from pathlib import Path

from medkt.doors import Door
from medkt.errors import SettingsError
from medkt.runs.folder import RunFolder
from medkt.runs.record import RunRecord
from medkt.tasks.base import Task

TASKS: Door[Task] = Door(
    group="medkt.tasks",
    what="task",
    kind="medkt.tasks.base:Task",
    own={
        "segment": "medkt.tasks.segment.task:TASK",
        "masks": "medkt.tasks.masks.task:TASK",
        "classify": "medkt.tasks.classify.task:TASK",
        "retrieve": "medkt.tasks.retrieve:TASK",
    },
)
"""By name; packages add theirs by entry points."""

_RECORDED = {"classification": "classify", "retrieval": "retrieve"}  # what records call them


def task_named(name: str) -> Task:
    """A task by its name.

    Raises:
        UnknownNameError: there is none of this name; lists those there are.
    """
    return TASKS[name]


def task_of(record: RunRecord) -> Task:
    """The task of a run by its `run.json`; one that names none makes masks, or scores those of two folders.

    Raises:
        UnknownNameError: it is of a task that is not here.
    """
    said = record.identity.get("task")
    if said is None:
        return task_named("masks" if "masks" in record.identity else "segment")
    return task_named(_RECORDED.get(str(said), str(said)))


def task_of_runs(runs: Mapping[str, Path]) -> Task:
    """The task of runs that stand side by side.

    Raises:
        SettingsError: they do different things. InputError: a folder holds no run.
    """
    found = {path: task_of(RunFolder(path).read()) for path in runs.values()}
    if len({task.does for task in found.values()}) > 1:
        one, other = sorted(found.items(), key=lambda item: item[1].does, reverse=True)[:2]
        raise SettingsError(
            f"{one[0]} {one[1].does} and the other run {other[1].does}; two runs of one task can be compared"
        )
    return next(iter(found.values()))
