"""`compare`: two runs over the same cases, pair by pair."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from medkt.requests.option import Option, requested
from medkt.requests.report import PageOptions, write_page
from medkt.requests.work import listed

if TYPE_CHECKING:
    from medkt.tasks.base import RunComparison


@dataclass(frozen=True, kw_only=True)
class CompareRequest(PageOptions):
    """Which two runs, and where their page goes."""

    first: Annotated[Path, Option("the run that is compared with", positional=True, metavar="RUN_A")]
    second: Annotated[Path, Option("the other: differences are B minus A", positional=True, metavar="RUN_B")]
    output: Annotated[Path | None, Option("also write a page, as `medkt report` does", short="-o", metavar="FILE")] = (
        None
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareResult:
    """What differs between two runs.

    Attributes:
        compared: second minus first, over patients.
        page: that was written; None where none was asked for.
    """

    compared: "RunComparison"
    page: Path | None = None

    @property
    def lines(self) -> Sequence[Any]:
        """What differs, each once, of a type of the task's."""
        return self.compared.lines


def compare(request: CompareRequest | None = None, /, **options: Any) -> CompareResult:
    """Compare two runs over the same cases, the second minus the first.

    Args:
        request: what is asked for.
        **options: fields of the request by name, in its place or over it.

    Raises:
        SettingsError: one run is given twice, or the two are of different tasks.
        InputError: the runs hold other cases, concepts, patients or references, or were scored by other rules.
    """
    from medkt.errors import SettingsError
    from medkt.extras import require
    from medkt.tasks.ended_runs import compared
    from medkt.tasks.registry import task_of_runs

    require("runs", "a comparison of runs")
    request = requested(CompareRequest, request, options)
    if request.first.resolve() == request.second.resolve():
        raise SettingsError("a run compared with itself differs in nothing; give two runs")
    runs = {"first": request.first, "second": request.second}
    task = task_of_runs(runs)
    found = compared(task, request.first, request.second, request.bootstrap)
    if request.output is None:
        return CompareResult(compared=found)
    from medkt.tasks.page import render  # with all that draws

    shown = task.page(runs, found, by=listed(request.by), settings=request.bootstrap, cases=request.cases)
    return CompareResult(compared=found, page=write_page(render(task, shown), request.output))
