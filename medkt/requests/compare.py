"""`compare`: two runs over the same cases, pair by pair."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from medkt.requests.evaluated import compared_classes, tells_classes
from medkt.requests.option import Option, requested
from medkt.requests.report import PageOptions, class_report_of, compared_report, write_class_page, write_page

if TYPE_CHECKING:
    from medkt.report.run.class_comparison import ComparedClass
    from medkt.report.run.comparison import ComparedLine
    from medkt.report.run.unclaimed import Unclaimed


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
        lines: second minus first; over patients, each once.
        unclaimed: of runs that made masks, by "first" and "second": of how many cases nothing was claimed.
        classes: whether the runs tell classes apart.
        page: that was written; None where none was asked for.
    """

    lines: "Sequence[ComparedLine | ComparedClass]"
    unclaimed: "Mapping[str, Sequence[Unclaimed]]" = field(default_factory=dict)
    classes: bool = False
    page: Path | None = None


def compare(request: CompareRequest | None = None, /, **options: Any) -> CompareResult:
    """Compare two runs over the same cases, the second minus the first.

    Args:
        request: what is asked for.
        **options: fields of the request by name, in its place or over it.

    Raises:
        SettingsError: one run is given twice, or the two are of different tasks.
        InputError: the runs hold other cases, concepts or patients.
    """
    from medkt.errors import SettingsError
    from medkt.report.run.comparison import compare_runs
    from medkt.report.run.unclaimed import unclaimed_of
    from medkt.runs.folder import RunFolder

    request = requested(CompareRequest, request, options)
    if request.first.resolve() == request.second.resolve():
        raise SettingsError("a run compared with itself differs in nothing; give two runs")
    runs = {"first": request.first, "second": request.second}
    if tells_classes(runs):
        return _classes(request, runs)
    if request.output is not None:
        report = compared_report(request, runs)
        unclaimed = {arm.name: arm.evaluation.unclaimed for arm in report.arms}
        return CompareResult(lines=report.compared, unclaimed=unclaimed, page=write_page(report, request.output))
    tables = [RunFolder(run).require_table("results") for run in runs.values()]
    compared = compare_runs(*tables, settings=request.bootstrap)
    unclaimed = {
        name: unclaimed_of(scores, level=0.95)
        for name, scores in zip(runs, (compared.first, compared.second), strict=True)
    }
    return CompareResult(lines=compared.lines, unclaimed=unclaimed)


def _classes(request: CompareRequest, runs: Mapping[str, Path]) -> CompareResult:
    """Two runs that tell classes apart."""
    lines = compared_classes(request.first, request.second, request.bootstrap)
    target = request.output
    page = None if target is None else write_class_page(class_report_of(request, runs), target)
    return CompareResult(lines=lines, classes=True, page=page)
